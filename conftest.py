"""Settings of every test and doctest."""

import os

# Two threads on small matrices, on a machine with two busy cores, mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
