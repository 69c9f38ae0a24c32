"""A merged proposal: options that do not exclude each other, put together, and voted on again.

Where a vote was divided under the synthesis strategy, whoever closes it may put together what others have chosen; of a
tied vote, which nobody closes, the lead is asked. That changes nothing alone: everybody votes again, between what was
ahead and what was merged, and the merged one needs the decision of that vote. Where nothing is merged, no call is spent
on it but for a tie. Texts are not put together, nor are options that declare two values of one feature.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.swarm.messages import Integration, Merger, Turns
from tasks.swarm.positions import ballots
from tasks.swarm.records import Brief, ConsensusStrategy, Option

FEWEST_MERGED = 2
SEPARATOR = "+"


def with_merged(brief: Brief, turns: Turns) -> tuple[Option, ...]:
    """The brief's options, and what the lead has put together of them, if anything."""
    message = next((turn.message for turn in turns.values() if isinstance(turn.message, Merger | Integration)), None)
    parts = [option for option in brief.options if message is not None and option.id in message.parts]
    if message is None or len(parts) < FEWEST_MERGED or excludes(parts):
        return brief.options
    merged = Option(
        id=SEPARATOR.join(option.id for option in parts),
        label=_label(brief, message, parts),
        attributes={name: value for option in parts for name, value in option.attributes.items()},
        exposures={
            subject: max(option.exposures.get(subject, 0.0) for option in parts)
            for option in parts
            for subject in option.exposures
        },
        merges=tuple(option.id for option in parts),
    )
    return (*brief.options, merged)


def excludes(options: Sequence[Option]) -> bool:
    """Whether options cannot be done together, as far as they say: texts, changing nothing, two values of a feature."""
    if any(option.is_content or option.is_status_quo for option in options):
        return True
    values: dict[str, object] = {}
    return any(
        values.setdefault(name, value) != value for option in options for name, value in option.attributes.items()
    )


def can_merge(brief: Brief, turns: Turns) -> bool:
    """Whether a vote under the synthesis strategy was divided between options that can be done together."""
    return brief.strategy is ConsensusStrategy.SYNTHESIS and len(mergeable(brief, turns)) >= FEWEST_MERGED


def mergeable(brief: Brief, turns: Turns) -> tuple[str, ...]:
    """Options that somebody has chosen and that can be done beside another such."""
    chosen = {ballot.option for ballot in ballots(brief, turns)}
    held = [option for option in brief.options if option.id in chosen and not option.merges]
    return tuple(one.id for one in held if any(one is not other and not excludes([one, other]) for other in held))


def _label(brief: Brief, message: Merger | Integration, parts: Sequence[Option]) -> str:
    """What the lead calls it; its parts where that is nothing, or taken."""
    given = " ".join(message.label.split())
    is_taken = given in {option.label for option in brief.options}
    return " and ".join(option.label for option in parts) if is_taken or not given else given
