"""Queries to the analyzer and what it finds, typed; `as_dict` gives the guide's keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from tasks.conditions import Condition, Rule
from tasks.patterns.associations import SeenAssociations

CAVEAT = "association, not cause: adjusted for channel, season and timing, not randomized"
TEST_ONE = "These are associations adjusted for channel, season and timing, not causes; test one to be sure"


MOST_CERTAIN = 0.999

TUPLES = (
    *("applicable_tasks", "untested_for", "inseparable_from", "same_act", "best_posts", "worst_posts"),
    "later_interval_pct",
)


def rule_key(rule: Sequence[Condition]) -> str:
    """Identity of a rule across nights: features and levels, whatever tonight's quartiles are."""
    names = sorted(f"{condition.feature}:{condition.level}" for condition in rule)
    return "rule_" + hashlib.sha256("&".join(names).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SearchThresholds:
    """When a pattern is worth reporting, and when there is enough to look at.

    Attributes:
        min_confidence: lowest probability that the direction is right.
        min_sample_size: fewest matching posts, and fewest that are known not to match.
        min_effect_size: |difference| in standard deviations that a pattern must have a chance of at least a fourth to
            reach: left out is what is probably smaller, not what is merely not yet known to be larger.
        false_discovery_rate: highest q-value.
        min_rows: fewest usable rows: with fewer than 200 only effects of half a standard deviation are found.
        min_weeks: fewest distinct weeks; errors are clustered by week, and eight are the least that carries them.
    """

    min_confidence: float = 0.7
    min_sample_size: int = 30
    min_effect_size: float = 0.3
    false_discovery_rate: float = 0.05
    min_rows: int = 200
    min_weeks: int = 8


@dataclass(frozen=True, slots=True)
class PatternQuery:
    """What an analysis is to answer; equal queries write the same rows.

    Attributes:
        attributes: columns of the rows that are attributes too, beside what their column `attributes` holds.
    """

    workspace_id: str
    content_type: str
    as_of: datetime
    lookback_days: int
    thresholds: SearchThresholds
    attributes: tuple[str, ...] = ()

    @property
    def series(self) -> str:
        """The night-after-night series this analysis belongs to: everything in the query but the date."""
        identity: dict[str, Any] = {"workspace_id": self.workspace_id, "content_type": self.content_type}
        identity |= {"lookback_days": self.lookback_days, **asdict(self.thresholds)}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def analysis_id(self) -> str:
        """The one analysis of the series that answers this query."""
        return hashlib.sha256(f"{self.series}:{self.as_of.isoformat()}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Period:
    """A pattern's lift in one third of the time."""

    first: datetime
    last: datetime
    lift_pct: float
    lift_interval_pct: tuple[float, float]

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Period:
        """The period that `asdict` wrote, through JSON or not."""
        low, high = stored["lift_interval_pct"]
        first, last = _instant(stored["first"]), _instant(stored["last"])
        assert first is not None, "a period has a beginning"
        assert last is not None, "a period has an end"
        return cls(first, last, stored["lift_pct"], (low, high))


def _instant(stored: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if isinstance(stored, str) else stored


@dataclass(frozen=True, slots=True)
class Pattern:
    """An association that stands out once the whole search is paid for.

    Attributes:
        pattern_id: name within this analysis, `winning_cluster_0` where a cluster of posts led to it.
        pattern_key: name of the rule across analyses, see `rule_key`.
        pattern_type: `winning` or `losing`.
        description: one sentence.
        rule: the conditions, all of which must hold.
        features: means over matching rows.
        confidence: probability that the direction is right, 1 − max(local false sign rate, q).
        sample_size: matching posts.
        effect_size: adjusted, shrunken difference of rank scores, in standard deviations; |0.2| is small, |0.5| large.
        lift_pct: ratio of geometric means against comparable other posts, minus one, shrunken, in per cent.
        lift_interval_pct: its 90 % interval in the weeks that were analyzed.
        later_interval_pct: the same for weeks to come, which lifts drift in; empty in what older versions wrote, whose
            `lift_interval_pct` allowed for drift.
        q_value: false discovery rate at which this pattern is just reported.
        discovery_size, total_size: the same as `sample_size`, for programs that ask for them.
        effective_sample_size: matching posts, discounted for posts of one week sharing their luck.
        baseline_rate: geometric mean of the others' rate (or count, see `basis` in statistics).
        raw_lift_pct: the difference before any adjustment.
        moved_by: what moved raw to adjusted most: channel, season, other features, or nothing.
        stability: share of time thirds with the same sign.
        fading: the last third is weaker than the whole and excludes it.
        over_time: lift by third of the time.
        applicable_tasks: task types the pattern was seen to hold for.
        untested_for: the others.
        trend: new, holding, fading or gone.
        first_seen, last_seen: `as_of` of the first and the last analysis that found it.
        inseparable_from: what else nearly the same posts meet, in words; the pattern may be about that instead.
        same_act: weaker rules about the same act, such as its length in words and in characters, that add nothing.
        share_of_posts: matching posts among those of which it is known; None in what older versions wrote.
        example_post, other_post: `content_id` of the newest post that matches, and of the newest that does not.
        example_text, other_text: how their texts begin.
        best_posts, worst_posts: the ten matching posts that did best and worst: `content_id`, `text` as it begins, and
            `times_typical`, their engagement over that of a typical post of their channel and season.
        effect: what doing it is expected to bring, see `tasks.effects.wording.as_effect`; None in what older versions
            wrote, and of a pattern that is gone.
    """

    pattern_id: str
    pattern_key: str
    pattern_type: str
    description: str
    rule: Rule
    features: dict[str, float]
    confidence: float
    sample_size: int
    effect_size: float
    lift_pct: float
    lift_interval_pct: tuple[float, float]
    q_value: float
    discovery_size: int
    total_size: int
    effective_sample_size: float
    baseline_rate: float
    raw_lift_pct: float
    moved_by: str
    stability: float
    fading: bool
    over_time: tuple[Period, ...]
    applicable_tasks: tuple[str, ...] = ()
    untested_for: tuple[str, ...] = ()
    trend: str = "new"
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    inseparable_from: tuple[str, ...] = ()
    same_act: tuple[str, ...] = ()
    share_of_posts: float | None = None
    example_post: str | None = None
    other_post: str | None = None
    best_posts: tuple[dict[str, Any], ...] = ()
    worst_posts: tuple[dict[str, Any], ...] = ()
    later_interval_pct: tuple[float, ...] = ()
    example_text: str | None = None
    other_text: str | None = None
    effect: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The guide's keys and ours, ready for JSON but for instants."""
        plain = asdict(self)
        plain |= {"rule": [condition.as_dict() for condition in self.rule], "caveat": CAVEAT, "interval_level": 0.9}
        for name in (*TUPLES, "lift_interval_pct", "over_time"):
            plain[name] = list(plain[name])
        return plain

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Pattern:
        """The pattern that `as_dict` wrote, through JSON or not."""
        plain = {name: stored[name] for name in cls.__slots__ if name in stored}  # older versions wrote fewer
        plain["rule"] = tuple(Condition.from_dict(condition) for condition in stored["rule"])
        plain["over_time"] = tuple(Period.from_dict(period) for period in stored["over_time"])
        for name in (*TUPLES, "lift_interval_pct"):
            plain[name] = tuple(stored.get(name, ()))
        for name in ("first_seen", "last_seen"):
            plain[name] = _instant(stored[name])
        return cls(**plain)

    def seen(self, trend: str, first: datetime, last: datetime) -> Pattern:
        """The same pattern with its history."""
        return replace(self, trend=trend, first_seen=first, last_seen=last)


@dataclass(frozen=True, slots=True)
class ContentAnalysis:
    """The result of one query.

    Attributes:
        status: `patterns_found`, `no_patterns`, `insufficient_data`, `early_signal` (too few posts for patterns, and
            others know what is worth a try: `early_signals` in statistics) or `no_variance`.
        reason: one sentence for a person.
        patterns: those found, strongest first.
        gone: patterns of the previous analysis that no longer stand out.
        statistics: counts and choices behind the result.
        seen: associations that what doing it brings is learned from; not stored.
    """

    query: PatternQuery
    status: str
    reason: str
    patterns: tuple[Pattern, ...] = ()
    gone: tuple[Pattern, ...] = ()
    statistics: dict[str, Any] = field(default_factory=dict)
    seen: SeenAssociations | None = None

    @property
    def insights(self) -> list[str]:
        """Sentences for a person, the guide's two first."""
        if not self.patterns:
            return [one["words"] for one in self.statistics.get("early_signals", ())] or [self.reason]
        winning, losing = self._of_type("winning"), self._of_type("losing")
        lines = []
        if winning:
            average = sum(pattern.effect_size for pattern in winning) / len(winning)
            lines += [
                f"Identified {len(winning)} high-performing patterns with average {average:.2f} effect size",
                f"Top strategy: {winning[0].description} (confidence: {_never_certain(winning[0])})",
            ]
        if losing:
            lines.append(f"Avoid: {losing[0].description} (confidence: {_never_certain(losing[0])})")
        lines += [f"Losing strength lately: {pattern.description}" for pattern in self.patterns if pattern.fading]
        lines += [
            f"Cannot be told apart: {pattern.description}; nearly the same posts: {', '.join(pattern.inseparable_from)}"
            for pattern in self.patterns
            if pattern.inseparable_from
        ]
        lines += [one["words"] for one in self.statistics.get("inseparable", ())]
        return [*lines, TEST_ONE]

    def as_dict(self) -> dict[str, Any]:
        """The dictionary the guide promises, with `status`, `reason` and `gone_patterns` beside its keys."""
        winning, losing = ([pattern.as_dict() for pattern in self._of_type(kind)] for kind in ("winning", "losing"))
        counts = {"winning_pattern_count": len(winning), "losing_pattern_count": len(losing)}
        return {
            "status": self.status,
            "reason": self.reason,
            "workspace_id": self.query.workspace_id,
            "content_type": self.query.content_type,
            "analysis_id": self.query.analysis_id,
            "winning_patterns": winning,
            "losing_patterns": losing,
            "gone_patterns": [pattern.as_dict() for pattern in self.gone],
            "early_signals": list(self.statistics.get("early_signals", ())),
            "insights": self.insights,
            "statistics": {"sample_count": 0, **self.statistics, **counts},
        }

    def _of_type(self, kind: str) -> list[Pattern]:
        return [pattern for pattern in self.patterns if pattern.pattern_type == kind]


def _never_certain(pattern: Pattern) -> str:
    """A pattern's confidence in per cent, in the guide's format: at most 99.9 %, for no association is certain."""
    return f"{min(pattern.confidence, MOST_CERTAIN):.1%}"
