"""A report begins with what to do; a list of any length begins with what waits for a decision, and ends with counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.experiments.headline import counts_in_words, headline, how_to_decide, most_urgent_first
from tasks.experiments.records import (
    ArmReport,
    EffectReport,
    ExperimentResult,
    ExperimentStatus,
    Forecast,
    SampleRatio,
)
from tasks.experiments.tables import checks, day_rows, effect_rows, share
from tasks.reporting.experiment_index import experiment_index
from tasks.reporting.experiment_report import experiment_report

S = ExperimentStatus


def look(status: ExperimentStatus, **changes: Any) -> ExperimentResult:
    """A look at control (mean 10 %) against bold, +2 points [+1, +3]."""
    arms = [
        ArmReport("control", True, 1000, 1000, 0.10, None, None, None, 0.5),
        ArmReport("bold", False, 1000, 1000, 0.12, None, None, None, 0.5),
    ]
    known: dict[str, Any] = {
        "experiment_id": "exp_1", "name": "hooks", "workspace_id": "acme", "metric_name": "clicked",
        "metric_kind": "binary", "direction": "increase", "status": status, "is_significant": status == S.WINNER,
        "winner": "bold" if status == S.WINNER else None, "leader": "bold", "confidence": 0.0, "p_value": 0.01,
        "confidence_level": 0.95, "variants": arms, "n": 2000, "planned_units_per_arm": 5000, "looks": 3,
        "effects": [EffectReport("bold", 0.02, (0.01, 0.03), 0.01, 0.2, 0.99, status == S.WINNER)],
        "sample_ratio": SampleRatio(0.5, False, {}, {}), "guardrails": [], "segments": [], "contrasts": [],
        "hypothesis": None, "next_step": "go", "method": "m", "warnings": [],
    }  # fmt: skip
    return ExperimentResult(**(known | changes))


AHEAD = Forecast(
    500.0, datetime(2026, 12, 5, tzinfo=UTC), datetime(2026, 12, 12, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC),
    datetime(2027, 1, 3, tzinfo=UTC), 0.624,
)  # fmt: skip
HARM = [
    {"metric_name": "unsubscribed", "variant_id": "bold", "is_harmed": True, "direction": "decrease", "effect": None}
]


@pytest.mark.parametrize(
    ("analysis", "says"),
    [
        (look(S.WINNER), "Ship bold: +20 % on clicked (+10 % to +30 %) against the control"),
        (
            look(S.WINNER, direction="decrease"),
            "Ship bold: -20 % on clicked (-30 % to -10 %, less is better) against the control",
        ),
        (
            look(S.WINNER, winner="control"),
            "Keep control: it beats every other arm (bold +20 % on clicked (+10 % to +30 %))",
        ),
        (look(S.NO_DIFFERENCE), "Keep control. Neutral: the difference from the control is at most ± 30 %"),
        (look(S.HARMED, guardrails=HARM), "Do not ship bold: bold makes unsubscribed worse"),
        (look(S.INVALID), "Trust no comparison yet: units did not arrive in the promised shares; find out why"),
        (
            look(S.INVALID, reporting=SampleRatio(1e-9, True, {}, {})),
            "Trust no comparison yet: units of some arms report",
        ),
        (look(S.CONTRADICTED), "Declare nothing: the effect changed while it ran"),
        (look(S.INSUFFICIENT_DATA), "Keep it running: too few units to judge by (1,000 in control)"),
        (look(S.RUNNING), "Keep it running: nothing is proven yet; the difference from the control is at most ± 30 %"),
        (look(S.RUNNING, effects=[]), "Keep it running: nothing is proven yet; no arm could be compared"),
        (
            look(S.RUNNING, forecast=AHEAD),
            "Run until 12 Dec (5 Dec to 2 Jan 2027): nothing is proven yet; a winner by then with probability 62 %",
        ),
        (look(S.RUNNING, missing_days=2.2), "Run for 3 more days: nothing is declared before one full cycle of days"),
        (
            look(S.RUNNING, better_than_control=("bold", "calm")),
            "Ship bold or calm: each beats control; which of them is better is not proven",
        ),
        (look(S.RUNNING, planned_units_per_arm=900), "Keep control, or go on: nothing is proven at the planned size"),
    ],
)
def test_the_first_sentence_says_what_to_do(analysis: ExperimentResult, says: str) -> None:
    assert headline(analysis).startswith(says)
    page = experiment_report(analysis, completed=False)
    assert page.splitlines()[2].startswith("**"), "right below the title"
    assert (
        page.index("**")
        < page.index("## Against the control" if analysis.effects else "## Arms")
        < page.index("## Checks")
    )


def test_every_status_has_a_sentence() -> None:
    assert all(headline(look(status, guardrails=HARM)) for status in ExperimentStatus)


def test_without_a_relative_effect_the_metrics_own_unit_is_shown() -> None:
    effect = EffectReport("bold", 0.02, (0.01, 0.03), 0.01, None, 0.99, True)
    analysis = look(S.WINNER, effects=[effect])
    assert headline(analysis) == "Ship bold: +0.02 on clicked (+0.01 to +0.03) against the control"
    assert "lift" not in effect_rows(analysis)[0]


def test_what_was_left_out_and_who_reports_are_among_the_checks() -> None:
    lines = list(checks(look(S.WINNER, left_out=("units seen in two arms, left out: 7",), forecast=AHEAD)))
    assert "units seen in two arms, left out: 7" in lines
    assert any("500 units a day" in line and "2027-01-03" in line for line in lines)


def row(i: int, status: str, found: str | None, **more: Any) -> dict[str, Any]:
    about = {"workspace_id": "acme", "experiment_id": f"exp_{i}", "name": f"e{i}", "metric_name": "m", "units": i}
    return about | {"status": status, "found": found, "winner": None, "p_value": None} | more


@pytest.mark.parametrize("n", [0, 12, 300])
def test_a_list_begins_with_what_waits_for_a_decision_and_ends_with_counts(n: int) -> None:
    kinds = [("completed", "winner"), ("running", "running"), ("draft", None), ("running", "insufficient_data")]
    rows = [row(i, *kinds[i % 4]) for i in range(n - 4)] if n else []
    rows += [row(n, "running", "winner"), row(n + 1, "running", "invalid"), row(n + 2, "running", "no_difference"),
             row(n + 3, "running", "running", better_than_control=["a", "b"])] * (n > 0)  # fmt: skip
    ordered = most_urgent_first(rows)
    assert len(ordered) == n
    index = experiment_index(rows, [], None)
    page = index.as_markdown()
    if not n:
        assert "## Needs a person\n\nNothing." in page
        return
    assert [one["decision"] for one in ordered[:5]] == [
        "look into it",
        "ship it",
        "keep the control",
        "ship either",
        None,
    ]
    assert [one["status"] for one in ordered[4:6]] == ["running", "running"]
    assert ordered[-1]["status"] == "completed"
    assert counts_in_words(ordered).startswith(f"{n} experiments: 4 wait for a decision, ")
    assert [finding.what.split(":")[0] for finding in index.needs] == [one["decision"] for one in ordered[:4]]
    assert f"**{n:,}** experiments" in page
    assert page.count("\n- ") <= 30, "a page of 300 is no longer than one can read"
    assert page.index("look into it") < page.index("## Counts")


def test_the_next_command_is_one_that_works() -> None:
    either = look(S.RUNNING, better_than_control=("new red", "blue"))
    made = either.experiment_id
    assert how_to_decide(either) == f"raptorflow experiment decide {made} --winner 'new red' or blue"
    assert how_to_decide(look(S.WINNER)) == f"raptorflow experiment decide {made}"
    assert str(how_to_decide(look(S.INVALID))).startswith(f"raptorflow experiment stop {made}")
    assert how_to_decide(look(S.RUNNING)) is None
    assert f"raptorflow experiment decide {made}" in experiment_report(look(S.WINNER), completed=False)
    assert "raptorflow experiment" not in experiment_report(look(S.WINNER), completed=True)


def test_a_table_says_how_sure_in_words_and_has_no_day_that_says_it_again() -> None:
    assert (share(0.0), share(1.0), share(0.5)) == ("under 0.1 %", "over 99.9 %", "50.0 %")
    day = {"day": 0, "variant_id": "bold", "n": 9, "effect": 0.1, "interval": (0.0, 0.2)}
    assert day_rows(look(S.WINNER, days=(day,))) == []
    assert len(day_rows(look(S.WINNER, days=(day, day | {"day": 1})))) == 2
