# Every target sets up .venv by itself: `make demo` what the bridge needs, the others what its tests need too.
# Only relative paths are used, so the checkout may stand in a folder whose name has spaces.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet
# Handed to the command behind a target, as in: make test ARGS="-k wear"
ARGS ?=

.PHONY: help demo test lint types contracts docs site bench soak mutation fuzz clean

help:
	@echo 'make demo       simulated equipment behind a real bridge on 127.0.0.1:5020'
	@echo 'make test       all tests (ARGS="-k wear" for some)'
	@echo 'make lint       ruff and codespell'
	@echo 'make types      mypy, strict'
	@echo 'make contracts  which room may import which'
	@echo 'make docs       docs/registers and docs/schema anew, from the maps and the models'
	@echo 'make site       the documents as a site, in build/site'
	@echo 'make bench      throughput, waiting, memory, hostile clients, against other servers'
	@echo 'make soak       ten minutes of a storm over all families (ARGS="--wall 60 --seed 7", or "--wire")'
	@echo 'make mutation   one small fault at a time: do the tests notice? (ARGS="--room datastore")'
	@echo 'make fuzz       ten minutes of bytes nobody expects (ARGS="--minutes 60 --seed 7 server_tcp")'
	@echo 'make clean      remove everything the other targets made'

demo: $(VENV)/.installed
	@exec $(RUN) -m bridge demo $(ARGS)

# Tests that wait for a simulated line leave their core to others: more workers than cores.
test: $(VENV)/.installed-dev
	$(RUN) -m pytest -n 4 --dist worksteal $(ARGS)

lint: $(VENV)/.installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m codespell_lib

types: $(VENV)/.installed-dev
	$(RUN) -m mypy

contracts: $(VENV)/.installed-dev
	$(RUN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' --no-cache --no-logo

# Made beside the old ones first: a map that does not load leaves them as they are.
docs: $(VENV)/.installed
	@rm -rf docs/registers.new docs/schema.new
	@mkdir docs/schema.new
	@$(RUN) -m bridge maps document --all docs/registers.new
	@$(RUN) -m bridge maps schema >docs/schema.new/map.json
	@$(RUN) -m bridge check --print-schema >docs/schema.new/site.json
	@rm -rf docs/registers docs/schema
	@mv docs/registers.new docs/registers
	@mv docs/schema.new docs/schema

site: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

bench: $(VENV)/.installed-dev
	$(RUN) -m benchmarks $(ARGS)

soak: $(VENV)/.installed-dev
	$(RUN) -m tests.storm $(ARGS)

mutation: $(VENV)/.installed-dev
	$(RUN) -m tests.mutation $(ARGS)

# Nothing else needs atheris, and there is no wheel of it for every machine.
fuzz: $(VENV)/.installed-dev
	@$(RUN) -c 'import atheris' 2>/dev/null || $(PIP) install --only-binary atheris --editable '.[fuzz]' || { \
	  echo 'No atheris wheel for this machine (CPython 3.11 to 3.13 on Linux and macOS): fuzz on another.' >&2; exit 1; }
	$(RUN) -m tests.fuzz $(ARGS)

clean:
	rm -rf $(VENV) .venv-pymodbus25 tests/interop/js/node_modules tests/web/js/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv whose interpreter has gone (a new Python, an interrupted set-up) is made anew.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1 || true): expected Python 3.11 or newer." >&2; \
	  echo "Install one and say which: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || { \
	  echo 'Setting up $(VENV) (once, about a minute)...'; \
	  $(PYTHON) -m venv --clear $(VENV) || { \
	    echo 'Could not make $(VENV): on Debian and Raspberry Pi OS run: sudo apt install python3-venv' >&2; exit 1; }; }
	@touch $@

# uvloop makes the bridge faster where a wheel of it exists; the bridge runs without it.
$(VENV)/.installed: pyproject.toml $(VENV)/.made
	@echo 'Installing the bridge into $(VENV)...'
	@$(PIP) install --editable .
	@$(PIP) install --only-binary :all: uvloop >/dev/null 2>&1 || echo 'No uvloop wheel for this machine: going on without.'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	@echo 'Installing the test tools into $(VENV)...'
	@$(PIP) install --editable '.[dev]'
	@touch $@
