# Every command of the project. `make help` lists them.
#
# The first use makes a virtual environment and installs into it; after that only a change of
# pyproject.toml installs again.

PYTHON ?= python3
# The other frameworks may lag behind the newest Python: make agreement AGREEMENT_PYTHON=python3.12
AGREEMENT_PYTHON ?= $(PYTHON)
# Handed to pytest: make test ARGS="-k plan -x", or "-n 0" for one process that a debugger can stop
ARGS ?=
TORTURE_MINUTES ?= 60
export TORTURE_MINUTES

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
TEST := .venv/.installed-test
DEV := .venv/.installed-dev
AGREEMENT := .venv-agreement/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-all check format agreement bench torture size clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(TEST) ## train on real handwritten digits, evaluate, and label a few of them
	$(BIN)/resnets demo --out runs/demo

# What loads OpenVINO and NNCF has processes of its own: with them in one, workers of the whole suite were seen to end
# without a word, in tests that only waited for other processes.
ENGINES := tests/runtime tests/deployment tests/inference $(addprefix tests/cli/test_,bench.py export.py features.py \
	predict_files.py)

# Two processes of one thread each: two that both use every core wait for one another.
test test-all: export OMP_NUM_THREADS = 1

test: $(TEST) ## the fast suite: what CI runs
	$(BIN)/python -m pytest -m "not slow" -n 2 $(addprefix --ignore=,$(ENGINES)) $(ARGS)
	$(BIN)/python -m pytest -m "not slow" -n 2 $(ENGINES) $(ARGS) || test $$? -eq 5  # 5: ARGS chose none of these

test-all: $(TEST) ## the fast suite and the slow one
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(DEV) ## format, lint, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(DEV) ## put the code in the form that check asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

agreement: $(AGREEMENT) ## compare with timm, transformers, Keras, Caffe and ONNX Runtime, in an environment of their own
	.venv-agreement/bin/python -m pytest tests/agreement $(ARGS)

bench: $(TEST) ## run every script in benchmarks/: us and the peers, side by side
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

torture: $(TEST) ## kills, faults and fuzzing, for TORTURE_MINUTES (60)
	$(BIN)/python -m pytest tests/torture $(ARGS)

size: ## lines of every source file, the largest first
	@$(PYTHON) tests/rules/test_sizes.py

clean: ## remove environments, builds and caches; runs/ stays
	rm -rf .venv .venv-agreement build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp beside each environment says for which pyproject.toml it was made.

new_enough = import sys; sys.exit(sys.version_info < (3, 11) and \
	"resnets needs Python 3.11 or newer, and this is " + sys.version.split()[0] + "; say which: make PYTHON=python3.12")

$(TEST): pyproject.toml
	@$(PYTHON) -c '$(new_enough)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv; the first time this takes minutes, most of them for torch"
	$(PIP) --editable '.[test]'
	@touch $@

$(DEV): pyproject.toml constraints.txt $(TEST)
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(AGREEMENT): pyproject.toml
	@$(AGREEMENT_PYTHON) -c '$(new_enough)'
	test -x .venv-agreement/bin/python || $(AGREEMENT_PYTHON) -m venv .venv-agreement
	.venv-agreement/bin/python -m pip install --disable-pip-version-check --quiet --editable '.[agreement]'
	@touch $@
