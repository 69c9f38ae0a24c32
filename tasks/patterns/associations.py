"""What an analysis hands on beside its patterns, from which what doing it brings is learned."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.effects.records import Association
from tasks.effects.service import RuleAssociation


@dataclass(frozen=True, slots=True)
class SeenAssociations:
    """What an analysis hands on beside its patterns.

    Attributes:
        robustness: by key of a pattern's rule, see `tasks.statistics.sensitivity.robustness_value`.
        comparable: every condition that an experiment may have compared, whether it stands out or not.
        controls: conditions that cannot matter.
        claimed: of the controls, whose association alone would be called one: its 90 % interval leaves out nothing.
        spread: standard deviation of log engagement within channel and season.
    """

    robustness: dict[str, float]
    comparable: tuple[RuleAssociation, ...]
    controls: tuple[Association, ...]
    claimed: int
    spread: float
