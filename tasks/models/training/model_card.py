"""What people find beside a version in MLflow: model card, tables, input example and the training data. Pure."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import polars as pl
from polars import selectors as cs

from tasks.models.records import ModelArtifacts, ModelKey
from tasks.models.specs import ModelSpec
from tasks.models.training.blending import BLEND, OWN, POOLED
from tasks.models.training.dataset import RECENT_ROWS, Examples
from tasks.models.training.evaluation import Evaluation, HeldOut, TrainedModel
from tasks.models.training.importance import Importance
from tasks.models.training.metrics import metrics
from tasks.plain_text import code, markdown

MAX_CHARACTERS = 5_000  # MLflow's limit
TARGETS = {
    "engagement": "the expected engagement of a post before it goes out",
    "converted": "the probability that a contact converts",
}
LOSSES = {"regression": "mean squared error (log scale)", "classification": "mean log loss"}
MOST_IMPORTANT = 5
SERVES = {
    OWN: "the workspace's own model",
    POOLED: "its organization's model, at its own level and scale",
    BLEND: "a blend of its own model and its organization's",
}
TITLES = {
    "mae_log": "MAE (log)",
    "r2": "R²",
    "coverage_90": "coverage of the 90 % interval",
    "auc": "AUC",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "brier": "Brier score",
}
SEGMENTS = ("channel", "media_type", "content_type")
MOST_SEGMENTS, LEAST_SEGMENT, TABLE_ROWS, SHOWN_DIGITS = 12, 20, 1_000, 4


def describe(
    key: ModelKey,
    spec: ModelSpec,
    rows: Examples,
    trained: TrainedModel,
    inputs: Importance | None,
    tags: dict[str, str],
) -> tuple[str, ModelArtifacts]:
    """The model card, and the artifacts but for figures, which are drawn once the version serves."""
    card = model_card(key, spec, rows, trained, inputs, tags)
    data = _data(key, spec, rows, trained, tags)
    tables, params = evaluation_tables(trained.held_out), _params(spec, trained)
    return card, ModelArtifacts(trained.reference["inputs"], data, tables, params, _about(rows, tags))


def _about(rows: Examples, tags: dict[str, str]) -> dict[str, Any]:
    """What raw rows are read with."""
    level = float(rows.target.tail(RECENT_ROWS).to_numpy().mean()) if rows.target.dtype == pl.Float64 else None
    return {"timezone": tags.get("timezone", "UTC"), "is_rate": rows.is_rate, "level": level}


def _params(spec: ModelSpec, trained: TrainedModel) -> dict[str, str]:
    """Recipe and hyper-parameters: those of the spec, and those that were chosen."""
    chosen = {"kind": spec.estimator.kind, "target": spec.target, **spec.estimator.parameters, **trained.model.recipe}
    params = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in chosen.items()}
    return params | {"features": ", ".join(trained.model.columns)}


def model_card(
    key: ModelKey,
    spec: ModelSpec,
    rows: Examples,
    trained: TrainedModel,
    inputs: Importance | None,
    tags: dict[str, str],
) -> str:
    """What it predicts, by whose rows, how well on held-out ones, its most important inputs, limits and provenance."""
    evaluation = trained.evaluation
    what = TARGETS.get(spec.target, f"the {spec.target} of a text")
    training = f"Trained on {tags['n_train']} rows, {tags['train_from'][:10]} to {tags['train_to'][:10]}."
    loss = LOSSES[spec.task]
    parts = [
        # First and without marks: MLflow's table of versions shows the first words of this, as they are written.
        f"{_headline(evaluation)}; {evaluation.block['n']} rows from {evaluation.block['from'][:10]} to "
        f"{evaluation.block['to'][:10]}, which no choice was made on.",
        f"**{key.model_type.value} of {markdown(key.workspace_id)}** predicts {what}. {training}",
        served_by(rows, trained.model.recipe),
        _metrics(evaluation),
        f"On all {evaluation.n} rows that it was tried on: {loss} {evaluation.loss:.4g}, of the better of two "
        f"baselines {evaluation.baseline_loss:.4g} (one-sided 95 % bound of the gain: {evaluation.gain_lower:.2g}).",
        _not_better_than_naive(evaluation, tags),
        _most_important(inputs),
        "**Limits.** Associations in this workspace's past, not causes; rows unlike its training rows are guesses. "
        "`detect_drift` reports when it no longer fits.",
        f"**From.** {_provenance(tags)}. Plots: the source run, *Artifacts*, `figures/`.",
    ]
    return "\n\n".join(part for part in parts if part)[:MAX_CHARACTERS]


def _not_better_than_naive(evaluation: Evaluation, tags: dict[str, str]) -> str:
    """Why a version is there that does not beat a constant: after a change the champion before it may do worse."""
    if evaluation.beats_baseline:
        return ""
    share = tags.get("gate.over_champion.share")
    than = "" if share is None else f": it takes {float(share):.0%} off the loss of the champion before it"
    return f"**It is not shown to beat its baselines.** It was registered for what it is better than{than}."


def served_by(rows: Examples, recipe: dict[str, Any]) -> str:
    """Whether the workspace's own model, its organization's or a blend serves, and what decided it."""
    if rows.siblings is None or "serves" not in recipe:
        return ""
    pool, own, pooled = rows.siblings.pool, recipe["own_share"], recipe["organization_share"]
    shares = f"{own:.2f} of what its own rows teach, {pooled:.2f} of what {pool.n} rows of its organization's "
    shares += f"{len(pool.workspace_ids)} workspaces teach"
    return f"**Serves: {SERVES[recipe['serves']]}** ({shares}; chosen on its own latest rows)."


def _headline(evaluation: Evaluation) -> str:
    """Such as: Held-out MAE (log) 0.327, naive 0.477."""
    shown = _shown(evaluation)
    if not shown:
        return "No metric is defined"
    name, title = shown[0]
    naive = evaluation.metrics.get(f"baseline_{name}")
    return f"Held-out {title} {evaluation.metrics[name]:.3g}" + (f", naive {naive:.3g}" if naive else "")


def _metrics(evaluation: Evaluation) -> str:
    """A table: each figure beside its interval and a naive forecast's; empty where none is defined."""
    lines = []
    for name, title in _shown(evaluation):
        low, high = evaluation.intervals.get(name, (math.nan, math.nan))
        interval = f"{low:.3g} to {high:.3g}" if math.isfinite(low) else ""
        naive = evaluation.metrics.get(f"baseline_{name}")
        lines.append(f"| {title} | {evaluation.metrics[name]:.3g} | {interval} | {f'{naive:.3g}' if naive else ''} |")
    head = ["| Figure | Held out | Its 90 % interval | Naive |", "| --- | ---: | ---: | ---: |"]
    return "\n".join([*head, *lines]) if lines else ""


