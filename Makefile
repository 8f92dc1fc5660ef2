# The one door for people and for CI. `make help` lists the verbs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PICTURES ?=
PORT ?= 7700

.PHONY: help demo test lint bench format clean

help:
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(VENV)/.product  ## index a sample catalog (or PICTURES=folder) and serve the page
	@$(BIN)/kinlens demo --port $(PORT) $(if $(PICTURES),--pictures "$(PICTURES)")

test: $(VENV)/.dev node_modules/.package-lock.json servers  ## run all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/.dev node_modules/.package-lock.json  ## ruff, mypy strict, tsc for the page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm run --silent types

bench: $(VENV)/.bench  ## measure beside the peers; results go to benchmarks/results
	$(BIN)/python benchmarks/run.py

format: $(VENV)/.dev  ## format and fix what can be
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what make made
	rm -rf $(VENV) node_modules build dist demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Kinlens needs Python 3.11 to 3.13; got %d.%d. Name one: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -m venv $(VENV) || (rm -rf $(VENV); echo "Needed: Python's venv module. On Debian: apt-get install python3-venv" >&2; exit 1)
	@$(PIP) 'pip>=25.1'

$(VENV)/.product: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Kinlens into $(VENV): about 400 MB, a minute or so"
	@$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) 'torch==2.13.0'
	$(PIP) -c constraints.txt -e '.[camera,hub,live,onnxruntime,parquet]' --group lint --group test
	touch $@ $(VENV)/.product

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) -c constraints.txt --group bench
	touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --silent --no-audit --no-fund

# Debian packages that tests use, by the program that each brings.
.PHONY: servers
servers:
	@missing=; \
	command -v chromium >/dev/null || missing="chromium fonts-dejavu-core"; \
	command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing="$$missing firefox-esr"; \
	PATH=$$PATH:/usr/sbin command -v mosquitto >/dev/null || missing="$$missing mosquitto"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	[ -n "$$missing" ] || exit 0; \
	echo "Installing for the tests: $$missing"; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif command -v sudo >/dev/null; then sudo=sudo; \
	else echo "Needed for the tests: $$missing. On Debian: apt-get install $$missing" >&2; exit 1; fi; \
	$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null
