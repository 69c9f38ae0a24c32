"""What people fill in: one model a flow, shown as a form by the Prefect UI and read from `--param` by the CLI."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from tasks.warehouse.preset_files import preset_names


def _split(value: Any) -> Any:
    """Let the command line say `a,b` where the form takes a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _none_for_empty(value: Any) -> Any:
    return value or None


# Fields that may stay empty: Prefect's first UI shows a union with null as a choice between a type and `None`.
Line = Annotated[
    str | None,
    BeforeValidator(_none_for_empty),
    WithJsonSchema({"type": "string"}),
    Field(validate_default=True),
]


def _without_default(schema: dict[str, Any]) -> None:
    """A default of null is no date."""
    schema.pop("default", None)


def _known_preset(value: str | None) -> str | None:
    if value and value not in preset_names():
        raise ValueError(f"no such preset; known: {', '.join(preset_names())}")
    return value or None


PresetName = Annotated[
    str | None,
    BeforeValidator(_known_preset),
    WithJsonSchema({"type": "string", "enum": ["", *preset_names()]}),
    Field(validate_default=True),
]


MENU, OR_ANOTHER = "menu", "or_another"


def menu(name: str, or_another: str | None = None) -> Any:
    """Marks a field for which the platform's pages offer what there is.

    Args:
        name: of a menu of `tasks.reporting.menus`.
        or_another: title under which something that is not there yet may be written instead.
    """
    marks: dict[str, Any] = {MENU: name} | ({OR_ANOTHER: or_another} if or_another else {})
    return Field(json_schema_extra=marks)


NO_DEFAULT = Field(json_schema_extra=_without_default)
Day = Annotated[date | None, WithJsonSchema({"type": "string", "format": "date"}), NO_DEFAULT]
Instant = Annotated[AwareDatetime | None, WithJsonSchema({"type": "string", "format": "date-time"}), NO_DEFAULT]


def named(workspace_ids: list[str]) -> str:
    """The first workspaces of a run, for its name."""
    return (", ".join(workspace_ids[:3]) + (" …" if len(workspace_ids) > 3 else "")) or "all workspaces"


@dataclass(frozen=True)
class OneOf:
    """A menu: the choices are those of the enum or table that owns them, read when a form is first used."""

    choices: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse everything else, and show the choices in the form's schema."""
        return core_schema.literal_schema([str(choice) for choice in self.choices()])


# Owners are imported where they are asked: a capability takes up to a second, and each process runs one flow.
def _kinds_of_files() -> Iterable[str]:
    from tasks.warehouse.records import KINDS

    return KINDS


def _model_types() -> Iterable[str]:
    from tasks.models import ModelType

    return ModelType


def _consensus_strategies() -> Iterable[str]:
    from tasks.swarm import ConsensusStrategy

    return ConsensusStrategy


def _experiment_actions() -> Iterable[str]:
    from tasks.experiments.steps import ACTIONS

    return ACTIONS


def _experiment_types() -> Iterable[str]:
    from tasks.experiments.records import ExperimentType

    return ExperimentType


def _metric_kinds() -> Iterable[str]:
    from tasks.experiments.records import MetricKind

    return ("", *MetricKind)


def _release_actions() -> Iterable[str]:
    from tasks.transfer.steps import RELEASE_ACTIONS

    return RELEASE_ACTIONS


Form = TypeVar("Form", bound=BaseModel)
KindOfFile = Annotated[str, OneOf(_kinds_of_files)]
ModelName = Annotated[str, OneOf(_model_types)]
Consensus = Annotated[str, OneOf(_consensus_strategies)]
ExperimentAction = Annotated[str, OneOf(_experiment_actions)]
ExperimentTypeName = Annotated[str, OneOf(_experiment_types)]
MetricKindName = Annotated[str, OneOf(_metric_kinds)]
ReleaseAction = Annotated[str, OneOf(_release_actions)]
Names = Annotated[list[str], BeforeValidator(_split)]
Workspaces = Annotated[Names, menu("workspaces")]
Workspace = Annotated[Line, menu("workspaces")]
ModelNames = Annotated[list[ModelName], BeforeValidator(_split)]


