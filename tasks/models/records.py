"""What this capability stores and returns: model types and keys, versions, rollouts, and typed results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict

from tasks.errors import UnknownNameError

FIRST_CHAMPION, PROMOTE, HOLD, REJECT = "first_champion", "promote", "hold", "reject"
REGISTERED, REJECTED, DELETED = "registered", "rejected", "deleted"
PROMOTION, ROLLBACK, WITHDRAWAL = "promotion", "rollback", "withdrawal"
ROLLOUT_SHARES = (5, 25, 50)  # per cent of the predictions a challenger gives, stage by stage
ROLLED_OUT, ROLLOUT_STOPPED = 100, 0
FIGURES, DUE, DRAWN = "figures", "due", "drawn"  # a key of an evaluation, and its values
REFUSED_IN_NAMES = {ord(character): f"%{ord(character):02X}" for character in "%/:'\"\\"}
REFUSED_IN_LOGGED_NAMES = {ord(character): "_" for character in "%/:.'\""}


class ModelType(StrEnum):
    """The kinds of model, and the only list of them; each has a spec in `mlflow/models/`."""

    ENGAGEMENT_PREDICTOR = "ENGAGEMENT_PREDICTOR"
    TONE_CLASSIFIER = "TONE_CLASSIFIER"
    CONVERSION_PREDICTOR = "CONVERSION_PREDICTOR"
    SENTIMENT_ANALYZER = "SENTIMENT_ANALYZER"
    TOPIC_CLASSIFIER = "TOPIC_CLASSIFIER"

    @classmethod
    def parse(cls, value: object) -> ModelType:
        """The member named, in any case.

        Raises:
            UnknownNameError: if there is no such type.
        """
        try:
            return cls(str(value).upper())
        except ValueError:
            raise UnknownNameError("model type", value, [member.value for member in cls]) from None


@dataclass(frozen=True, slots=True)
class ModelKey:
    """Whose model of which type."""

    workspace_id: str
    model_type: ModelType

    @property
    def registered_name(self) -> str:
        """Name in the MLflow registry: `<workspace>.<TYPE>`, what MLflow or its search refuse written as %XX."""
        return f"{self.workspace_id.translate(REFUSED_IN_NAMES)}.{self.model_type.value}"

    @property
    def logged_name(self) -> str:
        """Name among MLflow's logged models, which refuse the dot too; nothing is looked up by it."""
        return f"{self.workspace_id.translate(REFUSED_IN_LOGGED_NAMES)}-{self.model_type.value}"


@dataclass(frozen=True, slots=True)
class Run:
    """On whose behalf something is done, and as of which moment."""

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


@dataclass(frozen=True, slots=True)
class Version:
    """One trained model as the warehouse holds it.

    Attributes:
        status: `registered`, or `rejected` when it did not beat its trivial baseline.
        registry_version: number in the MLflow registry; None when rejected.
        artifact_sha256: hash of the model file, checked before each load.
        golden: reference predictions, `{"inputs": rows, "outputs": predictions}`, checked before each promotion.
        evaluation: held-out losses of model and baseline, see `training.evaluation.Evaluation`.
        decision: `first_champion`, `promote`, `hold` or `reject`.
    """

    version_name: str
    status: str
    registry_version: int | None
    data_sha256: str
    spec_sha256: str
    artifact_sha256: str | None
    golden: dict[str, Any]
    evaluation: dict[str, Any]
    decision: str
    train_to: datetime
    n_rows: int


def _nothing_known() -> dict[str, Any]:
    return {"timezone": "UTC", "is_rate": False, "level": None}


@dataclass(frozen=True, slots=True)
class ModelArtifacts:
    """What lies beside a registered model for people to look at.

    Attributes:
        tables: JSON bytes in the form of pandas' "split" by their path among the run's artifacts, such as
            `evaluation/segments.json`.
        params: recipe and hyper-parameters, by name.
        about: what raw rows are read with: the workspace's `timezone`, whether its engagement `is_rate`, and the
            `level` of the posts before the end of training, None where there is none.
        example: a few inputs, one dictionary a row.
        data: `name`, `digest` (sha256 of all rows), `source_type`, `source`, `schema` and `profile` of the training
            data; None leaves it out.
    """

    example: Sequence[Mapping[str, Any]] = ()
    data: Mapping[str, str] | None = None
    tables: Mapping[str, bytes] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=_nothing_known)


