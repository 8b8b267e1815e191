# Two commands set up everything on a machine with Python and make: `make demo` and `make test`.
# `make check` is what each commit passes first.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test soak check bench format completions lock dist clean modern-aws

help:
	@echo "make demo    do the main job against a sandbox organisation, in a throw-away home"
	@echo "make test    run the tests"
	@echo "make soak    run the long forms of the tests, part by part, and print their figures (JOBS=2: 40 minutes)"
	@echo "make bench   measure everything and write bench/RESULTS.md (QUICK=1: a short form)"
	@echo "make check   formatting, lint, types and the laws of the house"
	@echo "make format  format the code"
	@echo "make modern-aws  unpack an AWS CLI v2 for the tests that drive one (67 MB; Linux on x86_64)"
	@echo "make completions  write completions/ from the parser"
	@echo "make lock    write requirements-dev.lock anew, with the newest releases (needs uv)"
	@echo "make dist    build the wheel and the source archive, the same bytes for the same commit"
	@echo "make clean   remove what the other targets made"

demo: $(VENV)/.installed
	$(BIN)/awssso demo --run

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

# PARTS="kills keyring" runs these only, JOBS=2 two at a time where that disturbs no figure.
soak: $(VENV)/.installed-test
	$(BIN)/python tests/soak.py --jobs $(or $(JOBS),1) $(PARTS)

# The tests of `aws sso login` skip without it.
modern-aws: $(VENV)/.installed-test
	$(BIN)/python tests/modern_aws.py

check: $(VENV)/.installed-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/audit.py

# A quarter of an hour on a quiet machine; `make bench ROOMS="warm cold"` measures only these and writes nothing.
bench: $(VENV)/.installed
	QUICK="$(QUICK)" $(BIN)/python -m bench $(ROOMS)

format: $(VENV)/.installed-check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

completions: $(VENV)/.installed
	mkdir -p completions
	$(BIN)/awssso completions bash >completions/awssso.bash
	$(BIN)/awssso completions zsh >completions/_awssso
	$(BIN)/awssso completions fish >completions/awssso.fish
	$(BIN)/awssso completions powershell >completions/awssso.ps1

# For every platform and Python that we support, with the hash of every file; no index is named in it.
lock:
	uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header \
		--extra check --output-file requirements-dev.lock pyproject.toml

# The time of the commit stands in the archives in place of the clock's.
dist: $(VENV)/.installed-test
	umask 022 && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -c \
		"from setuptools import build_meta as b; print(b.build_sdist('dist'), b.build_wheel('dist'))"

clean:
	rm -rf $(VENV) .bench build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Each stamp is one level of dependencies; a change of pyproject.toml or the lock installs again. What tests and checks
# run with is what the lock says, each file by its hash; the second step adds the package itself.
LOCKED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing awssso into $(VENV)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml requirements-dev.lock | $(VENV)/bin/python
	@echo "installing awssso and its tests' dependencies into $(VENV)"
	$(LOCKED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-check: pyproject.toml requirements-dev.lock | $(VENV)/bin/python
	@echo "installing awssso and the linters into $(VENV)"
	$(LOCKED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[check]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-test
