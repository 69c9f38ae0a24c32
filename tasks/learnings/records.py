"""What was learned, as it is remembered and as it is recalled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tasks.learnings.search_words import keys_in, search_words
from tasks.plain_text import digest

DAY_SECONDS = 86_400.0
MOST_KEYS = 400  # that a learning is found by


class LearningKind(StrEnum):
    """Where a learning comes from."""

    PATTERN = "pattern"
    EXPERIMENT = "experiment"
    DEBATE = "debate"
    MODEL_CHANGE = "model_change"


class LearningBasis(StrEnum):
    """What a learning rests on, the strongest first."""

    RANDOMIZED = "randomized"
    ASSOCIATION = "association"
    JUDGMENT = "judgment"
    OPERATION = "operation"


class LearningStanding(StrEnum):
    """Whether it still holds: `current`, replaced by a later one, not seen again, or turned out wrong."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    NOT_SEEN_AGAIN = "not_seen_again"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class RelativeEffect:
    """A relative change, such as .12, with its interval."""

    effect: float
    low: float
    high: float
    level: float = 0.9


@dataclass(frozen=True, slots=True)
class LearnedFact:
    """One learning.

    Attributes:
        workspace_id: whose it is; None for a debate that one organization held over all its workspaces.
        subject: what it is about: of two with one subject the later one stands.
        source_id: the analysis, experiment, debate or model it comes from.
        also_about: further words it is found by.
        replications: how often it was confirmed by data that the first time had not.
    """

    workspace_id: str | None
    kind: LearningKind
    subject: str
    source_id: str
    statement: str
    basis: LearningBasis
    learned_at: datetime
    confirmed_at: datetime
    standing: LearningStanding = LearningStanding.CURRENT
    standing_reason: str = ""
    metric: str | None = None
    effect: RelativeEffect | None = None
    replications: int = 0
    also_about: str = ""

    @property
    def learning_id(self) -> str:
        """The same for what is learned again of the same source and subject."""
        source = self.source_id if self.kind is not LearningKind.PATTERN else ""
        return f"{self.kind.value}-{digest(self.workspace_id or '', self.kind.value, self.subject, source)[:15]}"

    def as_row(self, run_id: str) -> dict[str, Any]:
        """As it is stored, with the words it is found by."""
        about = f"{self.statement} {self.metric or ''} {self.also_about}"
        effect = self.effect
        return {
            "learning_id": self.learning_id,
            "workspace_id": self.workspace_id,
            "kind": self.kind.value,
            "subject": self.subject,
            "statement": self.statement,
            "words": " ".join(keys_in(search_words(about))[:MOST_KEYS]),
            "basis": self.basis.value,
            "metric": self.metric,
            "effect": effect and effect.effect,
            "effect_low": effect and effect.low,
            "effect_high": effect and effect.high,
            "interval_level": effect and effect.level,
            "learned_at": self.learned_at,
            "confirmed_at": self.confirmed_at,
            "standing": self.standing.value,
            "standing_reason": self.standing_reason,
            "replications": self.replications,
            "source_id": self.source_id,
            "run_id": run_id,
        }


@dataclass(frozen=True, slots=True)
class RecalledLearning:
    """One learning that was recalled.

    Attributes:
        age_days: days since it was last confirmed.
        effect, effect_low, effect_high: relative change with its interval of `interval_level`; None where none was
            measured.
        still_true: `standing` in words, with the reason.
    """

    learning_id: str
    workspace_id: str | None
    kind: str
    statement: str
    basis: str
    metric: str | None
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    interval_level: float | None
    learned_at: datetime
    confirmed_at: datetime
    age_days: float
    standing: str
    still_true: str
    replications: int
    source_id: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def effect_in_words(self) -> str | None:
        """The relative change with its interval; None where none was measured."""
        if self.effect is None or self.effect_low is None or self.effect_high is None:
            return None
        level = f"{self.interval_level:.0%}: " if self.interval_level else ""
        return f"{self.effect:+.0%} ({level}{self.effect_low:+.0%} … {self.effect_high:+.0%})"


def recalled(row: dict[str, Any], now: datetime) -> RecalledLearning:
    """A stored row as it is recalled today."""
    age = max(0.0, (now - row["confirmed_at"]).total_seconds() / DAY_SECONDS)
    kept = {name: row[name] for name in RecalledLearning.__slots__ if name in row}
    return RecalledLearning(**kept, age_days=round(age, 1), still_true=still_true(row, age))


def still_true(row: dict[str, Any], age_days: float) -> str:
    """Whether it still holds, why, how often it was confirmed, and how old that is."""
    answers = {"current": "yes, as far as is known", "superseded": "no", "not_seen_again": "unclear", "refuted": "no"}
    reasons = [answers[row["standing"]], row["standing_reason"]]
    again = row["replications"]
    reasons.append(f"confirmed {again} time{'s' if again != 1 else ''} by later data" if again else "")
    days = round(age_days)
    reasons.append(f"{days} day{'s' * (days != 1)} old" if age_days >= 1.0 else "of today")
    return "; ".join(reason for reason in reasons if reason)
