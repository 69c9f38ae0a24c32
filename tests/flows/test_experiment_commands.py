"""A newcomer plans, creates, starts, watches and ends an experiment in a terminal; each mistake is one line."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from flows.experiment_options import settled
from flows.runtime import _json_or_text
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.flows.conftest import Command

CREATE = ("create", "checkout", "-w", "acme", "--metric", "clicked", "-v", "control", "-v", "bold", "--kind", "binary")


@pytest.fixture
def experiment(raptorflow: Command) -> Command:
    """`raptorflow experiment …`: exit status, standard output, standard error."""
    store(Warehouse(), Workspace, [workspace_row()])
    return partial(raptorflow, "experiment")


def test_a_plan_is_a_sentence_a_curve_and_a_picture(experiment: Command, tmp_path: Path) -> None:
    picture = tmp_path / "plan.png"
    asked = ("plan", "--baseline", "0.1", "--effect", "0.1", "--daily-units", "2000")
    status, printed, _ = experiment(*asked, "--png", str(picture))
    assert status == 0
    assert printed.startswith("15,008 units in the smallest of 2 arms, 16 days at this traffic: a relative effect")
    assert "████████████████░░░░  80 %" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")
    plan = json.loads(experiment(*asked, "--json")[1])
    assert plan["plan"]["units_per_arm"] == 15008
    assert isinstance(plan["sizes"][0]["power"], float)


def test_from_creation_to_the_decision(experiment: Command, tmp_path: Path) -> None:
    status, printed, _ = experiment()
    assert (status, "no experiments yet" in printed) == (0, True)
    assert "next: raptorflow experiment start exp_" in experiment(*CREATE, "--assigned-elsewhere")[1]
    assert "is a draft" not in experiment("start", "checkout", "-w", "acme")[1]
    seen, got = tmp_path / "seen.csv", tmp_path / "got.csv"
    units = [(f"u{i}", "bold" if i % 2 else "control", i) for i in range(2000)]
    sightings = [f"{unit},{arm},2026-01-{1 + i % 9:02}T09:00:00Z\n" for unit, arm, i in units]
    seen.write_text("user,variant,time\n" + "".join(sightings))
    header = "workspace_id,experiment_name,unit_id,metric_name,value,occurred_at\n"
    value = {"bold": 4, "control": 12}
    got.write_text(
        header + "".join(f"acme,checkout,{u},clicked,{int(i % value[arm] < 2)},2026-01-{1 + i % 9:02}T10:00:00Z\n"
                         for u, arm, i in units)
    )  # fmt: skip
    from tasks.warehouse.ingestion import ingest

    ingest("exposures", [seen], workspace="acme", experiment="checkout")
    assert "checkout: 2,000 new units, 2,000 new outcomes" in experiment("record", str(got))[1]
    assert "checkout: 0 new units, 0 new outcomes" in experiment("record", str(got))[1], "the same file again"
    status, printed, _ = experiment("show", "checkout", "--png", str(tmp_path / "show.png"))
    assert (status, printed.splitlines()[0][:11]) == (0, "Ship bold: ")
    assert "next: raptorflow experiment decide exp_" in printed
    shown = json.loads(experiment("show", "checkout", "--json")[1])
    assert shown["analysis"]["winner"] == "bold"
    assert shown["headline"].startswith("Ship bold")
    listed = experiment()[1]
    assert "ship it" in listed
    assert listed.strip().splitlines()[-1] == "1 experiment: 1 waits for a decision, 1 running"
    assert "checkout is completed: winner, winner bold" in experiment("decide", "checkout")[1]
    assert json.loads(experiment("--json")[1])[0]["status"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--baseline", "2"), "baseline is (mean, standard deviation)"),
        (("plan", "--baseline", "nan", "--deviation", "1"), "baseline"),
        (("plan", "--baseline", "5", "--deviation", "-1"), "baseline is (mean, standard deviation)"),
        (("plan", "--baseline", "0.1", "--weights", "a,b"), "--weights takes numbers"),
        (("plan", "--baseline", "0.1", "--set", "powr=0.9"), "unknown argument 'powr'"),
        (("plan", "--baseline", "0.1", "--set", "power"), "--set takes key=value"),
        (("plan", "--baseline", "0.1", "--png", "/nowhere/plan.png"), "cannot be written"),
        (("plan",), "baseline"),
        (("show", "nothing"), "unknown experiment 'nothing'"),
        (("start", "nothing"), "unknown experiment"),
        (("decide", "nothing"), "unknown experiment"),
        (("metric", "clicked"), "say --workspace ID"),
        (("metric", "clicked", "-w", "nowhere"), "unknown workspace"),
        ((*CREATE, "--ramp", "0.5,0.1"), "ramp is a list of rising shares"),
        ((*CREATE, "--guardrail", "a:b:c:d"), "--guardrail takes NAME"),
        ((*CREATE, "--secondary", "clicked"), "named twice"),
        ((*CREATE, "--changes", "bald: emoji_count=1"), "NAME one of control, bold"),
        ((*CREATE, "--changes", "bold: emoji_counts=1"), "did you mean 'emoji_count'?"),
        (("create", "x", "-w", "acme", "--metric", "m", "-v", "one"), "at least two variants"),
        (("holdout", "2", "--metric", "m", "-w", "acme"), "share must be"),
        (("record", "absent.csv"), "absent.csv"),
        (("fly", "away"), "No such command"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(experiment: Command, arguments: tuple[str, ...], says: str) -> None:
    status, printed, complaint = experiment(*arguments)
    assert status == 2, complaint
    assert says in complaint
    assert len(complaint.strip().splitlines()) == 1
    assert printed == ""
    assert json.loads(experiment("--json")[1]) == []


def test_a_draft_says_how_it_is_started_and_under_which_name_another_is_made(experiment: Command) -> None:
    declared = ("--changes", "bold: emoji_count=1; has_cta=true", "--changes", "bold: media_type=video")
    status, printed, _ = experiment(*CREATE, *declared, "--json")
    arms = json.loads(printed)["variants"]
    assert status == 0
    assert [arm["changes"] for arm in arms] == [None, {"emoji_count": 1, "has_cta": True, "media_type": "video"}]
    for arguments, says in (
        (("assign", "checkout", "u1"), "raptorflow experiment start exp_"),
        (("stop", "checkout"), "needs no end"),
        ((*CREATE, "--effect", "0.3"), "; choose another name"),
    ):
        status, _, complaint = experiment(*arguments)
        assert (status, len(complaint.strip().splitlines())) == (2, 1)
        assert says in complaint


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 100_000])
def test_a_value_beyond_what_json_is_read_is_text(value: str) -> None:
    assert settled([f"key={value}"]) == {"key": value}
    assert _json_or_text(value) == value