APPROVAL_HOURS: int = Field(default=72, ge=1, le=720, title="Wait", description="Hours until the question lapses.")
DRY_RUN: bool = Field(default=False, title="Dry run", description="Only say what would be done.")


class Parameters(BaseModel):
    """Base of every form: unknown names are errors, values do not change.

    What excludes each other is said twice: by a validator, in words, for whoever calls a flow; and as a rule of the
    form's schema, so that Prefect refuses the run before it begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def form_rules(*rules: dict[str, Any]) -> ConfigDict:
    """What a form adds to `Parameters`: rules of JSON Schema over several of its fields."""
    return ConfigDict(json_schema_extra={"allOf": list(rules)})


def excludes(field: str, is_set: dict[str, Any], other: str, left_alone: dict[str, Any]) -> dict[str, Any]:
    """Where a field holds something, another has to be left alone; the form marks that other one."""
    condition = {"properties": {field: is_set}, "required": [field]}
    return {"if": condition, "then": {"properties": {other: left_alone}}}


FILLED, EMPTY = {"minLength": 1}, {"maxLength": 0}
ON, OFF = {"const": True}, {"const": False}


class RowSelection(Parameters):
    """Which workspaces, and which stretch of time."""

    workspace_ids: Workspaces = Field(default=[], title="Workspaces", description="Ids; empty for all.")
    lookback_days: int = Field(default=365, ge=28, le=3650, title="Look back", description="Days of history.")
    as_of: Instant = Field(
        default=None,
        title="As of",
        description="Only data before this instant; empty: up to the newest row.",
    )
    workspaces_per_chunk: int = Field(
        default=25,
        ge=1,
        le=1000,
        title="Workspaces per chunk",
        description="How many one task works through; more where that would make over 64 chunks.",
    )
    recompute: bool = Field(
        default=False, title="Compute anyway", description="Also for workspaces of which nothing changed."
    )

    def __str__(self) -> str:
        """Name a run: for whom, and over how long."""
        until = f" to {self.as_of:%Y-%m-%d}" if self.as_of else ""
        return f"{named(self.workspace_ids)} · {self.lookback_days} d{until}"


class ContentIngestion(Parameters):
    """Files to take into the warehouse."""

    model_config = form_rules(excludes("mapping", FILLED, "preset", EMPTY))

    kind: KindOfFile = Field(default="content", title="Kind", description="What the rows are.")
    files: Names = Field(
        default=[],
        title="Files",
        description=(
            "CSV, Excel, Parquet or JSON Lines, packed or not, in the inbox or RAPTORFLOW_INPUT_FOLDERS; empty: all in "
            "inbox/KIND, and in its folders WORKSPACE/PRESET."
        ),
    )
    mapping: Line = Field(
        default="", title="Mapping file", description="YAML that renames and combines columns; in the same folders."
    )
    preset: PresetName = Field(
        default="", title="Preset", description="A mapping of ours for the exports of one platform; empty for none."
    )
    workspace_id: Annotated[Line, menu("workspaces", "A new one")] = Field(
        default="", title="Workspace", description="Whose rows they are, where the files do not say."
    )
    timezone: Line = Field(
        default="", title="Timezone", description="Of the account that exported them; empty: the workspace's."
    )
    experiment: Annotated[Line, menu("experiments", "A new one")] = Field(
        default="", title="Experiment", description="Its name, where the files do not say."
    )
    control: Line = Field(default="", title="Control", description="The arm that others are compared with.")

    @model_validator(mode="after")
    def _one_mapping(self) -> Self:
        if self.mapping and self.preset:
            raise ValueError("mapping and preset exclude each other: a preset is a mapping")
        return self


class PatternLearning(RowSelection):
    """How patterns are looked for."""

    content_types: Annotated[Names, menu("content types")] = Field(
        default=[], title="Content types", description="Such as social, blog, email; empty for all there are."
    )


class TransferLearning(RowSelection):
    """What is learned across workspaces, and what privacy it may cost each of them."""

    epsilon: float = Field(
        default=3.0, ge=0.01, le=10.0, title="Privacy ε", description="Per organization and 30 days; lower hides more."
    )
    delta: float = Field(default=1e-6, ge=1e-12, le=1e-3, title="Privacy δ", description="Probability that ε fails.")


class ModelRefresh(RowSelection):
    """Which models are checked for drift and retrained."""

    model_config = form_rules(excludes("only_look", ON, "force_retrain", OFF))

    model_types: ModelNames = Field(default=[], title="Model types", description="Empty for all.")
    force_retrain: bool = Field(default=False, title="Retrain anyway", description="Also where no drift was found.")
    promote: bool = Field(
        default=True,
        title="Promote",
        description="Let a challenger replace its champion where it is better with confidence; off: it waits.",
    )
    only_look: bool = Field(
        default=False,
        title="Only look",
        description="Report drift and ask for a refresh where it is critical; train and move nothing.",
    )
    drift_threshold: float = Field(
        default=0.1, ge=0.0, le=1.0, title="Drift threshold", description="Drift score (0–1) from which change counts."
    )
    min_new_samples: int = Field(
        default=50, ge=20, title="New rows", description="Rows newer than its champion that a model needs for a look."
    )

    @model_validator(mode="after")
    def _looks_or_trains(self) -> Self:
        if self.only_look and self.force_retrain:
            raise ValueError("only_look and force_retrain exclude each other: a look trains nothing")
        return self


class ExperimentAnalysis(Parameters):
    """Which running experiments are looked at, and whether answers end them."""

    workspace_ids: Workspaces = Field(default=[], title="Workspaces", description="Ids; empty for all.")
    workspaces_per_chunk: int = Field(
        default=25, ge=1, le=1000, title="Workspaces per chunk", description="How many one task works through."
    )
    complete: bool = Field(
        default=True,
        title="Complete",
        description="End experiments that have an answer and asked for it at their creation (auto_complete).",
    )
    needs_approval: bool = Field(
        default=False,
        title="Ask first",
        description="End none by itself: pause for a form in the Prefect UI about every one that has an answer.",
    )
    approval_hours: int = APPROVAL_HOURS

    def __str__(self) -> str:
        """Name a run: for whom."""
        return named(self.workspace_ids)


class ProgramReport(Parameters):
    """Whose program of experiments is reported."""

    workspace_ids: Workspaces = Field(default=[], title="Workspaces", description="Ids; empty for all.")
    workspaces_per_chunk: int = Field(
        default=25, ge=1, le=1000, title="Workspaces per chunk", description="How many one task works through."
    )

    def __str__(self) -> str:
        """Name a run: for whom."""
        return named(self.workspace_ids)


class ExperimentOrchestration(Parameters):
    """Whose loop goes on, what may be asked, and how much runs at once."""

    workspace_ids: Workspaces = Field(default=[], title="Workspaces", description="Ids; empty for all.")
    workspaces_per_chunk: int = Field(
        default=25, ge=1, le=1000, title="Workspaces per chunk", description="How many one task works through."
    )
    propose: bool = Field(
        default=True, title="Propose", description="Off: only decide, keep what is proven and start what was approved."
    )
    needs_approval: bool = Field(
        default=True,
        title="Ask first",
        description="Pause for a form in the Prefect UI; off: the best are run without a question.",
    )
    approval_hours: int = APPROVAL_HOURS
    most_asked: int = Field(default=20, ge=1, le=100, title="Most asked", description="Experiments in one question.")
    most_running: int = Field(
        default=2, ge=1, le=20, title="Most running", description="In a workspace at once; they share its units."
    )
    weeks_declined: int = Field(
        default=12, ge=1, le=520, title="Weeks of rest", description="Until a declined one is proposed again."
    )
    metric: Line = Field(
        default="", title="Metric", description="That decides; empty: what the workspace's experiments mostly count."
    )
    guardrails: Names = Field(
        default=[],
        title="Guardrails",
        description="NAME, NAME:decrease or NAME:decrease:0.05 (margin), beside metrics defined as better when fewer.",
    )

    assigned_elsewhere: bool = Field(
        default=False,
        title="Assigned elsewhere",
        description="Another platform gives units their arms; they come by `ingest exposures`.",
    )

    def __str__(self) -> str:
        """Name a run: for whom, and whether it asks."""
        return f"{named(self.workspace_ids)}{'' if self.propose else ' · proposes nothing'}"


class ExperimentManagement(Parameters):
    """What to do with an experiment: plan it, create it, start it, look at it, raise its traffic, end it."""

    action: ExperimentAction = Field(
        default="plan", title="Action", description="plan writes nothing; decide ends it with its answer."
    )
    workspace_id: Workspace = Field(default="", title="Workspace", description="Whose it is.")
    experiment: Annotated[Line, menu("experiments", "A new one")] = Field(
        default="", title="Experiment", description="Its name; of one that is there, or its id."
    )
    metric: Line = Field(default="", title="Metric", description="The metric that decides.")
    metric_kind: MetricKindName = Field(default="", title="Kind", description="Of the metric; empty: as defined.")
    variants: Names = Field(
        default=["control", "treatment"], title="Arms", description="NAME or NAME:WEIGHT; the control first."
    )
    changes: Names = Field(
        default=[],
        title="Changes",
        description="What an arm changes: treatment: media_type=video; emoji_count=1, or treatment: pattern=KEY.",
    )
    secondary: Names = Field(default=[], title="Secondary metrics", description="NAME or NAME:decrease, up to ten.")
    guardrails: Names = Field(
        default=[], title="Guardrails", description="NAME, NAME:decrease or NAME:decrease:0.05 (margin)."
    )
    hypothesis: Line = Field(default="", title="Hypothesis", description="What you expect, and why.")
    experiment_type: ExperimentTypeName = Field(default="ab_test", title="Type")
    baseline: float = Field(
        default=0.1, title="Baseline", description="The control's mean; of a binary metric its proportion."
    )
    deviation: float = Field(default=0.0, ge=0.0, title="Deviation", description="Of the metric; 0 for a proportion.")
    min_effect_size: float = Field(
        default=0.05, gt=0.0, title="Smallest effect", description="Relative to the baseline, worth finding."
    )
    daily_units: float = Field(default=0.0, ge=0.0, title="Units a day", description="Of all arms; 0: unknown.")
    winner: Line = Field(default="", title="Winner", description="For decide: the arm to ship where none is proven.")
    design: dict[str, Any] = Field(
        default={}, title="Design", description="Further fields, such as ramp, layer, assigned_elsewhere."
    )

    def __str__(self) -> str:
        """Name a run: what is done to which experiment."""
        return " · ".join(part for part in (self.action, self.workspace_id, self.experiment) if part)


class OneModel(Parameters):
    """One model of one workspace, and why it is touched."""

    def __str__(self) -> str:
        """Name a run: whose model."""
        about = f"{self.workspace_id} · {self.model_type}" if self.workspace_id else "what there is"
        return f"{about}{' · dry run' if getattr(self, 'dry_run', False) else ''}"

    workspace_id: Annotated[str, menu("workspaces")] = Field(
        default="", title="Workspace", description="Its id; empty: only list the models there are.", max_length=128
    )
    model_type: ModelName = Field(
        default="ENGAGEMENT_PREDICTOR", title="Model type", description="Which of its models."
    )
    reason: str = Field(default="by hand", title="Reason", description="Kept in the history.", max_length=500)
    actor: str = Field(default="by-hand", title="Who", description="Kept in the history.", max_length=128)


class ModelPromotion(OneModel):
    """Which version becomes champion, and whether a person is asked first."""

    version: Annotated[Line, menu("model versions")] = Field(
        default="", title="Version", description="Such as v_20260101_120000; empty for the newest challenger."
    )
    needs_approval: bool = Field(default=False, title="Ask first", description="Pause for a form in the Prefect UI.")
    dry_run: bool = DRY_RUN
    approval_hours: int = APPROVAL_HOURS


class ModelRollback(OneModel):
    """Which earlier version is put back."""

    target_version: Annotated[Line, menu("model versions")] = Field(
        default="", title="Version", description="Such as v_20260101_120000; empty for the one that served before."
    )
    dry_run: bool = DRY_RUN


class ReleaseExchange(Parameters):
    """What to do with private releases: see them, check files, take them in, hand one out, forget an installation's."""

    model_config = form_rules(
        excludes("action", {"const": "export"}, "files", {"maxItems": 1}),
        excludes("action", {"const": "forget"}, "installation", FILLED),
        {"if": {"properties": {"action": {"const": "forget"}}}, "then": {"required": ["installation"]}},
    )

    action: ReleaseAction = Field(
        default="list", title="Action", description="list and verify change nothing; export spends no privacy."
    )
    files: Names = Field(
        default=[],
        title="Files",
        description=(
            "In the inbox or RAPTORFLOW_INPUT_FOLDERS, for export a new one; empty: all in inbox/releases, and for "
            "export a file in inbox/releases/sent."
        ),
    )
    period: Line = Field(
        default="", title="Period", description="First day of the release's, to export or forget; empty: newest, all."
    )
    installation: Annotated[Line, menu("installations")] = Field(
        default="", title="Installation", description="Fingerprint of whose releases to forget."
    )
    again: bool = Field(default=False, title="Again", description="Import also what was forgotten here.")

    @model_validator(mode="after")
    def _names_what_it_needs(self) -> Self:
        if self.action == "export" and len(self.files) > 1:
            raise ValueError("files: export writes one file")
        if self.action == "forget" and not self.installation:
            raise ValueError("installation: forget needs its fingerprint; list shows them")
        return self

    def __str__(self) -> str:
        """Name a run: what is done."""
        return " · ".join(part for part in (self.action, self.period, (self.installation or "")[:8]) if part)


