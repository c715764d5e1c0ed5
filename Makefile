# Thin targets: the logic lives in the package. `make book` and `make test` set everything up first.
PYTHON ?= python3.11
# `make env TORCH_INDEX=ADDRESS` takes PyTorch from there: the same versions, such as those without libraries for GPUs
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SHELL := /bin/bash

.PHONY: env book pdf test stress smoke publish bench lint clean

env: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
ifneq ($(strip $(TORCH_INDEX)),)
	grep -E '^torch(vision)?==' requirements.lock | xargs $(PIP) --no-deps --index-url $(TORCH_INDEX)
endif
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

book: env          ## train, execute every chapter, build the book (preset quick)
	$(BIN)/synthgap run --preset quick --yes

smoke: env         ## the same on a handful of images: does everything run?
	$(BIN)/synthgap run --preset smoke --yes

publish: env       ## the preset full, and replace the notebooks that the repository shows; interrupted, it goes on
	$(BIN)/synthgap run --preset full --yes --publish

pdf: env           ## the published book as one file, _build/synthgap.pdf; wants Chromium or Chrome
	$(BIN)/synthgap pdf

test: env
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

stress: env        ## the long tests of faults, too; writes book/reliability.md and its log
	set -o pipefail; $(BIN)/python -m pytest tests/stress --stress --write-reliability -v -s --no-header 2>&1 \
	  | tee book/stress_log.txt

bench: env         ## how fast it is, against the plain way; writes book/performance.md (about ten minutes)
	$(BIN)/python benchmarks/run.py --write

lint: env           ## style, and whether each module imports only what its folder may
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

clean:             ## everything made here but the environment
	rm -rf results _build build .pytest_cache .ruff_cache
