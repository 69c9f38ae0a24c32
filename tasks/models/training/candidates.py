"""From rows to a registered version, or to a rejected one with its evaluation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.models.decisions import judge_candidate
from tasks.models.errors import ArtifactRefusedError
from tasks.models.records import DUE, FIGURES, REGISTERED, REJECT, REJECTED, ModelKey, Run, Version
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.specs import ModelSpec
from tasks.models.store import ModelStore, free_name
from tasks.models.training.blending import OWN
from tasks.models.training.dataset import Examples
from tasks.models.training.estimators import FittedModel
from tasks.models.training.evaluation import RetrainGain, TrainedModel, repeats_reference, train
from tasks.models.training.figures import Pictured
from tasks.models.training.importance import Importance, importance
from tasks.models.training.model_card import describe
from tasks.warehouse.frames import find_workspace

LEAST_NEWEST = 1_000
VERSION_NAME = re.compile(r"v_\d{8}_\d{6}(_\d+)?")
VERSIONS_SHOWN = 20  # of the metrics over versions on a run's page


def train_candidate(
    store: ModelStore,
    registry: Registry,
    key: ModelKey,
    spec: ModelSpec,
    rows: Examples,
    data_sha256: str,
    gain: RetrainGain | None,
    run: Run,
    *,
    has_champion: bool,
    replaces: str | None = None,
) -> tuple[Version, Pictured | None]:
    """Train on rows, register unless rejected, and store it as the candidate of the data with that hash.

    Its figures are drawn later, of what is returned with it; None where there is nothing to draw. `replaces` names the
    version that was trained on the same data before and can no longer be read.
    """
    trained, rows = _trained(spec, rows)
    evaluation = trained.evaluation.as_dict() | {"pool": _pool_of(trained, rows)}
    pictured = None
    decision = judge_candidate(evaluation["beats_baseline"], gain, spec.gate.confidence, has_champion=has_champion)
    known = store.versions(key)
    # MLflow's table of versions shows them in this order: hashes come last.
    tags = _tags(known, rows, run.moment) | _gate_tags(evaluation, gain, decision)
    tags["timezone"] = str(find_workspace(store.warehouse, key.workspace_id)["timezone"])
    tags |= _sources(run) | {"data_sha256": data_sha256, "spec_sha256": spec.sha256}
    number, artifact_sha256 = None, None
    if decision != REJECT:
        evaluations = [one.evaluation for one in known if one.status == REGISTERED]
        history = [*evaluations, evaluation][-VERSIONS_SHOWN:]
        pictured = Pictured(trained.held_out, importance(trained.held_out))
        number, artifact_sha256 = _register(registry, key, spec, rows, trained, pictured.inputs, tags, history, known)
        evaluation |= {FIGURES: DUE}
    version = Version(
        version_name=tags["version_name"],
        status=REJECTED if decision == REJECT else REGISTERED,
        registry_version=number,
        data_sha256=data_sha256,
        spec_sha256=tags["spec_sha256"],
        artifact_sha256=artifact_sha256,
        golden=trained.reference,
        evaluation=evaluation,
        decision=decision,
        train_to=_learned_to(rows),
        n_rows=rows.n,
    )
    more = {"gate": None if gain is None else gain.as_dict(), "train_from": rows.times[0]}
    more |= {"snapshot_sha256": run.snapshot_sha256, "git_commit": run.git_commit, "run_id": run.run_id}
    stands = store.add_version(key, version, more, replaces)
    if number is not None:
        _follow(registry, key, number, tags["version_name"], stands)
    return stands, pictured if stands.registry_version == number else None


def _trained(spec: ModelSpec, rows: Examples) -> tuple[TrainedModel, Examples]:
    """A model of all rows; where that does not beat its baseline, of the newest quarter, which may be another time.

    The second try has to beat it at half of the error, and needs a thousand rows: one more than proves nothing.
    """
    trained, newest = train(spec, rows), rows.slice(rows.n - rows.n // 4, rows.n)
    if trained.evaluation.beats_baseline or newest.n < LEAST_NEWEST or newest.has_one_class:
        return trained, rows
    again = train(spec, newest, 1.0 - (1.0 - spec.gate.confidence) / 2)
    return (again, newest) if again.evaluation.beats_baseline else (trained, rows)


def _learned_to(rows: Examples) -> datetime:
    """The time of the latest row that the model learned from, of its own or of its organization's."""
    own: datetime = rows.times[-1]
    newest = None if rows.siblings is None else rows.siblings.pool.newest
    return own if newest is None else max(own, newest)


