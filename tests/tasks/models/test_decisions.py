"""Every state of a model × everything a refresh may learn of it: the one action that is due."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tasks.models.decisions import MEASUREMENTS, Action, Decision, ModelState, decide, judge_candidate
from tasks.models.drift.monitor import insufficient
from tasks.models.records import (
    CONTINUE,
    FIRST_CHAMPION,
    HOLD,
    NOW,
    PROMOTE,
    REJECT,
    DriftReport,
    ModelKey,
    ModelType,
    RolloutStep,
    ServedEvidence,
    Version,
)
from tasks.models.reports import STATUSES, refresh_result
from tasks.models.serving.gate import BETTER, OPEN, GateResult
from tasks.models.specs import Gate
from tasks.models.training.evaluation import RetrainGain
from tests.factories import START

RULE, KEY = Gate(), ModelKey("acme", ModelType.TONE_CLASSIFIER)
STAGES_OF_MEASURING = (Action.CHECK_CHAMPION, Action.MEASURE_ROLLOUT, Action.COMPARE_CHALLENGER, Action.MEASURE_DRIFT)


def version(name: str, decision: str = HOLD, days: int = 0) -> Version:
    parts: dict[str, Any] = {"data_sha256": name, "spec_sha256": "", "artifact_sha256": "", "golden": {}}
    parts |= {"status": "registered", "registry_version": 1, "evaluation": {}, "n_rows": 300}
    return Version(version_name=name, decision=decision, train_to=START + timedelta(days=days), **parts)


def rollout(share: int, name: str = "new", champion: str = "old") -> RolloutStep:
    return RolloutStep(name, 0, share, champion, "experiment", "", {}, START)


def report(recommendation: str) -> DriftReport:
    drift = insufficient(KEY, "old", 300, 50)
    drift.update({"recommendation": recommendation, "reasons": []})
    return drift


OLD, NEW, PROVEN = version("old"), version("new", days=1), version("new", PROMOTE, days=1)
GAIN = RetrainGain(0.3, 0.2, 0.001, 200, "all", 1.0)
UNKNOWN, LOSES = ServedEvidence(3, 60), ServedEvidence(500, 9_500, 1.0, -0.3, -0.4, -0.2)
OPEN_GATE = GateResult(OPEN, 0.0, -0.1, 1.0, 40, 0.1)
PASSED, WORSE = GateResult(BETTER, 0.2, 0.1, 1.0, 400, 0.3), GateResult(OPEN, -0.2, -0.3, 1.0, 400, -0.1)
MEASURED: dict[str, Any] = {"measured": frozenset(STAGES_OF_MEASURING), "served": UNKNOWN, "paired": OPEN_GATE}
MEASURED |= {"drift": report(CONTINUE)}

STATES = {
    "no champion": ModelState(),
    "first candidate": ModelState(candidate=version("new", FIRST_CHAMPION)),
    "first candidate is rejected": ModelState(candidate=version("new", REJECT)),
    "champion": ModelState(champion=OLD),
    "champion after another": ModelState(champion=OLD, previous=version("older")),
    "challenger waits": ModelState(champion=OLD, waiting=NEW),
    "challenger is older": ModelState(champion=NEW, waiting=OLD),
    "rollout at 5 %": ModelState(champion=OLD, rollout=rollout(5), challenger=NEW),
    "rollout at 50 %": ModelState(champion=OLD, rollout=rollout(50), challenger=NEW),
    "proven, at 50 %": ModelState(champion=OLD, rollout=rollout(50), challenger=PROVEN),
    "rolled out is champion": ModelState(champion=NEW, rollout=rollout(50), challenger=NEW),
    "another is champion": ModelState(champion=version("third"), rollout=rollout(5), challenger=NEW),
    "rolled out is deleted": ModelState(champion=OLD, rollout=rollout(5)),
    "candidate": ModelState(champion=OLD, candidate=NEW),
    "candidate is proven": ModelState(champion=OLD, candidate=PROVEN),
    "after a rollback": ModelState(champion=OLD, candidate=PROVEN, was_rolled_back=True),
    "candidate is rejected": ModelState(champion=OLD, candidate=version("new", REJECT)),
    "candidate is settled": ModelState(champion=OLD, candidate=PROVEN, settled=frozenset({"new"})),
}
EVENTS: dict[str, dict[str, Any]] = {
    "refreshed": {},
    "short": {"shortage": "30 rows with a known tone, 100 needed"},
    "unlike": {"has_new_rows": True, "measured": frozenset({Action.CHECK_CHAMPION, Action.MEASURE_ROLLOUT})}
    | {"served": UNKNOWN},
    "faulty": {"measured": frozenset({Action.CHECK_CHAMPION}), "champion_fault": "its file is missing"},
    "unreadable": {
        "measured": frozenset({Action.CHECK_CHAMPION}),
        "champion_fault": "its file is missing",
        "is_readable": False,
    },
    "quiet": MEASURED,
    "drifts": MEASURED | {"drift": report(NOW), "gain": GAIN},
    "forced": MEASURED | {"is_forced": True},
    "labels": MEASURED | {"is_forced": True, "has_new_labels": True},
    "passes": MEASURED | {"paired": PASSED, "stage_age_days": 1.0},
    "held": MEASURED | {"paired": PASSED, "stage_age_days": 1.0, "may_promote": False, "has_traffic": True},
    "worse": MEASURED | {"paired": WORSE, "stage_age_days": 99.0},
    "loses": MEASURED | {"served": LOSES, "stage_age_days": 99.0},
    "breaks": MEASURED | {"limit_breach": "3 of its latest 3 batches failed", "served": None},
    "aged": MEASURED | {"stage_age_days": 10.0},
    "traffic": MEASURED | {"has_traffic": True},
}
SHORT_NAMES = {
    "CHECK": Action.CHECK_CHAMPION,
    "ARMS": Action.MEASURE_ROLLOUT,
    "GATE": Action.COMPARE_CHALLENGER,
    "DRIFT": Action.MEASURE_DRIFT,
    "GAIN": Action.MEASURE_RETRAIN_GAIN,
    "TRAIN": Action.TRAIN_CANDIDATE,
    "BACK": Action.ROLL_BACK,
    "OUT": Action.WITHDRAW_CHAMPION,
    "SHORT": Action.REPORT_SHORTAGE,
    "CLOSE": Action.CLOSE_ROLLOUT,
    "STOP": Action.STOP_ROLLOUT,
    "HOLD": Action.HOLD_ROLLOUT,
    "GROW": Action.ADVANCE_ROLLOUT,
    "END": Action.FINISH_ROLLOUT,
    "BEGIN": Action.START_ROLLOUT,
    "FIRST": Action.PROMOTE_FIRST,
    "MOVE": Action.PROMOTE_CANDIDATE,
    "PASS": Action.PROMOTE_CHALLENGER,
    "WAIT": Action.LET_WAIT,
    "NO": Action.REJECT_CANDIDATE,
    "DONE": Action.LEAVE_SETTLED,
    "KEEP": Action.KEEP_CHAMPION,
}
TABLE = """
                            | refreshed short unlike faulty unreadable quiet drifts forced labels passes held  worse loses breaks aged  traffic
