"""What a refresh, a promotion or a rollback did, as a person reads it: what serves, what drifted, and why."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.plain_text import Markdown, markdown, picture_label
from tasks.reporting.artifacts import artifact_key, figure, markdown_table, publish_facts, publish_link, reasons
from tasks.reporting.links import model_address, model_link, model_name
from tasks.warehouse.outcomes import Outcome

MODELS_SHOWN, PICTURES_SHOWN, COLUMNS_SHOWN = 300, 5, 12
SURE, QUIET = "#b3413a", "#9ca3af"
DRIFTED = ("critical", "warning")


def model_report(outcomes: Sequence[Outcome]) -> str:
    """Markdown: how many models ended how, each with a link to MLflow, those that drifted first and with a picture."""
    models = [model for outcome in outcomes for model in outcome.result.get("models", {}).values()]
    models.sort(key=lambda model: (_severity(model), model["workspace_id"], model["model_type"]))
    counts = Counter(model["status"].replace("_", " ") for model in models)
    parts = ["# Models", " · ".join(f"**{count}** {status}" for status, count in counts.most_common())]
    failed = [(one.workspace_id, one.reason) for one in outcomes if not one.result]
    parts += ["## Failed", reasons(failed)] if failed else []
    parts.append(markdown_table([_row(model) for model in models[:MODELS_SHOWN]]))
    why = ((model_name(model, " · "), _why(model)) for model in models[:MODELS_SHOWN])
    parts += ["## Why", reasons(why)] if models else []
    if len(models) > MODELS_SHOWN:
        parts.append(f"{len(models) - MODELS_SHOWN} more: `raptorflow models`.")
    drifted = [model for model in models if _status(model) in DRIFTED and len(model["drift"]["columns"]) > 1]
    for model in drifted[:PICTURES_SHOWN]:
        name = model_name(model)
        parts += [f"## Drift of {name}, by column", figure(_by_column(model["drift"]["columns"]), f"Drift of {name}")]
    return "\n\n".join(part for part in parts if part)


def publish_moved(flow_name: str, moved: Mapping[str, Any], reason: str, actor: str) -> None:
    """Publish a promotion or a rollback as facts, and a link where an MLflow server shows the model."""
    name = f"{moved['workspace_id']}.{moved['model_type']}"
    facts = {"model": name, "status": moved["status"], "serves": moved["model_version"]}
    facts |= {"served before": moved["previous_version"], "reason": reason, "by": actor}
    about = (flow_name, moved["workspace_id"], moved["model_type"])
    publish_facts(artifact_key(*about), facts, "Who serves now, and why")
    if address := model_address(name):
        publish_link(artifact_key(*about, "mlflow"), address, name, "The model, its versions and their cards")


def _status(model: Mapping[str, Any]) -> str | None:
    return model["drift"]["drift_status"] if model["drift"] else None


def _severity(model: Mapping[str, Any]) -> int:
    status = _status(model)
    return DRIFTED.index(status) if status in DRIFTED else len(DRIFTED)


def _row(model: Mapping[str, Any]) -> dict[str, Any]:
    """Narrow, because Prefect's page cuts what is wider than it."""
    name = f"{model['workspace_id']}.{model['model_type']}"
    return {
        "workspace": model["workspace_id"],
        "model": model_link(name, Markdown(model["model_type"])),
        "status": model["status"].replace("_", " "),
        "drift": _drift(model),
    }


def _drift(model: Mapping[str, Any]) -> str | None:
    status = _status(model)
    if not status:
        return None
    score = model["drift"]["drift_score"] if status != "insufficient_data" else None
    return status.replace("_", " ") + (f", {score:.2f}" if score is not None else "")


def _why(model: Mapping[str, Any]) -> Markdown:
    """Its reason, where that says more than the status above, and what serves."""
    parts = [markdown(model["reason"])] if model["reason"] != model["status"].replace("_", " ") else []
    parts += [Markdown(f"champion {model['model_version']}")] if model["model_version"] else []
    return Markdown("; ".join(parts))


def _by_column(columns: Sequence[Mapping[str, Any]]) -> bytes:
    """PNG: how far each column moved, in standard deviations, furthest on top; gray where chance explains it."""
    from matplotlib.figure import Figure

    shown = sorted(columns, key=lambda column: -float(column["shift"]))[:COLUMNS_SHOWN][::-1]
    drawn = Figure(figsize=(8, 1.2 + 0.32 * len(shown)), layout="constrained")
    axes = drawn.subplots()
    colors = [SURE if column["p_adjusted"] <= 0.05 else QUIET for column in shown]
    axes.barh(range(len(shown)), [column["shift"] for column in shown], color=colors, height=0.6)
    axes.set_yticks(
        range(len(shown)), [picture_label(f"{column['name']} ({column['kind']})") for column in shown], fontsize=8
    )
    caption = "shift against the rows the champion learned from, in standard deviations; gray: chance explains it"
    axes.set_xlabel(caption, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
