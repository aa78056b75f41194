# Each target sets up what it needs: a machine with python3 (3.11 to 3.13) and make is enough.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test test-all check bench soak clean

train: .venv/ready  ## python -m src.train; ARGS="model=fashion_cnn data=fashionmnist"
	$(BIN)/python -m src.train $(ARGS)

test: .venv/ready  ## the tests, in a few minutes
	$(BIN)/python -m pytest -n auto $(ARGS)

test-all: .venv/ready  ## with the slow ones
	$(BIN)/python -m pytest -n auto -m "not soak" $(ARGS)

check: .venv/ready  ## style, types and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready  ## speed and memory, as ratios against a bare PyTorch loop
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: .venv/ready  ## the longest tests, an hour of fuzzing (FUZZ_SECONDS=600), and runs killed at random moments and resumed; ARGS="kill --kills 200"
	$(BIN)/python -m pytest -n auto -m soak
	$(BIN)/python -m tests.soak $(ARGS)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache

.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "python 3.11 to 3.13 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test,check]'
	touch $@
