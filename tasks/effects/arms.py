"""Which arms of experiments meet which conditions on content: by their texts, and by what they declare to change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.conditions import OF_WORDS, Condition, Rule
from tasks.content.features import with_features
from tasks.effects.within_experiments import ComparedArms

Mask = NDArray[np.bool_]
Value = bool | int | float | str
TRUE, FALSE = "true", "false"
PATTERN = "pattern"  # what an arm declares that does what one of the workspace's patterns says, by its key
EPOCH = pl.lit(0).cast(pl.Datetime("us", "UTC"))


@dataclass(frozen=True, slots=True)
class UsualMetric:
    """What a workspace's experiments count: its name, kind, direction, mean and deviation of a unit."""

    name: str
    kind: str | None
    direction: str
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class ShownArms:
    """n arms of a workspace's experiments on one metric, and what they show.

    Attributes:
        compared: their outcomes.
        outcome: the metric.
        frame: n rows: title, body and the features of these texts; null where an arm has no text.
        changes: (n) features that each declares to set.
    """

    compared: ComparedArms
    outcome: str
    frame: pl.DataFrame
    changes: tuple[Mapping[str, Value], ...]

    def membership(self, key: str, rule: Rule) -> tuple[Mask, Mask]:
        """Which arms (n,) meet a rule, and of which it is known."""
        tests = self._declared(PATTERN)
        if key in {one for one in tests if one is not None}:
            declaring = self._declaring([one == key for one in tests])
            return np.array([one == key for one in tests]), declaring
        met, known = np.ones(len(self.changes), dtype=bool), np.ones(len(self.changes), dtype=bool)
        for condition in rule:
            answers = self._answers(condition)
            met &= np.array([answer is True for answer in answers])
            known &= np.array([answer is not None for answer in answers])
        return met, known

    def _answers(self, condition: Condition) -> list[bool | None]:
        """Of a feature that one arm of an experiment declares to set, the arms that do not leave it as it was."""
        answers: list[bool | None] = [None] * len(self.changes)
        if condition.op in OF_WORDS or condition.feature in self.frame.columns:
            answers = self.frame.select(condition.expression.alias("met"))["met"].to_list()
        values = self._declared(condition.feature)
        declaring = self._declaring([value is not None for value in values])
        for place in np.flatnonzero(declaring).tolist():
            if values[place] is not None:
                answers[place] = condition.met_by({condition.feature: values[place]})
            elif answers[place] is None:
                answers[place] = False
        return answers

    def _declared(self, feature: str) -> list[Value | None]:
        return [change.get(feature) for change in self.changes]

    def _declaring(self, declares: Sequence[bool]) -> Mask:
        """(n,) arms of the experiments of which an arm declares it."""
        codes = self.compared.experiment
        of_experiment: Mask = np.bincount(codes, declares)[codes] > 0
        return of_experiment


def shown_arms_of(rows: Sequence[Mapping[str, Any]]) -> ShownArms | None:
    """Arms of experiments, on the metric that most experiments have; None where fewer than two can be compared.

    Args:
        rows: of `store.shown_arms`: of one workspace.
    """
    chosen = _of_usual_metric(rows)
    if not chosen:
        return None
    outcome = chosen[0]["metric"]
    changes = tuple(declared_changes(row["changes"]) for row in chosen)
    names = sorted({row["experiment"] for row in chosen})
    codes = np.array([names.index(row["experiment"]) for row in chosen], dtype=np.int64)
    mean, variance, n, sign = (
        np.array([row[name] for row in chosen], dtype=np.float64) for name in ("mean", "variance", "n", "sign")
    )
    declared: dict[int, set[str]] = {}
    for code, change in zip(codes.tolist(), changes, strict=True):
        declared.setdefault(code, set()).add(repr(sorted(change.items())))
    differs = np.array([len(declared[code]) > 1 for code in codes.tolist()])
    compared = ComparedArms(codes, sign * np.log(mean), variance / (n * mean**2), differs)
    return ShownArms(compared, outcome, text_features(chosen), changes)


def usual_metric_of(rows: Sequence[Mapping[str, Any]]) -> UsualMetric | None:
    """The metric that most experiments have, over all their units; None where fewer than two arms can be compared.

    Args:
        rows: of `store.shown_arms`: of one workspace.
    """
    chosen = _of_usual_metric(rows)
    if not chosen:
        return None
    n, mean, variance = (
        np.array([row[name] for row in chosen], dtype=np.float64) for name in ("n", "mean", "variance")
    )
    direction = "decrease" if chosen[-1]["sign"] < 0 else "increase"
    spread = float(np.sqrt(np.average(variance, weights=n)))
    return UsualMetric(chosen[0]["metric"], chosen[-1]["kind"], direction, float(np.average(mean, weights=n)), spread)


def _of_usual_metric(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Arms that can be compared, of the metric that most experiments have."""
    usable = [row for row in rows if row["n"] >= 2 and row["mean"] > 0 and row["variance"] > 0]
    by_metric: dict[str, set[str]] = {}
    for row in usable:
        by_metric.setdefault(row["metric"], set()).add(row["experiment"])
    outcome = min(by_metric, key=lambda metric: (-len(by_metric[metric]), metric), default=None)
    return [row for row in usable if row["metric"] == outcome]


def declared_changes(declared: Mapping[str, Any] | str | None) -> dict[str, Value]:
    """What an arm declares: a dictionary, or 'media_type=video; emoji_count=1' from a file."""
    if not declared:
        return {}
    if isinstance(declared, Mapping):
        return {str(name): value for name, value in declared.items() if isinstance(value, bool | int | float | str)}
    parts = (part.partition("=") for part in declared.split(";") if "=" in part)
    return {name.strip(): _value(text.strip()) for name, _, text in parts}


def _value(text: str) -> Value:
    if text.lower() in (TRUE, FALSE):
        return text.lower() == TRUE
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text


def text_features(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Texts and their features; of timing and media nothing is known."""
    texts = {name: pl.Series([row[name] for row in rows], dtype=pl.String) for name in ("title", "body")}
    frame = pl.DataFrame(texts).with_columns(workspace_id=pl.lit("w"), published_at=EPOCH)
    made = with_features(frame, {"w": "UTC"})
    return made.drop("workspace_id", "published_at", "local_hour", "local_weekday", "is_weekend")
