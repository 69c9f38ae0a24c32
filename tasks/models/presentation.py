"""What people find beside a version in MLflow: card, figures, input example and the data it learnt from. Pure."""

from __future__ import annotations

import json

from tasks.models.card import model_card
from tasks.models.dataset import Examples
from tasks.models.figures import figures_of
from tasks.models.importance import importance
from tasks.models.records import ModelKey, Shown
from tasks.models.specs import ModelSpec
from tasks.models.training import TrainedModel


def presented(
    key: ModelKey, spec: ModelSpec, learnt: Examples, trained: TrainedModel, tags: dict[str, str]
) -> tuple[str, Shown]:
    """The model card, and the rest. For registered versions only: drawing costs as much as saving."""
    weights = importance(trained.held_out)
    card = model_card(key, spec, trained.evaluation, weights, tags)
    figures = figures_of(spec.target, trained.held_out, weights)
    return card, Shown(figures, trained.golden["inputs"], _data(key, spec, learnt, trained, tags))


def _data(
    key: ModelKey, spec: ModelSpec, learnt: Examples, trained: TrainedModel, tags: dict[str, str]
) -> dict[str, str]:
    """The rows learnt from as MLflow describes a data set; the hash covers all of them."""
    model, sha256 = trained.model, learnt.sha256
    columns = [
        {"name": name, "type": "double" if name in model.numbers else "string", "required": True}
        for name in model.columns
    ]
    profile = {"num_rows": len(learnt), "sha256": sha256, "from": tags["train_from"], "to": tags["train_to"]}
    source = {"workspace": key.workspace_id, "rows": spec.rows, "snapshot_sha256": tags.get("snapshot_sha256")}
    return {
        "name": f"{key.workspace_id} {spec.rows}",
        "digest": sha256,
        "source_type": "raptorflow warehouse",
        "source": json.dumps(source),
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps(profile),
    }
