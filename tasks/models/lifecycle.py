"""The life of one model: trained, judged, registered, watched, replaced. Steps that were done are found done."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.models import drift, reports
from tasks.models.dataset import Examples, all_rows, examples
from tasks.models.errors import NoChampionError
from tasks.models.gate import MIN_ROWS, judge
from tasks.models.learning import FIRST_CHAMPION, PROMOTE, REJECT, Learner, Run
from tasks.models.prediction import predictions
from tasks.models.promotion import PROMOTION, Promoter
from tasks.models.records import DriftReport, ModelKey, Prediction, UpdateResult, Version
from tasks.models.refresh import RetrainGain, retrain_gain
from tasks.models.registry import Registry
from tasks.models.retention import removable
from tasks.models.specs import ModelSpec
from tasks.models.store import ModelStore, all_keys
from tasks.models.training import has_one_class
from tasks.models.watching import Thresholds, look

ACTOR = "check_and_update_models"
NOT_BETTER = "on later rows it does not surely beat a trivial predictor; not registered"


class Lifecycle:
    """Looks after models of one warehouse and one registry; synchronous, safe to run in threads."""

    def __init__(self, store: ModelStore, registry: Registry, thresholds: Thresholds) -> None:
        self.store, self.registry, self.thresholds = store, registry, thresholds
        self.promoter, self.learner = Promoter(store, registry), Learner(store, registry)

    def update(
        self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, run: Run, *, force: bool, promote: bool
    ) -> UpdateResult:
        """Check one model on a frame of rows; train and promote where there is reason to."""
        self.promoter.reconcile(key, run.run_id)
        rows = examples(frame, spec)
        lacking = self._lacking(key, spec, rows)
        if lacking is not None:
            return lacking
        known = self.store.version_for(key, rows.sha256, spec.sha256)
        if known is not None:
            return self._finish(key, known, run, promote, None)
        champion = self._champion(key)
        if champion is None:
            return self._finish(key, self.learner.attempt(key, spec, rows, rows, None, run), run, promote, None)
        passed = self._judge_waiting(key, spec, champion, rows)
        if passed is not None and promote:
            self.promoter.move(key, passed, PROMOTION, "passed the gate on rows newer than both", ACTOR, run.run_id)
            reason, name = "the challenger passed the gate", passed.version_name
            return reports.update_result(
                key, "promoted", reason, samples=len(rows), champion=name, candidate_version=name
            )
        report, gain = self._look(key, spec, champion, frame, rows, run)
        if not force and report["recommendation"] == drift.CONTINUE:
            reason = report["reasons"][0] if report["reasons"] else "no drift"
            more: dict[str, Any] = {"drift": report}
            return reports.update_result(
                key, "no_retrain_needed", reason, samples=len(rows), champion=champion.version_name, **more
            )
        return self._finish(key, self._challenge(key, spec, rows, champion, gain, run), run, promote, report)

    def detect(self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, run: Run) -> DriftReport:
        """Look at the champion on the rows newer than it, and remember what was seen."""
        champion = self._champion(key)
        if champion is None:
            return reports.insufficient(key, None, 0, spec.minimum_rows)
        return self._look(key, spec, champion, frame, examples(frame, spec), run)[0]

    def predict(
        self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, row_ids: Collection[str] | None, run: Run
    ) -> list[Prediction]:
        """Let the champion predict rows of a frame, and remember what it said.

        Raises:
            NoChampionError: if nothing serves.
        """
        champion = self._champion(key)
        if champion is None:
            raise NoChampionError(key.registered_name)
        rows = all_rows(frame, spec)
        wanted = rows if row_ids is None else rows.only(row_ids)
        outputs = predictions(self.promoter.load(key, champion), wanted, champion.version_name)
        logged = [{name: found[name] for name in ("row_id", "inputs_sha256", "output")} for found in outputs]
        self.store.add_predictions(key, champion.version_name, logged, run.run_id)
        return outputs

    def retire(self, days: int, *, dry_run: bool) -> list[dict[str, Any]]:
        """Delete versions that retention lets go; a killed sweep is finished by the next one."""
        gone: list[dict[str, Any]] = []
        for key in all_keys(self.store.warehouse):
            protected = self.registry.aliases(key).values()
            for old in removable(self.store.registered(key), protected, datetime.now(UTC), days):
                if not dry_run:
                    self.registry.delete(key, old.registry_version)
                    self.store.mark_deleted(key, old.version_name)
                gone.append({"model": key.registered_name, "version": old.version_name, "deleted": not dry_run})
        return gone

    def _champion(self, key: ModelKey) -> Version | None:
        name = self.promoter.champion(key)
        return None if name is None else self.store.version(key, name)

    def _lacking(self, key: ModelKey, spec: ModelSpec, rows: Examples) -> UpdateResult | None:
        """Why nothing can be learnt from these rows; None when something can."""
        if len(rows) >= spec.minimum_rows and not has_one_class(rows):
            return None
        reason = f"{len(rows)} rows with a known {spec.target}, {spec.minimum_rows} needed"
        if len(rows) >= spec.minimum_rows:
            reason = f"all {len(rows)} rows have the same {spec.target}; two kinds are needed"
        return reports.update_result(
            key,
            drift.INSUFFICIENT_DATA,
            reason,
            samples=len(rows),
            champion=self.promoter.champion(key),
            samples_needed=spec.minimum_rows,
        )

    def _judge_waiting(self, key: ModelKey, spec: ModelSpec, champion: Version, rows: Examples) -> Version | None:
        """The challenger that waits, if rows newer than both now say that it may take over."""
        waiting = self.promoter.waiting(key)
        if waiting is None or waiting.train_to <= champion.train_to:
            return None
        newer = rows.after(waiting.train_to)
        if len(newer) < MIN_ROWS:
            return None
        models = [self.promoter.load(key, version) for version in (champion, waiting)]
        age_days = (newer.times[-1] - waiting.train_to).total_seconds() / 86_400
        found = judge(models[0].losses(newer), models[1].losses(newer), age_days, spec.gate)
        self.store.set_gate(key, waiting, found.as_dict())
        return waiting if found.passes else None

    def _look(
        self, key: ModelKey, spec: ModelSpec, champion: Version, frame: pl.DataFrame, rows: Examples, run: Run
    ) -> tuple[DriftReport, RetrainGain | None]:
        everything = all_rows(frame, spec)
        newer = everything.after(champion.train_to)
        if len(newer) < self.thresholds.min_samples:
            report = reports.insufficient(key, champion.version_name, len(newer), self.thresholds.min_samples)
            return report, None
        seen = look(spec, champion, self.promoter.load(key, champion), rows, everything, self.thresholds)
        report = reports.drift_report(key, champion.version_name, seen, self.thresholds.warning)
        self._remember(key, report, everything.sha256, run)
        return report, seen.gain

    def _remember(self, key: ModelKey, report: DriftReport, data_sha256: str, run: Run) -> None:
        names = ("drift_status", "drift_score", "p_value", "recommendation", "reasons", "samples")
        row = {name: report[name] for name in (*names, "performance", "columns")}  # type: ignore[literal-required]
        row |= {"version_name": report["model_version"], "data_sha256": data_sha256}
        self.store.add_drift_check(key, row | {"checked_at": datetime.now(UTC), "run_id": run.run_id})

    def _challenge(
        self, key: ModelKey, spec: ModelSpec, rows: Examples, champion: Version, gain: RetrainGain | None, run: Run
    ) -> Version:
        newer = rows.after(champion.train_to)
        if gain is None and len(newer) >= self.thresholds.min_samples:
            gain = retrain_gain(spec, rows, self.promoter.load(key, champion), champion.train_to)
        learnt = newer if gain is not None and gain.window == "recent" else rows
        return self.learner.attempt(key, spec, rows, learnt, gain, run, has_champion=True)

    def _finish(
        self, key: ModelKey, version: Version, run: Run, promote: bool, report: DriftReport | None
    ) -> UpdateResult:
        """Do what was decided about a version and is not yet done; say what came of it."""
        status, reason = self._settle(key, version, run, promote)
        return reports.update_result(
            key,
            status,
            reason,
            samples=version.n_rows,
            champion=self.promoter.champion(key),
            candidate_version=version.version_name,
            drift=report,
            evaluation=version.evaluation,
        )

    def _settle(self, key: ModelKey, version: Version, run: Run, promote: bool) -> tuple[str, str]:
        if version.decision == REJECT:
            return "not_better_than_baseline", NOT_BETTER
        served = [found.version_name for found in self.store.deployments(key)]
        if version.version_name in served:
            return "unchanged", "this data was learnt from before"
        if version.decision == FIRST_CHAMPION or (version.decision == PROMOTE and promote):
            reason = "first champion" if version.decision == FIRST_CHAMPION else "retraining helps on held-out rows"
            self.promoter.move(key, version, PROMOTION, reason, ACTOR, run.run_id)
            return ("first_champion" if version.decision == FIRST_CHAMPION else "promoted"), reason
        assert version.registry_version is not None, "a version that is held is registered"
        self.registry.point(key, "challenger", version.registry_version)
        return "challenger", "registered beside the champion; not surely better yet, or waiting for approval"
