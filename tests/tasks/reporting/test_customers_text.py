"""Whatever customers' ids, names, columns and reasons say, a report is made of the same elements."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tasks.experiments.figures import effects_over_time
from tasks.experiments.records import ArmReport, EffectReport, ExperimentResult, ExperimentStatus, SampleRatio
from tasks.models.training.figures import _axes
from tasks.plain_text import BIDIRECTIONAL
from tasks.reporting import artifacts as published
from tasks.reporting import debate_index, model_report, pattern_report, publish_table, release_report, report_link
from tasks.reporting.experiment_index import experiment_index
from tasks.reporting.experiment_report import answers_in_words, experiment_report
from tasks.reporting.index import SOURCES, Overview
from tasks.reporting.report import Finding, Report
from tasks.reporting.report_rows import report_rows
from tasks.reporting.summary import summarize, summary_report
from tasks.warehouse.outcomes import DONE, FAILED, Outcome

HOSTILE = [
    "![x](https://t.example/p.png)",
    "[x](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "a | b\n\n# h\n\n- c\n\n```\nd",
    "**x** _y_ `z` ~~w~~",
    "https://e.example www.e.example me@e.example",
    "1. one",
    "---",
    "\x1b[31mred \u202eten",
    "*",
    "_",
    "`",
    "\\",
]
RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def pattern(text: str) -> dict[str, Any]:
    rule = [{"feature": "theme", "op": "==", "value": text, "level": text}]
    row = {
        "rule": rule,
        "description": f"content: {text}",
        "lift_pct": 12.0,
        "lift_interval_pct": [3.0, 20.0],
        "trend": "stable",
    }
    return row | {"total_size": 40, "effect_size": 0.2, "confidence": 0.9}


def patterns(text: str) -> str:
    analysis = {"workspace_id": text, "content_type": text, "reason": text, "winning_patterns": [pattern(text)]}
    analyses = [analysis | {"status": "found", "losing_patterns": []}]
    analyses += [analysis | {"status": "no_variance", "winning_patterns": [], "losing_patterns": []}]
    analyses += [analyses[0] | {"workspace_id": "other"}]
    outcomes = [Outcome(text, DONE, None, {"analyses": analyses}), Outcome("broken", FAILED, text, {})]
    before = pattern_report.all_rows([Outcome("other", DONE, None, {"analyses": [analyses[2] | gone(text)]})])
    found = report_rows(before, pattern_report.all_rows(outcomes), [text, "other"], everyone=True)
    return page_and_index(pattern_report.pattern_report(found)) + pattern_report.clients_page(found.rows)


def gone(text: str) -> dict[str, Any]:
    return {"winning_patterns": [pattern(f"another {text}")]}


def page_and_index(report: Report) -> str:
    """A report as it is shown, and what the report of all reports and a terminal make of it."""
    overview = Overview({SOURCES[0]: report.as_news()})
    return f"{report.as_markdown()}\n\n{overview.as_markdown()}"


def models(text: str) -> str:
    drift = {"drift_status": "critical", "drift_score": 0.4, "columns": []}
    model = {"workspace_id": text, "model_type": "TONE_CLASSIFIER", "status": "rejected", "reason": text}
    model |= {"model_version": "v_20260101_000000", "drift": drift}
    outcomes = [Outcome(text, DONE, None, {"models": {"x": model}}), Outcome(text, FAILED, text, {})]
    return model_page(outcomes)


def model_page(outcomes: list[Outcome]) -> str:
    names = [outcome.workspace_id for outcome in outcomes]
    found = report_rows([], model_report.all_rows(outcomes), names, everyone=True)
    return f"{page_and_index(model_report.model_report(found))}\n\n{model_report.drift_page(outcomes)}"


def summary(text: str) -> str:
    rows = [{"workspace_id": text, "step": "models", "status": "failed", "reason": text, "unchanged_since": None}]
    best = [Finding(text, text)]
    made = summary_report(summarize(rows, {"models": 1.0}), [], best, {"a-report": "words"}, everyone=True)
    return page_and_index(made)


def release(text: str) -> str:
    rows = release_report.all_rows([Outcome(text, FAILED, text)], {"period": "2026-03", "status": "published"})
    return page_and_index(release_report.release_report(report_rows([], rows, [text, ""], everyone=True), {text: text}))


def debates(text: str) -> str:
    row = {"workspace_id": text, "problem": text, "status": "decided", "label": text, "confidence": 0.5}
    rows = [row | {"debate_id": "dbt_1"}, row | {"debate_id": "dbt_2", "label": None, "status": "failed"}]
    return page_and_index(debate_index.debate_index(rows, []))


def experiments(text: str) -> str:
    row = {"workspace_id": text, "experiment_id": "exp_1", "name": text, "status": "running", "found": "winner"}
    row |= {"winner": text, "units": 10, "p_value": 0.01}
    return page_and_index(experiment_index([row], [Outcome(text, FAILED, text)], []))


def experiment(text: str) -> str:
    arms = [ArmReport(text, control, 9, 9, 0.1, None, 0.5, None, 0.5) for control in (True, False)]
    effect = EffectReport(text, 0.1, (0.0, 0.2), 0.01, 0.1, 0.9, True)
    row = {"name": text, "segment": text, "metric_name": text, "variant_id": text, "direction": "increase", "n": 3}
    row |= {"effect": 0.1, "interval": (0.0, 0.2), "is_significant": True, "is_harmed": True, "p_value": 0.01}
    known: dict[str, Any] = {
        "experiment_id": "exp_1", "name": text, "workspace_id": text, "metric_name": text, "metric_kind": "binary",
        "direction": "increase", "status": next(iter(ExperimentStatus)),
        "is_significant": True, "winner": text, "leader": text, "confidence": 0.9, "p_value": 0.01,
        "confidence_level": 0.95, "variants": arms, "effects": [effect], "n": 18, "planned_units_per_arm": 9,
        "sample_ratio": SampleRatio(0.5, False, {}, {}), "guardrails": [row], "segments": [row], "contrasts": [row],
        "looks": 1, "hypothesis": text, "next_step": text, "method": text, "warnings": [text],
    }  # fmt: skip
    return experiment_report(ExperimentResult(**known), completed=False)


def waiting(text: str) -> str:
    row = {"name": text, "workspace_id": text, "winner": text, "units": 9, "experiment_id": text.replace("`", "")}
    return answers_in_words([row])


def elements(text: str) -> list[str]:
    def flat(tokens: list[Token]) -> list[Token]:
        return [inner for token in tokens for inner in (token, *flat(token.children or []))]

    kinds = [token.type for token in flat(RENDERER.parse(text))]
    return [kind for kind in kinds if kind not in ("text", "text_special", "code_inline")]


REPORTS = [patterns, models, summary, release, debates, experiments, experiment, waiting]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("report", REPORTS)
def test_a_report_is_made_of_its_own_elements(report: Callable[[str], str], hostile: str) -> None:
    made = report(hostile)
    assert elements(made) == elements(report("plain"))
    assert "\x1b" not in made
    assert not BIDIRECTIONAL & set(made)


@pytest.mark.parametrize("name", ["$x^$", "$\\frac{$", "price in $", "a$b$c$", "\x1b[31m\n"])
def test_no_name_breaks_a_picture(name: str) -> None:
    columns = [{"name": name, "kind": "number", "shift": 1.0, "p_adjusted": 0.01}] * 2
    drift = {"drift_status": "critical", "drift_score": 0.4, "columns": columns}
    model = {"workspace_id": name, "model_type": "TONE_CLASSIFIER", "status": "rejected", "reason": name}
    model |= {"model_version": None, "drift": drift}
    assert "data:image/png" in model_page([Outcome(name, DONE, None, {"models": {"x": model}})])
    effects = [{"variant_id": name, "effect": 0.1, "interval": (0.0, 0.2)}]
    looks = [{"n": n, "result": {"effects": effects}} for n in (10, 20)]
    assert effects_over_time(looks, name, name)
    _axes(name).figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_descriptions_links_and_tables_are_plain(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(published, "create_table_artifact", lambda **given: made.update(given))
    publish_table("a-report", [{hostile: hostile, "n": -5}], hostile)
    assert elements(made["description"]) == elements("plain")
    assert "\x1b" not in str(made["table"])
    assert "\n" not in next(iter(made["table"][0]))
    assert made["table"][0]["n"] == -5
    assert elements(report_link("key", hostile)) == elements(report_link("key", "plain"))
