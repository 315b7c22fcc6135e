# Needs make and Python 3.11 or newer; every target does its own set-up (first run: about a minute).
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE = $(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet
BENCHMARKS := bench-rca bench-rca-peers bench-unseen bench-pipeline bench-rank bench-simulator \
	bench-detect bench-nab bench-methods bench-alerts bench-learned bench-graph bench-two-faults bench-counterfactual \
	bench-calibration bench-history bench-learn bench-ingest bench-workers bench-api bench-live-day bench-forest

SOAKED := tests/test_graph_store_contract.py tests/test_graph_walks.py \
	tests/test_otlp_metrics_laws.py tests/test_otlp_spans_lines.py tests/test_remote_write_decoding.py tests/test_ingest_kill.py tests/test_ingest_memory.py \
	tests/test_ingest_events_fuzz.py tests/test_api_compression.py tests/test_serve_red_team.py tests/test_metrics_store_laws.py \
	tests/test_metrics_store_kill.py tests/test_metrics_store_files.py tests/test_live_replay.py \
	tests/test_live_faults.py

.PHONY: help install demo test soak services check format bench gallery bench-docs api-reference peers rca-peers cold-start lock picture clean

help: ## Show what each target does
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Put the hypocenter command and the tools into .venv/bin

$(STAMP): locks/build.txt locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Hypocenter needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "Python's venv module is missing (Debian and Ubuntu: apt-get install python3-venv)"; exit 2; }
	@echo "Installing into $(VENV) ..."
	@$(PIP) install --require-hashes -r locks/build.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/dev.txt 2>/dev/null || \
		$(PIP) install --require-hashes -r locks/dev.txt
	@$(PIP) install --no-deps --no-index --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Simulate a shop with a fault, investigate it and write report.html
	@$(BIN)/hypocenter simulate fixtures/scenarios/shop.scenario --out demo-case
	@$(BIN)/hypocenter investigate demo-case --out report.html

test: $(STAMP) ## Run every test; shows coverage, and what was skipped and why
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --cov --cov-report=term $(ARGS)

soak: $(STAMP) ## Try graph stores, parsers, kill -9 and memory under load for long (hours); FILES names some of the tests
	@$(BIN)/python benchmarks/bench_soak.py $(or $(FILES),$(SOAKED))

services: $(STAMP) ## Run all of docker-compose.yml natively, on loopback, until Ctrl-C
	@$(BIN)/python tests/servers/services.py

check: $(STAMP) ## Lint, check formatting, types and import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(STAMP) ## Mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: $(BENCHMARKS) ## Run every benchmark; DATA=folder or HYPOCENTER_DATA names the labelled data
bench-rca: ## Measure accuracy on labelled data, beside trivial methods, and with less or worse known (half an hour)
bench-rca-peers: ## Measure published methods on the same cases (make rca-peers installs them; hours)
bench-unseen: ## Measure accuracy on simulated incidents that nothing was tuned on
bench-two-faults: ## Count how often both of two simultaneous faults are named (half an hour)
bench-counterfactual: ## Compare counterfactuals with the fault-free twins of simulated incidents
bench-calibration: ## Measure whether probabilities mean what they say, and abstention (an hour)
bench-learn: ## Measure what learning from past incidents is worth, and how long it takes (two hours)
bench-pipeline: ## Measure the time of an investigation by size of the system
bench-rank: ## Measure the time of a ranking by number of components
bench-simulator: ## Measure the time of a simulation
bench-detect: ## Measure detection on one core: points a second, state, first detection; beside peers
bench-nab: ## Score detection by the rules of the Numenta Anomaly Benchmark
bench-methods: ## Compare detection with textbook methods and peers by precision-recall area
bench-alerts: ## Count false alarms per series and week, beside recall on labelled cases
bench-learned: ## Measure edges suggested from metrics against known graphs
bench-history: ## Measure the import of a table of incidents: time and memory by its rows
bench-ingest: ## Measure the taking of remote write, client included; beside Prometheus' receiver
bench-workers: ## Measure ticks of detection over many series: read, score, write (needs redis-server, postgresql, victoria-metrics; ten minutes)
bench-live-day: ## Live through a day with 20 faults and calm days: what is noticed, and how often it rings (half an hour)
bench-forest: ## Measure what the forest of shapes adds to continuous detection, and its cost
bench-api: ## Measure the query API over a million anomalies, and an investigation that is asked for (needs postgresql)
bench-graph: ## Measure graph stores: loading, subgraphs and paths (needs java and mvn; half an hour)

$(BENCHMARKS): $(STAMP)
	@$(BIN)/python benchmarks/$(subst -,_,$@).py $(DATA)
	@$(BIN)/python benchmarks/render.py

gallery: $(STAMP) ## Render every labelled case that is ranked wrong into gallery/; DATA or HYPOCENTER_DATA names the data
	@$(BIN)/python benchmarks/gallery.py $(DATA)

bench-docs: $(STAMP) ## Draw docs/benchmarks.md from benchmarks/results
	@$(BIN)/python benchmarks/render.py

api-reference: $(STAMP) ## Write docs/api-reference.md and docs/verdict.schema.json from the code
	@$(BIN)/python tests/servers/api_reference.py

peers: $(STAMP) rca-peers ## Install the libraries that bench-detect and bench-methods compare with, and rca-peers
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/peers.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(VENV)/vus
	@$(BIN)/uv pip install --quiet --python $(VENV)/vus/bin/python --require-hashes -r locks/vus.txt

rca-peers: $(STAMP) ## Install the libraries that bench-rca-peers compares with, into .venv/rca (a GB)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(VENV)/rca
	@$(BIN)/uv pip sync --quiet --python $(VENV)/rca/bin/python --require-hashes locks/rca-peers.txt

cold-start: $(STAMP) ## Train the model of simulated incidents that ships with the package; DATA names their folder (hours)
	@$(BIN)/python benchmarks/cold_start.py $(DATA)

lock: $(STAMP) ## Resolve the newest allowed dependencies into locks/
	@$(COMPILE) pyproject.toml --output-file locks/runtime.txt
	@$(COMPILE) pyproject.toml --group dev --constraint locks/runtime.txt --output-file locks/dev.txt
	@$(COMPILE) --group build --constraint locks/dev.txt --output-file locks/build.txt
	@$(COMPILE) pyproject.toml --group peers --constraint locks/dev.txt --output-file locks/peers.txt
	@$(COMPILE) --group vus --output-file locks/vus.txt
	@$(COMPILE) --group rca-peers --override locks/rca-overrides.in --output-file locks/rca-peers.txt

picture: demo ## Redraw the README's picture of the report (needs chromium)
	@mkdir -p docs/images
	@chromium --headless --no-sandbox --hide-scrollbars --window-size=1200,1500 \
		--screenshot=docs/images/report.png "file://$(CURDIR)/report.html" 2>/dev/null

clean: ## Remove everything that the other targets make
	rm -rf $(VENV) .services .cold-start demo-case gallery report.html .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
