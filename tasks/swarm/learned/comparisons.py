"""What a workspace has decided between: texts side by side, and which of them did better.

Arms of decided experiments were compared at random, by their outcomes. A graded debate says which of its options was
right, and no more: as a difference it counts as much as two texts of one story usually differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.content import CATALOGUE
from tasks.effects.arms import declared_changes
from tasks.swarm.posterior import OWN_SD
from tasks.swarm.records import Option, Scalar
from tasks.swarm.wording import words_of

MOST_SIDES, MOST_LETTERS = 20_000, 1_000_000  # letters of different texts; the newest comparisons are kept
LONGEST_TEXT = 4_000
MOST_ARMS = 50
READ_FROM_TEXT = {feature.name for feature in CATALOGUE if feature.group == "text"}

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShownText:
    """What one arm or option shows: its texts, and what of it else is declared, such as its hour."""

    title: str | None
    body: str | None
    attributes: tuple[tuple[str, Scalar], ...] = ()

    @property
    def letters(self) -> str:
        """Title and body, as far as they are read."""
        return "\n".join(part for part in (self.title, self.body) if part)[:LONGEST_TEXT]


@dataclass(frozen=True, slots=True)
class Comparisons:
    """n texts in G comparisons.

    Attributes:
        texts: U different ones.
        text: (n,) places in `texts`.
        group: (n,) which comparison, 0 to G - 1.
        subject: (n,) codes of what was asked: comparisons on one subject are held out together.
        outcome: (n,) log of the mean outcome, or of a graded option plus or minus half of what texts usually differ.
        variance: (n,) sampling variance of the outcome.
        experiments: how many of the comparisons are experiments; the others are graded debates.
    """

    texts: tuple[ShownText, ...]
    text: Codes
    group: Codes
    subject: Codes
    outcome: Floats
    variance: Floats
    experiments: int

    def pairs(self) -> tuple[Codes, Codes]:
        """Places of both texts of every pair within a comparison of which one did better, that one first."""
        better: list[int] = []
        worse: list[int] = []
        starts = np.flatnonzero(np.diff(self.group, prepend=-1))
        for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(self.group)], strict=True):
            for one, other in combinations(range(first, last), 2):
                gap = self.outcome[one] - self.outcome[other]
                if gap != 0.0:
                    better.append(one if gap > 0.0 else other)
                    worse.append(other if gap > 0.0 else one)
        return np.array(better, dtype=np.int64), np.array(worse, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Side:
    """One text of a comparison."""

    shown: ShownText
    outcome: float
    variance: float


@dataclass(frozen=True, slots=True)
class _DecidedBetween:
    subject: str
    at: float
    sides: tuple[_Side, ...]
    is_experiment: bool


def comparisons_of(arms: Sequence[Row], debates: Sequence[Row]) -> Comparisons | None:
    """All that can be learned from, in order of time; None where nothing was compared.

    Args:
        arms: of decided experiments with what they show (`title`, `body`, `changes`) and how they did.
        debates: graded ones.
    """
    known = [*_of_experiments(arms), *_of_debates(debates)]
    known = sorted(known, key=lambda one: (one.at, one.subject), reverse=True)
    kept: list[_DecidedBetween] = []
    texts: set[ShownText] = set()
    sides = letters = 0
    for one in known:
        new = {side.shown for side in one.sides} - texts
        sides, letters = sides + len(one.sides), letters + sum(len(text.letters) for text in new)
        if sides > MOST_SIDES or letters > MOST_LETTERS:
            break
        texts |= new
        kept.append(one)
    return _as_arrays(kept[::-1]) if kept else None


def shown_by(option: Option) -> ShownText:
    """What an option of a debate shows."""
    return ShownText(option.title, option.body, _declared(option.attributes))


def _of_experiments(arms: Sequence[Row]) -> Iterator[_DecidedBetween]:
    """Experiments whose arms say what they show, each on the metric that most experiments have."""
    usable = [arm for arm in arms if arm["n"] >= 2 and arm["mean"] > 0 and arm["variance"] > 0]
    common = Counter(metric for _, metric in {(_experiment_of(arm), arm["metric"]) for arm in usable})
    for _, group in groupby(sorted(usable, key=_experiment_of), key=_experiment_of):
        of_one = list(group)
        metric = min({arm["metric"] for arm in of_one}, key=lambda name: (-common[name], name))
        sides = [_side_of_arm(arm) for arm in of_one if arm["metric"] == metric]
        sides = [side for side in sides if side.shown.letters or side.shown.attributes]
        if 2 <= len(sides) <= MOST_ARMS:
            at = max((arm["observed_at"].timestamp() for arm in of_one if arm["observed_at"]), default=0.0)
            yield _DecidedBetween("experiment " + of_one[0]["experiment"], at, tuple(sides), is_experiment=True)


def _experiment_of(arm: Row) -> tuple[str, str, str]:
    return arm["workspace_id"], arm["experiment"], arm.get("experiment_id") or ""


def _declared(attributes: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    """What is declared beside the text, and cannot be read from it."""
    return tuple(sorted((name, value) for name, value in attributes.items() if name not in READ_FROM_TEXT))


def _side_of_arm(arm: Row) -> _Side:
    shown = ShownText(arm["title"], arm["body"], _declared(declared_changes(arm["changes"])))
    return _Side(shown, arm["sign"] * float(np.log(arm["mean"])), arm["variance"] / (arm["n"] * arm["mean"] ** 2))


def _of_debates(debates: Sequence[Row]) -> Iterator[_DecidedBetween]:
    """Graded debates between texts; a label alone says what a text is called, not what it is."""
    for row in debates:
        options = [Option.model_validate(one) for one in row["brief"].get("options", ())]
        right = row["outcome_option"]
        sides = [
            _Side(shown_by(one), OWN_SD / 2.0 if one.id == right else -OWN_SD / 2.0, 0.0)
            for one in options
            if one.is_content
        ]
        if len(sides) == len(options) >= 2 and right in {one.id for one in options}:
            yield _DecidedBetween(
                "debate " + " ".join(words_of(row["brief"]["problem"])),
                row["graded_at"].timestamp() if row["graded_at"] else 0.0,
                tuple(sides),
                is_experiment=False,
            )


def _as_arrays(known: Sequence[_DecidedBetween]) -> Comparisons:
    sides = [(place, one, side) for place, one in enumerate(known) for side in one.sides]
    texts = {side.shown: None for _, _, side in sides}
    place_of = {shown: place for place, shown in enumerate(texts)}
    subjects = {name: place for place, name in enumerate(sorted({one.subject for one in known}))}
    return Comparisons(
        texts=tuple(texts),
        text=np.array([place_of[side.shown] for _, _, side in sides], dtype=np.int64),
        group=np.array([place for place, _, _ in sides], dtype=np.int64),
        subject=np.array([subjects[one.subject] for _, one, _ in sides], dtype=np.int64),
        outcome=np.array([side.outcome for _, _, side in sides]),
        variance=np.array([side.variance for _, _, side in sides]),
        experiments=sum(one.is_experiment for one in known),
    )
