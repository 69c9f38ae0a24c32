"""What servers, workers and flow runs of this platform read from their environment."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flows.platform.addresses import Addresses, answers, running
from flows.platform.errors import OpenAddressError
from tasks.settings import CHECKOUT, get_settings

DAYS_KEPT = 90
MINIMUM_PASSWORD = 12


def environment(addresses: Addresses) -> dict[str, str]:
    """The environment of every child; what a person has set for Prefect's own tuning stays as it is."""
    home = get_settings().home.resolve()
    tuning = {
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(DAYS_KEPT * 24 * 3600),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MPLBACKEND": "Agg",
    }
    ours = {
        "RAPTORFLOW_HOME": str(home),
        "RAPTORFLOW_CHECKOUT": str(CHECKOUT),
        "PYTHONPATH": str(CHECKOUT),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": addresses.prefect_api,
        "PREFECT_SERVER_UI_API_URL": addresses.prefect_api if addresses.is_local else "/api",
        "MLFLOW_TRACKING_URI": tracking_address(addresses),
    }
    return tuning | dict(os.environ) | ours | _passwords(addresses, home)


def join_running() -> None:
    """Point this process at the platform that runs from this home, if one answers; two servers share no database.

    Its runs' logs are on their pages; the terminal stays quiet.
    """
    here = running()
    if here is not None and answers(f"{here.prefect_api}/health", seconds=5):
        os.environ |= environment(here) | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
        get_settings.cache_clear()


def serves_mlflow() -> bool:
    """Whether the MLflow store is a database of ours to serve, not somebody else's server."""
    return not get_settings().mlflow_tracking_uri.startswith(("http://", "https://"))


def tracking_address(addresses: Addresses) -> str:
    """Where flows log: our MLflow server, or the one that is configured."""
    return addresses.mlflow if serves_mlflow() else get_settings().mlflow_tracking_uri


def _passwords(addresses: Addresses, home: Path) -> dict[str, str]:
    """RAPTORFLOW_AUTH=user:password opens both servers to those who know it; beyond this machine there must be one."""
    user, _, password = os.environ.get("RAPTORFLOW_AUTH", "").partition(":")
    if not (user and len(password) >= MINIMUM_PASSWORD):
        if addresses.is_local and not user:
            return {}
        raise OpenAddressError(addresses.host)
    return {
        "PREFECT_SERVER_API_AUTH_STRING": f"{user}:{password}",
        "PREFECT_API_AUTH_STRING": f"{user}:{password}",
        "MLFLOW_TRACKING_USERNAME": user,
        "MLFLOW_TRACKING_PASSWORD": password,
        "MLFLOW_AUTH_CONFIG_PATH": str(_mlflow_users(home, user, password)),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }


def _mlflow_users(home: Path, user: str, password: str) -> Path:
    """MLflow's basic-auth app takes its first administrator from a file."""
    path = home / "mlflow-auth.ini"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["[mlflow]", "default_permission = READ", f"database_uri = sqlite:///{home / 'mlflow-auth.db'}"]
    lines += [f"admin_username = {user}", f"admin_password = {password}"]
    path.touch(mode=0o600)
    path.write_text("\n".join([*lines, "authorization_function = mlflow.server.auth:authenticate_request_basic_auth"]))
    return path
