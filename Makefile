# The same .venv serves every target; a stamp inside it records which extras were installed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt
# A test process takes up to 2 GB, so there are at most four.
PROCESSES := --numprocesses logical --maxprocesses 4 --dist worksteal
PYTEST := $(BIN)/python -m pytest $(PROCESSES)

.PHONY: quickstart install test test-slow test-gpu test-oldest coverage mutants lint types format changelog docs docs-check bench clean

quickstart: $(VENV)/.demo
	$(BIN)/python examples/plot_quickstart.py

install: $(VENV)/.dev

test: $(VENV)/.dev
	$(PYTEST)

test-slow: $(VENV)/.dev
	$(PYTEST) -m slow

# The tests that take the device fixture, on a GPU.
test-gpu: $(VENV)/.dev
	$(PYTEST) -k cuda

# The oldest versions that pyproject.toml allows, in an environment of their own.
test-oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet uv
	$(VENV)-oldest/bin/uv pip install --quiet --python $(VENV)-oldest --resolution lowest-direct \
		--constraint .ci/oldest.txt --editable ".[dev]"
	$(VENV)-oldest/bin/python -m pytest $(PROCESSES)

coverage: $(VENV)/.dev
	$(PYTEST) --cov --cov-report term-missing:skip-covered

mutants: $(VENV)/.dev
	$(BIN)/python tools/mutants.py

lint: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/towncrier build --draft --version next > /dev/null

types: $(VENV)/.dev
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

changelog: $(VENV)/.dev
	$(BIN)/towncrier build --draft --version next

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# Doctests, links, the API reference, docstrings, and the site in a browser if there is one.
docs-check: docs
	$(BIN)/python -m pytest -m "slow or not slow" skdevise docs/guide docs/*.rst tests/docs

# Runs the benchmarks of docs/benchmarks.rst at small sizes. DATA is a folder of photos and vectors.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run_all.py $(if $(DATA),--data $(DATA))

clean:
	rm -rf docs/_build docs/gallery docs/api/generated docs/sg_execution_times.rst docs/whats_new.rst build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml .ci/constraints.txt
	$(PIP) --editable ".[demo,plot]"
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml .ci/constraints.txt
	$(PIP) --editable ".[dev]"
	touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(PIP) --editable ".[docs]"
	touch $@
