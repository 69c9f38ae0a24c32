"""A workspace's program, from ingested experiments to what is expected to hold of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tasks.effects.figures import cumulative
from tasks.effects.program_summary import ProgramSummary
from tasks.effects.service import EffectService
from tasks.reporting.program_report import program_page
from tasks.warehouse import Warehouse
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import ExperimentArm, Workspace
from tests.factories import store, workspace_row
from tests.learning_history import experiment_rows

TRUE_SPREAD = 0.05


def program(workspace_id: str, count: int, seed: int, spread: float = TRUE_SPREAD) -> tuple[list[dict], list[float]]:
    """Arms of experiments whose treatments do N(0, spread²), and what they truly do (log)."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for k in range(count):
        effect = rng.normal(0.0, spread)
        truth.append(effect)
        for name, rate in (("a", 0.05), ("b", 0.05 * math.exp(effect))):
            rows.append(
                {"workspace_id": workspace_id, "experiment_name": f"e{k:03}", "variant_name": name}
                | {"metric_name": "clicks", "metric_kind": "binary", "n": 20_000, "sum_of_squares": None}
                | {"sum": float(rng.binomial(20_000, rate)), "is_control": name == "a", "started_at": None}
                | {"direction": "increase", "share": None, "run_id": "test"}
            )
    return rows, truth


def total_of_winners(summary: ProgramSummary, truth: list[float]) -> float:
    """What winners truly come to, a fifth having faded, in per cent."""
    won = [int(one.name[1:]) for one in summary.experiments if one.ending == "winner"]
    return 100 * math.expm1(sum(0.8 * truth[k] for k in won))


def test_what_is_expected_to_hold_holds_and_claims_do_not(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    rows, truth = program("acme", 60, 1)
    store(warehouse, ExperimentArm, rows)
    summary = EffectService(warehouse).program("acme")
    holds = total_of_winners(summary, truth)
    print(summary.words, summary.counts, f"truly {holds:.1f} %")
    assert sum(summary.counts.values()) == 60
    assert summary.claimed_pct > 1.2 * holds
    low, high = summary.interval_pct
    assert low <= holds <= high
    assert summary.expected_pct < summary.claimed_pct
    assert summary.counts.get("winner", 0) + summary.counts.get("kept", 0) < 40


def test_what_cannot_be_counted_is_named_with_its_reason(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    rows, _ = program("acme", 5, 1)
    rows[3] |= {"sum": 0.0}  # nobody clicked on the second arm of e001
    rows[4] |= {"n": 1, "sum": 1.0}
    rows[6] |= {"sum": 20_000.0}  # everybody did
    del rows[9]
    store(warehouse, ExperimentArm, rows)
    summary = EffectService(warehouse).program("acme")
    assert sum(summary.counts.values()) == 1
    assert {one.name: one.why for one in summary.not_counted} == {
        "e001": "the outcomes of arm 'b' come to 0: no ratio can be told to it",
        "e002": "arm 'a' has outcomes of fewer than two units",
        "e003": "all outcomes of arm 'a' are the same",
        "e004": "only one of its arms has outcomes: nothing to compare them with",
    }
    assert "1 experiment ended" in summary.words
    assert summary.words.endswith("; 4 more cannot be counted")
    assert "| e003 | all outcomes of arm 'a' are the same |" in program_page(summary)


def test_own_experiments_without_figures_are_named_and_running_ones_wait(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    fact = {
        "name": "n",
        "hypothesis": "h",
        "metric": "clicks",
        "winner": None,
        "lift": 0.0,
        "arms": {"a": "A", "b": "B"},
    }
    equal, bandit = {"allocation_strategy": "equal"}, {"allocation_strategy": "thompson"}
    kinds = [
        equal,
        bandit,
        equal | {"conclusion": "invalid"},
        equal | {"status": "running"},
        equal | {"status": "draft"},
    ]
    for number, changes in enumerate(kinds):
        for table, rows in experiment_rows("acme", fact | {"name": f"n{number}"}, number, **changes).items():
            store(warehouse, table, rows)
    summary = EffectService(warehouse).program("acme")
    assert {one.name: one.why for one in summary.not_counted} == {
        "n0": "none of its arms has outcomes",
        "n1": "its traffic followed outcomes, as that of a bandit does: plain means cannot be compared",
        "n2": "it was found invalid: its units did not arrive or report in the promised shares",
    }
    assert summary.words.startswith("no experiment has ended yet that can be counted")


def test_a_small_program_leans_on_its_organizations(sqlite_warehouse: Warehouse) -> None:
    owners = {"acme": "agency", "sister": "agency", "alone": None}
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id=w, organisation_id=o) for w, o in owners.items()])
    for name in ("acme", "alone"):
        store(sqlite_warehouse, ExperimentArm, program(name, 2, 7, spread=0.1)[0])
    store(sqlite_warehouse, ExperimentArm, program("sister", 40, 3, spread=0.0)[0])
    service = EffectService(sqlite_warehouse)
    leaning, alone = (service.program(name).experiments[0] for name in ("acme", "alone"))
    assert abs(leaning.expected_pct) < abs(alone.expected_pct), "the sister's experiments all came to nothing"


