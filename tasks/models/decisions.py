"""What to do with one model: from what is known to one named action and its reason. Pure.

A refresh reads a `ModelState` and decides. Where the action is one of `MEASUREMENTS`, it measures that, adds the result
to the state and decides again. A champion that cannot be read, where none before it can either, is withdrawn, and it is
decided again what a model without champion needs. Every other action ends it. So what is costly (a drift check, a
trained candidate) is measured only where a decision depends on it.

A challenger's rollout goes 5 → 25 → 50 → 100 % on two kinds of evidence, each under bounds that hold at every look:
what both arms lost as served, in an experiment; and the gate, which pairs both models on the same newer rows and so
knows sooner. Either stops a rollout, either sets its pace; only the gate, or held-out rows at training, lets a
challenger take over at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tasks.models.records import (
    CONTINUE,
    FIRST_CHAMPION,
    HOLD,
    PROMOTE,
    REJECT,
    ROLLED_OUT,
    ROLLOUT_SHARES,
    DriftReport,
    RolloutStep,
    ServedEvidence,
    Version,
)
from tasks.models.serving.gate import GateResult
from tasks.models.specs import Gate
from tasks.models.training.evaluation import RetrainGain
from tasks.models.training.metrics import loses_to_naive

LEAST_STAGE_DAYS = 0.9  # in every stage; a nightly run is never quite a day after the last


class Action(StrEnum):
    """Everything a refresh can do with one model."""

    CHECK_CHAMPION = "check the champion"
    MEASURE_ROLLOUT = "measure the rollout"
    COMPARE_CHALLENGER = "compare the challenger that waits"
    MEASURE_DRIFT = "measure drift"
    MEASURE_RETRAIN_GAIN = "measure what retraining gains"
    TRAIN_CANDIDATE = "train a candidate"

    ROLL_BACK = "roll back"
    WITHDRAW_CHAMPION = "withdraw a champion that cannot be read"
    REPORT_SHORTAGE = "report that rows are too few"
    CLOSE_ROLLOUT = "close the rollout of a champion"
    STOP_ROLLOUT = "stop the rollout"
    HOLD_ROLLOUT = "leave the rollout at its stage"
    ADVANCE_ROLLOUT = "advance the rollout to its next stage"
    FINISH_ROLLOUT = "promote the version that was rolled out"
    START_ROLLOUT = "start a rollout"
    PROMOTE_FIRST = "promote the first champion"
    PROMOTE_CANDIDATE = "promote the candidate"
    PROMOTE_CHALLENGER = "promote the challenger that waited"
    LET_WAIT = "let the candidate wait as challenger"
    REJECT_CANDIDATE = "reject the candidate"
    LEAVE_SETTLED = "leave the candidate where it was put before"
    KEEP_CHAMPION = "keep the champion"


MEASUREMENTS = frozenset(
    {
        Action.CHECK_CHAMPION,
        Action.MEASURE_ROLLOUT,
        Action.COMPARE_CHALLENGER,
        Action.MEASURE_DRIFT,
        Action.MEASURE_RETRAIN_GAIN,
        Action.TRAIN_CANDIDATE,
    }
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One action, why, and the version that it is about beside the champion."""

    action: Action
    reason: str
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class ModelState:
    """What is known of one model.

    Attributes:
        may_promote: whether a version may become champion, or be rolled out, without a person.
        is_forced: whether to train a candidate also where no drift was found.
        shortage: why nothing can be learned from the labeled rows; None where something can.
        champion: the version that serves; `previous` served before it.
        waiting: the newest registered version, no older than the champion, that has never served, whose rollout was not
            stopped, and that can be read.
        candidate: what was trained on exactly these labeled rows, in an earlier refresh or in this one.
        settled: names of versions that have served, or whose rollout was stopped: never moved again by themselves.
        was_rolled_back: whether the last change of champion was a rollback.
        has_traffic: whether predictions are asked for: without them a rollout would never see any.
        has_new_labels: whether enough labeled rows are newer than the champion to measure what retraining gains.
        has_new_rows: whether enough rows are later than every label for a drift check.
        rollout: the step in force; None where no challenger takes a share.
        challenger: the version the rollout is about.
        stage_age_days: since the stage began.
        measured: the measurements made so far; only after each its results below mean anything.
        champion_fault: why the champion must not go on serving; where there is a reason, `previous` is the last
            champion before it that can be read.
        is_readable: whether the champion's file is there and is what was registered.
        limit_breach: why the version that is rolled out must not.
        served: losses of both arms of the rollout as served.
        paired: the gate on rows newer than both versions; None while those are too few.
        drift: the report of the drift check.
        gain: what retraining gains over the champion.
    """

    may_promote: bool = True
    is_forced: bool = False
    shortage: str | None = None
    champion: Version | None = None
    previous: Version | None = None
    waiting: Version | None = None
    candidate: Version | None = None
    settled: frozenset[str] = frozenset()
    was_rolled_back: bool = False
    has_traffic: bool = False
    has_new_labels: bool = False
    has_new_rows: bool = False
    rollout: RolloutStep | None = None
    challenger: Version | None = None
    stage_age_days: float = 0.0
    measured: frozenset[Action] = frozenset()
    champion_fault: str | None = None
    is_readable: bool = True
    limit_breach: str | None = None
    served: ServedEvidence | None = None
    paired: GateResult | None = None
    drift: DriftReport | None = None
    gain: RetrainGain | None = None

    def with_measured(self, action: Action, results: Mapping[str, Any]) -> ModelState:
        """The state once a measurement was made."""
        return replace(self, measured=self.measured | {action}, **results)

    def lacks(self, measurement: Action) -> bool:
        """Whether a measurement was not made yet."""
        return measurement not in self.measured

    def is_proven(self, version: Version) -> bool:
        """Whether a version was better with confidence on held-out rows when trained, and that can be relied on.

        After a rollback it cannot: what such rows promised did not hold, so newer rows must show it.
        """
        return version.decision == PROMOTE and not self.was_rolled_back