def _shown(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Names and titles of the figures that are defined, the model type's own first."""
    known = evaluation.metrics
    return [(name, title) for name, title in TITLES.items() if name in known and math.isfinite(known[name])]


def evaluation_tables(held_out: HeldOut) -> dict[str, bytes]:
    """The newest held-out rows with their predictions, and the figures of each segment of them, for MLflow's page."""
    n = min(held_out.rows.n, TABLE_ROWS)
    latest = slice(held_out.rows.n - n, held_out.rows.n)
    rows = held_out.rows
    shown = {"id": rows.keys[latest], "time": rows.times[latest].dt.strftime("%Y-%m-%d %H:%M")}
    if held_out.classes is None:  # on the scale of the pyfunc's output of that name
        shown |= {"actual_log": rows.target[latest], "expected_log": pl.Series(held_out.predicted[latest])}
    else:
        shown["actual"] = rows.target[latest]
        names = pl.Series(held_out.classes, dtype=pl.String)
        shown["label"] = names.gather(held_out.chosen[latest])
        shown["probability"] = pl.Series(held_out.predicted[latest].max(axis=1))
    shown["loss"] = pl.Series(held_out.losses[latest])
    tables = {"evaluation/held_out_rows.json": _split(pl.DataFrame(shown))}
    segments = _segments(held_out)
    return tables | ({"evaluation/segments.json": _split(segments)} if len(segments) else {})


def _segments(held_out: HeldOut) -> pl.DataFrame:
    """Figures of the held-out rows of each month and of each value of a label, if they are 20 or more."""
    rows, segments = held_out.rows, []
    groups = {"month": rows.times.dt.strftime("%Y-%m")}
    groups |= {name: rows.features[name] for name in SEGMENTS if name in rows.features.columns}
    half_width = None if held_out.model is None else held_out.model.half_width
    for what, values in groups.items():
        for value in values.value_counts(sort=True)[values.name][:MOST_SEGMENTS].to_list():
            places = np.flatnonzero((values == value).to_numpy())
            if len(places) >= LEAST_SEGMENT:
                part = (held_out.predicted[places], rows.target[places.tolist()], held_out.classes)
                figures = metrics(*part, held_out.chosen[places], half_width)
                segments.append({"segment": what, "value": value, "rows": len(places)} | figures)
    return pl.DataFrame(segments, infer_schema_length=None)


def _split(table: pl.DataFrame) -> bytes:
    """As pandas writes it with `orient="split"`, which MLflow's page reads as a table and shows digit by digit."""
    table = table.with_columns(cs.float().round_sig_figs(SHOWN_DIGITS))
    return json.dumps({"columns": table.columns, "data": [list(row) for row in table.rows()]}).encode()


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
