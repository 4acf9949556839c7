# What one does here. Only `python3` (3.11 or newer) is needed; everything else comes into .venv.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
RUN_STAMP := $(VENV)/.requirements
S3_STAMP := $(VENV)/.requirements-s3
BROKERS_STAMP := $(VENV)/.requirements-brokers
OTEL_STAMP := $(VENV)/.requirements-otel
DEV_STAMP := $(VENV)/.requirements-dev
# What a bucket, a broker or a collector needs comes where the settings name one.
BUCKET := $(shell (env; cat .env 2>/dev/null || :) | grep -E '^(STORAGE_URL=.?s3:|S3_BUCKET=.)' || :)
BROKER := $(shell (env; cat .env 2>/dev/null || :) | grep -E '^(JOBS|EVENTS)_URL=.?(nats|tls|amqps?):' || :)
COLLECTOR := $(shell (env; cat .env 2>/dev/null || :) | grep -E '^OTEL_EXPORTER_OTLP_ENDPOINT=.' || :)
CLIENTS := tests/clients
# CI has two cores. Three more workers have them while other tests wait for a clock, which is half of their time.
# A file's tests stay on one worker, because they may share a server; in which order, and which of them are of one
# kind, tests/conftest.py says.
PYTEST := $(BIN)/python -m pytest -q
# A quarter of each start of a server, and half of collecting, is compiling where no bytecode may be kept.
test test-long test-crowds test-s3-full: export PYTHONDONTWRITEBYTECODE :=
# All of them, so that the other tests need not be collected once more: tests/architecture/test_tests.py.
SERIAL := tests/chaos
BY_FILE := --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- running -----------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(RUN_STAMP) $(if $(BUCKET),$(S3_STAMP)) $(if $(BROKER),$(BROKERS_STAMP)) $(if $(COLLECTOR),$(OTEL_STAMP)) ## create .venv with the pinned requirements

.PHONY: s3
s3: $(S3_STAMP) ## add what a bucket needs; `make run` does so by itself where the settings name one

.PHONY: brokers
brokers: $(BROKERS_STAMP) ## add what NATS and RabbitMQ need; `make run` does so by itself where the settings name one

.PHONY: otel
otel: $(OTEL_STAMP) ## add what an OpenTelemetry collector needs; `make run` does so by itself where the settings name one

.PHONY: run
run: setup ## serve on http://127.0.0.1:8888
	@exec $(BIN)/python starter.py serve

.PHONY: migrate
migrate: setup ## bring the database to the newest schema (the server does so at its start, too)
	@$(BIN)/python starter.py migrate

# --- checking ----------------------------------------------------------------------------------------------------

.PHONY: test
test: $(DEV_STAMP) clients ## run every test but the long ones
	@failed=0; \
	$(PYTEST) -n 5 $(BY_FILE) -m "not serial and not long" || failed=1; \
	echo "Now those that need much of the machine, two at a time:"; \
	$(PYTEST) -n 2 $(BY_FILE) -m "serial and not long" $(SERIAL) || failed=1; \
	if [ $$failed = 1 ]; then \
		echo "What failed is tried once more, alone; if it passes now it is a flaky test, to be mended:"; \
		$(PYTEST) --last-failed --last-failed-no-failures=none -m "not long"; \
	fi

.PHONY: test-long
test-long: $(DEV_STAMP) clients ## soaks, the full chaos and the power cuts; takes its time
	@$(PYTEST) -m "long"

.PHONY: test-crowds
test-crowds: $(DEV_STAMP) clients ## a minute of `make thrash` and two of `make soak`, as CI has them
	@$(PYTEST) -m "long" tests/chaos/test_long_runs.py

# A bucket of Ceph's radosgw, where its packages are, else rclone's. CROWD=50: fewer clients.
.PHONY: thrash
thrash: $(DEV_STAMP) ## a cluster under 200 clients of which something is killed every 5 s; MINUTES=10
	@$(BIN)/python -m tests.chaos.crowd.thrash --minutes $(or $(MINUTES),10) --clients $(or $(CROWD),200)

.PHONY: soak
soak: $(DEV_STAMP) ## a server under all kinds of clients for MINUTES=60: what grows, what is left over
	@$(BIN)/python -m tests.chaos.crowd.soak --minutes $(or $(MINUTES),60) --clients $(or $(CROWD),60)

# Ceph's packages: apt install ceph-mon ceph-osd radosgw ceph-common
.PHONY: test-s3-full
test-s3-full: $(DEV_STAMP) ## what concerns S3 once more, on a Ceph radosgw of Debian's packages
	@$(BIN)/python -m tests.support.processes.radosgw -- $(PYTEST) -k "s3" \
		tests/contract/test_chunk_storage.py tests/contract/test_blob_storage.py tests/contract/test_medium.py tests/contract/test_health.py \
		tests/adapters/test_s3.py tests/e2e/test_s3.py tests/e2e/test_tus_core.py tests/e2e/test_tus_checksum.py \
		tests/e2e/test_tus_concatenation.py tests/e2e/test_form_upload.py tests/e2e/test_files.py