class Housekeeping(Parameters):
    """What may be thrown away."""

    older_than_days: int = Field(
        default=90, ge=1, le=36_500, title="Older than", description="Days from which model versions may go."
    )
    snapshots_older_than_days: int = Field(
        default=30, ge=2, le=36_500, title="Snapshots unused for", description="Days after which frozen rows may go."
    )
    dry_run: bool = Field(default=True, title="Dry run", description="Only say what would go.")

    def __str__(self) -> str:
        """Name a run: does it delete?"""
        return "dry run" if self.dry_run else f"older than {self.older_than_days} d"


DEBATERS = ("data_storyteller", "copywriting_ninja", "psychology_specialist", "viral_engineer")


class DebateSynthesis(Parameters):
    """A question, who debates it, and what it may cost."""

    model_config = form_rules({"properties": {"options": {"not": {"minItems": 1, "maxItems": 1}}}})

    def __str__(self) -> str:
        """Name a run: for whom, and how the question begins."""
        question = " ".join(self.problem.split())
        whose = f"{self.workspace_id} · " if self.workspace_id else ""
        return f"{whose}{question[:60]}{'…' if len(question) > 60 else ''}"

    problem: str = Field(
        default="What should we change first in what we publish?",
        title="Problem",
        description="The question to decide.",
        min_length=1,
        max_length=20_000,
    )
    agent_roles: Annotated[Names, menu("experts")] = Field(
        default=[*DEBATERS],
        title="Experts",
        description="Roles, or ids of custom agents.",
        min_length=1,
    )
    options: Names = Field(
        default=[],
        max_length=8,
        title="Options",
        description="Two to eight answers to choose from; empty: they are proposed first.",
    )
    workspace_id: Workspace = Field(
        default="", title="Workspace", description="Whose findings may be used; empty: only what is nobody else's."
    )
    rounds: int = Field(default=2, ge=1, le=5, title="Rounds", description="At most.")
    stop_at_agreement: bool = Field(
        default=True, title="Stop at agreement", description="Off: every round is heard, at its price."
    )
    in_parts: bool = Field(
        default=False,
        title="In parts",
        description="The lead divides the problem; a team for each part debates it first, within limits of its own.",
    )
    consensus_strategy: Consensus = Field(default="synthesis", title="Consensus")
    context: dict[str, Any] = Field(default={}, title="Context", description="What else the experts should know.")
    max_total_tokens: int = Field(default=200_000, ge=1, title="Token budget", description="Of all calls together.")
    max_cost: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        title="Most it may cost",
        description="In the currency of the settings' prices; 0: what the settings say.",
    )
    max_completion_tokens: int = Field(
        default=0, ge=0, le=100_000, title="Tokens of an answer", description="At most; 0: what the settings say."
    )
    minutes: float = Field(default=10.0, gt=0, le=1440, title="Minutes", description="Wall clock of the debate.")
    ask_a_person: bool = Field(default=False, title="Ask a person", description="Pause for a vote in the Prefect UI.")
    vote_hours: int = Field(default=24, ge=1, le=720, title="Wait", description="Hours until that question lapses.")
    debate_id: Line = Field(
        default="", title="Debate", description="Goes on with this debate; empty finds it by what is asked."
    )

    @model_validator(mode="after")
    def _one_option_is_no_choice(self) -> Self:
        if len(self.options) == 1:
            raise ValueError("options: one option is no choice; name two to eight, or none")
        return self

    @model_validator(mode="after")
    def _an_answer_needs_room(self) -> Self:
        if 0 < self.max_completion_tokens < 16:
            raise ValueError("max_completion_tokens: an answer needs 16 at least; 0 leaves it to the settings")
        return self


