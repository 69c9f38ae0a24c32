"""Ways from one report to the next: another flow's report in this Prefect, a model in this MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.settings import get_current_settings

from tasks.plain_text import Markdown, markdown
from tasks.settings import mlflow_model_page


def report_link(key: str, words: str) -> Markdown:
    """The newest report under a key; plain words where no Prefect server shows it.

    The platform's server leads on from there (`flows.platform.prefect_server.NewestReports`).
    """
    ui = get_current_settings().ui_url
    return Markdown(f"[{markdown(words)}]({ui}/raptorflow/reports/{key})") if ui else markdown(words)


def model_link(registered_name: str, words: str) -> Markdown:
    """A registered model with its versions and the runs they come from; plain words where no MLflow server runs."""
    address = mlflow_model_page(registered_name)
    return Markdown(f"[{markdown(words)}]({address})") if address else markdown(words)


def model_name(model: Mapping[str, Any], between: str = ".") -> Markdown:
    """Whose model it is, and of which type, which is a word of ours."""
    return Markdown(f"{markdown(model['workspace_id'])}{between}{model['model_type']}")
