"""MLflow's server behind the front door: `-m flows.platform.mlflow_server --host … --port …`.

Its store and the folder of its artifacts come from the environment (MLFLOW_BACKEND_STORE_URI,
MLFLOW_ARTIFACTS_DESTINATION): what stands on a command line is read by everybody on the machine, and the store's
address may hold a password. One process serves, where `mlflow server` starts a second one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from flows.platform.front_door import App, FrontDoor
from flows.platform.login import login
from tasks.settings import get_settings, without_password

OPEN_PATHS = ("/health", "/version")
THIS_MACHINE = ("localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "[[]::1]", "[[]::1]:*")


def own_login(environment: Mapping[str, str]) -> bool:
    """Whether somebody has set up MLflow's users: then it asks for them itself."""
    return bool(environment.get("MLFLOW_AUTH_CONFIG_PATH"))


def serve(host: str, port: int) -> None:
    """Serve until a signal ends it."""
    store = os.environ["MLFLOW_BACKEND_STORE_URI"]
    names = get_settings().public_names
    # MLflow checks names and pages too; what it takes for granted is more than this machine.
    ours = [*THIS_MACHINE, host, f"{host}:*", *names, *(f"{name}:*" for name in names)]
    os.environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", ",".join(ours if _is_local(host) else ["*"]))
    if names:
        origins = [f"{scheme}://{name}" for name in names for scheme in ("https", "http")]
        os.environ.setdefault("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", ",".join([*origins, *(f"{o}:*" for o in origins)]))
    try:
        app = _application(store)
    except Exception as error:  # noqa: BLE001 - one line in the log, whatever it was, and no address with its password
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        sys.exit(f"MLflow cannot use its store at {without_password(store)}: {first}")
    import uvicorn

    guard = None if own_login(os.environ) else login()
    door = FrontDoor(app, guard, names=names, open_paths=OPEN_PATHS)
    uvicorn.run(door, host=host, port=port, log_level="warning", access_log=False)


def _application(store: str) -> App:
    """MLflow's own application, told what `mlflow server` tells its processes."""
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
    if own_login(os.environ):
        from mlflow.server.auth import bootstrap_admin_user, create_app

        bootstrap_admin_user()
        made: App = create_app()
        return made
    from mlflow.server.fastapi_app import app

    served: App = app
    return served


def _is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="MLflow's server, for those who know its login.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args()
    serve(options.host, options.port)


if __name__ == "__main__":
    main()