class MetaLearning(PatternLearning, TransferLearning, ModelRefresh):
    """The nightly chain: patterns, transfer and models over the same frozen rows; tonight, or past nights again."""

    model_config = form_rules(
        excludes("only_look", ON, "force_retrain", OFF),
        {"dependentRequired": {"backfill_until": ["backfill_from"]}},
        {"if": {"required": ["backfill_from"]}, "then": {"properties": {"as_of": False}}},
    )

    backfill_from: Day = Field(
        default=None,
        title="Backfill from",
        description="First night to run again; empty: only up to the newest row.",
    )
    backfill_until: Day = Field(
        default=None,
        title="Backfill until",
        description="Last night to run again; empty: up to the newest row.",
    )
    backfill_every_days: int = Field(
        default=7, ge=1, le=366, title="Backfill every", description="Days from one night to the next."
    )
    dry_run: bool = DRY_RUN

    @model_validator(mode="after")
    def _nights_are_named_once(self) -> Self:
        first, last = self.backfill_from, self.backfill_until
        if last is not None and (first is None or last < first):
            raise ValueError("backfill_until needs a backfill_from that is not later")
        if first is not None and self.as_of is not None:
            raise ValueError("backfill_from and as_of exclude each other: as_of is one night, a backfill several")
        return self

    def __str__(self) -> str:
        """Name a run: for whom, over how long, which nights."""
        first, last = self.backfill_from, self.backfill_until
        nights = f" · nights {first} to {last or 'newest'}" if first else ""
        return f"{super().__str__()}{nights}{' · dry run' if self.dry_run else ''}"

    def for_step(self, form: type[Form]) -> Form:
        """The part of this form that one of the chained flows asks for."""
        return form(**{name: getattr(self, name) for name in form.model_fields})
