"""What a refresh, a promotion or a rollback did, as a person reads it: what serves, what drifted, and why."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.models.drift.wording import drift_in_words
from tasks.models.training.metrics import main_figure
from tasks.plain_text import Markdown, picture_label
from tasks.reporting.artifacts import artifact_key, figure, publish_facts, publish_link
from tasks.reporting.links import model_link, model_name, report_link
from tasks.reporting.report import BEST_SHOWN, Finding, Report
from tasks.reporting.report_rows import ReportRows, Row
from tasks.settings import mlflow_model_page
from tasks.warehouse.outcomes import FAILED, Outcome

EVERYTHING = "model-refresh-all"
DRIFT = "model-refresh-drift"
PICTURES_SHOWN, COLUMNS_SHOWN = 20, 12
SURE, QUIET = "#b3413a", "#9ca3af"
DRIFTED = ("critical", "warning")
IDENTITY = ("workspace", "model")
MEASURED = ("gain", "figure")  # of a champion, when it is trained
WORST_SHOWN = 5
LACKING = "insufficient data"
# What a refresh ended with, that a person has to know of until it is another.
ASKS = {
    "challenger": "a better version waits to be promoted",
    "canary stopped": "the rollout of a challenger was stopped",
    "rolled back": "the champion was rolled back",
    "withdrawn": "its champion could not be read and nothing before it either, so no version serves",
}
MOVES = ("first champion", "promoted", "canary", *ASKS)
# The drift of a champion that a refresh replaced is over.
REPLACED = ("first champion", "promoted", "rolled back")


STAYS = {"no retrain needed": "the champion stays"}  # beside an alarm, "no retrain needed" would deny it


def model_report(known: ReportRows) -> Report:
    """What needs a person, which models moved or drifted, those that beat their baseline by most, and how many."""
    drifted = sum(_level(row) in DRIFTED for row in known.rows)
    rows = sorted(_with_known_gains(known), key=_severity)
    models = [row for row in rows if row["model"]]
    counts = Counter(row["status"] for row in models if row["status"] != LACKING)
    serving = sorted((row for row in models if row["gain"] and row["champion"]), key=_gain, reverse=True)
    best = [row for row in serving[:BEST_SHOWN] if _gain(row) > 0]
    return Report(
        page="model-refresh-report",
        everything=EVERYTHING,
        news="model-refresh-news",
        title="Models",
        command="raptorflow models",
        needs=[need for row in rows for need in _needs(row)],
        changes=None if known.before is None else _changes(known),
        best=[_how_good(row) for row in best],
        worst=[_how_good(row) for row in serving[len(best) :][: -WORST_SHOWN - 1 : -1]],
        links=[_linked(row) for row in best],
        counts={"serve": sum(bool(row["champion"]) for row in models)} | dict(counts.most_common()),
        too_few=sum(row["status"] == LACKING for row in models),
        notes=[f"{drifted:,} drifted: {report_link(DRIFT, 'what moved, by column')}."] if drifted else [],
        rows=rows,
    )


def all_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Every model of a run and what became of it, and every workspace that failed."""
    rows = [_failed(outcome) for outcome in outcomes if outcome.status == FAILED and not outcome.result]
    return rows + [_row(model) for model in models_of(outcomes)]


def models_of(outcomes: Sequence[Outcome]) -> list[Mapping[str, Any]]:
    """The results of a refresh, one a model."""
    return [model for outcome in outcomes for model in outcome.result.get("models", {}).values()]


def drift_page(outcomes: Sequence[Outcome]) -> str | None:
    """Pictures of what moved, of the first models that drifted in more than one column; None where none did."""
    drifted = sorted((model for model in models_of(outcomes) if _status(model) in DRIFTED), key=_status_order)
    several = [model for model in drifted if len(model["drift"]["columns"]) > 1]
    parts = ["# What moved, by column"]
    for model in several[:PICTURES_SHOWN]:
        name = model_name(model)
        parts += [f"## {name}", figure(_by_column(model["drift"]["columns"]), f"Drift of {name}")]
    if len(several) > PICTURES_SHOWN:
        parts.append(f"{len(several) - PICTURES_SHOWN} more: `raptorflow drift`.")
    return "\n\n".join(parts) if several else None


def _with_known_gains(known: ReportRows) -> list[Row]:
    """A champion keeps what was measured when it was made champion; a night that trains nothing measures none."""
    before = {_champion(row): {name: row.get(name) for name in MEASURED} for row in known.before or []}
    return [row if row["gain"] else row | before.get(_champion(row), {}) for row in known.rows]


def _champion(row: Row) -> tuple[Any, ...]:
    return row["workspace"], row["model"], row["champion"]


def _needs(row: Row) -> list[Finding]:
    if row["status"] == FAILED and not row["model"]:
        return [Finding(row["workspace"], f"its models could not be looked at: {row['why']}")]
    if row["status"] == FAILED:
        return [Finding(_about(row), f"it could not be refreshed: {row['why']}")]
    if row["status"] in ASKS:
        return [Finding(_about(row), ASKS[row["status"]])]
    if (row["drift"] or "").startswith(DRIFTED[0]) and row["status"] not in REPLACED:
        return [Finding(_about(row), f"critical drift, and {STAYS.get(row['status'], row['status'])}")]
    return []


