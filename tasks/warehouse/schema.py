"""Every table of the warehouse, one section a capability.

Conventions: instants are `UtcDateTime` (aware in, aware out, UTC at rest); a row's key says what it is about, so that
writing the same thing twice is one row; `run_id` says which run wrote it last and is never part of a result's key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Index, LargeBinary, String, Text, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. PostgreSQL keeps `timestamptz`; SQLite keeps UTC text, which sorts in time order."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes: nobody can tell later which zone they meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: give it a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every instant back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Key = String(128)
Label = String(64)


class Base(DeclarativeBase):
    """Declares how Python types become columns."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        int: BigInteger(),
        float: Double(),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


# ── ingestion ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Workspace(Base):
    """A tenant: whose content it is, and who may learn from it."""

    __tablename__ = "workspace"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    industry: Mapped[str] = mapped_column(Label)
    size: Mapped[str] = mapped_column(Label)
    timezone: Mapped[str] = mapped_column(Label, default="UTC")
    organisation_id: Mapped[str | None] = mapped_column(Key)
    shares_insights: Mapped[bool] = mapped_column(default=True)
    run_id: Mapped[str] = mapped_column(Key)


class Content(Base):
    """One published post, e-mail or ad: its words, its results so far, and the features derived from it."""

    __tablename__ = "content"
    __table_args__ = (Index("content_by_time", "workspace_id", "published_at"),)
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    content_id: Mapped[str] = mapped_column(Key, primary_key=True)
    content_type: Mapped[str] = mapped_column(Label)
    channel: Mapped[str] = mapped_column(Label)
    published_at: Mapped[datetime]
    title: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    media_type: Mapped[str | None] = mapped_column(Label)
    impressions: Mapped[int | None]
    engagements: Mapped[int | None]
    clicks: Mapped[int | None]
    conversions: Mapped[float | None]
    audience_size: Mapped[int | None]
    tone: Mapped[str | None] = mapped_column(Label)
    sentiment: Mapped[str | None] = mapped_column(Label)
    topic: Mapped[str | None] = mapped_column(Label)
    measured_at: Mapped[datetime | None]
    attributes: Mapped[dict[str, Any] | None]
    attribute_roles: Mapped[dict[str, Any] | None]
    run_id: Mapped[str] = mapped_column(Key)
    # Features, derived once at ingestion; tasks/content/catalogue.py documents each.
    title_words: Mapped[int | None]
    body_words: Mapped[int | None]
    word_count: Mapped[int | None]
    character_count: Mapped[int | None]
    emoji_count: Mapped[int | None]
    hashtag_count: Mapped[int | None]
    mention_count: Mapped[int | None]
    link_count: Mapped[int | None]
    exclamation_count: Mapped[int | None]
    question_count: Mapped[int | None]
    number_count: Mapped[int | None]
    capitals_share: Mapped[float | None]
    has_cta: Mapped[bool | None]
    readability: Mapped[float | None]
    sentiment_score: Mapped[float | None]
    local_hour: Mapped[int | None]
    local_weekday: Mapped[int]
    is_weekend: Mapped[bool]


class Touch(Base):
    """One contact or visit that may convert."""

    __tablename__ = "touch"
    __table_args__ = (Index("touch_by_time", "workspace_id", "occurred_at"),)
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    touch_id: Mapped[str] = mapped_column(Key, primary_key=True)
    occurred_at: Mapped[datetime]
    channel: Mapped[str] = mapped_column(Label)
    content_id: Mapped[str | None] = mapped_column(Key)
    converted: Mapped[bool]
    attributes: Mapped[dict[str, Any] | None]
    attribute_roles: Mapped[dict[str, Any] | None]
    run_id: Mapped[str] = mapped_column(Key)


class ExperimentArm(Base):
    """One arm of an experiment that was run and aggregated elsewhere."""

    __tablename__ = "experiment_arm"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    experiment_name: Mapped[str] = mapped_column(Key, primary_key=True)
    variant_name: Mapped[str] = mapped_column(Key, primary_key=True)
    metric_name: Mapped[str] = mapped_column(Label, primary_key=True)
    metric_kind: Mapped[str] = mapped_column(Label)
    n: Mapped[int]
    sum: Mapped[float]
    sum_of_squares: Mapped[float | None]
    is_control: Mapped[bool]
    started_at: Mapped[datetime | None]
    direction: Mapped[str] = mapped_column(Label, default="increase", server_default="increase")
    share: Mapped[float | None]
    title: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    changes: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str] = mapped_column(Key)


