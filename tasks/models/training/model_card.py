"""What people find beside a version in MLflow: model card, figures, input example and the training data. Pure."""

from __future__ import annotations

import json
import math

from tasks.models.records import ModelArtifacts, ModelKey
from tasks.models.specs import ModelSpec
from tasks.models.training.dataset import Examples
from tasks.models.training.evaluation import Evaluation, TrainedModel
from tasks.models.training.figures import figures_of
from tasks.models.training.importance import Importance, importance
from tasks.plain_text import code, markdown

MAX_CHARACTERS = 5_000  # MLflow's limit
TARGETS = {
    "engagement": "the expected engagement of a post before it goes out",
    "converted": "the probability that a contact converts",
}
LOSSES = {"regression": "mean squared error (log scale)", "classification": "mean log loss"}
MOST_IMPORTANT = 5


def describe(
    key: ModelKey, spec: ModelSpec, rows: Examples, trained: TrainedModel, tags: dict[str, str]
) -> tuple[str, ModelArtifacts]:
    """The model card, and the artifacts. For registered versions only: drawing costs as much as saving."""
    inputs = importance(trained.held_out)
    card = model_card(key, spec, trained.evaluation, inputs, tags)
    figures = figures_of(spec.target, trained.held_out, inputs)
    return card, ModelArtifacts(figures, trained.reference["inputs"], _data(key, spec, rows, trained, tags))


def model_card(
    key: ModelKey, spec: ModelSpec, evaluation: Evaluation, inputs: Importance | None, tags: dict[str, str]
) -> str:
    """What it predicts, how well on held-out rows, its most important inputs, its limits and its provenance."""
    what = TARGETS.get(spec.target, f"the {spec.target} of a text")
    training = f"Trained on {tags['n_train']} rows, {tags['train_from'][:10]} to {tags['train_to'][:10]}."
    loss = LOSSES[spec.task]
    parts = [
        f"**{key.model_type.value} of {markdown(key.workspace_id)}** predicts {what}. {training}",
        f"**Held-out performance.** On {evaluation.n} rows later than the training rows: {loss} {evaluation.loss:.4g}, "
        f"of the better of two baselines {evaluation.baseline_loss:.4g} (one-sided 95 % bound of the gain: "
        f"{evaluation.gain_lower:.2g}). On the latest of them: {_metrics(evaluation)}.",
        _most_important(inputs),
        "**Limits.** Associations in this workspace's past, not causes; rows unlike its training rows are guesses. "
        "`detect_drift` reports when it no longer fits.",
        f"**From.** {_provenance(tags)}. Plots: the source run, *Artifacts*, `figures/`.",
    ]
    return "\n\n".join(part for part in parts if part)[:MAX_CHARACTERS]


def _metrics(evaluation: Evaluation) -> str:
    defined = {name: value for name, value in evaluation.metrics.items() if math.isfinite(value)}
    return ", ".join(f"{name} {value:.3g}" for name, value in defined.items()) or "no metric is defined"


def _most_important(inputs: Importance | None) -> str:
    if inputs is None or not len(inputs.names):
        return ""
    named = zip(inputs.names[:MOST_IMPORTANT], inputs.values.tolist(), strict=False)
    listed = ", ".join(f"{code(name)} ({value:.2g})" for name, value in named)
    return f"**Most important inputs ({inputs.method})** {listed}: {inputs.unit}."


def _provenance(tags: dict[str, str]) -> str:
    known = {"data sha256": "data_sha256", "git commit": "git_commit", "flow run": "flow_run_id"}
    return ", ".join(f"{what} {code(tags[name])}" for what, name in known.items() if tags.get(name))


def _data(
    key: ModelKey, spec: ModelSpec, rows: Examples, trained: TrainedModel, tags: dict[str, str]
) -> dict[str, str]:
    """The training rows as MLflow describes a data set; the hash covers all of them."""
    model, sha256 = trained.model, rows.sha256
    columns = [
        {"name": name, "type": "double" if name in model.numbers else "string", "required": True}
        for name in model.columns
    ]
    profile = {"num_rows": rows.n, "sha256": sha256, "from": tags["train_from"], "to": tags["train_to"]}
    source = {"workspace": key.workspace_id, "rows": spec.rows, "snapshot_sha256": tags.get("snapshot_sha256")}
    return {
        "name": f"{key.workspace_id} {spec.rows}",
        "digest": sha256,
        "source_type": "raptorflow warehouse",
        "source": json.dumps(source),
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps(profile),
    }
