# Each target works alone on a fresh clone: Python >= 3.11, git and make are all it needs.
PYTHON ?= python3
VENV ?= .venv
# Installed once, and again only when what it was made from changed.
INSTALLED := $(VENV)/.installed
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
UV ?= $(VENV)/bin/uv

.PHONY: help install demo test check bench lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(INSTALLED) ## a simulated router renumbers, and commits land: no root, no network, no cluster
	$(VENV)/bin/gitops-prefix demo

test: $(INSTALLED) ## every test whose parts this machine has; PYTEST_ARGS="-k pool" narrows it
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

check: $(INSTALLED) ## lint, format, types, and the architecture as a contract
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(INSTALLED) ## speed and memory, each against a peer or a floor
	$(VENV)/bin/python -m bench

install: $(INSTALLED) ## the virtual environment that the others use

$(INSTALLED): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'gitops-prefix needs Python 3.11 or later, and "$(PYTHON)" is not: name another one, as in `make $(MAKECMDGOALS) PYTHON=python3.12`' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo '"$(PYTHON)" has no venv or ensurepip: on Debian and Ubuntu, `apt install python3-venv`' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-deps --require-hashes --requirement requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

lock: $(INSTALLED) $(UV) ## resolve the dependencies anew, with their hashes
	$(UV) pip compile $(LOCK) pyproject.toml --output-file requirements.lock
	$(UV) pip compile $(LOCK) --all-extras pyproject.toml --output-file requirements-dev.lock
	echo hatchling | $(UV) pip compile $(LOCK) - --constraint requirements-dev.lock --output-file requirements-build.lock

LOCK := --quiet --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11 --custom-compile-command "make lock"

$(VENV)/bin/uv: $(INSTALLED)
	$(PIP) install 'uv>=0.9'

clean: ## what the targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