no champion                 | TRAIN     SHORT TRAIN  TRAIN  TRAIN      TRAIN TRAIN  TRAIN  TRAIN  TRAIN  TRAIN TRAIN TRAIN TRAIN  TRAIN TRAIN
first candidate             | FIRST     SHORT FIRST  FIRST  FIRST      FIRST FIRST  FIRST  FIRST  FIRST  FIRST FIRST FIRST FIRST  FIRST FIRST
first candidate is rejected | NO        SHORT NO     NO     NO         NO    NO     NO     NO     NO     NO    NO    NO    NO     NO    NO
champion                    | CHECK     CHECK DRIFT  DRIFT  OUT        KEEP  TRAIN  TRAIN  GAIN   KEEP   KEEP  KEEP  KEEP  KEEP   KEEP  KEEP
champion after another      | CHECK     CHECK DRIFT  BACK   BACK       KEEP  TRAIN  TRAIN  GAIN   KEEP   KEEP  KEEP  KEEP  KEEP   KEEP  KEEP
challenger waits            | CHECK     CHECK GATE   GATE   OUT        KEEP  TRAIN  TRAIN  GAIN   PASS   KEEP  KEEP  KEEP  KEEP   KEEP  BEGIN
challenger is older         | CHECK     CHECK DRIFT  DRIFT  OUT        KEEP  TRAIN  TRAIN  GAIN   KEEP   KEEP  KEEP  KEEP  KEEP   KEEP  KEEP
rollout at 5 %              | CHECK     CHECK HOLD   ARMS   OUT        HOLD  HOLD   HOLD   HOLD   GROW   HOLD  STOP  STOP  STOP   GROW  HOLD
rollout at 50 %             | CHECK     CHECK HOLD   ARMS   OUT        HOLD  HOLD   HOLD   HOLD   END    HOLD  STOP  STOP  STOP   HOLD  HOLD
proven, at 50 %             | CHECK     CHECK HOLD   ARMS   OUT        HOLD  HOLD   HOLD   HOLD   END    HOLD  STOP  STOP  STOP   END   HOLD
rolled out is champion      | CHECK     CHECK CLOSE  CLOSE  OUT        CLOSE CLOSE  CLOSE  CLOSE  CLOSE  CLOSE CLOSE CLOSE CLOSE  CLOSE CLOSE
another is champion         | CHECK     CHECK STOP   STOP   OUT        STOP  STOP   STOP   STOP   STOP   STOP  STOP  STOP  STOP   STOP  STOP
rolled out is deleted       | CHECK     CHECK STOP   STOP   OUT        STOP  STOP   STOP   STOP   STOP   STOP  STOP  STOP  STOP   STOP  STOP
candidate                   | CHECK     CHECK DRIFT  WAIT   OUT        WAIT  WAIT   WAIT   WAIT   WAIT   WAIT  WAIT  WAIT  WAIT   WAIT  BEGIN
candidate is proven         | CHECK     CHECK DRIFT  MOVE   OUT        MOVE  MOVE   MOVE   MOVE   MOVE   WAIT  MOVE  MOVE  MOVE   MOVE  BEGIN
after a rollback            | CHECK     CHECK DRIFT  WAIT   OUT        WAIT  WAIT   WAIT   WAIT   WAIT   WAIT  WAIT  WAIT  WAIT   WAIT  BEGIN
candidate is rejected       | CHECK     CHECK DRIFT  NO     OUT        NO    NO     NO     NO     NO     NO    NO    NO    NO     NO    NO
candidate is settled        | CHECK     CHECK DRIFT  DONE   OUT        DONE  DONE   DONE   DONE   DONE   DONE  DONE  DONE  DONE   DONE  DONE
"""  # noqa: E501


def cells() -> list[tuple[str, str, Action]]:
    """State, event, and the action expected."""
    header, *lines = (line.split("|") for line in TABLE.strip("\n").splitlines())
    events = header[1].split()
    named = [(name.strip(), line.split()) for name, line in lines]
    assert [name for name, _ in named] == list(STATES), "each state has its line"
    assert events == list(EVENTS), "each event has its column"
    return [
        (name, event, SHORT_NAMES[short]) for name, line in named for event, short in zip(events, line, strict=True)
    ]


@pytest.mark.parametrize(("state", "event", "expected"), cells())
def test_every_state_and_event_has_its_action(state: str, event: str, expected: Action) -> None:
    decision = decide(replace(STATES[state], **EVENTS[event]), RULE)
    assert decision.action == expected
    assert decision.reason


def test_every_action_is_due_somewhere_and_every_one_that_ends_a_refresh_has_its_status() -> None:
    assert {expected for _, _, expected in cells()} == set(Action)
    assert set(STATUSES) == set(Action) - MEASUREMENTS - {Action.WITHDRAW_CHAMPION}, "after which it is decided again"


def ended(state: ModelState, results: dict[Action, dict[str, Any]]) -> tuple[Decision, ModelState, list[Action]]:
    """Decide as a refresh does, with results at hand; the last decision, the state then, and what was measured."""
    decision, measured = decide(state, RULE), list[Action]()
    while decision.action in MEASUREMENTS:
        measured.append(decision.action)
        state = state.with_measured(decision.action, results[decision.action])
        decision = decide(state, RULE)
    return decision, state, measured


CANDIDATES = (None, version("fresh"), version("fresh", PROMOTE), version("fresh", REJECT))
FLAGS = ("may_promote", "is_forced", "has_traffic", "has_new_labels", "has_new_rows", "was_rolled_back")


@pytest.mark.parametrize("name", STATES)
def test_whatever_is_measured_a_refresh_ends_and_moves_nothing_without_leave(name: str) -> None:
    gates, drifts = (None, OPEN_GATE, PASSED, WORSE), (report(CONTINUE), report(NOW))
    for candidate, gate, drift, fault in product(CANDIDATES[1:], gates, drifts, (None, "it is slow")):
        results: dict[Action, dict[str, Any]] = {
            Action.CHECK_CHAMPION: {"champion_fault": fault},
            Action.MEASURE_ROLLOUT: {"served": UNKNOWN, "paired": gate},
            Action.COMPARE_CHALLENGER: {"paired": gate},
            Action.MEASURE_DRIFT: {"drift": drift},
            Action.MEASURE_RETRAIN_GAIN: {"gain": GAIN},
            Action.TRAIN_CANDIDATE: {"candidate": candidate},
        }
        for flags in product((False, True), repeat=len(FLAGS)):
            begun = replace(STATES[name], stage_age_days=10.0, **dict(zip(FLAGS, flags, strict=True)))
            decision, state, measured = ended(begun, results)
            assert len(measured) == len(set(measured)), "nothing is measured twice"
            if not state.may_promote:
                moves = {Action.PROMOTE_CANDIDATE, Action.PROMOTE_CHALLENGER, Action.START_ROLLOUT}
                assert decision.action not in moves | {Action.ADVANCE_ROLLOUT, Action.FINISH_ROLLOUT}
            if decision.action in (Action.PROMOTE_CANDIDATE, Action.START_ROLLOUT):
                assert decision.version is not None
                assert decision.version.version_name not in state.settled
            if Action.TRAIN_CANDIDATE in measured:
                assert state.champion is None or state.is_forced or drift["recommendation"] == NOW
            if fault is not None and state.champion is not None and state.previous is not None:
                assert decision == Decision(Action.ROLL_BACK, fault, state.previous)


def test_a_candidate_is_judged_by_its_baseline_and_by_what_retraining_gains() -> None:
    helps, chance = replace(GAIN, p_value=0.03), replace(GAIN, gain_lower=-math.inf, p_value=0.9)
    judged = {
        (False, None, False): REJECT,
        (False, chance, True): REJECT,
        (False, helps, True): HOLD,
        (True, None, False): FIRST_CHAMPION,
        (True, None, True): HOLD,
        (True, chance, True): HOLD,
        (True, GAIN, True): PROMOTE,
    }
    for (beats_baseline, gain, has_champion), expected in judged.items():
        assert judge_candidate(beats_baseline, gain, RULE.confidence, has_champion=has_champion) == expected


def test_results_name_who_serves_who_is_meant_and_why() -> None:
    def result(name: str, event: str) -> tuple[str, str | None, str | None, str]:
        state = replace(STATES[name], **EVENTS[event])
        outcome = refresh_result(KEY, decide(state, RULE), state, samples=300, samples_needed=100)
        return outcome["status"], outcome["model_version"], outcome["candidate_version"], outcome["reason"]

    assert result("champion after another", "faulty") == (
        "rolled_back",
        "older",
        "old",
        "old was rolled back: its file is missing",
    )
    assert result("no champion", "short")[:3] == ("insufficient_data", None, None)
    assert result("rollout at 5 %", "aged")[:3] == ("canary", "old", "new")
    assert result("rollout at 5 %", "aged")[3].startswith("new at 25 %: ")
    assert result("rollout at 50 %", "passes")[:3] == ("promoted", "new", "new")
    assert result("rolled out is deleted", "quiet")[:3] == ("canary_stopped", "old", "new")
    assert result("candidate", "traffic")[3].startswith("new at 5 %: gives 5 % of the predictions beside old")
    assert result("candidate is proven", "held")[:3] == ("challenger", "old", "new")
    assert result("champion", "quiet") == ("no_retrain_needed", "old", None, "no drift")


def test_a_version_that_a_naive_forecast_beats_moves_with_that_said() -> None:
    behind = replace(PROVEN, evaluation={"loss": 0.5, "baseline_loss": 0.4})
    for state in (
        ModelState(candidate=behind),
        ModelState(champion=OLD, candidate=behind),
        ModelState(champion=OLD, candidate=behind, has_traffic=True),
    ):
        checked = replace(state, measured=frozenset({Action.CHECK_CHAMPION}))
        reason = decide(checked, RULE).reason
        assert reason.endswith("; a naive forecast does better than it (held-out loss 0.4, its own 0.5)")
        ahead = replace(checked, candidate=replace(behind, evaluation={"loss": 0.3, "baseline_loss": 0.4}))
        assert "naive" not in decide(ahead, RULE).reason