.PHONY: lint
lint: $(DEV_STAMP) ## ruff, mypy --strict, import contracts, requirements up to date and without known flaws
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) page-types
	@$(BIN)/python scripts/check_requirements.py
	@$(BIN)/python scripts/audit.py

# Types of the page's modules, which are in JSDoc; without npm they are not looked at.
.PHONY: page-types
page-types: clients
	@if [ -x $(CLIENTS)/node_modules/.bin/tsc ]; then $(CLIENTS)/node_modules/.bin/tsc -p adapters/inbound/http/page/tsconfig.json; fi

.PHONY: check
check: lint test ## what has to be green before a commit: lint and test

.PHONY: format
format: $(DEV_STAMP) ## let ruff put the code in shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# --- measuring ---------------------------------------------------------------------------------------------------

.PHONY: bench
bench: $(DEV_STAMP) ## measure against the peers; table and benchmarks/results/latest.json
	@$(BIN)/python -m benchmarks

.PHONY: bench-smoke
bench-smoke: $(DEV_STAMP) ## tiny sizes: only that every measurement runs
	@$(BIN)/python -m benchmarks --smoke

.PHONY: scale
scale: $(DEV_STAMP) ## measure how cost grows, from a thousand rows to a million: docs/scale.md; twenty minutes, 10 GiB of disk
	@$(BIN)/python -m benchmarks.growth

# --- documents ---------------------------------------------------------------------------------------------------

.PHONY: picture
picture: $(DEV_STAMP) ## take the README's picture of the page again (docs/page.webp); needs Chromium
	@$(BIN)/python scripts/page_picture.py

.PHONY: collection
collection: setup ## write longshore.postman_collection.json, for Postman, Bruno or Insomnia
	@$(BIN)/python scripts/collection.py > longshore.postman_collection.json
	@echo "longshore.postman_collection.json: import it; the variable base says where the server is"

# --- a package ---------------------------------------------------------------------------------------------------

.PHONY: wheel
wheel: | $(BIN)/python ## build what pip installs: dist/longshore-*.whl
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .
	@ls dist/longshore-*.whl

# --- keeping house -----------------------------------------------------------------------------------------------

.PHONY: requirements
requirements: $(DEV_STAMP) ## pin again what pyproject.toml names
	@$(BIN)/python scripts/check_requirements.py --write

.PHONY: clean
clean: ## remove caches, installed packages of the tests, bench results; .venv and var/ stay
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@rm -rf $(CLIENTS)/node_modules benchmarks/node_modules benchmarks/.venv benchmarks/.work benchmarks/results
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# npm brings the real clients. Without it, or without its registry, their tests say why they are skipped.
.PHONY: clients
clients:
	@if [ ! -f $(CLIENTS)/package-lock.json ]; then exit 0; fi; \
	stamp=$(CLIENTS)/node_modules/.installed; \
	if ! command -v npm >/dev/null; then \
		echo "npm is not on PATH: the tests of JavaScript clients will be skipped."; \
	elif [ ! $$stamp -nt $(CLIENTS)/package-lock.json ]; then \
		echo "Installing the JavaScript clients into $(CLIENTS)/node_modules ..."; \
		if npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null; then \
			touch $$stamp; \
		else \
			echo "npm ci failed: the tests of JavaScript clients will be skipped."; \
		fi; \
	fi

$(BIN)/python:
	@for python in "$(PYTHON)" python3.11 python3.12 python3.13; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			"$$python" -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); echo "Could not create $(VENV). On Debian: apt install python3-venv" >&2; exit 1; \
		fi; \
	done; \
	echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3 ..." >&2; exit 1

$(RUN_STAMP): requirements.txt | $(BIN)/python
	@echo "Installing the pinned requirements into $(VENV) ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(S3_STAMP): requirements-s3.txt | $(BIN)/python
	@echo "Installing what a bucket needs into $(VENV) ..."
	@$(PIP) -r requirements-s3.txt
	@touch $@

$(BROKERS_STAMP): requirements-brokers.txt | $(BIN)/python
	@echo "Installing what a broker needs into $(VENV) ..."
	@$(PIP) -r requirements-brokers.txt
	@touch $@

$(OTEL_STAMP): requirements-otel.txt | $(BIN)/python
	@echo "Installing what an OpenTelemetry collector needs into $(VENV) ..."
	@$(PIP) -r requirements-otel.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt | $(BIN)/python
	@echo "Installing the pinned development requirements into $(VENV) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@ $(RUN_STAMP) $(S3_STAMP) $(BROKERS_STAMP) $(OTEL_STAMP)