NO_ARTIFACTS = ModelArtifacts()


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A registered version as retention sees it."""

    registry_version: int
    version_name: str
    trained_at: datetime
    pinned: bool


@dataclass(frozen=True, slots=True)
class Deployment:
    """One change of champion, as the append-only table records it.

    Attributes:
        generation: 1, 2, … for each workspace and model type.
        kind: `promotion`, `rollback`, or `withdrawal`, after which no version serves.
        outcome: `pending`, `done` or `abandoned`.
    """

    generation: int
    kind: str
    outcome: str
    version_name: str
    from_version: str | None
    reason: str
    actor: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """One step of a challenger's rollout.

    Attributes:
        step: 0, 1, … for each version.
        share_percent: of the predictions it gives: 5, 25, 50, then 100 (made champion) or 0 (stopped).
        champion: the version it is compared with.
        entered_at: when, on the clock of the data.
    """

    version_name: str
    step: int
    share_percent: int
    champion: str
    experiment_id: str
    reason: str
    evidence: dict[str, Any]
    entered_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether the challenger gives a share of the predictions."""
        return self.share_percent in ROLLOUT_SHARES


@dataclass(frozen=True, slots=True)
class ServedEvidence:
    """Losses of the two arms of a rollout so far, as served.

    Attributes:
        n_challenger: labeled rows the challenger served; likewise `n_champion`.
        champion_loss: mean of the champion's arm; None while it has none.
        gain: loss of the champion − loss of the challenger, with bounds that hold at every look; None while too few.
    """

    n_challenger: int
    n_champion: int
    champion_loss: float | None = None
    gain: float | None = None
    gain_lower: float | None = None
    gain_upper: float | None = None

    @property
    def is_worse(self) -> bool:
        """Whether the challenger's loss is higher than the champion's, with confidence."""
        return self.gain_upper is not None and self.gain_upper < 0.0

    def is_not_worse(self, margin: float) -> bool:
        """Whether its loss is not higher by the margin, a share of the champion's loss, with confidence."""
        return self.gain_lower is not None and self.gain_lower > -margin * abs(self.champion_loss or 0.0)

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """One batch of predictions that one version was asked for.

    Attributes:
        error: what went wrong; None where all rows were predicted.
    """

    version_name: str
    n_rows: int
    seconds: float
    error: str | None
    served_at: datetime


@dataclass(frozen=True, slots=True)
class OutcomeRows:
    """What became of outcomes that were sent.

    Attributes:
        recorded: rows whose outcome is new; `repeated` had theirs before, `unpredicted` were never predicted.
    """

    recorded: frozenset[str]
    repeated: frozenset[str]
    unpredicted: frozenset[str]


NO_DRIFT, WARNING, CRITICAL = "no_drift", "warning", "critical"
INSUFFICIENT_DATA = "insufficient_data"
CONTINUE, SOON, NOW = "continue_monitoring", "schedule_retrain_soon", "immediate_retrain_required"


class DriftReport(TypedDict):
    """What `detect_drift` found.

    Attributes:
        drift_status: `no_drift`, `warning`, `critical`, or `insufficient_data`.
        drift_score: 0–1, the share of the model's loss that retraining saves on the newest third of the rows since it
            was trained; while their labels are too few, the largest shift of its outputs or inputs, halved.
        p_value: smallest Holm-adjusted p-value over all tests.
        recommendation: `continue_monitoring`, `schedule_retrain_soon`, `immediate_retrain_required`.
        reasons: one line each, the strongest first.
    """

    workspace_id: str
    model_type: str
    model_version: str | None
    drift_status: str
    drift_score: float
    p_value: float
    recommendation: str
    reasons: list[str]
    samples: int
    samples_needed: int
    performance: dict[str, Any]
    columns: list[dict[str, Any]]


class MoveResult(TypedDict):
    """A promotion or rollback: who serves now, who did before, and the generation to expect next time."""

    workspace_id: str
    model_type: str
    status: str
    model_version: str
    previous_version: str | None
    generation: int


class Prediction(TypedDict):
    """What a model predicts for one row.

    Attributes:
        output: `{"expected": value}` for regression (log engagement), else `{"label": …, "probabilities": {…}}`.
    """

    row_id: str
    model_version: str
    inputs_sha256: str
    output: dict[str, Any]


class Schedule(TypedDict):
    """A schedule of refreshes: `status` is `created` or `changed`, `next_run_at` is in UTC."""

    model_type: str
    frequency_days: int
    min_new_samples: int
    drift_threshold: float
    next_run_at: datetime
    deployment: str
    status: str


class UpdateResult(TypedDict):
    """What became of one model.

    Attributes:
        status: `first_champion`, `promoted`, `canary` (a challenger gives a share of the predictions),
            `canary_stopped`, `rolled_back`, `withdrawn` (its champion cannot be read, and nothing takes its place yet),
            `challenger`, `no_retrain_needed`, `looked_at`, `unchanged`, `not_better_than_baseline`,
            `insufficient_data`, `failed` (with the error as reason; the other models go on).
        model_version: the champion's `version_name` afterwards; None where there is none.
        candidate_version: what was trained now or earlier on the same data.
        reason: why, in one line.
    """

    workspace_id: str
    model_type: str
    status: str
    model_version: str | None
    candidate_version: str | None
    samples: int
    samples_needed: int
    drift: DriftReport | None
    evaluation: dict[str, Any]
    reason: str
