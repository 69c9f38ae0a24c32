"""The life of one model: trained, judged, registered, watched, replaced. Steps that were done are found done."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.models import drift, reports
from tasks.models.canary import Canary
from tasks.models.dataset import Examples, all_rows, examples
from tasks.models.guard import Guard
from tasks.models.learning import FIRST_CHAMPION, REJECT, Learner, Run
from tasks.models.promotion import PROMOTION, Promoter
from tasks.models.records import DriftReport, ModelKey, Prediction, UpdateResult, Version
from tasks.models.refresh import RetrainGain, retrain_gain
from tasks.models.registry import Registry
from tasks.models.retention import removable
from tasks.models.serving import Server
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
        self.canary = Canary(self.promoter)
        self.guard, self.server = Guard(self.canary), Server(self.canary)

    def update(
        self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, run: Run, *, force: bool, promote: bool
    ) -> UpdateResult:
        """Check one model on a frame of rows; train and promote where there is reason to."""
        self.promoter.reconcile(key, run.run_id)
        rows = examples(frame, spec)
        undone = self.guard.check(key, spec, rows, run, ACTOR)
        if undone is not None:
            return reports.undone(key, undone, len(rows))
        lacking = self._lacking(key, spec, rows)
        if lacking is not None:
            return lacking
        progress = self.canary.advance(key, spec, rows, run, ACTOR, hold=not promote)
        if progress is not None:
            return reports.rolled_out(key, progress, self.promoter.champion(key), len(rows))
        known = self.store.version_for(key, rows.sha256, spec.sha256)
        if known is not None:
            return self._finish(key, spec, known, run, promote, self._look_at_unlabelled(key, spec, frame, rows, run))
        champion = self._champion(key)
        if champion is None:
            first = self.learner.attempt(key, spec, rows, rows, None, run)
            return self._finish(key, spec, first, run, promote, None)
        replaced = self._try_waiting(key, spec, champion, rows, run, promote)
        if replaced is not None:
            return replaced
        report, gain = self._look(key, spec, champion, frame, rows, run)
        if not force and report["recommendation"] == drift.CONTINUE:
            reason = report["reasons"][0] if report["reasons"] else "no drift"
            more: dict[str, Any] = {"drift": report}
            return reports.update_result(
                key, "no_retrain_needed", reason, samples=len(rows), champion=champion.version_name, **more
            )
        return self._finish(key, spec, self._challenge(key, spec, rows, champion, gain, run), run, promote, report)

    def detect(self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, run: Run) -> DriftReport:
        """Look at the champion on the rows newer than it, and remember what was seen."""
        champion = self._champion(key)
        if champion is None:
            return reports.insufficient(key, None, 0, spec.minimum_rows)
        return self._look(key, spec, champion, frame, examples(frame, spec), run)[0]

    def predict(
        self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, row_ids: Collection[str] | None, run: Run
    ) -> list[Prediction]:
        """Predict rows of a frame by whoever serves them, and remember what was said.

        Raises:
            NoChampionError: if nothing serves.
        """
        return self.server.predict(key, spec, frame, row_ids, run)

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

    def _try_waiting(
        self, key: ModelKey, spec: ModelSpec, champion: Version, rows: Examples, run: Run, promote: bool
    ) -> UpdateResult | None:
        """Roll the waiting challenger out where anybody asks, else let it take over once newer rows prove it."""
        waiting = self.promoter.waiting(key, without=self.canary.stopped(key))
        if waiting is None or waiting.train_to <= champion.train_to:
            return None
        if promote and self.canary.is_asked(key, champion):
            begun = self.canary.begin(key, spec, waiting, champion, run)
            return reports.rolled_out(key, begun, champion.version_name, len(rows))
        found = self.canary.compare(key, spec, champion, waiting, rows)
        if found is None or not found.passes or not promote:
            return None
        self.promoter.move(key, waiting, PROMOTION, "passed the gate on rows newer than both", ACTOR, run.run_id)
        reason, name = "the challenger passed the gate", waiting.version_name
        return reports.update_result(key, "promoted", reason, samples=len(rows), champion=name, candidate_version=name)

    def _look(
        self, key: ModelKey, spec: ModelSpec, champion: Version, frame: pl.DataFrame, rows: Examples, run: Run
    ) -> tuple[DriftReport, RetrainGain | None]:
        everything = all_rows(frame, spec)
        newer = everything.after(champion.train_to)
        if len(newer) < self.thresholds.min_samples:
            report = reports.insufficient(key, champion.version_name, len(newer), self.thresholds.min_samples)
            return report, None
        outputs = self.store.outputs(key, champion.version_name, rows.after(champion.train_to).keys.to_list())
        seen = look(spec, champion, self.promoter.load(key, champion), rows, everything, self.thresholds, outputs)
        report = reports.drift_report(key, champion.version_name, seen, self.thresholds.warning)
        self._remember(key, report, everything.sha256, run)
        return report, seen.gain

    def _look_at_unlabelled(
        self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, rows: Examples, run: Run
    ) -> DriftReport | None:
        """What rows later than every label show of the champion; None where they are too few."""
        champion = self._champion(key)
        if champion is None or len(all_rows(frame, spec).after(rows.times[-1])) < self.thresholds.min_samples:
            return None
        return self._look(key, spec, champion, frame, rows, run)[0]

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
        self, key: ModelKey, spec: ModelSpec, version: Version, run: Run, promote: bool, report: DriftReport | None
    ) -> UpdateResult:
        """Do what was decided about a version and is not yet done; say what came of it."""
        status, reason = self._settle(key, spec, version, run, promote)
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

    def _settle(self, key: ModelKey, spec: ModelSpec, version: Version, run: Run, promote: bool) -> tuple[str, str]:
        if version.decision == REJECT:
            return "not_better_than_baseline", NOT_BETTER
        served = [found.version_name for found in self.store.deployments(key)]
        if version.version_name in served or version.version_name in self.canary.stopped(key):
            return "unchanged", "this data was learnt from before"
        champion = self._champion(key)
        if champion is not None and promote and self.canary.is_asked(key, champion):
            return "canary", self.canary.begin(key, spec, version, champion, run).reason
        if champion is None or (promote and self.promoter.is_proven(key, version)):
            status, reason = FIRST_CHAMPION, "first champion"
            if champion is not None:
                status, reason = "promoted", "retraining helps on held-out rows, and nobody asked for predictions yet"
            self.promoter.move(key, version, PROMOTION, reason, ACTOR, run.run_id)
            return status, reason
        assert version.registry_version is not None, "a version that is held is registered"
        self.registry.point(key, "challenger", version.registry_version)
        return "challenger", "registered beside the champion; not surely better yet, or waiting for approval"