class Exposure(Base):
    """When a unit first saw an arm of an experiment whose flags live elsewhere; one in two arms has two rows."""

    __tablename__ = "exposure"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    experiment_name: Mapped[str] = mapped_column(Key, primary_key=True)
    unit_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    variant_name: Mapped[str] = mapped_column(Key, primary_key=True)
    exposed_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class LoggedOutcome(Base):
    """One outcome of one unit as a log had it, before any experiment counted it."""

    __tablename__ = "logged_outcome"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    experiment_name: Mapped[str] = mapped_column(Key, primary_key=True)
    unit_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    metric_name: Mapped[str] = mapped_column(Label, primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    value: Mapped[float]
    denominator: Mapped[float | None]
    occurred_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class IngestionRun(Base):
    """What became of one file: counts, and where its rejected rows lie."""

    __tablename__ = "ingestion_run"
    run_id: Mapped[str] = mapped_column(Key, primary_key=True)
    kind: Mapped[str] = mapped_column(Label, primary_key=True)
    source_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Label)
    read: Mapped[int] = mapped_column(default=0)
    written: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    rejects_path: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


# ── extraction ───────────────────────────────────────────────────────────────────────────────────────────────────────


# ── patterns ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class PatternAnalysis(Base):
    """One analysis of one workspace's content of one type: what was asked, and how it ended.

    Equal questions are one row, whichever run asked; `series` joins the nights that asked the same but for the date.
    """

    __tablename__ = "pattern_analysis"
    __table_args__ = (Index("pattern_analysis_by_time", "workspace_id", "content_type", "as_of"),)
    analysis_id: Mapped[str] = mapped_column(Key, primary_key=True)
    series: Mapped[str] = mapped_column(Key)
    workspace_id: Mapped[str] = mapped_column(Key)
    content_type: Mapped[str] = mapped_column(Label)
    as_of: Mapped[datetime]
    lookback_days: Mapped[int]
    status: Mapped[str] = mapped_column(Label)
    reason: Mapped[str] = mapped_column(Text)
    statistics: Mapped[dict[str, Any]]
    insights: Mapped[list[Any]]
    run_id: Mapped[str] = mapped_column(Key)


class PatternFinding(Base):
    """One pattern of one analysis: an association confirmed on weeks the search had not seen, or one that is gone.

    `details` holds everything else that `Pattern.to_dict` says.
    """

    __tablename__ = "pattern_finding"
    __table_args__ = (Index("pattern_finding_by_workspace", "workspace_id", "content_type"),)
    analysis_id: Mapped[str] = mapped_column(Key, primary_key=True)
    pattern_key: Mapped[str] = mapped_column(Key, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(Key)
    content_type: Mapped[str] = mapped_column(Label)
    pattern_id: Mapped[str] = mapped_column(Label)
    pattern_type: Mapped[str] = mapped_column(Label)
    description: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float]
    effect_size: Mapped[float]
    lift_pct: Mapped[float]
    lift_low_pct: Mapped[float]
    lift_high_pct: Mapped[float]
    q_value: Mapped[float]
    sample_size: Mapped[int]
    trend: Mapped[str] = mapped_column(Label)
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    details: Mapped[dict[str, Any]]
    run_id: Mapped[str] = mapped_column(Key)


# ── effects ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class EffectPair(Base):
    """One condition of one workspace's content: what posts show of it, and what randomized experiments do.

    The workspace's secret: read for itself and for its own organization; by nothing else.
    """

    __tablename__ = "effect_pair"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    content_type: Mapped[str] = mapped_column(Label, primary_key=True)
    condition_key: Mapped[str] = mapped_column(Key, primary_key=True)
    outcome: Mapped[str] = mapped_column(Label)
    family: Mapped[str] = mapped_column(Label)
    log_lift: Mapped[float]
    standard_error: Mapped[float]
    effect: Mapped[float]
    effect_error: Mapped[float]
    experiments: Mapped[int]
    of_experiments: Mapped[int]
    run_id: Mapped[str] = mapped_column(Key)


class WorkspaceDefault(Base):
    """What a workspace does since an experiment proved it, and when and why a later one ended that.

    `does` and `instead_of` say what is set, by feature or `pattern:KEY`. Effects are relative changes, such as .12.
    """

    __tablename__ = "defaults"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    experiment_name: Mapped[str] = mapped_column(Key)
    metric_name: Mapped[str] = mapped_column(Label)
    statement: Mapped[str] = mapped_column(Text)
    does: Mapped[dict[str, Any]]
    instead_of: Mapped[dict[str, Any]]
    since: Mapped[datetime]
    effect: Mapped[float | None]
    effect_low: Mapped[float | None]
    effect_high: Mapped[float | None]
    p_value: Mapped[float]
    level: Mapped[float]
    retired_at: Mapped[datetime | None]
    retired_by: Mapped[str | None] = mapped_column(Key)
    retired_reason: Mapped[str | None] = mapped_column(Text)


