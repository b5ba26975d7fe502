# Each target works alone on a fresh clone: Python >= 3.11, git and make are all it needs.
PYTHON ?= python3
VENV ?= .venv
# The tools of the site.
DOCS ?= .venv-docs
# Installed once, and again only when what it was made from changed.
INSTALLED := $(VENV)/.installed
# What the program itself needs; the tools of its development come on top.
RUNTIME := $(VENV)/.runtime
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
UV ?= $(VENV)/bin/uv

# A process a core, and two more (tests/conftest.py); what a free one finds waiting, it takes.
PYTEST := $(VENV)/bin/python -m pytest --numprocesses auto --dist worksteal

.PHONY: help install demo test test-fast check format coverage soak mutation neighbours bench audit image image-test docs pictures lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(RUNTIME) ## a simulated router renumbers, and commits land: no root, no network, no cluster
	@$(VENV)/bin/python -m gitops_prefix demo

test: $(INSTALLED) ## every test whose parts this machine has; PYTEST_ARGS="-k pool" narrows it
	$(PYTEST) $(PYTEST_ARGS)

test-fast: $(INSTALLED) ## the tests that need no server, no link and no cluster: below a minute on two cores
	$(PYTEST) -m 'not slow' $(PYTEST_ARGS)

coverage: $(INSTALLED) ## every branch of decide, render, plan and the codec is taken by a test of its own
	$(VENV)/bin/python -m tests.branches

soak: $(INSTALLED) ## hours: property tests, kills, walks, releases of the chart, 20,000 changes, an hour of random faults (RANDOM_FAULTS="3600 SEED")
	HYPOTHESIS_PROFILE=thorough $(PYTEST) tests/decide tests/render tests/watch $(PYTEST_ARGS)
	SOAK=1 $(PYTEST) tests/faults/test_kills.py tests/faults/test_words.py tests/faults/test_two_and_five.py tests/daemon/test_proposals_walk.py
	$(VENV)/bin/python -m tests.charts.combinations 100
	$(VENV)/bin/python -m tests.faults.test_storm 60
	$(VENV)/bin/python -m tests.faults.long_run $(LONG_RUN)
	$(VENV)/bin/python -m tests.faults.random_faults $(RANDOM_FAULTS)
	$(VENV)/bin/python -m tests.e2e.links_in_chaos

mutation: $(INSTALLED) ## random mutants of decide and render, and which of them no test notices
	$(VENV)/bin/python -m tests.mutation $(MUTATION_ARGS)

check: $(INSTALLED) ## lint, format, types, and the architecture as a contract
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(INSTALLED) ## what ruff mends by itself
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

neighbours: $(INSTALLED) ## what we commit, beside the true LB-IPAM, MetalLB, external-dns, Flux, Argo CD (.ci/neighbours builds them)
	KUBEBUILDER_ASSETS=$$(.ci/kubernetes) NEIGHBOURS=$$(.ci/neighbours --cached) EVERY_SCENARIO=1 \
	  $(VENV)/bin/python -m pytest -rs tests/neighbours $(PYTEST_ARGS)

bench: $(INSTALLED) ## speed and memory, each against a peer or a floor
	$(VENV)/bin/python -m bench

audit: $(INSTALLED) ## whether an advisory is known of a package that the lock names (asks pypi.org)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip --quiet install --no-deps --require-hashes --requirement requirements-audit.lock
	$(VENV)/audit/bin/pip-audit --require-hashes --disable-pip --requirement requirements.lock

image: ## the container image, as gitops-prefix:dev, by docker or podman, or else by buildah alone (as root)
	@if command -v docker >/dev/null; then docker build --build-arg GITOPS_PREFIX_COMMIT=$$(git rev-parse HEAD) --tag gitops-prefix:dev .; \
	elif command -v podman >/dev/null; then podman build --build-arg GITOPS_PREFIX_COMMIT=$$(git rev-parse HEAD) --tag gitops-prefix:dev .; \
	else .ci/image gitops-prefix:dev; fi

image-test: $(INSTALLED) ## the image, built without an engine's daemon, publishes a renumbering (as root: buildah, runc, mmdebstrap)
	GITOPS_PREFIX_REQUIRE=image,netns,radvd $(VENV)/bin/python -m pytest tests/image $(PYTEST_ARGS)

docs: $(DOCS)/.installed ## the pages of docs/ as a site, in site/; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet

pictures: $(INSTALLED) ## the pictures of docs/pictures, drawn anew: the page in Chromium, a timeline, the demo
	$(VENV)/bin/python -m tests.pictures

install: $(INSTALLED) ## the virtual environment that the others use

$(RUNTIME): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'gitops-prefix needs Python 3.11 or later, and "$(PYTHON)" is not: name another one, as in `make $(MAKECMDGOALS) PYTHON=python3.12`' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo '"$(PYTHON)" has no venv or ensurepip: on Debian and Ubuntu, `apt install python3-venv`' >&2; exit 1; }
	@echo 'Making a virtual environment in $(VENV) ...'
	@$(PYTHON) -m venv $(VENV)
	@echo 'Installing the packages of requirements.lock into it (25 MB; 10 to 30 s) ...'
	@$(PIP) install --no-deps --no-compile --require-hashes --requirement requirements.lock
	@touch $@

$(INSTALLED): pyproject.toml requirements-dev.lock | $(RUNTIME)
	@echo 'Installing the tools of requirements-dev.lock ...'
	@$(PIP) install --no-deps --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Apart from the program's own environment: nothing of it is needed to run or to test.
$(DOCS)/.installed: requirements-docs.lock
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes --requirement requirements-docs.lock
	@touch $@

lock: $(INSTALLED) $(UV) ## resolve the dependencies anew, with their hashes
	$(UV) pip compile $(LOCK) pyproject.toml --output-file requirements.lock
	$(UV) pip compile $(LOCK) --all-extras pyproject.toml --output-file requirements-dev.lock
	echo mkdocs-material | $(UV) pip compile $(LOCK) - --output-file requirements-docs.lock
	echo hatchling | $(UV) pip compile $(LOCK) - --constraint requirements-dev.lock --output-file requirements-build.lock
	echo pip-audit | $(UV) pip compile $(LOCK) - --output-file requirements-audit.lock

LOCK := --quiet --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11 --custom-compile-command "make lock"

$(VENV)/bin/uv: $(INSTALLED)
	$(PIP) install 'uv>=0.9'

clean: ## what the targets made
	rm -rf $(VENV) $(DOCS) site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
