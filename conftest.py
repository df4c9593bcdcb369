"""Settings of every test and doctest."""

import gc
import os

import hypothesis

# Two threads on small matrices, on a machine with two busy cores, mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The collected tests and the imported packages stay until the end. If the garbage collector visited
# all these objects again and again, it would take a tenth of the time of the tests.
gc.disable()


def pytest_collection_finish():
    """Let the garbage collector visit only what the tests make."""
    # At its first use, hypothesis asks the garbage collector who owns NumPy's generator.
    hypothesis.find(hypothesis.strategies.none(), lambda _: True)
    gc.freeze()
    gc.enable()