class ExperimentProposal(Base):
    """What became of an experiment that the loop drafted, by what it would settle: each is approved once at most.

    `definition` is what a person read, frozen; `claim` what it said of the effect (log ratio) before the start.
    """

    __tablename__ = "experiment_proposal"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    proposal_key: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Key)
    source: Mapped[str] = mapped_column(Label)
    by_lot: Mapped[bool]
    answer: Mapped[str] = mapped_column(Label)
    definition: Mapped[dict[str, Any]]
    claim: Mapped[dict[str, Any]]
    answered_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Key)
    reason: Mapped[str] = mapped_column(Text)
    experiment_id: Mapped[str | None] = mapped_column(Key)


# ── transfer ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class TransferEstimate(Base):
    """What one workspace's own posts say about one catalogue pattern.

    The workspace's secret: read for itself, for its own organization, and by the private release; by nothing else.
    """

    __tablename__ = "transfer_estimate"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    pattern_key: Mapped[str] = mapped_column(Key, primary_key=True)
    log_lift: Mapped[float]
    standard_error: Mapped[float]
    log_lift_a: Mapped[float | None]
    log_lift_b: Mapped[float | None]
    matching: Mapped[int]
    posts: Mapped[int]
    as_of: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class TransferCharge(Base):
    """One entry of the privacy ledger: rows are added, never changed or removed. A unit is charged once a period."""

    __tablename__ = "transfer_charge"
    unit_id: Mapped[str] = mapped_column(Key, primary_key=True)
    period: Mapped[str] = mapped_column(Label, primary_key=True)
    rho: Mapped[float]
    charged_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class TransferRelease(Base):
    """One private release. It holds nothing exact: even the number of contributors is a secret of each of them.

    `ledger_hash` binds it to the charges of its period, `chain_hash` its sums to those and to the release before it;
    None in what older versions wrote.
    """

    __tablename__ = "transfer_release"
    period: Mapped[str] = mapped_column(Label, primary_key=True)
    status: Mapped[str] = mapped_column(Label)
    catalogue_version: Mapped[int]
    epsilon: Mapped[float]
    delta: Mapped[float]
    rho: Mapped[float]
    noise_scale: Mapped[float]
    as_of: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)
    ledger_hash: Mapped[str | None] = mapped_column(String(64))
    chain_hash: Mapped[str | None] = mapped_column(String(64))


class TransferSum(Base):
    """Noisy fixed-point sums of one release for one segment: pattern key to [count, mean, product].

    Every public segment and pattern is there, also where nobody is.
    """

    __tablename__ = "transfer_sum"
    period: Mapped[str] = mapped_column(Label, primary_key=True)
    segment: Mapped[str] = mapped_column(Key, primary_key=True)
    sums: Mapped[dict[str, Any]]


class ReleaseExport(Base):
    """One release as it was handed to other installations; handing it out again is the same row and costs nothing."""

    __tablename__ = "release_export"
    period: Mapped[str] = mapped_column(Label, primary_key=True)
    file_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    sums_sha256: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    exported_at: Mapped[datetime]


class ReleaseImport(Base):
    """One release of another installation, by the key that signed it. Forgotten, its sums are gone, its name stays."""

    __tablename__ = "release_import"
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    period: Mapped[str] = mapped_column(Label, primary_key=True)
    sums_sha256: Mapped[str] = mapped_column(String(64))
    file_sha256: Mapped[str] = mapped_column(String(64))
    catalogue_version: Mapped[int]
    epsilon: Mapped[float]
    delta: Mapped[float]
    rho: Mapped[float]
    noise_scale: Mapped[float]
    contributors_at_least: Mapped[int]
    releases_so_far: Mapped[int]
    rho_so_far: Mapped[float]
    code_version: Mapped[str] = mapped_column(String(64))
    as_of: Mapped[datetime]
    imported_at: Mapped[datetime]
    forgotten_at: Mapped[datetime | None]
    sums: Mapped[dict[str, Any]]


