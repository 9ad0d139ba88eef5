PYTHON ?= python3
VENV ?= .venv
# Further requirements for the environment: make setup WITH="mysqlclient Django==5.2.*"
WITH ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Options of the benchmarks: make bench BENCH="--quick --databases sqlite"
BENCH ?=
# How long, and on which database, chaos is made.
SECONDS ?= 60
DATABASE ?= sqlite
# Jobs in the table of `make scale`.
ROWS ?= 1000000
BENCH_VENV ?= .venv-bench
# Their peers want Python 3.12.
BENCH_PYTHON ?= $(shell for version in 3.13 3.14 3.12; do $(BIN)/python -c \
	"from tests.matrix import interpreter; print(interpreter('$$version'))" 2>/dev/null && break; done)
BENCH_STAMP := $(BENCH_VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage test-all mutants lint format docs pictures bench faults chaos recovery scale clean FORCE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the development environment in .venv

$(STAMP): pyproject.toml $(if $(WITH),FORCE)
ifdef UV
	uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	uv pip install --quiet --compile-bytecode --python $(BIN)/python --group dev --editable . $(WITH:%="%")
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev --editable . $(WITH:%="%")
endif
	@touch $@

demo: setup ## Run the shop's drill on a SQLite file, then say how to look at it
	$(BIN)/python testproject/manage.py demo

test: setup ## Run the tests on SQLite, PostgreSQL and, where there is one, MariaDB
	$(BIN)/python -m tests.run

coverage: setup ## Run the tests of `make test`, and fail where they leave out too much code
	$(BIN)/python -m tests.run --coverage

test-all: setup ## Run the tests on every supported Python, Django and database
	$(BIN)/python -m tests.matrix

mutants: setup ## Break the code on purpose, and see that the tests notice
	$(BIN)/python -m tests.mutants

lint: setup ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## Put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

pictures: setup ## Take the pictures of the documentation anew; needs a Chromium
	$(BIN)/python -m pytest tests/browser/pictures.py

bench: $(BENCH_STAMP) ## Measure django_jobs beside its peers: make bench BENCH="--quick"
	$(BENCH_VENV)/bin/python -m tests.benchmarks $(BENCH)

faults: setup ## Kill, cut, stall and starve workers on each database; takes some minutes
	$(BIN)/python -m tests.run --at-a-time 2 tests/faults

chaos: setup ## Bring chaos upon workers and see what holds: make chaos SECONDS=600 DATABASE=mariadb
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --database $(DATABASE)

recovery: setup ## Measure how soon work goes on after a fault: make recovery DATABASE=postgresql
	$(BIN)/python -m tests.chaos.recovery --database $(DATABASE)

scale: setup ## See how the admin fares beside very many jobs: make scale DATABASE=postgresql ROWS=10000000
	$(BIN)/python -m tests.scale --database $(DATABASE) --rows $(ROWS)
	$(BIN)/python -m tests.scale.retry --database $(DATABASE)

# The peers have an environment of their own, since some of them are particular about Django.
$(BENCH_STAMP): pyproject.toml $(STAMP) $(if $(WITH),FORCE)
ifdef UV
	uv venv --quiet --allow-existing --python $(BENCH_PYTHON) $(BENCH_VENV)
	uv pip install --quiet --compile-bytecode --python $(BENCH_VENV)/bin/python --group bench --editable . $(WITH:%="%")
else
	$(BENCH_PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BENCH_VENV)/bin/python -m pip install --quiet --group bench --editable . $(WITH:%="%")
endif
	@touch $@

clean: ## Remove everything that the other targets made
	rm -rf .album .venv .venv-bench .matrix .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache dist docs/_build
	rm -rf .coverage* tests.sqlite3* testproject/var testproject/db.sqlite3*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

FORCE:
