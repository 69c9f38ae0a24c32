"""What another policy would have earned on a log: inverse-propensity, self-normalized and doubly robust estimates.

Horvitz & Thompson (1952), Swaminathan & Joachims (2015), Dudík, Langford & Li (2011). Where outcomes are never negative
the interval is that of a weighted sum of rare events (Fay & Feuer 1997): its upper end allows for one more event of
the largest weight, which a normal interval forgets when the few units of a rare arm happened to bring nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri

from tasks.errors import InputError, UnknownNameError, require_between
from tasks.experiments.contextual.policy import LinearPolicy
from tasks.experiments.records import MappingRecord
from tasks.statistics.confidence_sequences import half_width

Array = NDArray[np.float64]
FEW_UNITS = 100.0  # effective units below which the log says little of the other policy
NARROWEST = 5000.0  # units at which the interval that holds at every look is narrowest
FOLDS = 2


@dataclass(frozen=True)
class PolicyEvaluation(MappingRecord):
    """What a policy would have earned, a unit.

    Attributes:
        units: of the log; `effective_units` is how many of the policy's own they are worth.
        logged_value: mean outcome of what was served.
        value: of the other policy; by the self-normalized estimate, or the doubly robust one where outcomes may be
            negative and a model could be fitted.
        interval: of this one look; `anytime_interval` holds at every look together.
        gain: over what was served, of the same units; `gain_interval` of this one look.
        estimates: by `ips`, `snips` and, where arms and context are named, `dr`: each with its standard error.
        warnings: what weakens it, in words.
    """

    units: int
    effective_units: float
    largest_weight: float
    logged_value: float
    value: float
    interval: tuple[float, float]
    anytime_interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]
    estimates: dict[str, dict[str, float]]
    confidence: float
    warnings: list[str]


def evaluate_log(
    log: Any,
    *,
    outcome: str,
    propensity: str,
    target: str | None = None,
    arm: str | None = None,
    target_by_arm: Mapping[str, str] | None = None,
    context: Sequence[str] = (),
    confidence: float = 0.9,
) -> PolicyEvaluation:
    """Evaluate a policy on the units of a log.

    Args:
        log: polars or pandas frame, or rows; one row a unit.
        outcome: column of the outcome.
        propensity: column of the probability with which the unit got the arm that it got.
        target: column of the other policy's probability of that same arm.
        arm: column of the arm; with `target_by_arm` and `context` a model makes the estimate doubly robust.
        target_by_arm: column of the other policy's probability of each arm, by arm; stands for `target`, too.
        context: columns that the model knows of a unit.
        confidence: of the intervals.

    Raises:
        InputError: for columns that are missing, fewer than two units, or probabilities that are none.
    """
    require_between("confidence", confidence, 0.5, 0.9999)
    frame = _frame(log)
    y, e = _numbers(frame, outcome), _numbers(frame, propensity)
    probabilities = _by_arm(frame, target_by_arm or {})
    given = None if arm is None else _arms(frame, arm, list(target_by_arm or {}))
    pi = _target(frame, target, probabilities, given)
    _require_probabilities(propensity, e, least=np.finfo(float).tiny)
    _require_probabilities("the other policy's probability", pi, least=0.0)
    w = pi / e
    if not w.sum() > 0:
        raise InputError("the other policy never gives an arm that this log has: the log says nothing of it")
    expected = None
    if given is not None and probabilities is not None and context:
        expected = _expected(frame.select(_known(frame, list(context))), given, y, probabilities.shape[1])
    return _evaluated(y, w, probabilities, given, expected, confidence)


def _evaluated(
    y: Array,
    w: Array,
    probabilities: Array | None,
    given: NDArray[np.int64] | None,
    expected: Array | None,
    confidence: float,
) -> PolicyEvaluation:
    n, mean_weight = len(y), float(w.mean())
    snips = float((w * y).sum() / w.sum())
    influence = w * (y - snips) / mean_weight
    estimates = {
        "ips": _estimate(w * y),
        "snips": {"estimate": snips, "standard_error": float(np.sqrt(np.square(influence).sum()) / n)},
    }
    value, spread = snips, influence
    if expected is not None and given is not None and probabilities is not None:
        direct = (probabilities * expected).sum(axis=1)
        scores = direct + w * (y - expected[np.arange(n), given])
        estimates["dr"] = _estimate(scores)
        if y.min() < 0:
            value, spread = estimates["dr"]["estimate"], scores - scores.mean()
    error = float(np.sqrt(np.square(spread).sum()) / n)
    tail = (1 - confidence) / 2
    interval = _around(value, -float(ndtri(tail)) * error)
    if y.min() >= 0:
        low, high = _of_rare_events(w * y / mean_weight, float(w.max()) * float(y.max()) / mean_weight, tail)
        interval = low, min(high, float(y.max()))
    gain = spread + value - y
    gain_error = float(gain.std(ddof=1) / np.sqrt(n))
    wide = float(half_width(error, float(n), 1 - confidence, NARROWEST))
    effective = float(w.sum() ** 2 / np.square(w).sum())
    return PolicyEvaluation(
        units=n,
        effective_units=effective,
        largest_weight=float(w.max()),
        logged_value=float(y.mean()),
        value=value,
        interval=interval,
        anytime_interval=_around(value, wide),
        gain=float(value - y.mean()),
        gain_interval=_around(float(value - y.mean()), -float(ndtri(tail)) * gain_error),
        estimates=estimates,
        confidence=confidence,
        warnings=_warnings(effective, mean_weight, n),
    )


def _of_rare_events(contribution: Array, largest: float, tail: float) -> tuple[float, float]:
    """Interval of the mean of contributions that are mostly zero and never negative (Fay & Feuer 1997)."""
    n = len(contribution)
    total, variance = float(contribution.sum()), float(np.square(contribution).sum())
    low = 0.0
    if total > 0:
        low = variance / total * float(gammaincinv(total**2 / variance, tail)) / n
    more, wider = total + largest, variance + largest**2
    high = wider / more * float(gammaincinv(more**2 / wider, 1 - tail)) / n if more > 0 else 0.0
    return low, high


def _estimate(scores: Array) -> dict[str, float]:
    return {"estimate": float(scores.mean()), "standard_error": float(scores.std(ddof=1) / np.sqrt(len(scores)))}


def _around(center: float, width: float) -> tuple[float, float]:
    return center - width, center + width


def _warnings(effective: float, mean_weight: float, n: int) -> list[str]:
    notes = []
    if effective < FEW_UNITS:
        notes.append(
            f"the log holds {effective:,.0f} effective units of the other policy, too few to tell what it is worth; "
            f"some {FEW_UNITS * n / max(effective, 1.0):,.0f} units of this log would hold {FEW_UNITS:.0f}"
        )
    if not 0.8 <= mean_weight <= 1.25:
        notes.append(
            f"weights should be 1 on average and are {mean_weight:.2f}: the logged probabilities are not those that "
            "arms were given with, or the other policy gives arms that this log lacks"
        )
    return notes


def _frame(log: Any) -> pl.DataFrame:
    try:
        frame = log if isinstance(log, pl.DataFrame) else pl.DataFrame(log)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as problem:
        raise InputError(f"a log is a frame or a list of rows, one a unit: {problem}") from None
    if frame.height < 2:
        raise InputError(f"a log of {frame.height} units says nothing; it takes two, and mostly thousands")
    return frame


def _known(frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in frame.columns:
            raise UnknownNameError("column of the log", name, frame.columns)
    return list(names)


def _numbers(frame: pl.DataFrame, name: str) -> Array:
    column = frame[_known(frame, [name])[0]].cast(pl.Float64, strict=False)
    if column.is_null().any() or not column.is_finite().all():
        raise InputError(f"column {name} of the log holds a finite number for each unit; {name} has gaps or texts")
    return column.to_numpy()


def _by_arm(frame: pl.DataFrame, columns: Mapping[str, str]) -> Array | None:
    if not columns:
        return None
    probabilities = np.column_stack([_numbers(frame, column) for column in columns.values()])
    if not np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-6):
        raise InputError("target_by_arm names a probability of each arm, which sum to 1 for each unit")
    return probabilities


def _arms(frame: pl.DataFrame, name: str, arms: Sequence[str]) -> NDArray[np.int64]:
    given = frame[_known(frame, [name])[0]].cast(pl.String)
    places = {str(arm): place for place, arm in enumerate(arms)}
    unknown = given.unique().drop_nulls().filter(~given.unique().drop_nulls().is_in(list(places)))
    if len(unknown) or given.is_null().any():
        shown = unknown[0] if len(unknown) else "nothing"
        raise InputError(f"column {name} of the log holds '{shown}', which target_by_arm has no column for")
    return given.replace_strict(places, return_dtype=pl.Int64).to_numpy()


def _target(
    frame: pl.DataFrame, target: str | None, probabilities: Array | None, given: NDArray[np.int64] | None
) -> Array:
    if target is not None:
        return _numbers(frame, target)
    if probabilities is None or given is None:
        raise InputError("name the other policy's probability: target, or arm and target_by_arm")
    return np.asarray(probabilities[np.arange(frame.height), given], dtype=np.float64)


def _require_probabilities(name: str, values: Array, least: float) -> None:
    if values.min() < least or values.max() > 1:
        worst = values.min() if values.min() < least else values.max()
        raise InputError(f"{name} lies between 0 and 1 for each unit, and above 0 where it was served; not {worst:g}")


def _expected(context: pl.DataFrame, given: NDArray[np.int64], y: Array, arms: int) -> Array:
    """Expected outcomes (n, K), each unit's by a model of the other folds."""
    rows = context.with_columns(pl.col(pl.Decimal).cast(pl.Float64)).to_dicts()
    fold = np.arange(len(y)) % FOLDS
    expected = np.empty((len(y), arms))
    for number in range(FOLDS):
        rest, own = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        model = LinearPolicy.fit(context.columns, [rows[row] for row in rest], given[rest], y[rest], arms)
        expected[own] = model.expected([rows[row] for row in own])
    return expected
