"""The life of one model: trained, judged, registered, watched, replaced. Steps that were done are found done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.models import drift, reports
from tasks.models.dataset import Examples, all_rows, examples
from tasks.models.gate import MIN_ROWS, judge
from tasks.models.promotion import PROMOTION, Promoter
from tasks.models.records import DriftReport, ModelKey, UpdateResult, Version
from tasks.models.refresh import RetrainGain, retrain_gain
from tasks.models.registry import Registry
from tasks.models.specs import ModelSpec
from tasks.models.store import ModelStore
from tasks.models.training import TrainedModel, has_one_class, train
from tasks.models.watching import Thresholds, look

FIRST_CHAMPION, PROMOTE, HOLD, REJECT = "first_champion", "promote", "hold", "reject"
ACTOR = "check_and_update_models"
REGISTERED, REJECTED = "registered", "rejected"
NOT_BETTER = "on later rows it does not surely beat a trivial predictor; not registered"


@dataclass(frozen=True, slots=True)
class Run:
    """On whose behalf, and about which moment."""

    run_id: str
    git_commit: str | None = None
    as_of: datetime | None = None
    snapshot_sha256: str | None = None


class Lifecycle:
    """Looks after models of one warehouse and one registry; synchronous, safe to run in threads."""

    def __init__(self, store: ModelStore, registry: Registry, thresholds: Thresholds) -> None:
        self.store, self.registry, self.thresholds = store, registry, thresholds
        self.promoter = Promoter(store, registry)

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
            return self._finish(key, self._attempt(key, spec, rows, rows, None, run), run, promote, None)
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
        return self._attempt(key, spec, rows, learnt, gain, run, has_champion=True)

    def _attempt(
        self,
        key: ModelKey,
        spec: ModelSpec,
        rows: Examples,
        learnt: Examples,
        gain: RetrainGain | None,
        run: Run,
        *,
        has_champion: bool = False,
    ) -> Version:
        """Train on `learnt`, register unless trivial, and remember it as what was learnt from `rows`."""
        trained = train(spec, learnt)
        about = {"data_sha256": rows.sha256, "spec_sha256": spec.sha256}
        decision = REJECT
        if trained.evaluation.beats_baseline or (gain is not None and gain.helps):
            decision = FIRST_CHAMPION if not has_champion else PROMOTE if gain and gain.helps else HOLD
        tags = about | self._tags(key, learnt, run)
        number, sha256 = (None, None) if decision == REJECT else self._register(key, about, tags, trained)
        version = Version(
            version_name=tags["version_name"],
            status=REJECTED if decision == REJECT else REGISTERED,
            registry_version=number,
            artifact_sha256=sha256,
            golden=trained.golden,
            evaluation=trained.evaluation.as_dict(),
            decision=decision,
            train_to=learnt.times[-1],
            n_rows=len(learnt),
            **about,
        )
        more = {"gate": None if gain is None else gain.as_dict(), "train_from": learnt.times[0]}
        more |= {"snapshot_sha256": run.snapshot_sha256, "git_commit": run.git_commit, "run_id": run.run_id}
        self.store.add_version(key, version, more)
        return version

    def _register(
        self, key: ModelKey, about: dict[str, str], tags: dict[str, str], trained: TrainedModel
    ) -> tuple[int, str]:
        """Register a version, or take the one a killed run registered from the same data."""
        found = self.registry.find(key, about)
        if found is not None:
            tags["version_name"] = found[1]["version_name"]
            return found[0], found[1]["artifact_sha256"]
        figures = trained.evaluation.as_dict() | trained.evaluation.metrics
        metrics = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
        return self.registry.register(key, trained.model, tags, metrics, _card(key, trained, tags))

    def _tags(self, key: ModelKey, learnt: Examples, run: Run) -> dict[str, str]:
        moment = (run.as_of or datetime.now(UTC)).astimezone(UTC)
        name = f"v_{moment:%Y%m%d_%H%M%S}"
        taken, tries = set(self.store.version_names(key)), 1
        while (name if tries == 1 else f"{name}_{tries}") in taken:
            tries += 1
        tags = {"version_name": name if tries == 1 else f"{name}_{tries}", "flow_run_id": run.run_id}
        tags |= {"train_from": learnt.times[0].isoformat(), "train_to": learnt.times[-1].isoformat()}
        tags |= {"n_train": str(len(learnt)), "git_commit": run.git_commit or "unknown"}
        return tags | ({"snapshot_sha256": run.snapshot_sha256} if run.snapshot_sha256 else {})

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


def _card(key: ModelKey, trained: TrainedModel, tags: dict[str, str]) -> str:
    """The model card shown as version description."""
    found = trained.evaluation
    figures = ", ".join(f"{name} {value:.3g}" for name, value in found.metrics.items()) or "none defined"
    return (
        f"{key.model_type.value} of {key.workspace_id}, learnt from {tags['n_train']} rows "
        f"({tags['train_from'][:10]} to {tags['train_to'][:10]}).\n\n"
        f"On {found.n} later rows its recipe loses {found.loss:.4g} a row, the better trivial predictor "
        f"{found.baseline_loss:.4g} (gain at least {found.gain_lower:.2g}, 95 %). Latest quarter: {figures}."
    )
