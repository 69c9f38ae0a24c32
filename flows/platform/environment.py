"""What servers, workers and flow runs of this platform read from their environment."""

from __future__ import annotations

import os

from flows import tracing
from flows.platform.addresses import Addresses, answers, is_local, running
from flows.platform.errors import OpenAddressError
from flows.platform.log_lines import PREFECTS_LINES, in_json
from flows.platform.login import chosen_login, login
from tasks.settings import CHECKOUT, encoded, get_settings

DAYS_KEPT = 90
MINIMUM_PASSWORD = 12
PREFECTS_DATABASE = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")


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
        # In files: a server that is killed would forget whose slots are taken, and nobody would ever give them back.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_UI_API_URL": "/api",  # of whatever name the page was opened under
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MPLBACKEND": "Agg",
    }
    if in_json():
        tuning |= PREFECTS_LINES
    ours = {
        "RAPTORFLOW_HOME": str(home),
        "RAPTORFLOW_CHECKOUT": str(CHECKOUT),
        "PYTHONPATH": str(CHECKOUT),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": addresses.prefect_api,
        "MLFLOW_TRACKING_URI": tracking_address(addresses),
    }
    chosen = {name: encoded(os.environ[name]) for name in PREFECTS_DATABASE if name in os.environ}
    tuning |= tracing.settings()
    return tuning | dict(os.environ) | chosen | ours | _logins(addresses)


def join_running() -> None:
    """Point this process at the platform that runs from this home, if one answers; two servers share no database.

    Its runs' logs are on their pages; the terminal stays quiet.
    """
    here = running()
    if here is not None and answers(f"{here.prefect_api}/health", seconds=5):
        os.environ |= environment(here) | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
        get_settings.cache_clear()


def require_strong_login(host: str) -> None:
    """Raise `OpenAddressError` where others may ask and no person has chosen a login that is worth the name."""
    chosen = chosen_login()
    is_strong = chosen is not None and bool(chosen.user) and len(chosen.password) >= MINIMUM_PASSWORD
    if not is_strong and (get_settings().auth or not is_local(host)):
        raise OpenAddressError(host)


def serves_mlflow() -> bool:
    """Whether the MLflow store is a database of ours to serve, not somebody else's server."""
    return not get_settings().mlflow_tracking_uri.startswith(("http://", "https://"))


def tracking_address(addresses: Addresses) -> str:
    """Where flows log: our MLflow server, or the one that is configured."""
    return addresses.mlflow if serves_mlflow() else get_settings().mlflow_tracking_uri


def temporary_server() -> dict[str, str]:
    """What Prefect's temporary server needs to be nobody else's: it listens on a port while a flow runs by hand."""
    known = login().text
    return {"PREFECT_SERVER_API_AUTH_STRING": known, "PREFECT_API_AUTH_STRING": known}


def mlflow_store() -> dict[str, str]:
    """Where our MLflow server keeps what it is told; an address may hold a password, and command lines are public."""
    settings = get_settings()
    return {
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri,
        "MLFLOW_ARTIFACTS_DESTINATION": str(settings.mlflow_artifacts),
    }


def _logins(addresses: Addresses) -> dict[str, str]:
    """The login of both servers, as their clients read it; beyond this machine it has to be one that people chose.

    An MLflow server that is not ours, or has users of its own, is not told it.
    """
    require_strong_login(addresses.host)
    known = login()
    both = {"RAPTORFLOW_AUTH": known.text} if get_settings().auth else {}
    both |= {"PREFECT_SERVER_API_AUTH_STRING": known.text, "PREFECT_API_AUTH_STRING": known.text}
    if not serves_mlflow() or "MLFLOW_AUTH_CONFIG_PATH" in os.environ:
        return both
    return both | {"MLFLOW_TRACKING_USERNAME": known.user, "MLFLOW_TRACKING_PASSWORD": known.password}