def test_nothing_and_unusable_arms_are_said_in_words(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    service = EffectService(sqlite_warehouse)
    assert "no experiment has ended yet" in service.program("acme").words
    file = tmp_path / "e.csv"
    header = "workspace_id,experiment_name,variant_name,metric_name,metric_kind,n,sum,is_control"
    lines = ["acme,none,a,clicks,binary,0,0,true", "acme,none,b,clicks,binary,0,0,false"]
    lines += ["acme,zero,a,clicks,binary,900,0,true", "acme,zero,b,clicks,binary,900,0,false"]
    lines += ["acme,fair,a,clicks,binary,9000,450,true", "acme,fair,b,clicks,binary,9000,452,false"]
    file.write_text("\n".join([header, *lines]))
    ingest("experiments", [file], warehouse=sqlite_warehouse)
    summary = service.program("acme")
    assert [one.name for one in summary.experiments] == ["fair"]
    assert summary.claimed_pct == summary.expected_pct == 0.0
    assert "none with a winner" in summary.words


def test_gains_of_many_winners_are_said_a_winner_and_never_cut_to_one_number(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    store(sqlite_warehouse, ExperimentArm, program("acme", 120, 1, spread=0.3)[0])
    summary = EffectService(sqlite_warehouse).program("acme")
    assert summary.counts["winner"] > 30
    low, high = summary.interval_pct
    assert low < summary.expected_pct < high < summary.claimed_pct, "each its own number, however large"
    claimed, expected, each_low, each_high = summary.each_pct
    assert 0 < each_low < expected < each_high < claimed < 60
    assert f"on average each of these claims {claimed:+.1f} %" in summary.words
    assert len(cumulative(summary)) > 1_000
    page = program_page(summary)
    assert f"{summary.claimed_pct:+.1f}" not in page, "a thousandfold gain is nothing to read"


def test_one_winner_claims_for_itself_and_a_row_says_of_what_it_is(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    rows = program("acme", 1, 1, spread=0.0)[0]
    name = "[x](javascript:alert(1)) | <b>"
    store(sqlite_warehouse, ExperimentArm, [row | {"experiment_name": name} for row in rows[:1]])
    store(sqlite_warehouse, ExperimentArm, [rows[1] | {"experiment_name": name, "sum": rows[0]["sum"] * 1.5}])
    summary = EffectService(sqlite_warehouse).program("acme")
    assert summary.words.startswith("1 of 1 experiment ended with a winner; it claims +50.0 %")
    page = program_page(summary)
    assert "| clicks | winner | b | +50.0 % |" in page
    assert "[x](" not in page.replace("\\[", "").replace("\\]", "")
    assert "<b>" not in page
