"""What a promotion or a rollback did: who serves now and why, with a way to the model in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.reporting.artifacts import artifact_key, publish_facts, publish_link
from tasks.reporting.links import model_address


def publish_moved(flow_name: str, moved: Mapping[str, Any], reason: str, actor: str) -> None:
    """Publish the change as facts, and a link where an MLflow server shows the model."""
    name = f"{moved['workspace_id']}.{moved['model_type']}"
    facts = {"model": name, "status": moved["status"], "serves": moved["model_version"]}
    facts |= {"served before": moved["previous_version"], "reason": reason, "by": actor}
    about = (flow_name, moved["workspace_id"], moved["model_type"])
    publish_facts(artifact_key(*about), facts, "Who serves now, and why")
    if address := model_address(name):
        publish_link(artifact_key(*about, "mlflow"), address, name, "The model, its versions and their cards")