class ReleaseBenefit(Base):
    """What the releases of one installation brought one workspace on posts of its own that were held out.

    The workspace's own: it says what works for it. `gain` is null where it has too few posts.
    """

    __tablename__ = "release_benefit"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    gain: Mapped[float | None]
    standard_error: Mapped[float | None]
    held_out_posts: Mapped[int]
    refused: Mapped[bool]
    measured_at: Mapped[datetime]


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class ModelVersion(Base):
    """One attempt to learn from one state of the data: registered in MLflow, or rejected and why."""

    __tablename__ = "model_version"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    data_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    spec_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_name: Mapped[str] = mapped_column(Label)
    status: Mapped[str] = mapped_column(Label)
    decision: Mapped[str] = mapped_column(Label)
    registry_version: Mapped[int | None]
    artifact_sha256: Mapped[str | None] = mapped_column(String(64))
    golden: Mapped[dict[str, Any]]
    evaluation: Mapped[dict[str, Any]]
    gate: Mapped[dict[str, Any] | None]
    n_rows: Mapped[int]
    train_from: Mapped[datetime]
    train_to: Mapped[datetime]
    snapshot_sha256: Mapped[str | None] = mapped_column(String(64))
    git_commit: Mapped[str | None] = mapped_column(Label)
    pinned: Mapped[bool] = mapped_column(default=False)
    trained_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class ModelDeployment(Base):
    """What served when, and why; only ever appended to. A change of champion is two rows: opened, then closed.

    The key is the lock: of two promoters that both saw generation g, one can open g + 1.
    """

    __tablename__ = "model_deployment"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    phase: Mapped[str] = mapped_column(Label, primary_key=True)
    kind: Mapped[str] = mapped_column(Label)
    outcome: Mapped[str] = mapped_column(Label)
    version_name: Mapped[str] = mapped_column(Label)
    from_version: Mapped[str | None] = mapped_column(Label)
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Key)
    recorded_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class ModelPrediction(Base):
    """What a version predicted for one row as it was then: what was really served, to be held against what came."""

    __tablename__ = "model_prediction"
    __table_args__ = (Index("model_prediction_by_row", "workspace_id", "model_type", "row_id"),)
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    version_name: Mapped[str] = mapped_column(Label, primary_key=True)
    row_id: Mapped[str] = mapped_column(Key, primary_key=True)
    inputs_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    output: Mapped[dict[str, Any]]
    predicted_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class ModelOutcome(Base):
    """What came of a row that a version had predicted, and what it lost by that; the first to be known stands."""

    __tablename__ = "model_outcome"
    __table_args__ = (Index("model_outcome_by_instant", "workspace_id", "model_type", "version_name", "recorded_at"),)
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    version_name: Mapped[str] = mapped_column(Label, primary_key=True)
    row_id: Mapped[str] = mapped_column(Key, primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    loss: Mapped[float]
    recorded_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class ModelSketch(Base):
    """What a version predicted and lost on one day, as sums in millionths; only ever added to."""

    __tablename__ = "model_sketch"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    version_name: Mapped[str] = mapped_column(Label, primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
    n_predictions: Mapped[int]
    score_sum: Mapped[int]
    score_squares: Mapped[int]
    n_outcomes: Mapped[int]
    loss_sum: Mapped[int]
    loss_squares: Mapped[int]


class ModelRollout(Base):
    """What share of the predictions a challenger gives, step by step; only ever appended to.

    The key is the lock: of two processes that saw step s, one can append s + 1. The last step has a share of 0 (it was
    stopped) or 100 (it was made champion).
    """

    __tablename__ = "model_rollout"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    version_name: Mapped[str] = mapped_column(Label, primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    share_percent: Mapped[int]
    champion: Mapped[str] = mapped_column(Label)
    experiment_id: Mapped[str] = mapped_column(Key)
    reason: Mapped[str] = mapped_column(Text)
    evidence: Mapped[dict[str, Any]]
    entered_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


class ModelServing(Base):
    """One batch of predictions asked of one version: how many rows, how long it took, and what went wrong."""

    __tablename__ = "model_serving"
    batch_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(Key)
    model_type: Mapped[str] = mapped_column(Label)
    version_name: Mapped[str] = mapped_column(Label)
    n_rows: Mapped[int]
    seconds: Mapped[float]
    error: Mapped[str | None] = mapped_column(Text)
    served_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)

    __table_args__ = (Index("serving_by_model", "workspace_id", "model_type", "version_name", "served_at"),)


class ModelSchedule(Base):
    """How often a model type is refreshed, and from which data on; Prefect's schedule is made from it."""

    __tablename__ = "model_schedule"
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    frequency_days: Mapped[int]
    min_new_samples: Mapped[int]
    drift_threshold: Mapped[float]
    anchor: Mapped[datetime]
    recorded_at: Mapped[datetime]


class DriftCheck(Base):
    """What one look at one champion and one state of the data found."""

    __tablename__ = "drift_check"
    __table_args__ = (Index("drift_check_by_instant", "workspace_id", "model_type", "checked_at"),)
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    model_type: Mapped[str] = mapped_column(Label, primary_key=True)
    version_name: Mapped[str] = mapped_column(Label, primary_key=True)
    data_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    drift_status: Mapped[str] = mapped_column(Label)
    drift_score: Mapped[float]
    p_value: Mapped[float]
    recommendation: Mapped[str] = mapped_column(Label)
    reasons: Mapped[list[Any]]
    samples: Mapped[int]
    performance: Mapped[dict[str, Any]]
    columns: Mapped[list[Any]]
    checked_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


# ── experiments ──────────────────────────────────────────────────────────────────────────────────────────────────────
class Experiment(Base):
    """One experiment: what was asked, how it was designed, how it ended."""

    __tablename__ = "experiment"
    __table_args__ = (Index("experiment_by_workspace", "workspace_id", "name"),)
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(Key)
    name: Mapped[str] = mapped_column(Key)
    hypothesis: Mapped[str | None] = mapped_column(Text)
    experiment_type: Mapped[str] = mapped_column(Label)
    allocation_strategy: Mapped[str] = mapped_column(Label)
    metric_name: Mapped[str] = mapped_column(Label)
    design: Mapped[dict[str, Any]]
    salt: Mapped[str] = mapped_column(Label)
    planned_units_per_arm: Mapped[int | None]
    status: Mapped[str] = mapped_column(Label)
    conclusion: Mapped[str | None] = mapped_column(Label)
    winner: Mapped[str | None] = mapped_column(Key)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    covariate_origin: Mapped[float | None]


class DefinedMetric(Base):
    """A metric that a workspace defined once; a change is a new version, an experiment keeps the one it began with."""

    __tablename__ = "metrics"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Label, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None] = mapped_column(Label)
    direction: Mapped[str] = mapped_column(Label)
    quantile: Mapped[str | None] = mapped_column(Label)
    window_days: Mapped[float | None]
    winsorise_at: Mapped[float | None]
    min_effect_size: Mapped[float | None]
    owner: Mapped[str | None] = mapped_column(Key)
    description: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class ExperimentVariant(Base):
    """One arm; the first is the control unless another is declared so.

    `title` and `body` are the texts it shows, `changes` the features of content that it sets, by name.
    """

    __tablename__ = "experiment_variant"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    variant_id: Mapped[str] = mapped_column(Key, primary_key=True)
    position: Mapped[int]
    description: Mapped[str | None] = mapped_column(Text)
    weight: Mapped[float]
    is_control: Mapped[bool]
    levels: Mapped[dict[str, Any] | None]
    title: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    changes: Mapped[dict[str, Any] | None]


class ExperimentMetric(Base):
    """What is measured; `origin` is taken off every value, so that sums of squares keep their digits.

    `kind` is the declared one, or what the outcomes so far looked like; `has_all_sums` is false where sums were begun
    before they served any kind, and are to be made anew.
    """

    __tablename__ = "experiment_metric"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    metric_name: Mapped[str] = mapped_column(Label, primary_key=True)
    role: Mapped[str] = mapped_column(Label)
    kind: Mapped[str | None] = mapped_column(Label)
    is_kind_fixed: Mapped[bool]
    direction: Mapped[str] = mapped_column(Label)
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    margin: Mapped[float]
    origin: Mapped[float | None]
    version: Mapped[int | None]
    quantile: Mapped[str | None] = mapped_column(Label)
    window_days: Mapped[float | None]
    winsorise_at: Mapped[float | None]
    has_all_sums: Mapped[bool] = mapped_column(default=False, server_default=false())


class ExperimentEpoch(Base):
    """The weights in force from an instant on; what makes propensities known."""

    __tablename__ = "experiment_epoch"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    weights: Mapped[list[Any]]
    reason: Mapped[str] = mapped_column(Text)
    outcomes_before: Mapped[int]
    started_at: Mapped[datetime]


class ExperimentAssignment(Base):
    """Which arm a unit got; the row always wins over the hash."""

    __tablename__ = "experiment_assignment"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    unit_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    variant_id: Mapped[str] = mapped_column(Key)
    epoch: Mapped[int]
    propensity: Mapped[float]
    segment: Mapped[str] = mapped_column(Key)
    covariate: Mapped[float | None]
    assigned_at: Mapped[datetime]
    context: Mapped[str | None] = mapped_column(Text)


class ExperimentPolicy(Base):
    """Which arm suits which context, as a contextual experiment believed from an epoch on; its propensities follow."""

    __tablename__ = "experiment_policy"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    policy: Mapped[dict[str, Any]]


class ExperimentArrival(Base):
    """How many units each arm got in each epoch and segment, counted as they are assigned; x covariate."""

    __tablename__ = "experiment_arrival"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    variant_id: Mapped[str] = mapped_column(Key, primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    segment: Mapped[str] = mapped_column(Key, primary_key=True, default="", server_default=text("''"))
    n: Mapped[int]
    with_covariate: Mapped[int] = mapped_column(default=0, server_default="0")
    x: Mapped[float] = mapped_column(default=0.0, server_default="0")
    xx: Mapped[float] = mapped_column(default=0.0, server_default="0")


class ExperimentOutcome(Base):
    """One outcome of one unit, as it stands after any amendment."""

    __tablename__ = "experiment_outcome"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    metric_name: Mapped[str] = mapped_column(Label, primary_key=True)
    unit_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    value: Mapped[float]
    denominator: Mapped[float]
    revision: Mapped[int]
    recorded_at: Mapped[datetime]
    occurred_at: Mapped[datetime | None]


class ExperimentAmendment(Base):
    """What an outcome was before it was amended; only ever added to."""

    __tablename__ = "experiment_amendment"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    metric_name: Mapped[str] = mapped_column(Label, primary_key=True)
    unit_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float]
    denominator: Mapped[float]
    replaced_at: Mapped[datetime]
    occurred_at: Mapped[datetime | None]


class ExperimentStatistic(Base):
    """Sums over units, kept in the same transaction as their outcomes, that serve a metric of any kind.

    Of a unit's outcomes: y the total less the origin, m the mean, b whether any is positive, d the denominator, x the
    unit's covariate, h whether it has one. Counts of outcomes that are negative, and that are no coin, rate or count.
    `largest` squares say which digits were lost to values that were since amended.
    """

    __tablename__ = "experiment_statistic"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    metric_name: Mapped[str] = mapped_column(Label, primary_key=True)
    variant_id: Mapped[str] = mapped_column(Key, primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    segment: Mapped[str] = mapped_column(Key, primary_key=True)
    n: Mapped[int]
    y: Mapped[float]
    yy: Mapped[float]
    d: Mapped[float]
    dd: Mapped[float]
    yd: Mapped[float]
    with_covariate: Mapped[int]
    x: Mapped[float]
    xx: Mapped[float]
    xy: Mapped[float]
    m: Mapped[float] = mapped_column(default=0.0, server_default="0")
    mm: Mapped[float] = mapped_column(default=0.0, server_default="0")
    b: Mapped[float] = mapped_column(default=0.0, server_default="0")
    xm: Mapped[float] = mapped_column(default=0.0, server_default="0")
    xb: Mapped[float] = mapped_column(default=0.0, server_default="0")
    hy: Mapped[float] = mapped_column(default=0.0, server_default="0")
    hm: Mapped[float] = mapped_column(default=0.0, server_default="0")
    hb: Mapped[float] = mapped_column(default=0.0, server_default="0")
    hd: Mapped[float] = mapped_column(default=0.0, server_default="0")
    xd: Mapped[float] = mapped_column(default=0.0, server_default="0")
    y3: Mapped[float] = mapped_column(default=0.0, server_default="0")
    y4: Mapped[float] = mapped_column(default=0.0, server_default="0")
    m3: Mapped[float] = mapped_column(default=0.0, server_default="0")
    m4: Mapped[float] = mapped_column(default=0.0, server_default="0")
    y3d: Mapped[float] = mapped_column(default=0.0, server_default="0")
    y2d2: Mapped[float] = mapped_column(default=0.0, server_default="0")
    yd3: Mapped[float] = mapped_column(default=0.0, server_default="0")
    d4: Mapped[float] = mapped_column(default=0.0, server_default="0")
    negative: Mapped[int] = mapped_column(default=0, server_default="0")
    not_binary: Mapped[int] = mapped_column(default=0, server_default="0")
    not_rate: Mapped[int] = mapped_column(default=0, server_default="0")
    not_count: Mapped[int] = mapped_column(default=0, server_default="0")
    largest: Mapped[float] = mapped_column(default=0.0, server_default="0")
    largest_d: Mapped[float] = mapped_column(default=0.0, server_default="0")


class ExperimentDay(Base):
    """Sums over outcomes that say when they occurred, by calendar day and by whole days since the unit's exposure."""

    __tablename__ = "experiment_day"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    metric_name: Mapped[str] = mapped_column(Label, primary_key=True)
    variant_id: Mapped[str] = mapped_column(Key, primary_key=True)
    date: Mapped[str] = mapped_column(String(10), primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    y: Mapped[float]
    yy: Mapped[float]
    d: Mapped[float]
    dd: Mapped[float]
    yd: Mapped[float]


class ExperimentLook(Base):
    """One look at the data, and what was established by then; the same data are one look."""

    __tablename__ = "experiment_look"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    statistics_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    look: Mapped[int]
    looked_at: Mapped[datetime]
    n: Mapped[int]
    result: Mapped[dict[str, Any]]


class ExperimentRange(Base):
    """The hash ranges of a layer that an experiment holds while it runs; no two of one layer overlap."""

    __tablename__ = "experiment_range"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(Key)
    layer: Mapped[str] = mapped_column(Label)
    ranges: Mapped[list[Any]]


class ExperimentIntake(Base):
    """What was counted and left out when exposure and outcome logs were last taken into an experiment."""

    __tablename__ = "experiment_intake"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    counts: Mapped[dict[str, Any]]
    taken_at: Mapped[datetime]


class ExperimentDecision(Base):
    """Every decision with what was known; only ever added to, each entry sealed by a hash over the one before."""

    __tablename__ = "experiment_decision"
    experiment_id: Mapped[str] = mapped_column(Key, primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(Label)
    actor: Mapped[str] = mapped_column(Key)
    evidence: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]
    sha256: Mapped[str] = mapped_column(String(64))


# ── swarm ────────────────────────────────────────────────────────────────────────────────────────────────────────────
class ExpertAgent(Base):
    """An expert that may sit in a debate; defaults are seeded, custom ones survive a restart."""

    __tablename__ = "expert_agent"
    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    role: Mapped[str] = mapped_column(Label)
    name: Mapped[str] = mapped_column(Key)
    description: Mapped[str] = mapped_column(Text)
    skills: Mapped[list[Any]]
    system_prompt: Mapped[str] = mapped_column(Text)
    temperature: Mapped[float]
    model: Mapped[str | None] = mapped_column(Key)
    is_default: Mapped[bool]
    registered_at: Mapped[datetime]


class AgentScore(Base):
    """One graded piece of an expert's work: 0 wrong, 1 right; `about` says what was graded, so that it counts once."""

    __tablename__ = "agent_score"
    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    task_type: Mapped[str] = mapped_column(Label, primary_key=True)
    about: Mapped[str] = mapped_column(Key, primary_key=True)
    score: Mapped[float]
    recorded_at: Mapped[datetime]


class Debate(Base):
    """One question put to experts: what they were given, what came of it, and what later turned out to be right."""

    __tablename__ = "debate"
    __table_args__ = (Index("debate_by_time", "workspace_id", "created_at"),)
    debate_id: Mapped[str] = mapped_column(Key, primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(Key)
    fingerprint: Mapped[str] = mapped_column(String(64))
    engine: Mapped[str] = mapped_column(Label)
    status: Mapped[str] = mapped_column(Label)
    option: Mapped[str | None] = mapped_column(Label)
    confidence: Mapped[float | None]
    agreement: Mapped[float | None]
    brief: Mapped[dict[str, Any]]
    decision: Mapped[dict[str, Any] | None]
    outcome_option: Mapped[str | None] = mapped_column(Label)
    outcome_source: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    concluded_at: Mapped[datetime | None]
    graded_at: Mapped[datetime | None]
    run_id: Mapped[str | None] = mapped_column(Key)
    held_by: Mapped[str | None] = mapped_column(Key)
    held_until: Mapped[datetime | None]


class DebateTurn(Base):
    """One expert's typed message in a debate, stored as it arrives."""

    __tablename__ = "debate_turn"
    debate_id: Mapped[str] = mapped_column(Key, primary_key=True)
    turn_key: Mapped[str] = mapped_column(Key, primary_key=True)
    status: Mapped[str] = mapped_column(Label)
    turn: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]


class DebateExchange(Base):
    """One request to a model and its response, stored before it is read, so that nothing is paid for twice."""

    __tablename__ = "debate_exchange"
    debate_id: Mapped[str] = mapped_column(Key, primary_key=True)
    turn_key: Mapped[str] = mapped_column(Key, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    exchange: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]


# ── learnings ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Learning(Base):
    """What was learned once: a pattern, an experiment, a debate, a change of model; and whether it still holds.

    `subject` is what it is about: of two learnings with one subject the later one stands. `words` are those it is found
    by, and stand in `learning_index`, which no class describes: an FTS5 table on SQLite, a tsvector on PostgreSQL.
    Effects are relative changes, such as .12. `told_at` is when operators read of it, None before.
    """

    __tablename__ = "learning"
    __table_args__ = (Index("learning_by_workspace", "workspace_id", "kind"),)
    learning_id: Mapped[str] = mapped_column(Key, primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(Key)
    kind: Mapped[str] = mapped_column(Label)
    subject: Mapped[str] = mapped_column(Key)
    statement: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    basis: Mapped[str] = mapped_column(Label)
    metric: Mapped[str | None] = mapped_column(Key)
    effect: Mapped[float | None]
    effect_low: Mapped[float | None]
    effect_high: Mapped[float | None]
    interval_level: Mapped[float | None]
    learned_at: Mapped[datetime]
    confirmed_at: Mapped[datetime]
    standing: Mapped[str] = mapped_column(Label)
    standing_reason: Mapped[str] = mapped_column(Text)
    replications: Mapped[int]
    source_id: Mapped[str] = mapped_column(Key)
    run_id: Mapped[str] = mapped_column(Key)
    told_at: Mapped[datetime | None]


class LearningWord(Base):
    """How many learnings of a scope hold a word: what is rare there tells more."""

    __tablename__ = "learning_word"
    word: Mapped[str] = mapped_column(Key, primary_key=True)
    scope: Mapped[str] = mapped_column(Key, primary_key=True)
    learnings: Mapped[int]


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
class StepOutcome(Base):
    """How one step of a run ended for one workspace; the closing summary is read from here."""

    __tablename__ = "step_outcome"
    __table_args__ = (Index("step_outcome_by_step", "step", "workspace_id", "recorded_at"),)
    run_id: Mapped[str] = mapped_column(Key, primary_key=True)
    step: Mapped[str] = mapped_column(Label, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    status: Mapped[str] = mapped_column(Label)
    reason: Mapped[str | None] = mapped_column(Text)
    unchanged_since: Mapped[datetime | None]
    recorded_at: Mapped[datetime]


class StandingAnswer(Base):
    """A step's newest answer for one workspace under some settings, and the hash of all that it rests on."""

    __tablename__ = "standing_answer"
    workspace_id: Mapped[str] = mapped_column(Key, primary_key=True)
    step: Mapped[str] = mapped_column(Label, primary_key=True)
    variant: Mapped[str] = mapped_column(String(16), primary_key=True)
    basis: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(Label)
    reason: Mapped[str | None] = mapped_column(Text)
    result: Mapped[bytes] = mapped_column(LargeBinary)
    since: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(Key)


# ── the service ──────────────────────────────────────────────────────────────────────────────────────────────────────
class ApiKey(Base):
    """A key that programs show the service: a workspace's or an organization's, by a hash of its secret."""

    __tablename__ = "api_key"
    key_id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Key)
    workspace_id: Mapped[str | None] = mapped_column(Key)
    organisation_id: Mapped[str | None] = mapped_column(Key)
    scopes: Mapped[list[Any]]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    per_minute: Mapped[int]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AuditEntry(Base):
    """One write through the service: with which key, for whom, what, to what, and when."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("audit_by_time", "workspace_id", "recorded_at"),)
    entry_id: Mapped[str] = mapped_column(Key, primary_key=True)
    recorded_at: Mapped[datetime]
    key_id: Mapped[str] = mapped_column(Key)
    workspace_id: Mapped[str] = mapped_column(Key)
    actor: Mapped[str | None] = mapped_column(Key)
    action: Mapped[str] = mapped_column(Key)
    subject: Mapped[str] = mapped_column(Text)
    count: Mapped[int]


class Webhook(Base):
    """An address of a customer that is told what became of one workspace. Signing needs the secret as it is."""

    __tablename__ = "webhook"
    __table_args__ = (Index("webhook_by_workspace", "workspace_id"),)
    hook_id: Mapped[str] = mapped_column(Key, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(Key)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[Any]]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class WebhookMessage(Base):
    """What one hook is to be told of one event, written with the event itself; and how telling it went."""

    __tablename__ = "webhook_message"
    __table_args__ = (Index("webhook_message_due", "next_at"),)
    hook_id: Mapped[str] = mapped_column(Key, primary_key=True)
    message_id: Mapped[str] = mapped_column(Key, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(Key)
    event: Mapped[str] = mapped_column(Label)
    about: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    attempts: Mapped[int]
    next_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(Text)
