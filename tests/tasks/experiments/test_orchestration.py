"""The loop's experiments: asked about once, approved once, made once, started where there is room; killed anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from tasks.effects.loop.drafts import DraftedExperiment, LoopTerms
from tasks.effects.loop.worth import HORIZON_WEEKS
from tasks.errors import UnknownNameError
from tasks.experiments.errors import DamagedExperimentError, WrongStateError
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.experiments.service import ExperimentService
from tasks.experiments.steps import best_drafts
from tasks.warehouse import Warehouse
from tasks.warehouse.outcomes import DONE, Outcome
from tasks.warehouse.schema import Content, Debate, Experiment, PatternAnalysis, PatternFinding, Workspace
from tests.factories import content_row, store, workspace_row
from tests.learning_history import analysis_row, debate_row, finding_row

NOW = datetime(2026, 11, 4, tzinfo=UTC)
TERMS = LoopTerms()
EFFECTS = {"emoji_count": 0.08, "question_count": 0.05, "number_count": -0.06, "hashtag_count": 0.04}


def write_open_questions(warehouse: Warehouse, workspace_id: str, *, impressions: int = 250_000) -> None:
    """Posts, and four patterns of which no experiment has told anything."""
    store(warehouse, Workspace, [workspace_row(workspace_id=workspace_id)])
    about = {"workspace_id": workspace_id, "impressions": impressions, "engagements": int(0.03 * impressions)}
    posts = [content_row(i, published_at=NOW - timedelta(hours=5 * i + 1), **about) for i in range(60)]
    store(warehouse, Content, posts)
    analysis, rows = analysis_row(workspace_id, "social", NOW), []
    for feature, mean in EFFECTS.items():
        rule = [{"feature": feature, "op": ">=", "value": 1, "level": "present"}]
        effect = {"log_estimate": mean, "log_interval": [mean - 0.13, mean + 0.13]}
        row = finding_row(analysis, rule, 30.0)
        rows.append(row | {"details": row["details"] | {"effect": effect, "share_of_posts": 0.3}})
    store(warehouse, PatternAnalysis, [analysis])
    store(warehouse, PatternFinding, rows)


@pytest.fixture
def service(sqlite_warehouse: Warehouse) -> OrchestrationService:
    write_open_questions(sqlite_warehouse, "acme")
    return OrchestrationService(warehouse=sqlite_warehouse)


def approve(service: OrchestrationService, drafts: Sequence[DraftedExperiment], **how: Any) -> int:
    return service.loop.answer(drafts, "ann\x00" * 99, "worth a try\x00", how.pop("at", NOW), yes=how.pop("yes", True))


def states(service: OrchestrationService, workspace_id: str = "acme") -> dict[str, str]:
    return {row["key"]: row["state"] for row in service.carry_out(workspace_id, TERMS, NOW)}


def test_a_draft_holds_all_that_is_decided_beforehand(service: OrchestrationService) -> None:
    ExperimentService(warehouse=service.experiments.store.warehouse).define_metric(
        "acme", "unsubscribed", direction="decrease", kind="binary"
    )
    first, second = service.propose("acme", TERMS, NOW)
    asked = first.definition
    assert (asked["metric_name"], asked["metric_kind"], asked["confidence_level"]) == ("engagement", "binary", 0.99)
    assert [arm.get("changes") for arm in asked["variants"]] == [None, {"pattern": first.key}]
    assert asked["guardrails"] == [{"name": "unsubscribed"}]
    assert (asked["layer_share"], asked["auto_complete"]) == (0.5, True)
    assert asked["daily_units"] == pytest.approx(60 / 8 * 250_000 * 0.7 / 7 / 2)
    for words in ("Claimed before the start", "changes engagement by +8.3 %", "90 %", "probability"):
        assert words in asked["hypothesis"]
    approve(service, [first])
    (row,) = service.carry_out("acme", TERMS, NOW)
    made = service.experiments.get_experiment(row["experiment_id"])
    assert (made.planned_units_per_arm, made.expected_days) == (first.units_per_arm, first.days)
    assert made.hypothesis == first.claim["words"]
    assert second.key not in states(service), "what nobody answered is not made"


def test_what_was_approved_runs_once_and_what_was_declined_rests(warehouse: Warehouse) -> None:
    write_open_questions(warehouse, "acme")
    service = OrchestrationService(warehouse=warehouse)
    first, second = service.propose("acme", TERMS, NOW)
    assert (approve(service, [first]), approve(service, [second], yes=False)) == (1, 1)
    assert approve(service, [first]) == approve(service, [first], yes=False) == 0, "approved once is approved"
    assert states(service) == states(service) == {first.key: "running", second.key: "declined"}
    assert len(service.experiments.list_experiments("acme")) == 1
    (third,) = service.propose("acme", TERMS, NOW)
    assert third.key not in (first.key, second.key), "one place is taken, and the declined one rests"
    later = NOW + timedelta(weeks=TERMS.weeks_declined, days=1)
    assert second.key in {one.key for one in service.propose("acme", LoopTerms(most_running=4), later)}


def test_no_more_run_than_there_is_room_for(service: OrchestrationService) -> None:
    four = service.propose("acme", LoopTerms(most_running=4), NOW)
    assert len(four) == 4
    approve(service, service.propose("acme", TERMS, NOW))
    approve(service, four)
    assert sorted(states(service).values()) == ["running", "running", "waiting", "waiting"]
    assert service.propose("acme", TERMS, NOW) == [], "what waits has its place"
    running = next(row for row in service.carry_out("acme", TERMS, NOW) if row["state"] == "running")
    service.experiments.complete_experiment(running["experiment_id"])
    assert sorted(states(service).values()) == ["completed", "running", "running", "waiting"]
    rows = service.carry_out("acme", LoopTerms(most_running=4), NOW)
    waits = [row["why"] for row in rows if row["state"] == "waiting"]
    assert "layer 'orchestrated' has 25 % of its units left, not 50 %" in waits[0], "it waits for the layer, too"


def test_one_that_was_killed_as_it_ended_leaves_its_place_to_the_next(
    service: OrchestrationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(service, service.propose("acme", LoopTerms(most_running=1), NOW))
    (row,) = service.carry_out("acme", LoopTerms(most_running=1), NOW)
    with monkeypatch.context() as patch, pytest.raises(KilledHereError):
        patch.setattr(service.experiments.store.layers, "release", die)
        service.experiments.complete_experiment(row["experiment_id"])
    approve(service, service.propose("acme", LoopTerms(most_running=1), NOW))
    rows = service.carry_out("acme", LoopTerms(most_running=1), NOW)
    assert [one["state"] for one in rows] == ["completed", "running"]


def test_what_somebody_else_tests_meanwhile_is_left_to_them(service: OrchestrationService) -> None:
    first, second = service.propose("acme", TERMS, NOW)
    approve(service, [first, second])
    arms = [{"name": "control"}, {"name": "b", "changes": {"pattern": first.key}}]
    service.experiments.create_experiment("mine", "acme", arms, "clicked")
    assert states(service) == states(service) == {second.key: "running", first.key: "left"}
    (why,) = (row["why"] for row in service.carry_out("acme", TERMS, NOW) if row["state"] == "left")
    assert why == "'mine' tests it already"
    assert len(service.propose("acme", TERMS, NOW)) == 1, "and takes no place"


def test_an_experiment_that_is_gone_holds_up_no_other_and_is_asked_about_again(warehouse: Warehouse) -> None:
    write_open_questions(warehouse, "acme")
    service = OrchestrationService(warehouse=warehouse)
    first, second = service.propose("acme", TERMS, NOW)
    approve(service, [first, second])
    gone = {row["key"]: row["experiment_id"] for row in service.carry_out("acme", TERMS, NOW)}
    with warehouse.begin() as connection:
        connection.execute(delete(Experiment).where(Experiment.experiment_id == gone[first.key]))
    assert len(service.propose("acme", TERMS, NOW)) == 1, "its place is free"
    rows = {row["key"]: row for row in service.carry_out("acme", TERMS, NOW)}
    assert {key: row["state"] for key, row in rows.items()} == {first.key: "declined", second.key: "running"}
    assert rows[first.key]["why"] == "its experiment is not in the warehouse any more"
    later = NOW + timedelta(weeks=TERMS.weeks_declined, days=1)
    assert first.key in {one.key for one in service.propose("acme", LoopTerms(most_running=4), later)}
    with warehouse.begin() as connection:
        connection.execute(delete(Experiment).where(Experiment.experiment_id == gone[second.key]))
    withdrawn = service.withdraw("acme", second.name, "ann", "it is gone", NOW)
    assert withdrawn["state"] == "declined"


def test_an_approval_is_taken_back_before_the_start_and_asked_again_later(warehouse: Warehouse) -> None:
    write_open_questions(warehouse, "acme")
    service = OrchestrationService(warehouse=warehouse)
    one_at_once = LoopTerms(most_running=1)
    first, second = service.propose("acme", TERMS, NOW)
    approve(service, [first, second])
    service.carry_out("acme", one_at_once, NOW)
    assert sorted(states_of(service, one_at_once)) == ["running", "waiting"], "the second is made, and waits for room"
    rows = {row["state"]: row for row in service.carry_out("acme", one_at_once, NOW)}
    with pytest.raises(WrongStateError, match="only a draft is withdrawn; `raptorflow experiment stop"):
        service.withdraw("acme", rows["running"]["name"], "bob", "no", NOW)
    with pytest.raises(UnknownNameError, match="nothing"):
        service.withdraw("acme", "nothing", "bob", "no", NOW)
    waits = rows["waiting"]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledHereError):
        patch.setattr(service.loop, "withdraw", die)
        service.withdraw("acme", waits["name"], "bob", "not now", NOW)
    assert service.withdraw("acme", waits["name"], "bob", "not now", NOW)["state"] == "declined"
    assert service.experiments.get_experiment(waits["experiment_id"]).conclusion == "withdrawn"
    for _ in range(2):
        assert sorted(states_of(service, TERMS)) == ["declined", "running"], "room alone does not start it"
    (declined,) = (row for row in service.loop.answers("acme") if row["answer"] == "declined")
    assert (declined["actor"], "not now" in declined["reason"]) == ("bob", True)
    assert waits["key"] not in {one.key for one in service.propose("acme", LoopTerms(most_running=9), NOW)}
    later = NOW + timedelta(weeks=TERMS.weeks_declined, days=1)
    again = next(one for one in service.propose("acme", LoopTerms(most_running=9), later) if one.key == waits["key"])
    assert again.name == f"{waits['name']} · 2", "the withdrawn draft keeps its name"
    approve(service, [again], at=later)
    assert states(service)[again.key] == "running"


@pytest.mark.parametrize(
    ("who", "where"),
    [
        ("a run", "experiments.create_experiment"),
        ("a run", "experiments.start_experiment"),
        ("a run", "experiments.store.layers.claim"),
        ("a person", "experiments.withdraw_draft"),
        ("a person", "experiments.store.definitions.change"),
        ("a person", "loop.withdraw"),
    ],
)
@pytest.mark.parametrize("is_made", [False, True])
def test_what_is_taken_back_never_runs_whoever_is_between_whom(
    sqlite_warehouse: Warehouse, who: str, where: str, is_made: bool
) -> None:
    """A run of the loop and a withdrawal, one inside the other: either it runs and stands, or it is declined."""
    write_open_questions(sqlite_warehouse, "acme")
    service, other = (OrchestrationService(warehouse=sqlite_warehouse) for _ in range(2))
    (draft,) = service.propose("acme", LoopTerms(most_running=1), NOW)
    approve(service, [draft])
    if is_made:
        service.carry_out("acme", LoopTerms(most_running=0), NOW)
    *path, method = where.split(".")
    place = service
    for name in path:
        place = getattr(place, name)
    original, steps = getattr(place, method), {"a run": take_back, "a person": carry_out}

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        patch.undo()
        steps[who](other, draft.name)
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, method, interrupted)
        steps["a run" if who == "a person" else "a person"](service, draft.name)
    (answer,) = service.loop.answers("acme")
    for _ in range(2):
        (row,) = service.carry_out("acme", TERMS, NOW)
        made = [] if row["experiment_id"] is None else [service.experiments.get_experiment(row["experiment_id"])]
        of_experiments = [(one.status, one.conclusion) for one in made]
        if answer["answer"] == "declined":
            assert (row["state"], of_experiments) in [("declined", []), ("declined", [("draft", "withdrawn")])]
            stored = service.experiments.store.definitions.experiments("acme")
            assert [(one["status"], one["conclusion"]) for one in stored] in ([], [("draft", "withdrawn")])
        else:
            assert (row["state"], of_experiments) == ("running", [("running", None)])


def take_back(service: OrchestrationService, name: str) -> None:
    with suppress(WrongStateError):
        service.withdraw("acme", name, "bob", "no", NOW)


def carry_out(service: OrchestrationService, _name: str) -> None:
    service.carry_out("acme", TERMS, NOW)


def states_of(service: OrchestrationService, terms: LoopTerms) -> list[str]:
    return [row["state"] for row in service.carry_out("acme", terms, NOW)]


def test_what_cannot_be_created_waits_for_a_person_and_harms_no_other(service: OrchestrationService) -> None:
    first, second = service.propose("acme", TERMS, NOW)
    broken = replace(first, definition=dict(first.definition) | {"metric_name": "revenue", "metric_kind": "none such"})
    approve(service, [broken, second])
    assert states(service) == {first.key: "waiting", second.key: "running"}
    needs = {row["key"]: row["needs"] for row in service.carry_out("acme", TERMS, NOW)}
    assert str(needs[first.key]).startswith("it cannot be created: metric_kind is one of binary")
    assert needs[second.key] is None


def test_a_debate_gets_the_experiment_that_it_asked_for(sqlite_warehouse: Warehouse) -> None:
    warehouse = sqlite_warehouse
    store(warehouse, Workspace, [workspace_row()])
    store(warehouse, Content, [content_row(i, impressions=50_000, engagements=1500) for i in range(300)])
    design = {"name": "is-red-better", "hypothesis": "'Yes' does better than 'No'", "metric": "clicked", "effect": 0.1}
    arms = [{"name": "control", "description": "No"}, {"name": "treatment", "description": "Yes"}]
    row = debate_row("acme", {"problem": "Is red better?", "options": ["Yes", "No"], "chosen": 0}, 1)
    row["decision"] |= {"experiment": design | {"variants": arms, "base_rate": 0.05}}
    store(warehouse, Debate, [row])
    service = OrchestrationService(warehouse=warehouse)
    (draft,) = service.propose("acme", TERMS, NOW)
    assert (draft.name, draft.definition["metric_name"], draft.definition["baseline"][0]) == (
        "is-red-better",
        "clicked",
        0.05,
    )
    assert [arm["description"] for arm in draft.definition["variants"]] == ["No", "Yes"]
    assert "half of the posts" in draft.claim["words"], "what is assumed is said"
    again = service.experiments.create_experiment(workspace_id="acme", **(dict(draft.definition) | {"name": "another"}))
    assert again.planned_units_per_arm == draft.units_per_arm
    arms = [{"name": "old"}, {"name": "new"}]
    mine = service.experiments.create_experiment("is-red-better", "acme", arms, "clicked")
    approve(service, [draft])
    assert states(service) == {draft.key: "left"}, "somebody made it meanwhile, and starts it"
    assert service.experiments.get_experiment(mine.experiment_id).status == "draft"


def test_units_that_come_with_their_arms_are_in_no_layer(service: OrchestrationService) -> None:
    terms = LoopTerms(assigned_elsewhere=True)
    (first, _) = service.propose("acme", terms, NOW)
    assert "layer" not in first.definition
    approve(service, [first])
    (row,) = service.carry_out("acme", terms, NOW)
    assert row["state"] == "running"
    assert service.experiments.is_assigned_elsewhere(row["experiment_id"])


def test_too_little_traffic_for_a_share_of_the_units_is_passed_over(sqlite_warehouse: Warehouse) -> None:
    write_open_questions(sqlite_warehouse, "acme", impressions=12_000)
    service = OrchestrationService(warehouse=sqlite_warehouse)
    assert service.loop.drafts("acme", TERMS, {}, NOW), "alone they would end in time"
    for draft in service.propose("acme", LoopTerms(most_running=20), NOW):
        assert draft.days is not None
        assert draft.days < 7 * HORIZON_WEEKS
    assert len(service.propose("acme", LoopTerms(most_running=20), NOW)) < len(EFFECTS)


def test_a_question_takes_every_workspaces_first_before_anybodys_second(service: OrchestrationService) -> None:
    write_open_questions(service.experiments.store.warehouse, "zenith", impressions=400_000)
    outcomes = [Outcome(name, DONE, None, {"drafts": service.propose(name, TERMS, NOW)}) for name in ("acme", "zenith")]
    assert [one.workspace_id for one in best_drafts(outcomes, 3)] == ["zenith", "acme", "zenith"]


class KilledHereError(BaseException):
    """As a process ends that is killed: nothing of it is caught."""


def die(*_: Any) -> None:
    raise KilledHereError


@contextmanager
def killed(at: int, *, committed: bool) -> Iterator[list[int]]:
    """Every transaction counts; the one asked for is the last, and is kept or not."""
    begin, seen = Warehouse.begin, [0]

    @contextmanager
    def counted(self: Warehouse) -> Iterator[Any]:
        with begin(self) as connection:
            yield connection
            seen[0] += 1
            if seen[0] == at and not committed:
                raise KilledHereError
        if seen[0] == at and committed:
            raise KilledHereError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Warehouse, "begin", counted)
        yield seen


def go_on(warehouse: Warehouse, workspace_id: str) -> None:
    service = OrchestrationService(warehouse=warehouse)
    approve(service, service.propose(workspace_id, TERMS, NOW))
    service.carry_out(workspace_id, TERMS, NOW)


def left_behind(warehouse: Warehouse, workspace_id: str) -> list[Any]:
    service = OrchestrationService(warehouse=warehouse)
    made = service.experiments.list_experiments(workspace_id)
    actions = [service.experiments.decisions(one["experiment_id"]) for one in made]
    answers = service.loop.answers(workspace_id)
    return [
        sorted(one["status"] for one in made),
        sorted(row["action"] for rows in actions for row in rows),
        sorted((row["answer"], row["experiment_id"] is not None) for row in answers),
    ]


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_transaction_it_goes_on_and_runs_nothing_twice(sqlite_warehouse: Warehouse, step: int) -> None:
    require_killed_anywhere(sqlite_warehouse, step)


@pytest.mark.slow
def test_killed_at_any_transaction_it_goes_on_on_postgres(postgres_warehouse: Warehouse) -> None:
    require_killed_anywhere(postgres_warehouse, 1)


def require_killed_anywhere(warehouse: Warehouse, step: int) -> None:
    write_open_questions(warehouse, "undisturbed")
    with killed(-1, committed=True) as seen:
        go_on(warehouse, "undisturbed")
    assert seen[0] >= 8, "answers, two experiments, two claims on the layer, two starts"
    expected = left_behind(warehouse, "undisturbed")
    assert expected[0] == ["running", "running"]
    for at in range(1, seen[0] + 1, step):
        for committed in (False, True):
            name = f"killed-{at}-{committed}"
            write_open_questions(warehouse, name)
            with killed(at, committed=committed), pytest.raises(KilledHereError):
                go_on(warehouse, name)
            go_on(warehouse, name)
            assert left_behind(warehouse, name) == expected, name


def test_one_that_comes_to_nothing_needs_a_person(service: OrchestrationService) -> None:
    approve(service, service.propose("acme", TERMS, NOW)[:1])
    begun = datetime.now(UTC)

    def needs(days: int) -> str | None:
        (row,) = service.carry_out("acme", TERMS, begun + timedelta(days=days))
        return str(row["needs"]) if row["needs"] else None

    assert needs(0) is None
    assert "has no outcome: let your application ask it for arms" in str(needs(4))
    (row,) = service.carry_out("acme", TERMS, begun)
    units = [f"u{i}" for i in range(40)]
    arms = service.experiments.assign_variants(row["experiment_id"], units)
    assert 0 < sum(arm is None for arm in arms) < 40, "the other half is left to another experiment"
    came = [{"unit_id": unit, "outcome": i % 2} for i, unit in enumerate(units) if arms[i] is not None]
    service.experiments.record_outcomes(row["experiment_id"], came)
    service.experiments.analyze_experiment(row["experiment_id"])
    assert needs(row["days"]) is None
    assert "planned and has no answer" in str(needs(2 * row["days"] + 1))


def damage(warehouse: Warehouse, experiment_id: str) -> None:
    mine = update(Experiment).where(Experiment.experiment_id == experiment_id)
    with warehouse.begin() as connection:
        connection.execute(mine.values(design={"min_effect_size": 0.05}))


def test_a_damaged_experiment_is_named_with_the_fix_and_the_others_go_on(service: OrchestrationService) -> None:
    terms = LoopTerms(most_running=4)
    approve(service, service.propose("acme", terms, NOW))
    first, *others = service.carry_out("acme", terms, NOW)
    assert first["state"] == "running"
    damage(service.experiments.store.warehouse, first["experiment_id"])
    words = (
        rf"experiment '{re.escape(first['name'])}' \({first['experiment_id']}\): its stored design is damaged, it lacks"
    )
    with pytest.raises(DamagedExperimentError, match=words + r" 'experiment_type'; bring .* `raptorflow restore`"):
        service.experiments.get_experiment(first["experiment_id"])
    rows = {row["name"]: row for row in service.carry_out("acme", terms, NOW)}
    assert "is damaged" in rows[first["name"]]["needs"]
    assert [rows[one["name"]]["state"] for one in others] == ["running"] * len(others)


def test_a_night_reads_answers_twice_and_experiments_once(
    service: OrchestrationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(service, service.propose("acme", TERMS, NOW))
    service.carry_out("acme", TERMS, NOW)
    reads: list[str] = []
    for owner, name in ((service.loop, "answers"), (service.experiments.store.definitions, "experiments")):
        read = getattr(owner, name)

        def counted(*given: Any, _read: Any = read, _name: str = name) -> Any:
            reads.append(_name)
            return _read(*given)

        monkeypatch.setattr(owner, name, counted)
    service.carry_out("acme", TERMS, NOW)
    assert sorted(reads) == ["answers", "answers", "experiments"]


def test_what_waits_says_how_it_is_withdrawn(service: OrchestrationService) -> None:
    approve(service, service.propose("acme", LoopTerms(most_running=2), NOW))
    rows = {row["state"]: row for row in service.carry_out("acme", LoopTerms(most_running=1), NOW)}
    waits, runs = (service.experiments.get_experiment(rows[name]["experiment_id"]) for name in ("waiting", "running"))
    command = service.how_to_withdraw(waits)
    assert command == f"raptorflow experiment withdraw {waits.experiment_id} --workspace acme --reason WHY"
    assert service.how_to_withdraw(runs) is None
    service.withdraw("acme", waits.experiment_id, "ann", "WHY", NOW)
    assert service.how_to_withdraw(service.experiments.get_experiment(waits.experiment_id)) is None