def _changes(known: ReportRows) -> list[Finding]:
    moved = [row for row in known.added(*IDENTITY) if row["status"] in MOVES]
    changes = [Finding(_about(row), row["status"]) for row in moved]
    replaced = [pair for pair in known.changed(IDENTITY, ("status", "champion")) if pair[1]["status"] in MOVES]
    changes += [Finding(_about(row), row["status"] + _then_and_now(old, row)) for old, row in replaced]
    pairs = known.changed(IDENTITY, ("drift",))
    drifted = [(_level(old), _level(new), new) for old, new in pairs if _level(old) != _level(new)]
    return changes + [
        Finding(_about(row), f"drift: {before or 'not looked at'} before, {now or 'not looked at'} now")
        for before, now, row in drifted
    ]


def _then_and_now(old: Row, new: Row) -> str:
    """How good the champion before was and the one now is, each on the newest rows of its time."""
    then, now = old.get("figure"), new.get("figure")
    return f": {now} (before: {then})" if now and then and _champion(old) != _champion(new) else ""


def _about(row: Row) -> str:
    return f"{row['workspace']} · {row['model']}"


def _level(row: Row) -> str:
    return str(row["drift"] or "").partition(",")[0]


def _gain(row: Row) -> float:
    return float(row["gain"])


def _how_good(row: Row) -> Finding:
    figure = f": {row['figure']}" if row.get("figure") else ""
    than = f"{100 * abs(row['gain']):.0f} % {'better' if row['gain'] > 0 else 'worse'} than its baseline"
    return Finding(_about(row), f"{than}{figure}; {row['champion']}")


def _linked(row: Row) -> Markdown:
    return model_link(f"{row['workspace']}.{row['model']}", _about(row))


def publish_moved(flow_name: str, moved: Mapping[str, Any], reason: str, actor: str) -> None:
    """Publish a promotion or a rollback as facts, and a link where an MLflow server shows the model."""
    name = f"{moved['workspace_id']}.{moved['model_type']}"
    facts = {"model": name, "status": moved["status"], "serves": moved["model_version"]}
    facts |= {"served before": moved["previous_version"], "reason": reason, "by": actor}
    about = (flow_name, moved["workspace_id"], moved["model_type"])
    publish_facts(artifact_key(*about), facts, "Who serves now, and why")
    if address := mlflow_model_page(name):
        publish_link(artifact_key(*about, "mlflow"), address, name, "The model, its versions and their cards")


def _status(model: Mapping[str, Any]) -> str | None:
    return model["drift"]["drift_status"] if model["drift"] else None


def _status_order(model: Mapping[str, Any]) -> int:
    return DRIFTED.index(str(_status(model)))


def _severity(row: Row) -> tuple[bool, int, str, str]:
    """Failures first, then what a person has to know of, then drift, then the rest by name."""
    rank = 0 if row["status"] in ASKS else 1 + (DRIFTED.index(_level(row)) if _level(row) in DRIFTED else len(DRIFTED))
    return row["status"] != FAILED, rank, str(row["workspace"]), str(row["model"])


def _failed(outcome: Outcome) -> Row:
    empty = dict.fromkeys(("drift", "champion", *MEASURED))
    return {"workspace": outcome.workspace_id, "model": "", "status": FAILED} | empty | {"why": outcome.reason}


def _row(model: Mapping[str, Any]) -> Row:
    about = {"workspace": model["workspace_id"], "model": model["model_type"]}
    status = model["status"].replace("_", " ")
    known = {
        "status": status,
        "drift": _drift(model),
        "champion": model["model_version"],
        "gain": _over_baseline(model),
        "figure": _figure(model),
    }
    return about | known | {"why": model["reason"]}


def _over_baseline(model: Mapping[str, Any]) -> float | None:
    """By what share the champion's held-out loss is below that of the trivial baseline, where it was just trained."""
    evaluation = _of_champion(model)
    loss, baseline = evaluation.get("loss"), evaluation.get("baseline_loss")
    return None if loss is None or not baseline else 1.0 - loss / baseline


def _figure(model: Mapping[str, Any]) -> str | None:
    """The champion's own figure on its newest held-out rows, beside the naive one, and whose rows made it."""
    evaluation = _of_champion(model)
    main = main_figure(evaluation.get("metrics") or {})
    if main is None:
        return None
    name, value, naive = main
    pool = evaluation.get("pool")
    by = f", {'a blend with' if pool['serves'] == 'blend' else 'by'} its organization's model" if pool else ""
    return f"{name} {value:.3g}" + ("" if naive is None else f", naive {naive:.3g}") + by


def _of_champion(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The evaluation of a champion that was just trained; empty where another version was, or none."""
    is_new = model["model_version"] and model.get("candidate_version") == model["model_version"]
    return (model.get("evaluation") or {}) if is_new else {}


def _drift(model: Mapping[str, Any]) -> str | None:
    return drift_in_words(model["drift"]) if _status(model) else None


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
