"""What is done by default, by decided experiments: written by those that prove a change, retired by later ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tasks.conditions import Rule, in_a_sentence, leaving_off, value_in_words
from tasks.effects.arms import PATTERN, Value
from tasks.statistics.online_discoveries import levels_of

FALSE_DEFAULTS = 0.05  # expected share of false ones among all that a program ever writes
WINNER, NO_DIFFERENCE, HARMED = "winner", "no_difference", "harmed"
INVALID = ("invalid", "contradicted")
WITHDRAWN = "withdrawn"  # a draft that is not to be started
Values = Mapping[str, Value | None]
STANDINGS = {
    "current": "yes",
    "retired": "no longer",
    "not_proven_enough": "not yet: won, but the program's false discovery rate asks for more; repeat it",
}


@dataclass(frozen=True, slots=True)
class DecidedExperiment:
    """A randomized experiment that has ended.

    Attributes:
        conclusion: as the engine has it.
        winner: the arm that was chosen; None where none was.
        p_value: of 'the winner beats every other arm', valid at whatever look it ended.
        control: the arm that the others are compared with.
        arms: what each arm declares to change, by feature or as `pattern`.
        effect: of the winner on the control, relative, with its interval; None where it is not known.
        patterns: the conditions of the patterns that arms declare, as far as they are known.
    """

    experiment_id: str
    name: str
    metric_name: str
    completed_at: datetime
    conclusion: str
    winner: str | None
    p_value: float
    control: str
    arms: Mapping[str, Mapping[str, Value]]
    effect: tuple[float, float, float] | None = None
    patterns: Mapping[str, Rule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Default:
    """What is done since an experiment proved it.

    Attributes:
        does: by feature or `pattern:KEY`, what is set; None: it is left as it is; False of a pattern: it is not done.
        instead_of: what was compared with.
        level: that the p-value had to stay under, by the program's online false discovery rate.
        retired_at, retired_by, reason: when, by which experiment, and why it was given up; None while it stands.
    """

    experiment: DecidedExperiment
    does: Values
    instead_of: Values
    level: float
    retired_at: datetime | None = None
    retired_by: str | None = None
    reason: str | None = None

    @property
    def statement(self) -> str:
        """What is done, such as 'content that has about 40 words, instead of content that has about 80 words'."""
        patterns = self.experiment.patterns
        return "; ".join(
            _one_in_words(name, value, self.instead_of.get(name), patterns) for name, value in sorted(self.does.items())
        )


@dataclass(frozen=True, slots=True)
class ProgramDefaults:
    """All that an order of decided experiments led to, and those that won without proving enough."""

    defaults: list[Default]
    withheld: list[Default]


def defaults_of(decided: Sequence[DecidedExperiment]) -> ProgramDefaults:
    """Defaults by the order in which experiments were decided; the same however often it is asked.

    Only a proven winner may become one, and only where its p-value passes the program's online level; every other
    experiment on a known condition counts as tried, with a p-value of 1.
    """
    ordered = sorted(
        (one for one in decided if one.conclusion not in INVALID and any(one.arms.values())),
        key=lambda one: (one.completed_at, one.experiment_id),
    )
    tried = [one.p_value if _is_proven(one) else 1.0 for one in ordered]
    result = ProgramDefaults([], [])
    for one, level in zip(ordered, levels_of(tried, FALSE_DEFAULTS).tolist(), strict=True):
        result.defaults[:] = [_after(default, one) for default in result.defaults]
        if _is_proven(one):
            proven = one.p_value <= level
            (result.defaults if proven else result.withheld).append(_default(one, level))
    return result


def _is_proven(one: DecidedExperiment) -> bool:
    """Whether an arm other than the control is proven to win, and does something else."""
    return one.conclusion == WINNER and one.winner not in (None, one.control) and bool(_differing(one))


def _differing(one: DecidedExperiment) -> list[str]:
    winner, control = _values(one.arms, one.winner or one.control), _values(one.arms, one.control)
    return sorted(name for name in winner.keys() | control.keys() if winner.get(name) != control.get(name))


def _values(arms: Mapping[str, Mapping[str, Value]], arm: str) -> dict[str, Value | None]:
    """What an arm sets; a pattern is one thing that is done or not."""
    patterns = {str(changes[PATTERN]) for changes in arms.values() if PATTERN in changes}
    declared = arms.get(arm, {})
    values: dict[str, Value | None] = {name: value for name, value in declared.items() if name != PATTERN}
    return values | {f"{PATTERN}:{key}": str(declared.get(PATTERN)) == key for key in patterns}


def _default(one: DecidedExperiment, level: float) -> Default:
    names = _differing(one)
    winner, control = _values(one.arms, one.winner or one.control), _values(one.arms, one.control)
    does, before = ({name: arm.get(name) for name in names} for arm in (winner, control))
    return Default(one, does, before, level)


def compares(default: Default, other: DecidedExperiment) -> bool:
    """Whether a sound experiment on the same outcome sets apart what the default does."""
    is_same = other.metric_name == default.experiment.metric_name
    return is_same and other.conclusion not in INVALID and sets_apart(default, other.arms)


def sets_apart(default: Default, arms: Mapping[str, Mapping[str, Value]]) -> bool:
    """Whether an arm, by what each declares, does what the default does, and another does not."""
    does = [values == default.does for values in _values_of(default, arms).values()]
    return any(does) and not all(does)


def _values_of(default: Default, arms: Mapping[str, Mapping[str, Value]]) -> dict[str, Values]:
    """What each arm sets of what the default is about."""
    return {arm: {name: _values(arms, arm).get(name) for name in default.does} for arm in arms}


def _after(default: Default, later: DecidedExperiment) -> Default:
    """The default, retired where a later experiment on the same outcome refutes it."""
    if default.retired_at is not None or not compares(default, later):
        return default
    arms = _values_of(default, later.arms)
    others = [values for values in arms.values() if values != default.does]
    reason = _refutation(default, later, arms, others)
    if reason is None:
        return default
    return replace(default, retired_at=later.completed_at, retired_by=later.experiment_id, reason=reason)


def _refutation(
    default: Default, later: DecidedExperiment, arms: Mapping[str, Values], others: Sequence[Values]
) -> str | None:
    if later.conclusion == WINNER and later.winner is not None and arms.get(later.winner) in others:
        return f"another arm won in '{later.name}'"
    is_same_question = any(
        values == default.instead_of or all(value is None for value in values.values()) for values in others
    )
    if later.conclusion == HARMED and is_same_question and arms.get(later.control) != default.does:
        return f"it harmed in '{later.name}'"
    if later.conclusion == NO_DIFFERENCE and is_same_question:
        return f"no difference in '{later.name}'"
    return None


def _one_in_words(name: str, value: Any, before: Any, patterns: Mapping[str, Rule]) -> str:
    if name.startswith(f"{PATTERN}:"):
        key = name.partition(":")[2]
        if key in patterns:
            rule = patterns[key]
            return f"content that {in_a_sentence(rule)}" if value else leaving_off("content", rule)
        return f"{'do' if value else 'leave off'} what pattern {key} says"
    instead = f", instead of {_content(name, before)}" if before is not None else ""
    return f"{_content(name, value)}{instead}"


def _content(name: str, value: Value | None) -> str:
    return "content as it is" if value is None else f"content that {value_in_words(name, value)}"


def in_words(row: Mapping[str, Any]) -> str:
    """Whether a default stands, as `LoopService.defaults` gives it, and why not."""
    standing = STANDINGS[row["standing"]]
    if row.get("in_doubt"):
        standing += f", to be tested again: {row['in_doubt']}"
    if row["standing"] == "retired":
        standing += f" ({row['retired_at']:%Y-%m-%d}): {row['retired_reason']}"
    return standing