def decide(state: ModelState, rule: Gate) -> Decision:
    """The one action that is due: protect the champion, go on with what was begun, then look for a better one."""
    return (
        _protect_champion(state)
        or _require_rows(state)
        or _continue_rollout(state, rule)
        or _settle_candidate(state)
        or _train_first(state)
        or _try_challenger(state)
        or _answer_drift(state)
    )


def _protect_champion(state: ModelState) -> Decision | None:
    if state.champion is None:
        return None
    if state.lacks(Action.CHECK_CHAMPION):
        return Decision(Action.CHECK_CHAMPION, "it has to serve well to go on serving", state.previous)
    if state.champion_fault is None:
        return None
    if state.previous is not None:
        return Decision(Action.ROLL_BACK, state.champion_fault, state.previous)
    if not state.is_readable:
        return Decision(Action.WITHDRAW_CHAMPION, state.champion_fault, state.champion)
    return None


def _require_rows(state: ModelState) -> Decision | None:
    return None if state.shortage is None else Decision(Action.REPORT_SHORTAGE, state.shortage)


def _continue_rollout(state: ModelState, rule: Gate) -> Decision | None:
    step, version = state.rollout, state.challenger
    if step is None:
        return None
    champion = None if state.champion is None else state.champion.version_name
    if champion == step.version_name:
        return Decision(Action.CLOSE_ROLLOUT, "it is champion", version)
    if champion != step.champion:
        now = "nothing" if champion is None else champion
        return Decision(Action.STOP_ROLLOUT, f"{now} serves now, not {step.champion}", version)
    if version is None:
        return Decision(Action.STOP_ROLLOUT, f"{step.version_name} is not registered any more")
    if state.lacks(Action.MEASURE_ROLLOUT):
        return Decision(Action.MEASURE_ROLLOUT, f"it gives {step.share_percent} % of the predictions", version)
    if state.limit_breach is not None:
        return Decision(Action.STOP_ROLLOUT, state.limit_breach, version)
    return _take_stage(state, step, version, rule)


def _take_stage(state: ModelState, step: RolloutStep, version: Version, rule: Gate) -> Decision:
    assert state.served is not None, "a rollout that breaks no limit was measured"
    is_proven, age_days = state.is_proven(version), state.stage_age_days
    stage = judge_stage(step.share_percent, state.served, state.paired, age_days, rule, is_proven=is_proven)
    action = stage.action
    if action == Action.ADVANCE_ROLLOUT and not state.may_promote:
        action = Action.HOLD_ROLLOUT
    elif action == Action.ADVANCE_ROLLOUT and next_share(step.share_percent) == ROLLED_OUT:
        action = Action.FINISH_ROLLOUT
    return Decision(action, stage.reason, version)


def _settle_candidate(state: ModelState) -> Decision | None:
    """What becomes of the candidate of these rows, whether it was trained just now or in a refresh before."""
    version, champion = state.candidate, state.champion
    if version is None:
        return None
    if champion is not None and state.has_new_rows and state.lacks(Action.MEASURE_DRIFT):
        return Decision(Action.MEASURE_DRIFT, "rows came whose labels are not known yet")
    if version.decision == REJECT:
        why = "on held-out rows it does not beat the baseline with confidence; not registered"
        return Decision(Action.REJECT_CANDIDATE, why, version)
    if champion is None:
        return Decision(Action.PROMOTE_FIRST, f"first champion{_behind_naive(version)}", version)
    if version.version_name in state.settled:
        return Decision(Action.LEAVE_SETTLED, "this data was learned from before", version)
    if state.may_promote and state.has_traffic:
        return _start_rollout(version, champion)
    if state.may_promote and state.is_proven(version):
        why = "retraining helps on held-out rows, and there is no traffic to roll it out on"
        return Decision(Action.PROMOTE_CANDIDATE, why + _behind_naive(version), version)
    why = "registered beside the champion; not better with confidence yet, or waiting for approval"
    return Decision(Action.LET_WAIT, why, version)


def _train_first(state: ModelState) -> Decision | None:
    return None if state.champion is not None else Decision(Action.TRAIN_CANDIDATE, "there is no champion yet")


