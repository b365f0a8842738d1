# Every entry that a person needs. `make demo` and `make test` install what they need themselves.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The tests start our programs many hundred times: they are not to be compiled each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup packages test-packages bench-packages tools demo test lint bench validate soak removals clean

setup: packages $(STAMP)

# Debian packages; says in one line what is missing where we may not install.
packages:
	@bash tools/debian-packages.sh tools/debian-packages.txt lab/debian-packages.txt

test-packages: packages
	@bash tools/debian-packages.sh tests/debian-packages.txt

$(STAMP): requirements.lock pyproject.toml | packages
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Python の依存をインストールします（requirements.lock、ハッシュ照合）" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

tools: setup
	@$(BIN)/python tools/build.py

# Builds the tools itself, once it knows that the laboratory can run here.
demo: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: setup test-packages tools lint
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 -m "not e2e"
	@# A file at a time on each core: the tests of a file share a laboratory, and laboratories know nothing of each other.
	@# In the order of folders: the long files of faults begin first, so that no core waits for them at the end.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m e2e

# Debian packages of the programs that ours are compared with.
bench-packages: packages
	@bash tools/debian-packages.sh benchmarks/debian-packages.txt

bench: setup bench-packages
	@$(BIN)/python -m benchmarks

# Theory, published cases and a published week against our engines: one table, exit code 1 where any fails.
validate: setup
	@$(BIN)/python -m capacity.simulation.validation --surf-week tests/cases/capacity/opendc-surf-week

# Kills a deployment a hundred times at random moments; each must be followed by one that reaches the wanted state.
soak: setup tools
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.faults.soak --kills 100

# Takes what answers each fault out of a copy of the project; its test must fail there. About half an hour.
removals: setup tools
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.faults.removals

clean:
	rm -rf out .lab .state build
