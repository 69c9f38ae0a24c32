"""What the workspaces of one organization teach each other: one model of all their rows, at any moment. Pure.

A workspace with fifty posts says little about words and formats by itself; its siblings say what stood out beside their
own level, on their own scale. Their rows become one table in time order, and the spec's own recipe learns from it: a
level model the residuals in units of each workspace's usual one, so that no loud page decides, a classifier the labels,
with the workspace as one of its inputs where it has others. What a workspace makes of it on its own rows is decided in
`blending`. A level model that knew the workspace as an input would explain by it what words and formats explain
elsewhere: on pages it had never seen the loss was 2 % higher.

Whoever asks names a moment, and is given a model of rows before it: nothing of a workspace's own future, nor of its
siblings', reaches what it is judged on. There are few such models, each fitted when it is first needed: where a
tuning row of one is cut, the next begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from threading import RLock

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.models.specs import ModelSpec
from tasks.models.training.dataset import Examples
from tasks.models.training.estimators import FittedModel, Parts
from tasks.models.training.level_model import LEVEL
from tasks.models.training.organization import WORKSPACE, PooledModels
from tasks.models.training.origins import origin

Floats = NDArray[np.float64]
COLUMNS = ("target", "keys", "times")
POOL_ROWS = 10_000  # of all members together: 6 s to fit, and 100 MB of counted words
LEAST_OF_A_MEMBER = 50
LEAST_ROWS = 200  # of all members before a moment; fewer are no help to anyone
LEAST_SQUARE = 1e-6  # of residuals: a workspace whose posts all did alike
SCALE_ROWS = 20.0  # of the usual residual, beside those of a workspace's own rows


class OrganizationPool:
    """Labeled rows of the workspaces of one organization, and models of those before any moment; safe to share.

    Args:
        spec: whose recipe learns from them.
        workspace_ids: whose rows they are.
        read: their labeled rows by workspace, at most `rows_of_a_member` of each; asked once, when first needed.
    """

    def __init__(
        self, spec: ModelSpec, workspace_ids: Sequence[str], read: Callable[[], Mapping[str, Examples]]
    ) -> None:
        self.spec, self.workspace_ids = spec, tuple(sorted(workspace_ids))
        self._read = read
        self._models: dict[int, FittedModel | None] = {}
        self._turn = RLock()

    @cached_property
    def _members(self) -> dict[str, Examples]:
        with self._turn:
            members = self._read()
            return {name: members[name] for name in self.workspace_ids if name in members and members[name].n}

    @cached_property
    def sha256(self) -> str:
        """Hash of all rows."""
        return hashlib.sha256(repr([(name, rows.sha256) for name, rows in self._members.items()]).encode()).hexdigest()

    @cached_property
    def rows(self) -> Examples:
        """Of all members in time order; residuals of a level on the usual scale."""
        return self._rows_and_scale[0]

    @cached_property
    def _rows_and_scale(self) -> tuple[Examples, Floats]:
        """All rows, and the usual mean square of residuals up to each."""
        parts = {name: with_level(rows) for name, rows in self._members.items()} if self._has_level else self._members
        features = in_common([part.features for part in parts.values()])
        labels = [name for name, kind in features.schema.items() if kind == pl.String]
        features = features.with_columns(pl.col(labels).fill_null(""))
        owners = np.repeat(np.arange(len(parts)), [part.n for part in parts.values()])
        target, keys, times = (pl.concat([getattr(part, name) for part in parts.values()]) for name in COLUMNS)
        order = times.arg_sort()
        features, target, owners = features[order], target[order], owners[order.to_numpy()]
        usual = np.ones(len(target))
        if self._has_level:
            residuals = target - features[LEVEL]
            usual, scales = causal_scales(owners, residuals.to_numpy() ** 2)
            target = features[LEVEL] + residuals / pl.Series(scales)
        else:
            names = pl.Series(list(parts), dtype=pl.String)
            features = features.with_columns(names.gather(owners).alias(WORKSPACE))
        return Examples(features, target, keys[order], times[order]), usual

    @property
    def _has_level(self) -> bool:
        return self.spec.estimator.kind == "level_and_residual"

    def scale_of(self, rows: Examples, instant: datetime) -> float:
        """Of a workspace's residuals; of few rows it is mostly the usual one up to an instant."""
        if not self._has_level:
            return 1.0
        known, usual = self._rows_and_scale
        before = max(int((known.times <= instant).sum()), 1)
        residuals = (rows.target - rows.features[LEVEL]).drop_nulls().drop_nans().to_numpy()
        return _scale(float((residuals**2).sum()), len(residuals), float(usual[before - 1]))

    @property
    def n(self) -> int:
        """How many rows there are."""
        return self.rows.n if self._members else 0

    @property
    def newest(self) -> datetime | None:
        """The time of the latest row; None where there is none."""
        return self.rows.times[-1] if self.n else None

    def before(self, instant: datetime | None = None) -> FittedModel | None:
        """A model of rows up to an instant, or of all; None where those are too few, or of one class."""
        with self._turn:
            if self.n < LEAST_ROWS:
                return None
            n = self.n if instant is None else int((self.rows.times <= instant).sum())
            cut = next((cut for cut in self._cuts if cut <= n), None)
            if cut is None:
                return None
            if cut not in self._models:
                has_one_class = self.rows.slice(0, origin(cut)).has_one_class
                self._models[cut] = None if has_one_class else self._parts.fitted(cut)
            return self._models[cut]

    def label_shares(self, instant: datetime) -> dict[str, float]:
        """Of each label among the rows up to an instant; none for numbers."""
        if self.spec.task == "regression":
            return {}
        known = self.rows.target.filter(self.rows.times <= instant)
        return {label: count / len(known) for label, count in known.value_counts().iter_rows()}

    @cached_property
    def _cuts(self) -> list[int]:
        """Numbers of first rows of which there are models, the largest first; each is tuned on what the next lacks."""
        cuts = [self.rows.n]
        while cuts[-1] >= LEAST_ROWS:
            cuts.append(origin(cuts[-1]))
        return cuts[:-1]

    @cached_property
    def _parts(self) -> Parts:
        return Parts(self.spec, self.rows)


