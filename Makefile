# Everything runs in .venv; two commands set all up: `make repro` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: Python 3.11 or newer is needed; try make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "error: no virtual environment could be made; on Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/.installed: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## Create .venv and install stroi into it

.PHONY: repro
repro: $(VENV)/.installed ## Run the whole pipeline: from the demo's videos to table and report
	dvc repro
	@echo
	@dvc metrics show
	@echo "Reports:"
	@ls -1 runs/*/report.html

.PHONY: test
test: $(VENV)/.installed-test ## Run the tests; those marked nightly are left out
	OMP_NUM_THREADS=1 STROI_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: test-all
test-all: $(VENV)/.installed-test ## Run all tests, the nightly ones too
	OMP_NUM_THREADS=1 STROI_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m ""

.PHONY: test-openpose
test-openpose: $(VENV)/.installed-test ## Test the build of OpenPose that OPENPOSE_ROOT names
	@test -n "$(OPENPOSE_ROOT)" || { echo "error: no build of OpenPose; make test-openpose OPENPOSE_ROOT=FOLDER" >&2; exit 1; }
	OPENPOSE_ROOT="$(OPENPOSE_ROOT)" python -m pytest -m "" -rA tests/stages/pose/estimators/test_real_openpose.py

.PHONY: test-browser
test-browser: $(VENV)/.installed-test ## Test the reports in Chromium; installs it if there is none
	$(BIN)/python -m pip install --quiet -e '.[browser]'
	command -v chromium >/dev/null || $(BIN)/python -m playwright install --with-deps chromium
	python -m pytest -rs tests/stages/report_page/test_browser.py

.PHONY: lint
lint: $(VENV)/.installed-test ## Run the linters and the type check
	ruff check .
	ruff format --check .
	MYPYPATH=typings mypy -p stroi

.PHONY: docs
docs: $(VENV)/.installed ## Build the documentation site in build/site
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build

.PHONY: bench
bench: $(VENV)/.installed-test ## Run the benchmarks after `make repro`; results go to benchmarks/results
	python benchmarks/demo_pose.py
	python benchmarks/result_table.py demo-xsub
	python benchmarks/make_repro.py
