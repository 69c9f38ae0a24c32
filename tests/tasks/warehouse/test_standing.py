"""An answer stands only while all that it rests on is the same; then nothing is worked out, and it says since when."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from tasks.errors import OutOfRangeError
from tasks.models.records import ModelKey, ModelType
from tasks.models.registry.trusted import MODEL_FILE
from tasks.models.store.state import model_state
from tasks.patterns.steps import learn_patterns, patterns_question
from tasks.settings import get_settings
from tasks.transfer.steps import contribute_effects, transfer_question
from tasks.warehouse import Warehouse
from tasks.warehouse.extraction import row_fingerprints
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED, Outcome, each_workspace, outcomes_of
from tasks.warehouse.schema import Content, ModelDeployment, ModelVersion, PatternAnalysis, TransferEstimate, Workspace
from tasks.warehouse.standing import StandingOutcomes, StepQuestion
from tasks.warehouse.steps import extract_chunk
from tests.factories import START, content_row, store, store_content, workspace_row

NAMES = ["acme", "globex"]
WINDOW = (START, START + timedelta(days=60))
SETTINGS = {"days": 60}


def nothing(_warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str | None]:
    return dict.fromkeys(workspace_ids, "")


def never(_warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str | None]:
    return dict.fromkeys(workspace_ids)


QUESTION = StepQuestion("patterns", SETTINGS, "code 1", ("content",), nothing)


@dataclass
class Work:
    """Counts whom it was done for."""

    done: list[str] = field(default_factory=list)
    fails: bool = False
    status: str = DONE

    def __call__(self, workspace_id: str) -> Outcome:
        self.done.append(workspace_id)
        if self.fails:
            raise OutOfRangeError("alpha", 2, "between 0 and 1")
        return Outcome(workspace_id, self.status, None, {"when": START, "values": (1.5, 2)})


@pytest.fixture
def stocked(warehouse: Warehouse) -> Warehouse:
    """Two workspaces with thirty posts each."""
    store_content(warehouse, [content_row(i, workspace_id=name) for name in NAMES for i in range(30)])
    return warehouse


def ask(
    warehouse: Warehouse, question: StepQuestion = QUESTION, work: Work | None = None, anew: bool = False
) -> tuple[list[str], list[Outcome]]:
    """Whom the work was done for, and all outcomes."""
    work = work or Work()
    chunk = extract_chunk.fn(NAMES, WINDOW, "night", [question], anew)
    standing = StandingOutcomes(warehouse, question, chunk)
    outcomes = each_workspace(warehouse, "night", question.step, NAMES, work, standing)
    return work.done, outcomes


@pytest.fixture(autouse=True)
def _same_store(stocked: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", stocked.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("RAPTORFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    get_settings.cache_clear()


def test_nothing_new_is_nothing_done_and_says_since_when(stocked: Warehouse) -> None:
    first, outcomes = ask(stocked)
    assert first == NAMES
    assert [outcome.unchanged_since for outcome in outcomes] == [None, None]
    again, stands = ask(stocked)
    assert again == []
    assert [(one.status, one.result) for one in stands] == [
        (DONE, {"when": START.isoformat(), "values": [1.5, 2]}) for _ in NAMES
    ]
    today = datetime.now(UTC).date()
    assert {row["unchanged_since"].date() for row in outcomes_of(stocked, "night")} == {today}
    assert ask(stocked, anew=True)[0] == NAMES, "a person may have it computed anyway"
    assert ask(stocked)[0] == []


def test_a_workspace_that_changed_is_worked_out_and_no_other(stocked: Warehouse) -> None:
    ask(stocked)
    store_content(stocked, [content_row(31, workspace_id="globex")])
    assert ask(stocked)[0] == ["globex"]


@pytest.mark.parametrize(
    "changed",
    [
        replace(QUESTION, settings={"days": 61}),
        replace(QUESTION, code="code 2"),
        replace(QUESTION, step="models"),
        replace(QUESTION, kinds=("content", "touch")),
        replace(QUESTION, state=never),
    ],
    ids=["settings", "code", "step", "kinds", "state"],
)
def test_another_question_is_answered(stocked: Warehouse, changed: StepQuestion) -> None:
    ask(stocked)
    assert ask(stocked, changed)[0] == NAMES


def test_answers_to_other_settings_stand_beside_each_other(stocked: Warehouse) -> None:
    weekly = replace(QUESTION, settings={"days": 7})
    for question in (QUESTION, weekly):
        ask(stocked, question)
    assert [ask(stocked, question)[0] for question in (QUESTION, weekly)] == [[], []]


@pytest.mark.parametrize(
    "change",
    [
        {"engagements": 999, "run_id": "repair"},
        {"body": "other words", "run_id": "repair"},
        {"engagements": 999},
        {"measured_at": START + timedelta(days=40)},
        {"published_at": START - timedelta(days=1)},
    ],
    ids=["repaired number", "repaired text", "number by hand", "measured later", "left the window"],
)
def test_repaired_rows_are_seen(stocked: Warehouse, change: dict[str, Any]) -> None:
    ask(stocked)
    with stocked.begin() as connection:
        connection.execute(
            update(Content).where(Content.workspace_id == "acme", Content.content_id == "c3").values(**change)
        )
    assert ask(stocked)[0] == ["acme"]


def test_a_deleted_row_and_another_time_zone_are_seen(stocked: Warehouse) -> None:
    ask(stocked)
    with stocked.begin() as connection:
        connection.execute(delete(Content).where(Content.workspace_id == "acme", Content.content_id == "c3"))
    store(stocked, Workspace, [workspace_row(workspace_id="globex", timezone="Asia/Tokyo")])
    assert ask(stocked)[0] == NAMES


def test_rows_that_leave_the_lookback_are_seen(stocked: Warehouse) -> None:
    later = (WINDOW[0] + timedelta(hours=5), WINDOW[1])
    before, after = (row_fingerprints(stocked, NAMES, window) for window in (WINDOW, later))
    assert all(before[name]["content"] != after[name]["content"] for name in NAMES)
    moved = (WINDOW[0], WINDOW[1] + timedelta(days=1))
    assert row_fingerprints(stocked, NAMES, moved) == before, "a night later, the same rows"


def test_a_failure_is_never_remembered_and_what_was_skipped_is(stocked: Warehouse) -> None:
    ask(stocked)
    _, outcomes = ask(stocked, anew=True, work=Work(fails=True))
    assert [outcome.status for outcome in outcomes] == [FAILED, FAILED]
    assert ask(stocked, work=Work(status=SKIPPED))[0] == NAMES
    again, stands = ask(stocked)
    assert (again, [one.status for one in stands]) == ([], [SKIPPED, SKIPPED])


def test_a_run_killed_before_its_answers_were_kept_answers_again(stocked: Warehouse) -> None:
    chunk = extract_chunk.fn(NAMES, WINDOW, "night", [QUESTION])
    assert chunk.frozen == tuple(NAMES)
    Work()("acme")  # and then the process was gone: nothing was remembered
    assert ask(stocked)[0] == NAMES


def test_rows_are_frozen_only_for_whom_something_is_asked(stocked: Warehouse) -> None:
    ask(stocked)
    store_content(stocked, [content_row(31, workspace_id="globex")])
    chunk = extract_chunk.fn(NAMES, WINDOW, "night", [QUESTION])
    assert chunk.workspace_ids == NAMES
    assert chunk.content.scan().collect()["workspace_id"].unique().to_list() == ["globex"]


def test_who_changed_after_the_rows_were_frozen_has_them_frozen(stocked: Warehouse) -> None:
    ask(stocked)
    chunk = extract_chunk.fn(NAMES, WINDOW, "night", [QUESTION])
    assert chunk.frozen == ()
    standing = StandingOutcomes(stocked, replace(QUESTION, code="a person promoted a model"), chunk)
    assert standing.outcomes == {}
    assert standing.chunk.content.rows == 60


def night(window: tuple[datetime, datetime], run_id: str) -> list[list[str]]:
    """Whose answers were worked out by the real steps of patterns and transfer."""
    questions = [patterns_question([], 60), transfer_question()]
    chunk = extract_chunk.fn(NAMES, window, run_id, questions)
    steps = [learn_patterns.fn(chunk, [], run_id), contribute_effects.fn(chunk, run_id)]
    return [[one.workspace_id for one in outcomes if one.unchanged_since is None] for outcomes in steps]


def test_an_answer_whose_rows_in_the_warehouse_are_gone_is_given_again(stocked: Warehouse) -> None:
    store_content(stocked, [content_row(10 * i, workspace_id=name) for name in NAMES for i in range(140)])
    assert night(WINDOW, "first") == [NAMES, NAMES]
    assert night(WINDOW, "second") == [[], []]
    with stocked.begin() as connection:
        connection.execute(delete(PatternAnalysis).where(PatternAnalysis.workspace_id == "acme"))
        connection.execute(delete(TransferEstimate).where(TransferEstimate.workspace_id == "globex"))
    assert night(WINDOW, "third") == [["acme"], ["globex"]]


def test_estimates_that_stand_hold_for_the_later_night(stocked: Warehouse) -> None:
    store_content(stocked, [content_row(10 * i, workspace_id=name) for name in NAMES for i in range(140)])
    night(WINDOW, "first")
    later = (WINDOW[0], WINDOW[1] + timedelta(days=40))
    assert night(later, "second")[1] == []
    held = {row["as_of"] for row in stocked.rows(TransferEstimate.__table__.select())}
    assert held == {later[1]}, "they would count as stale after thirty days"


MLFLOW_TABLES = (
    "CREATE TABLE model_versions (name, version, source, current_stage)",
    "CREATE TABLE registered_model_aliases (name, alias, version)",
)


def test_a_model_that_serves_and_is_gone_from_the_registry_never_stands_and_what_changes_there_is_seen(
    stocked: Warehouse, tmp_path: Path
) -> None:
    assert model_state(stocked, NAMES)["acme"] is not None, "no models, nothing missing"
    row = {"workspace_id": "acme", "model_type": "TONE_CLASSIFIER", "version_name": "v_1", "status": "registered"}
    row |= {"spec_sha256": "s", "data_sha256": "d", "decision": "hold", "registry_version": 1, "artifact_sha256": "a"}
    row |= {"golden": {}, "evaluation": {}, "gate": None, "n_rows": 1, "train_from": START, "train_to": START}
    row |= {"snapshot_sha256": None, "git_commit": None, "pinned": False, "trained_at": START, "run_id": "r"}
    store(stocked, ModelVersion, [row])
    assert model_state(stocked, NAMES)["acme"] is not None, "MLflow does not have it, and it does not serve"
    change = {"workspace_id": "acme", "model_type": "TONE_CLASSIFIER", "generation": 1, "kind": "promotion"}
    change |= {"outcome": "done", "version_name": "v_1", "from_version": None, "reason": "r", "actor": "a"}
    both = [change | {"phase": phase, "recorded_at": START, "run_id": "r"} for phase in ("opened", "closed")]
    store(stocked, ModelDeployment, both)
    assert model_state(stocked, NAMES)["acme"] is None, "MLflow does not have it, and it serves"
    (tmp_path / MODEL_FILE).write_text("a model")
    name = ModelKey("acme", ModelType.TONE_CLASSIFIER).registered_name
    with closing(sqlite3.connect(get_settings().home / "mlflow.db", isolation_level=None)) as registry:
        for statement in MLFLOW_TABLES:
            registry.execute(statement)
        registry.execute("INSERT INTO model_versions VALUES (?, 1, ?, 'None')", [name, tmp_path.as_uri()])
        registry.execute("INSERT INTO registered_model_aliases VALUES (?, 'champion', 1)", [name])
        states = [model_state(stocked, NAMES)["acme"]]
        registry.execute("UPDATE registered_model_aliases SET alias = 'challenger'")
        states.append(model_state(stocked, NAMES)["acme"])
        (tmp_path / MODEL_FILE).write_text("another model")
        states.append(model_state(stocked, NAMES)["acme"])
        assert len({*states} - {None}) == 3, "a moved alias and a changed file are seen"
        registry.execute("UPDATE model_versions SET current_stage = 'Deleted_Internal'")
        assert model_state(stocked, NAMES)["acme"] is None
    (tmp_path / MODEL_FILE).unlink()
    assert model_state(stocked, NAMES)["globex"] is not None
