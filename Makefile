# Everything a person needs, on a machine with python3, make and git. No Node, no root.
.DEFAULT_GOAL := help
.PHONY: help install run test check format bench torture ui screenshots lock clean
export PYTHONWARNINGS ?=
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UI_SOURCES := src/backbeat/web/openapi.yml \
  $(shell find ui -type f -not -path 'ui/node_modules/*' -not -name openapi.d.ts 2>/dev/null)
STATIC := src/backbeat/web/static/index.html

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.lock pyproject.toml instrument/pyproject.toml tools/make_venv.py
	@$(PYTHON) tools/make_venv.py $(VENV) requirements.lock
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@$(PYTHON) tools/make_venv.py $(VENV) requirements-dev.lock
	@touch $@

$(STATIC): $(UI_SOURCES) $(VENV)/.installed
	@$(BIN)/python tools/build_ui.py

# Compiled here, once: else every start compiles 47,000 lines anew wherever Python is told to write no bytecode.
install: $(VENV)/.installed $(STATIC)  ## make .venv/bin/backbeat
	@$(BIN)/python -m compileall -q src instrument/src

ui: $(STATIC)  ## build the pages

run: install  ## start Backbeat with the example service, and say what to open
	@$(BIN)/backbeat demo

test: install $(VENV)/.installed-dev  ## run the tests; says what it skipped and why
	@$(BIN)/pytest -q -n 2 --dist loadfile

check: $(VENV)/.installed-dev $(STATIC)  ## lint, types, direction of imports, pages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python tools/build_ui.py --check

format:  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install $(VENV)/.installed-dev  ## benchmarks against the peers that are installed
	@$(BIN)/python -m benchmarks

torture: install $(VENV)/.installed-dev  ## kill -9 and corrupted files at full size; takes long
	@$(BIN)/python tests/all_faults.py

screenshots: install $(VENV)/.installed-dev  ## pictures of every page, in screenshots/
	@$(BIN)/python tools/screenshots.py

lock:  ## resolve the dependencies anew (needs uv)
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra demo --group build pyproject.toml -o requirements.lock
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --all-extras --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean:  ## remove what the other targets made
	@rm -rf $(VENV) ui/node_modules src/backbeat/web/static dist .mypy_cache .pytest_cache .ruff_cache