def _pool_of(trained: TrainedModel, rows: Examples) -> dict[str, Any] | None:
    """Whose rows a model learned from beside its own; None where from nobody's."""
    serves = trained.model.recipe.get("serves", OWN)
    if rows.siblings is None or serves == OWN:
        return None
    pool = rows.siblings.pool
    return {"serves": serves, "workspaces": list(pool.workspace_ids), "rows": pool.n, "sha256": pool.sha256}


def _follow(registry: Registry, key: ModelKey, number: int, name: str, stands: Version) -> None:
    """Leave in the registry what stands in the warehouse: another run may have been first with this data or name."""
    if stands.registry_version != number:
        registry.delete(key, number)
    elif stands.version_name != name:
        registry.rename(key, number, stands.version_name)


def _register(
    registry: Registry,
    key: ModelKey,
    spec: ModelSpec,
    rows: Examples,
    trained: TrainedModel,
    inputs: Importance | None,
    tags: dict[str, str],
    evaluations: Collection[Mapping[str, Any]],
    known: Collection[Version],
) -> tuple[int, str]:
    """Register a version, or find the one that a killed run registered from the same data and nobody knows yet."""
    data = {name: tags[name] for name in ("data_sha256", "spec_sha256")}
    passed = [one.registry_version for one in known if one.registry_version is not None]
    earlier = _left_by_killed_run(registry, key, data, passed, trained.reference)
    if earlier is not None:
        number, its_tags = earlier
        tags["version_name"] = its_tags["version_name"]
        return number, its_tags["artifact_sha256"]
    card, artifacts = describe(key, spec, rows, trained, inputs, tags)
    metrics = [_metrics(evaluation) for evaluation in evaluations]
    return registry.register(key, trained.model, tags, metrics, card, artifacts)


def _left_by_killed_run(
    registry: Registry, key: ModelKey, data: Mapping[str, str], passed: list[int], reference: Mapping[str, Any]
) -> tuple[int, dict[str, str]] | None:
    """Number and tags of a version of this data besides those passed, if it predicts what was trained just now.

    Tags can be written, and versions copied, by anyone who may open MLflow's page: what a version says of itself is not
    taken for it.
    """
    passed = list(passed)
    while (earlier := registry.find(key, data, passed)) is not None:
        if _is_that_model(registry, key, earlier, reference):
            return earlier
        passed.append(earlier[0])
    return None


def _is_that_model(
    registry: Registry, key: ModelKey, registered: tuple[int, Mapping[str, str]], reference: Mapping[str, Any]
) -> bool:
    number, tags = registered
    if VERSION_NAME.fullmatch(tags.get("version_name", "")) is None or "artifact_sha256" not in tags:
        return False
    try:
        model = FittedModel.of(registry.load(key, number, tags["artifact_sha256"]))
        reads_the_same = set(model.columns) <= reference["inputs"][0].keys()
        return reads_the_same and repeats_reference(model, dict(reference))
    except (ArtifactRefusedError, AttributeError, KeyError, TypeError, ValueError):  # another kind of estimator
        return False


def _tags(known: Collection[Version], rows: Examples, moment: datetime) -> dict[str, str]:
    """What a version says of itself; its name is free among the versions known."""
    name = free_name(f"v_{moment.astimezone(UTC):%Y%m%d_%H%M%S}", {version.version_name for version in known})
    tags = {"version_name": name, "n_train": str(rows.n)}
    return tags | {"train_from": rows.times[0].isoformat(), "train_to": rows.times[-1].isoformat()}


def _sources(run: Run) -> dict[str, str]:
    """The run, the commit and the snapshot that a version came from, as far as they are known."""
    known = {"flow_run_id": run.run_id, "git_commit": run.git_commit, "snapshot_sha256": run.snapshot_sha256}
    return {name: value for name, value in known.items() if value}


def _gate_tags(evaluation: Mapping[str, Any], gain: RetrainGain | None, decision: str) -> dict[str, str]:
    """What decided about a version, as tags: statistics of a test are no figure to draw over versions."""
    tags = {"decision": decision, "gate.loss": f"{evaluation['loss']:.6g}"}
    tags |= {f"gate.{name}": f"{evaluation[name]:.6g}" for name in ("baseline_loss", "gain", "gain_lower", "p_value")}
    if gain is None:
        return tags
    over = {"gain": gain.gain, "gain_lower": gain.gain_lower, "p_value": gain.p_value, "share": gain.share}
    return tags | {f"gate.over_champion.{name}": f"{value:.6g}" for name, value in over.items()}


def _metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """The figures of the newest held-out block, by the field's names."""
    return {name: float(value) for name, value in evaluation["metrics"].items()}
