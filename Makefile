# Two commands on a fresh machine: `make demo` and `make test`.
SHELL := bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
READY := $(VENV)/.ready
# Tests wait more than they compute, so there are more workers than cores.
WORKERS ?= $(shell echo $$(($$(nproc) + 2)))
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist worksteal

.PHONY: help setup demo serve test test-groovy test-quick lint lint-python format soak bench dist lock audit clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@echo 'make demo                   send a recorded build'"'"'s report into a catcher and look at it'
	@echo 'make demo TO=me@my.domain   send it for real, through the Postfix of this node'
	@echo 'make demo ONCE=1            end when the mail is accepted'

setup: $(READY) ## Make .venv with the command notify-email in it

$(READY): requirements.lock pyproject.toml hatch_build.py
	@echo 'Setting up $(VENV) (once; about a minute) …'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Send a recorded failing build's report and look at the mail
	@$(BIN)/notify-email demo $(if $(TO),--to '$(TO)') $(if $(filter-out 0,$(ONCE)),--once)

serve: setup ## Run the service
	@$(BIN)/notify-email serve

lint: lint-python ## Check types, style and layers
	@tests/testbed/install-packages.sh
	mvn -q -B -ntp test -Dtest=CodeNarcTest

lint-python: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup ## Run all tests: Groovy, Python, browser, and end to end on a testbed (as root)
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint-python test-groovy
	$(PYTEST) --junitxml=target/pytest.xml --groovy-reports=target/surefire-reports

test-groovy:
	@tests/testbed/install-packages.sh
	@rm -rf target/surefire-reports
	mvn -q -B -ntp test

test-quick: setup ## Run the tests that need no root, no browser, no server and no other programs
	@$(PYTEST) -q -m 'not (testbed or browser or postgresql or jenkins or slow)'

soak: setup ## Kill and disturb the service for hours, and count (KILLS=10000, LOAD=3600 seconds)
	@tests/testbed/install-packages.sh
	@KILLS=$(or $(KILLS),10000) LOAD=$(or $(LOAD),3600) $(BIN)/python -m tests.testbed.soak

bench: setup ## Measure; writes bench/results.json (ONLY=throughput: a part of it)
	@tests/testbed/install-packages.sh
	@mvn -q -B -ntp process-test-classes
	@$(BIN)/python -m bench $(ONLY)

dist: setup ## Make dist/: all that a node without a clone needs (docs/install.md)
	@rm -rf dist
	$(BIN)/hatchling build -t wheel -d dist
	@cp deploy/requirements.lock deploy/systemd/notify-email.service deploy/systemd/notify-email-log.service dist/

format: setup ## Format the Python code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

UV_COMPILE = $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
  --python-version 3.11

lock: setup ## Renew requirements.lock, and of it what the service and its image need: deploy/*.lock
	$(BIN)/pip install -q uv
	$(UV_COMPILE) pyproject.toml --upgrade --all-extras -o requirements.lock
	$(UV_COMPILE) pyproject.toml --extra demo --extra postgresql --no-annotate --constraint requirements.lock -o deploy/requirements.lock
	$(UV_COMPILE) - --no-annotate --constraint requirements.lock -o deploy/build.lock <<<'hatchling'

audit: setup ## Look for known vulnerabilities in what requirements.lock names (needs PyPI's advisories)
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements.lock || { \
	  echo 'There are advisories, or PyPI did not answer: see above.' >&2; exit 1; }

clean: ## Remove what was made
	rm -rf $(VENV) target build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
