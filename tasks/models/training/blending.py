"""A workspace's own model and its organization's, mixed as its own later rows say. Pure.

Where few of its rows are known, the organization's model counts, as far as the prior below says; with every row that a
workspace has predicted by both, its own evidence counts more. So fifty posts have a model that hundreds of its
siblings' posts made, and a page of its own kind one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.training.level_model import (
    LevelModel,
    LevelPart,
    conformal_half_width,
    level_model,
    levels,
    tune,
)
from tasks.models.training.organization import PooledModels, inputs_of_both
from tasks.models.training.origins import origin
from tasks.models.training.text_columns import TextCounts, TextWeights

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
OWN, POOLED, BLEND = "own", "pooled", "blend"
# Chosen on every second page of a set of 82, of which the others were the organization. Without a prior the shares of
# fifty posts follow chance: 13 rows decide. They may add up to more than one, as both models shrink what they expect.
PRIOR_SHARES = (0.9, 0.3)  # of the own model's residual and of the organization's
PRIOR_ROWS = 100.0
OFFSET_ROWS = 300.0  # beside which rows' mean error counts: a level that lags is worth little of a correction
LITTLE = 0.05  # a smaller share is none


@dataclass
class BlendedLevelModel:
    """Level + offset + a share of each model's residual.

    Attributes:
        inputs: as those of `LevelModel`, of both.
        own: None where it has no share.
        pooled: of the organization's rows, None where it has none; its residual is on the usual scale, which
            `pooled_share` brings to the workspace's.
        half_width: of the 90 % interval.
    """

    inputs: dict[str, Any]
    middle: float
    own: LevelModel | None
    pooled: LevelModel | None
    own_share: float
    pooled_share: float
    offset: float
    half_width: float
    recipe: dict[str, Any]

    @property
    def words(self) -> TextWeights | None:
        """Weights of words; of the model that also counts pieces of words, where one does."""
        given = [one.words for one in (self.pooled, self.own) if one is not None and one.words is not None]
        return next((one for one in given if one.pieces is not None), given[0] if given else None)

    def predict(self, table: pd.DataFrame, counts: TextCounts | None = None) -> Floats:
        """(n,) expected values."""
        expected = levels(table, self.middle) + self.offset
        if self.pooled is not None:
            expected += self.pooled_share * pooled_residual(self.pooled, table, counts)
        if self.own is not None:
            expected += self.own_share * self.own.residual(table, counts)
        return expected


def pooled_residual(pooled: LevelModel, table: pd.DataFrame, counts: TextCounts | None) -> Floats:
    """(n,) residuals that the organization's model expects of a workspace's rows, on the usual scale."""
    numbers, labels = ([name for name in pooled.inputs[kind] if name not in table] for kind in ("numbers", "labels"))
    return pooled.residual(table.assign(**dict.fromkeys(numbers, np.nan), **dict.fromkeys(labels, "")), counts)


def blended_level_model(
    part_of: Callable[[int], LevelPart],
    table: pd.DataFrame,
    target: Floats,
    counts: TextCounts | None,
    siblings: PooledModels,
) -> BlendedLevelModel:
    """Fit on a workspace's rows (n) in time order, mixed on the latest of them by what was learned from those before.

    Args:
        part_of, table, target, counts: as `tune` takes them.
        siblings: the organization's model of the rows before those latest ones, and the one that is served.
    """
    n, start = len(target), origin(len(target))
    tuned, whole = tune(part_of, table, target, counts), part_of(n)
    late = None if counts is None else counts[slice(start, n)]
    pooled = siblings.scale * pooled_residual(siblings.before, table.iloc[start:], late)
    own_share, pooled_share = shares_of(tuned.truth, tuned.mixed, pooled)
    mixed = own_share * tuned.mixed + pooled_share * pooled
    offset = float((tuned.truth - mixed).sum() / (len(mixed) + OFFSET_ROWS))
    serves = OWN if pooled_share < LITTLE else POOLED if own_share < LITTLE else BLEND
    own = level_model(whole, tuned, 1.0)
    recipe = own.recipe | {"recipe": "level + ridge + trees, with the organization's", "serves": serves}
    recipe |= {"own_share": own_share, "organization_share": pooled_share, "offset": offset}
    return BlendedLevelModel(
        inputs=inputs_of_both(own.inputs, siblings.served.inputs),
        middle=own.middle,
        own=None if serves == POOLED else own,
        pooled=None if serves == OWN else siblings.served,
        own_share=own_share,
        pooled_share=siblings.scale * pooled_share,
        offset=offset,
        half_width=conformal_half_width(tuned.truth - mixed - offset),
        recipe=recipe,
    )


def shares_of(truth: Floats, own: Floats, pooled: Floats) -> tuple[float, float]:
    """Shares of two predictions (n,) in the truth (n,), each 0–1: least squares, beside the prior's rows."""
    from scipy.optimize import lsq_linear

    columns = np.column_stack([own, pooled])
    weight = np.sqrt(PRIOR_ROWS * (columns**2).mean(axis=0))
    if not weight.any():
        return 0.0, 0.0
    rows, wanted = np.vstack([columns, np.diag(weight)]), np.concatenate([truth, weight * PRIOR_SHARES])
    own_share, pooled_share = lsq_linear(rows, wanted, bounds=(0.0, 1.0)).x
    return float(own_share), float(pooled_share)