def _try_challenger(state: ModelState) -> Decision | None:
    """Roll the challenger that waits out where there is traffic, else promote it once newer rows prove it."""
    version, champion = state.waiting, state.champion
    if version is None or champion is None or version.train_to <= champion.train_to:
        return None
    if state.may_promote and state.has_traffic:
        return _start_rollout(version, champion)
    if state.lacks(Action.COMPARE_CHALLENGER):
        return Decision(Action.COMPARE_CHALLENGER, "newer rows may prefer it", version)
    if state.paired is None or not state.paired.passes or not state.may_promote:
        return None
    why = "the challenger passed the gate on rows newer than both"
    return Decision(Action.PROMOTE_CHALLENGER, why + _behind_naive(version), version)


def _answer_drift(state: ModelState) -> Decision:
    if state.lacks(Action.MEASURE_DRIFT):
        return Decision(Action.MEASURE_DRIFT, "the champion may no longer fit")
    assert state.drift is not None, "drift was measured"
    if not state.is_forced and state.drift["recommendation"] == CONTINUE:
        return Decision(Action.KEEP_CHAMPION, next(iter(state.drift["reasons"]), "no drift"))
    if state.gain is None and state.has_new_labels and state.lacks(Action.MEASURE_RETRAIN_GAIN):
        return Decision(Action.MEASURE_RETRAIN_GAIN, "it decides on the rows to train on, and on what follows")
    return Decision(Action.TRAIN_CANDIDATE, "retraining is forced" if state.is_forced else "retraining helps")


def _start_rollout(version: Version, champion: Version) -> Decision:
    share = f"gives {ROLLOUT_SHARES[0]} % of the predictions"
    why = f"{share} beside {champion.version_name}, which serves the rest{_behind_naive(version)}"
    return Decision(Action.START_ROLLOUT, why, version)


def _behind_naive(version: Version) -> str:
    """What whoever reads of a move has to know of a version that is only better than a champion worse than itself."""
    if not loses_to_naive(version.evaluation):
        return ""
    loss, naive = (version.evaluation[name] for name in ("loss", "baseline_loss"))
    return f"; a naive forecast does better than it (held-out loss {naive:.3g}, its own {loss:.3g})"


def judge_candidate(beats_baseline: bool, gain: RetrainGain | None, confidence: float, *, has_champion: bool) -> str:
    """What a trained candidate may become, as it is stored with it: `first_champion`, `promote`, `hold` or `reject`."""
    if not beats_baseline and (gain is None or not gain.helps):
        return REJECT
    if not has_champion:
        return FIRST_CHAMPION
    return PROMOTE if gain is not None and gain.proves(confidence) else HOLD


def judge_stage(
    share: int, served: ServedEvidence, paired: GateResult | None, age_days: float, rule: Gate, *, is_proven: bool
) -> Decision:
    """Decide about one stage of a rollout: stop, hold or advance.

    Small workspaces, where nothing can be proven for months, move on by age: the whole rollout takes them the spec's
    minimum age. None moves on against the evidence, and only the gate lets the last stage end.

    Args:
        share: per cent of the predictions the challenger gives now.
        served: losses of both arms as served.
        paired: the gate on the same rows newer than both; None while those are too few.
        age_days: since the stage began.
        rule: margin and minimum age.
        is_proven: it was better with confidence on held-out rows when it was trained.
    """
    contradiction = _contradiction(served, paired)
    if contradiction is not None:
        return Decision(Action.STOP_ROLLOUT, contradiction)
    is_not_worse = served.is_not_worse(rule.non_inferiority_margin)
    passes = paired is not None and paired.passes
    is_quick = passes or is_not_worse or (is_proven and paired is not None)
    needed = LEAST_STAGE_DAYS if is_quick else max(rule.minimum_age_days / len(ROLLOUT_SHARES), LEAST_STAGE_DAYS)
    if age_days < needed:
        return Decision(Action.HOLD_ROLLOUT, f"{age_days:.1f} of {needed:.1f} days, no evidence against it so far")
    if share == ROLLOUT_SHARES[-1] and not (is_proven or passes):
        return Decision(Action.HOLD_ROLLOUT, "newer rows do not prove yet that it may take over")
    why = "its loss as served is not higher" if is_not_worse else "no evidence against it"
    return Decision(Action.ADVANCE_ROLLOUT, f"{why} ({served.n_challenger} labeled rows served, {age_days:.1f} days)")


def _contradiction(served: ServedEvidence, paired: GateResult | None) -> str | None:
    if served.is_worse:
        counted = f"{served.n_challenger} rows it served, against {served.n_champion} of the champion"
        return f"it loses {-(served.gain or 0.0):.3g} a row more than the champion on {counted}"
    if paired is not None and paired.is_worse:
        return f"it loses {-paired.gain:.3g} a row more than the champion on the same {paired.n} newer rows"
    return None


def next_share(share: int) -> int:
    """The share of the stage after this one, in per cent."""
    return (*ROLLOUT_SHARES, ROLLED_OUT)[ROLLOUT_SHARES.index(share) + 1]
