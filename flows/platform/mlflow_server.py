"""MLflow's server behind the front door: `-m flows.platform.mlflow_server --host … --port …`.

Its store and the folder of its artifacts come from the environment (MLFLOW_BACKEND_STORE_URI,
MLFLOW_ARTIFACTS_DESTINATION): what stands on a command line is read by everybody on the machine, and the store's
address may hold a password. With one worker one process serves, where `mlflow server` starts a second.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from logging.config import dictConfig

from flows.platform.front_door import App, FrontDoor
from flows.platform.log_lines import configuration, in_json
from flows.platform.login import login
from tasks.settings import get_settings, hidden, without_password

OPEN_PATHS = ("/health", "/version")
THIS_MACHINE = ("localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "[[]::1]", "[[]::1]:*")


def serve(host: str, port: int, workers: int) -> None:
    """Serve until a signal ends it."""
    store = os.environ["MLFLOW_BACKEND_STORE_URI"]
    _allow(host, get_settings().public_names)
    if in_json():
        os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"  # its own handlers know no JSON
        dictConfig(configuration())
    try:
        _prepare(store)
    except Exception as error:  # noqa: BLE001 - one line in the log, whatever it was, and no address with its password
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        sys.exit(f"MLflow cannot use its store at {without_password(store)}: {hidden(first, store)}")
    import uvicorn

    app = "flows.platform.mlflow_server:application"
    uvicorn.run(
        app,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        access_log=False,
        log_config=configuration() if in_json() else uvicorn.config.LOGGING_CONFIG,
    )


def application() -> FrontDoor:
    """MLflow's own application behind the door; where somebody has set up its users, it asks for them itself."""
    served: App
    if os.environ.get("MLFLOW_AUTH_CONFIG_PATH"):
        from mlflow.server.auth import create_app

        served, known = create_app(), None
    else:
        from mlflow.server.fastapi_app import app

        served, known = app, login()
    return FrontDoor(served, known, names=get_settings().public_names, open_paths=OPEN_PATHS)


def _prepare(store: str) -> None:
    """Create or upgrade the store's tables, and say what `mlflow server` says to its processes."""
    import uvicorn  # noqa: F401 - MLflow takes itself for a server only where one is loaded before it
    from mlflow.server import constants, handlers

    artifacts = "mlflow-artifacts:/"
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: store,
        constants.REGISTRY_STORE_URI_ENV_VAR: store,
        constants.ARTIFACT_ROOT_ENV_VAR: artifacts,
        constants.ARTIFACTS_DESTINATION_ENV_VAR: os.environ["MLFLOW_ARTIFACTS_DESTINATION"],
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
    }
    handlers.initialize_backend_stores(store, store, artifacts)


def _allow(host: str, names: Sequence[str]) -> None:
    """MLflow checks names and pages too; by default it refuses declared names, and answers more than this machine's."""
    ours = [*THIS_MACHINE, *names, *(f"{name}:*" for name in names)]
    os.environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", ",".join(ours) if _is_local(host) else "*")
    origins = [f"{scheme}://{name}" for name in names for scheme in ("https", "http")]
    if origins:
        ports = [f"{origin}:*" for origin in origins]
        os.environ.setdefault("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", ",".join([*origins, *ports]))


def _is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="MLflow's server, for those who know its login.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    serve(options.host, options.port, options.workers)


if __name__ == "__main__":
    main()