@dataclass(frozen=True)
class Siblings:
    """A workspace's place in the pool of its organization.

    Attributes:
        basis: what the pool is made of, in short: its members, and how many rows they have to the next power of two.
            What was tried and refused beside a smaller pool is tried again beside a larger one, not every night.
    """

    pool: OrganizationPool
    workspace_id: str
    basis: str = ""

    @property
    def is_enough(self) -> bool:
        """Whether the pool holds rows enough to help."""
        return self.pool.n >= LEAST_ROWS

    def models(self, own: Examples, learned: datetime, served: datetime | None) -> PooledModels | None:
        """The organization's models up to two moments, the later None for now; None where there are none yet."""
        before, newest = self.pool.before(learned), self.pool.before(served)
        if before is None or newest is None:
            return None
        scale, shares = self.pool.scale_of(own, learned), self.pool.label_shares(learned)
        return PooledModels(self.workspace_id, before.estimator, newest.estimator, scale, shares)


def rows_of_a_member(members: int) -> int:
    """How many of the latest rows of each of so many members make the pool."""
    return max(POOL_ROWS // max(members, 1), LEAST_OF_A_MEMBER)


def in_common(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows; without columns, such as an attribute, that are numbers to one workspace and labels to another."""
    kinds: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, kind in frame.schema.items():
            kinds.setdefault(name, set()).add(kind)
    unlike = [name for name, known in kinds.items() if len(known) > 1]
    return pl.concat([frame.drop(unlike, strict=False) for frame in frames], how="diagonal")


def with_level(rows: Examples) -> Examples:
    """The rows of which a level is known: a workspace's first has none."""
    known = rows.features[LEVEL].is_not_null()
    parts = (rows.target.filter(known), rows.keys.filter(known), rows.times.filter(known))
    return Examples(rows.features.filter(known), *parts)


def causal_scales(owners: NDArray[np.int64], squares: Floats) -> tuple[Floats, Floats]:
    """Usual mean square of residuals up to each row (n,), and (n,) the scale of each row's owner from the rows before.

    Nothing of a later row may show in what an earlier one teaches; only the very first share their own mean.
    """
    count = np.arange(1, len(squares) + 1)
    usual = np.cumsum(squares) / count
    first = min(LEAST_ROWS, len(squares))
    usual[:first] = usual[first - 1]
    totals, counts = np.zeros(owners.max() + 1), np.zeros(owners.max() + 1)
    scales = np.empty(len(squares))
    for row, (owner, square) in enumerate(zip(owners, squares, strict=True)):
        scales[row] = _scale(totals[owner], counts[owner], usual[max(row - 1, 0)])
        totals[owner] += square
        counts[owner] += 1
    return usual, scales


def _scale(total: float, count: float, usual: float) -> float:
    return float(np.sqrt(max((total + SCALE_ROWS * usual) / (count + SCALE_ROWS), LEAST_SQUARE)))
