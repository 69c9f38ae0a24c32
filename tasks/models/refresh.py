"""One refresh of one model, from top to bottom: read what is known, decide, apply.

What to do is decided in `decisions`, which is pure. Where a decision needs a measurement first (a drift check, a
trained candidate), that is made, its result is added to the state, and it is decided again. What an earlier, killed
refresh did is found done; what it began is finished first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.models.decisions import MEASUREMENTS, Action, Decision, ModelState, decide, next_share
from tasks.models.drift.monitor import METHOD, DriftThresholds, drift_report, insufficient, measure_drift
from tasks.models.errors import (
    ArtifactRefusedError,
    PromotionConflictError,
    RegistryFilesError,
    RegistryUnreachableError,
)
from tasks.models.records import (
    DELETED,
    DRAWN,
    DUE,
    FIGURES,
    PROMOTION,
    REGISTERED,
    REJECTED,
    ROLLBACK,
    ROLLED_OUT,
    ROLLOUT_STOPPED,
    DriftReport,
    ModelKey,
    Run,
    UpdateResult,
    Version,
)
from tasks.models.registry.promotion import Promoter, champion_history, waiting_version
from tasks.models.reports import refresh_result
from tasks.models.serving.gate import LATEST_BATCHES, MIN_ROWS, GateResult, breached_limit, excess_loss, judge
from tasks.models.serving.predictions import losses_as_served
from tasks.models.serving.rollouts import Rollouts
from tasks.models.specs import ModelSpec
from tasks.models.store import ModelStore, record_outcomes
from tasks.models.store.state import TRAFFIC_DAYS
from tasks.models.training.candidates import train_candidate
from tasks.models.training.dataset import Examples, ModelRows
from tasks.models.training.estimators import Floats
from tasks.models.training.evaluation import RetrainGain, held_out_again, retrain_gain
from tasks.models.training.figures import Pictured, figures_of
from tasks.models.training.importance import importance
from tasks.plain_text import visible

ACTOR = "check_and_update_models"
TRIES_AFTER_OTHERS = 2
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Refresh:
    """What is done with one model on one state of its rows."""

    store: ModelStore
    promoter: Promoter
    rollouts: Rollouts
    thresholds: DriftThresholds
    key: ModelKey
    spec: ModelSpec
    rows: ModelRows
    run: Run
    pictured: dict[str, Pictured] = field(default_factory=dict)  # of what was trained here, by version

    def update(self, *, force: bool, promote: bool) -> UpdateResult:
        """Take the one action that is due.

        Args:
            force: train a candidate also where no drift was found.
            promote: let a version that passed become champion, or take a share of the predictions, by itself.

        Where another run moves the champion in between, it is decided again on what that left.
        """
        for _ in range(TRIES_AFTER_OTHERS):
            try:
                return self._update_once(force=force, promote=promote)
            except PromotionConflictError:
                continue
        return self._update_once(force=force, promote=promote)

    def _update_once(self, *, force: bool, promote: bool) -> UpdateResult:
        self.promoter.reconcile(self.key, self.run.run_id)
        self.rollouts.finish_ended(self.key)
        state = self._read_state(force=force, promote=promote)
        repairs = self.promoter.settle_aliases(self.key, state.challenger or state.waiting)
        decision = decide(state, self.spec.gate)
        while decision.action in MEASUREMENTS or decision.action == Action.WITHDRAW_CHAMPION:
            if decision.action in MEASUREMENTS:
                state = state.with_measured(decision.action, self._measure(decision, state))
            else:
                repairs.append(self._withdraw(decision))
                state = self._read_state(force=force, promote=promote)
            decision = decide(state, self.spec.gate)
        self._apply(decision, state)
        put_off = self._draw()
        samples, needed = self.rows.labeled.n, self.rows.needed
        return refresh_result(self.key, decision, state, repairs, put_off, samples=samples, samples_needed=needed)

    def _withdraw(self, decision: Decision) -> str:
        """Let an unreadable champion serve no longer; returns what was done, in words."""
        version, reason = decision.version, decision.reason
        assert version is not None, "a withdrawal is of a version"
        self.promoter.withdraw(self.key, version, reason, ACTOR, self.run.run_id)
        return f"{version.version_name} was withdrawn, as nothing before it can serve: {reason}"

    # ── read ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_state(self, *, force: bool, promote: bool) -> ModelState:
        """All that is stored of the model, read once; what has to be measured is left open."""
        history = champion_history(self.store.deployments(self.key))
        steps, versions = self.store.rollout(self.key), self.store.versions(self.key)
        registered = {version.version_name: version for version in versions if version.status == REGISTERED}
        champion = registered.get(history.champion or "")
        stopped = {step.version_name for step in steps if step.share_percent == ROLLOUT_STOPPED}
        settled = history.have_served | stopped
        step = steps[-1] if steps and steps[-1].is_open else None
        waiting = waiting_version(versions, champion, settled)
        enough = self.thresholds.min_samples
        return ModelState(
            may_promote=promote,
            is_forced=force,
            shortage=self.rows.shortage,
            champion=champion,
            previous=registered.get(history.previous or ""),
            waiting=None if waiting is None or self._fault(waiting) else waiting,
            candidate=self._candidate(versions, champion) if self.rows.shortage is None and step is None else None,
            settled=settled,
            was_rolled_back=history.was_rolled_back,
            has_traffic=champion is not None and self._has_traffic(champion),
            has_new_labels=champion is not None and self.rows.labeled.after(champion.train_to).n >= enough,
            has_new_rows=self.rows.n_unlabeled >= enough,
            rollout=step,
            challenger=None if step is None else registered.get(step.version_name),
            stage_age_days=0.0 if step is None else self.run.days_since(step.entered_at),
        )

    def _candidate(self, versions: list[Version], champion: Version | None) -> Version | None:
        """What was trained on exactly these rows by exactly this spec, and can serve. Hashing rows takes its time."""
        made = self._made_of_these_rows(versions)
        if made is None or made.status == REJECTED or made == champion:  # the champion is checked apart
            return made
        return None if made.status == DELETED or self.promoter.fault(self.key, made) else made

    def _made_of_these_rows(self, versions: list[Version]) -> Version | None:
        data = (self.rows.sha256, self.spec.sha256)
        return next((one for one in versions if (one.data_sha256, one.spec_sha256) == data), None)

    def _has_traffic(self, champion: Version) -> bool:
        since = datetime.now(UTC) - timedelta(days=TRAFFIC_DAYS)
        batches = self.store.batches(self.key, champion.version_name, LATEST_BATCHES, since)
        return sum(batch.n_rows for batch in batches) >= MIN_ROWS

    # ── measure ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _measure(self, decision: Decision, state: ModelState) -> dict[str, Any]:
        """Make one measurement; returns the fields of the state that it fills."""
        champion, version = state.champion, decision.version
        if decision.action == Action.TRAIN_CANDIDATE:
            return {"candidate": self._train_candidate(champion, state.gain)}
        assert champion is not None, "everything else is measured of a champion"
        if decision.action == Action.MEASURE_DRIFT:
            report, gain = self.measure_drift(champion)
            return {"drift": report, "gain": gain}
        if decision.action == Action.MEASURE_RETRAIN_GAIN:
            model = self.promoter.load(self.key, champion)
            return {"gain": retrain_gain(self.spec, self.rows.labeled, model, champion.train_to)}
        if decision.action == Action.CHECK_CHAMPION:
            return self._check_champion(champion, previous=version)
        assert version is not None, "and all the rest against another version"
        if decision.action == Action.COMPARE_CHALLENGER:
            return {"paired": self._compare(champion, version)}
        return self._measure_rollout(champion, version, state)

    def _check_champion(self, champion: Version, previous: Version | None) -> dict[str, Any]:
        """Whether it can be read, and why it must not go on serving; then also what would serve in its place."""
        unreadable = self._fault(champion)
        fault = unreadable or (None if previous is None else self._champion_fault(champion, previous))
        if fault is None:
            return {}
        fallback = self.promoter.fallback(self.key, self._departed)
        return {"champion_fault": fault, "is_readable": unreadable is None, "previous": fallback}

    def _fault(self, version: Version) -> str | None:
        """Why a version cannot serve, or must not; None where it may."""
        return self.promoter.fault(self.key, version) or self._departed(version)

    def _departed(self, version: Version) -> str | None:
        """Why it must not serve: it learned from a workspace that its own may learn from no longer. None where not."""
        pool, siblings = version.evaluation.get("pool"), self.rows.siblings
        taught = set(pool["workspaces"] if pool else ()) - {self.key.workspace_id}
        gone = sorted(taught - set(siblings.pool.workspace_ids if siblings else ()))
        if not gone:
            return None
        others = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        return f"it learned from {visible(gone[0])}{others}, which left the organization, shares no more or is deleted"

    def _champion_fault(self, champion: Version, previous: Version) -> str | None:
        """Why a readable champion must not go on serving: its batches, or its loss beside the previous one's."""
        since = champion_history(self.store.deployments(self.key)).since
        breach, newer = self._limit_breach(champion, since), self._newer_than_both(champion, previous)
        if breach is not None or newer.n < MIN_ROWS:
            return breach
        lost, n_served = self._losses(champion, newer)
        try:
            least = excess_loss(lost, self._losses(previous, newer)[0], self.spec.gate)
        except ArtifactRefusedError:  # nothing to go back to
            return None
        if least is None:
            return None
        basis = f"{newer.n} rows newer than both, {n_served} as served"
        return f"it loses at least {least:.3g} a row more than {previous.version_name} on {basis}"

    def _limit_breach(self, version: Version, since: datetime | None = None) -> str | None:
        batches = self.store.batches(self.key, version.version_name, LATEST_BATCHES, since)
        return breached_limit(batches, self.spec.serving)

    def _measure_rollout(self, champion: Version, challenger: Version, state: ModelState) -> dict[str, Any]:
        unreadable = self._fault(challenger)
        breach = self._limit_breach(challenger) if unreadable is None else unreadable
        if breach is not None:
            return {"limit_breach": breach}
        assert state.rollout is not None, "a rollout is measured while it is under way"
        evidence = self.rollouts.measure(self.key, state.rollout, challenger, champion, self.rows.labeled)
        return {"served": evidence, "paired": self._compare(champion, challenger)}

    def _compare(self, champion: Version, challenger: Version) -> GateResult | None:
        """The gate on rows newer than both, as served where they were served; None while there are too few."""
        newer = self._newer_than_both(champion, challenger)
        if newer.n < MIN_ROWS:
            return None
        age_days = (newer.times[-1] - challenger.train_to).total_seconds() / SECONDS_PER_DAY
        lost, would_have_lost = self._losses(champion, newer)[0], self._losses(challenger, newer)[0]
        paired = judge(lost, would_have_lost, age_days, self.spec.gate)
        self.store.set_gate(self.key, challenger, paired.as_dict())
        return paired

    def _newer_than_both(self, one: Version, other: Version) -> Examples:
        return self.rows.labeled.after(max(one.train_to, other.train_to))

    def _losses(self, version: Version, rows: Examples) -> tuple[Floats, int]:
        """Losses (n,) of a version on labeled rows, and of how many it is the loss as served."""
        outputs = self.store.outputs(self.key, version.version_name, rows.keys.to_list())
        return losses_as_served(self.promoter.load(self.key, version), rows, outputs)

    def measure_drift(self, champion: Version) -> tuple[DriftReport, RetrainGain | None]:
        """Check the rows newer than the champion, and store the report; also what retraining gains, where measured."""
        name, rows = champion.version_name, self.rows
        newer = rows.everything.after(champion.train_to)
        if newer.n < self.thresholds.min_samples:
            return insufficient(self.key, name, newer.n, self.thresholds.min_samples), None
        outputs = self.store.outputs(self.key, name, rows.labeled.after(champion.train_to).keys.to_list())
        digest = self._digest(len(outputs))
        known = self.store.drift_check(self.key, name, digest)
        if known is not None:
            self.store.add_drift_check(self.key, known, digest, self.run.run_id)
            return known, RetrainGain.from_dict(known["performance"].get("retrain"))
        self._note_outcomes(outputs)
        model = self.promoter.load(self.key, champion)
        measured = measure_drift(self.spec, champion, model, rows.labeled, rows.everything, self.thresholds, outputs)
        report = drift_report(self.key, name, measured, self.thresholds.warning)
        self.store.add_drift_check(self.key, report, digest, self.run.run_id)
        return report, measured.gain

    def _note_outcomes(self, served: Collection[str]) -> None:
        """Labels that came with files rather than one by one: the strip of days knows them from now on, too."""
        rows = self.rows.labeled.only(served)
        if rows.n:
            came = dict(zip(rows.keys.to_list(), rows.target.to_list(), strict=True))
            record_outcomes(self.store.warehouse, self.key, came, self.run.run_id)

    def _digest(self, n_served: int) -> str:
        """Hash of all that a drift check rests on: rows, labels, thresholds, spec, and how many rows were served."""
        basis = (
            METHOD,
            self.rows.everything.sha256,
            self.rows.sha256,
            self.thresholds,
            self.spec.sha256,
            n_served,
        )
        return hashlib.sha256(repr(basis).encode()).hexdigest()

    def _train_candidate(self, champion: Version | None, gain: RetrainGain | None) -> Version:
        """Train on all labeled rows, or on the recent ones where those predicted better."""
        rows = self.rows.labeled
        if champion is not None and gain is not None and gain.window == "recent":
            rows = rows.after(champion.train_to)
        has_champion = champion is not None
        lost = self._made_of_these_rows(self.store.versions(self.key))  # else it would be the candidate
        version, pictured = train_candidate(
            self.store,
            self.promoter.registry,
            self.key,
            self.spec,
            rows,
            self.rows.sha256,
            gain,
            self.run,
            has_champion=has_champion,
            replaces=None if lost is None else lost.version_name,
        )
        if pictured is not None:
            self.pictured[version.version_name] = pictured
        return version

    # ── apply ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _apply(self, decision: Decision, state: ModelState) -> None:
        """Do what was decided; where nothing is to be moved, nothing is done."""
        version = decision.version
        if state.rollout is not None and decision.action != Action.ROLL_BACK:
            self._apply_to_rollout(decision, state)
        elif version is None:
            return
        elif decision.action == Action.ROLL_BACK:
            self._move(version, ROLLBACK, decision.reason)
        elif decision.action in (Action.PROMOTE_FIRST, Action.PROMOTE_CANDIDATE, Action.PROMOTE_CHALLENGER):
            self._move(version, PROMOTION, decision.reason)
        elif decision.action == Action.START_ROLLOUT:
            assert state.champion is not None, "a rollout is beside a champion"
            self.rollouts.start(self.key, self.spec.gate, version, state.champion, decision.reason, self.run)
        elif decision.action == Action.LET_WAIT:
            assert version.registry_version is not None, "a version that waits is registered"
            self.promoter.registry.point(self.key, "challenger", version.registry_version)

    def _draw(self) -> list[str]:
        """Draw the figures that are due: after aliases moved, so that nobody waits for pictures to be served better.

        Those of a version whose refresh was killed before it came to them, or whose registry was away by then, are
        drawn by the next; returns why in the latter case, since what this refresh did is done all the same.
        """
        try:
            for version in self.store.versions(self.key):
                if version.status == REGISTERED and version.evaluation.get(FIGURES) == DUE:
                    self._draw_of(version)
        except (RegistryUnreachableError, RegistryFilesError) as error:
            return [f"its figures are drawn by the next refresh: {error}"]
        return []

    def _draw_of(self, version: Version) -> None:
        pictured = self.pictured.get(version.version_name) or self._pictured_again(version)
        if pictured is not None and version.registry_version is not None:
            figures = figures_of(self.spec.target, pictured)
            self.promoter.registry.log_figures(self.key, version.registry_version, figures)
        self.store.set_evaluation(self.key, version, version.evaluation | {FIGURES: DRAWN})

    def _pictured_again(self, version: Version) -> Pictured | None:
        """What a version's figures are drawn of, made once more of the rows that it learned from."""
        learned = self.rows.labeled.split(version.train_to)[0]
        learned = learned.slice(max(learned.n - version.n_rows, 0), learned.n)
        if learned.n < self.spec.least_rows(pooled=self.rows.siblings is not None):  # most were deleted since
            return None
        fold = next(iter(held_out_again(self.spec, learned, crosswise=False)), None)
        return None if fold is None else Pictured(fold, importance(fold))

    def _apply_to_rollout(self, decision: Decision, state: ModelState) -> None:
        step, version, action, reason = state.rollout, decision.version, decision.action, decision.reason
        evidence = {} if state.served is None else state.served.as_dict()
        assert step is not None, "there is a rollout"
        if action == Action.FINISH_ROLLOUT and version is not None:
            self._move(version, PROMOTION, f"rolled out: {reason}")
        if action in (Action.FINISH_ROLLOUT, Action.CLOSE_ROLLOUT):
            self.rollouts.end(self.key, step, ROLLED_OUT, reason, evidence, self.run)
        elif action == Action.STOP_ROLLOUT:
            self.rollouts.end(self.key, step, ROLLOUT_STOPPED, reason, evidence, self.run)
        elif action == Action.ADVANCE_ROLLOUT and version is not None:
            share = next_share(step.share_percent)
            self.rollouts.advance(self.key, step, version, share, reason, evidence, self.run)

    def _move(self, version: Version, kind: str, reason: str) -> None:
        self.promoter.move(self.key, version, kind, reason, ACTOR, self.run.run_id)
