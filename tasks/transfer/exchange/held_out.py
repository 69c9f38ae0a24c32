"""What others' releases bring a workspace, measured on later posts of its own that its estimates have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from scipy.stats import rankdata

from tasks.transfer.catalogue import conditions_met
from tasks.transfer.estimates import usable_posts, workspace_estimates
from tasks.transfer.exchange.pooling import InstallationSums, PoolGates, pooled
from tasks.transfer.pools import Estimates, own_of
from tasks.transfer.prediction import Benefit, benefit_of, own_alone, predict
from tasks.transfer.records import Floats, Mask

HELD_OUT_SHARE = 0.4
LEAST_HELD_OUT = 20  # fewer tell gains of ±.1 from nothing no better than a coin
LEAST_OF_A_KIND = 5
Z95_ONE_SIDED = 1.645
LEAST_ERROR = 1e-4
LEAST_FORETELLING_ERROR = 0.03  # a pool that is wrong about a workspace foretells a gain for it with confidence, too


@dataclass(frozen=True, slots=True)
class MeasuredGain:
    """What some releases added to the AUC of 'above the median' on n held-out posts.

    Attributes:
        gain: with them less without them.
        standard_error: of it, paired over the same posts (DeLong, DeLong & Clarke-Pearson 1988).
    """

    gain: float
    standard_error: float

    def expects_loss(self, foretold: Benefit | None) -> bool:
        """Whether what was foretold and what was measured, weighed by their precision, expect a loss together."""
        if foretold is None:
            return self.gain < 0.0
        error = max(self.standard_error, LEAST_ERROR) ** 2
        variance = max(foretold.deviation, LEAST_FORETELLING_ERROR) ** 2
        weight = variance / (variance + error)
        return weight * self.gain + (1.0 - weight) * foretold.expected < 0.0

    @property
    def shows_harm(self) -> bool:
        """Whether a loss is more than chance."""
        return self.gain + Z95_ONE_SIDED * max(self.standard_error, LEAST_ERROR) < 0.0


@dataclass(frozen=True, slots=True)
class HeldOutPosts:
    """One workspace's later posts, n of them, and what its earlier ones say.

    Attributes:
        own: estimates from the earlier posts.
        follows: (n, K) which patterns each later post does.
        above: (n,) whether it did better than their median.
    """

    own: Estimates
    follows: Floats
    above: Mask

    @classmethod
    def of(cls, content: pl.DataFrame, as_of: datetime, place: tuple[str, str]) -> HeldOutPosts | int:
        """Split rows of the content table of one workspace, in time order; or how many posts more that would take.

        Args:
            content: its posts.
            as_of: those younger than a week by then are left out.
            place: its industry and size.
        """
        rated = usable_posts(content, as_of)
        later = int(len(rated.log_rates) * HELD_OUT_SHARE)
        if later < LEAST_HELD_OUT:
            return int(np.ceil(LEAST_HELD_OUT / HELD_OUT_SHARE)) - len(rated.log_rates)
        outcome = rated.log_rates[-later:]
        above = outcome > np.median(outcome)
        if min(int(above.sum()), int((~above).sum())) < LEAST_OF_A_KIND:
            return LEAST_HELD_OUT
        own = own_of(workspace_estimates(rated.rows.head(len(rated.log_rates) - later), as_of), *place)
        follows = conditions_met(rated.rows).tail(later).select(pl.all().fill_null(False).cast(pl.Float64))
        return cls(own, follows.to_numpy(), above)

    def gain(
        self, installations: Sequence[InstallationSums], without: Sequence[InstallationSums], gates: PoolGates
    ) -> MeasuredGain:
        """What these installations add to those others, or to nothing but own estimates where there are none."""
        scores = [self.follows @ self._effects(group, gates) for group in (installations, without)]
        return auc_gain(self.above, *scores)

    def foretold(self, installations: Sequence[InstallationSums], gates: PoolGates) -> Benefit | None:
        """What they should add, seen from the earlier posts."""
        own, error = self.own.effect[0], self.own.error[0]
        pool, usable = pooled(self.own, installations, gates)
        prediction = predict(pool, own, error, usable=usable)
        return benefit_of(prediction, usable, own_alone(own, error).mean, error, int(self.own.posts[0]))

    def _effects(self, installations: Sequence[InstallationSums], gates: PoolGates) -> Floats:
        own, error = self.own.effect[0], self.own.error[0]
        alone = own_alone(own, error).mean
        if not installations:
            return alone
        pool, usable = pooled(self.own, installations, gates)
        return np.where(usable, predict(pool, own, error, usable=usable).mean, alone)


def auc_gain(above: Mask, better: Floats, plain: Floats) -> MeasuredGain:
    """AUC of one score less that of another on the same n posts."""
    placed = [_placements(above, better), _placements(above, plain)]
    hits, misses = (a - b for a, b in zip(*placed, strict=True))
    error = np.sqrt(hits.var(ddof=1) / len(hits) + misses.var(ddof=1) / len(misses))
    return MeasuredGain(float(hits.mean()), float(error))


def _placements(above: Mask, score: Floats) -> tuple[Floats, Floats]:
    """For each post above the median the share of the others that it beats, and for each other how many beat it."""
    ranks = rankdata(score)
    beaten = (ranks[above] - rankdata(score[above])) / int((~above).sum())
    beating = 1.0 - (ranks[~above] - rankdata(score[~above])) / int(above.sum())
    return beaten, beating
