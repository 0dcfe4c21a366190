# Needs Python 3.11 or newer and make; the page (make web) needs node 20 or newer with npm. Every target sets up what it
# needs; a second run is quick.
PYTHON ?= python3
DATA ?=
OUT ?= demo
STAMP := .stamp
PAGE := src/geoglot/serve/page

.DEFAULT_GOAL := help
.PHONY: help demo web web-check wheel test test-all lint check bench docs clean

help: ## list the targets
	@echo "make TARGET"
	@echo
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The environment of a user: base install only, no torch.
.venv-demo/$(STAMP): pyproject.toml constraints.txt $(shell find src -type f -not -name '*.pyc')
	test -x .venv-demo/bin/python || $(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt .
	touch $@

# The environment of a contributor: with torch (for the CPU), tools and docs.
.venv/$(STAMP): pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.venv/$(STAMP)-docs: .venv/$(STAMP)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

.venv/$(STAMP)-bench: .venv/$(STAMP)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

demo: .venv-demo/$(STAMP) ## index, search in four languages, write demo/report.html; make demo DATA=FOLDER for your own imagery
	.venv-demo/bin/geoglot demo $(if $(DATA),"$(DATA)") --out "$(OUT)"

web/node_modules/$(STAMP): web/package.json web/package-lock.json web/.npmrc
	cd web && npm install --no-save --no-audit --no-fund
	touch $@

$(PAGE)/index.html: web/node_modules/$(STAMP) web/index.html web/vite.config.ts web/tsconfig.json $(shell find web/src web/public -type f)
	cd web && npm run build
	touch $@

web: $(PAGE)/index.html ## build the page that geoglot serve shows

web-check: web/node_modules/$(STAMP) ## check style and types of the page, run its unit tests
	cd web && npm run lint && npm test

wheel: web .venv/$(STAMP) ## build a wheel with the page in it, into dist/
	.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

test: .venv/$(STAMP) ## run the tests (without the slow ones); those of the page where it was built and chromium is installed
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -m "not slow" -n auto --dist worksteal

test-all: .venv/$(STAMP) ## run all tests
	.venv/bin/python -m pytest -q

lint: .venv/$(STAMP) ## check format, style, types and import contracts
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

check: lint test docs ## all that a contributor runs before a pull request

bench: .venv/$(STAMP)-bench ## measure encoding, ingest, search and cold start; writes results/bench/
	.venv/bin/python benchmarks/encoding.py
	.venv/bin/python benchmarks/ingest.py
	.venv/bin/python benchmarks/search.py --keep build/bench/archive
	.venv/bin/python benchmarks/cold_start.py build/bench/archive
	.venv/bin/python -m benchmarks.image_retrieval
	if [ -n "$$GEOGLOT_DATA" ]; then .venv/bin/python -m benchmarks.binary_codes && .venv/bin/python -m benchmarks.reranking; fi

docs: .venv/$(STAMP)-docs ## build the documentation into site/
	.venv/bin/mkdocs build --strict --quiet

clean: ## remove environments, caches and everything generated
	rm -rf .venv .venv-demo build dist site demo $(PAGE) web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
