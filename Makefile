# Everything here sets itself up: python3 (3.11 or later, with venv and pip) is all that has to be there.

SHELL := /bin/sh
BIN := .venv/bin
WORKERS ?= 2
ARGS ?=

# an activated environment or the caller's import path is none of ours; without bytecode every process compiles anew
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test lint lint-infra format coverage cli-reference docs-check bench wheel clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

install: ## Make .venv with everything in it; nothing to do when it is there
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if "$$python" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        exec "$$python" -I .ci/install.py; \
	    fi; \
	done; \
	echo "No Python 3.11 or later with venv and pip was found; on Debian: apt-get install python3-venv. Or: make PYTHON=/path/to/python3" >&2; \
	exit 1

demo: install ## The whole life cycle on real data, from a CSV file to a prediction
	@$(BIN)/gcpmlops demo $(ARGS)

test: install ## All tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: install ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-infra: install ## checkov and hadolint on Terraform, manifests, Dockerfiles and pipelines
	@$(BIN)/python .ci/lint_infra.py

format: install ## Sort imports and format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs-check: install ## Generated pages are not stale
	@$(BIN)/python -m pytest -q tests/docs

coverage: install ## Regenerate docs/coverage.md (from a whole test run) and docs/cli.md
	@rm -f .calls
	@GCPMLOPS_RECORD_CALLS="$(CURDIR)/.calls" $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --deselect tests/docs
	@$(BIN)/python -m gcpmlops.emulator.coverage .calls
	@rm -f .calls
	@$(MAKE) --no-print-directory cli-reference

cli-reference: install ## Regenerate docs/cli.md alone
	@$(BIN)/python -m gcpmlops.cli._reference

bench: install ## Start-up, latency and throughput beside their peers
	@$(BIN)/python -m benchmarks $(ARGS)

wheel: install ## dist/*.whl and the source archive
	@rm -rf dist build
	@$(BIN)/python -m build --installer uv --outdir dist .

clean: ## Remove .venv and everything generated
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .calls
	find gcpmlops tests -name __pycache__ -type d -prune -exec rm -rf {} +
