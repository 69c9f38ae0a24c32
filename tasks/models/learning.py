"""From rows to a registered version, or to a remembered reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.models.dataset import Examples
from tasks.models.presentation import presented
from tasks.models.records import ModelKey, Version
from tasks.models.refresh import RetrainGain
from tasks.models.registry import Registry
from tasks.models.specs import ModelSpec
from tasks.models.store import ModelStore
from tasks.models.training import TrainedModel, train

FIRST_CHAMPION, PROMOTE, HOLD, REJECT = "first_champion", "promote", "hold", "reject"
REGISTERED, REJECTED = "registered", "rejected"
VERSIONS_SHOWN = 20  # of the metrics over versions on a run's page


@dataclass(frozen=True, slots=True)
class Run:
    """On whose behalf, and about which moment."""

    run_id: str
    git_commit: str | None = None
    as_of: datetime | None = None
    snapshot_sha256: str | None = None

    @property
    def moment(self) -> datetime:
        """The present, or what stands for it."""
        return self.as_of or datetime.now(UTC)

    def days_since(self, instant: datetime) -> float:
        """Days from an instant to the present."""
        return (self.moment - instant).total_seconds() / 86_400


class Learner:
    """Trains and registers. What a killed run registered from the same data is taken up, never registered twice."""

    def __init__(self, store: ModelStore, registry: Registry) -> None:
        self.store, self.registry = store, registry

    def attempt(
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
            is_proven = gain is not None and gain.proves(spec.gate.confidence)
            decision = FIRST_CHAMPION if not has_champion else PROMOTE if is_proven else HOLD
        tags = about | self._tags(key, learnt, run)
        number, sha256 = (None, None) if decision == REJECT else self._register(key, spec, learnt, trained, tags)
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
        self, key: ModelKey, spec: ModelSpec, learnt: Examples, trained: TrainedModel, tags: dict[str, str]
    ) -> tuple[int, str]:
        """Register a version, or take the one a killed run registered from the same data."""
        found = self.registry.find(key, {name: tags[name] for name in ("data_sha256", "spec_sha256")})
        if found is not None:
            tags["version_name"] = found[1]["version_name"]
            return found[0], found[1]["artifact_sha256"]
        card, shown = presented(key, spec, learnt, trained, tags)
        known = [*self.store.evaluations(key), trained.evaluation.as_dict()][-VERSIONS_SHOWN:]
        return self.registry.register(key, trained.model, tags, [_metrics(found) for found in known], card, shown)

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


def _metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Every figure of an evaluation, by name."""
    figures = dict(evaluation) | evaluation["metrics"]
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
