"""An adjusted effect that survives either a wrong outcome model or a wrong propensity model, and says where it cannot.

Augmented inverse propensity weighting with cross-fitting (Chernozhukov et al. 2018). Both models are ridge regressions,
so covariates should come as indicators of levels and quarters, which lets them bend. It removes what the covariates
know, nothing else: without randomization the result stays an association.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tasks.statistics.group_codes import groups

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

FOLDS = 5
RIDGE = 1.0
MIN_PROPENSITY = 0.02
OVERLAP = (0.05, 0.95)
MIN_SIDE = 50


@dataclass(frozen=True, slots=True)
class DoublyRobustEffect:
    """Mean difference in the outcome between treated and untreated, covariates held equal.

    Attributes:
        estimate: in the outcome's unit.
        standard_error: clustered, with the same caution as the stratified contrast.
        interval: 90 % interval.
        overlap_share: share of rows whose propensity lies in [.05, .95]: the rows that have something to compare with.
        propensity_quantiles: 5 %, 50 %, 95 % among treated and among untreated.
        effective_size: treated and untreated rows that the weights amount to (Kish).
        trusted: overlap of at least 80 % and at least 50 effective rows on both sides.
    """

    estimate: float
    standard_error: float
    interval: tuple[float, float]
    overlap_share: float
    propensity_quantiles: dict[str, tuple[float, float, float]]
    effective_size: tuple[float, float]

    @property
    def trusted(self) -> bool:
        """Whether enough rows have a counterpart on the other side."""
        return self.overlap_share >= 0.8 and min(self.effective_size) >= MIN_SIDE


def doubly_robust_effect(
    treated: Mask, outcome: Floats, covariates: Floats, cluster: Codes, *, seed: int = 0
) -> DoublyRobustEffect | None:
    """The effect of a condition (n,) on an outcome (n,), given covariates (n, p); None with too few rows on a side.

    Args:
        treated: whether the condition holds.
        outcome: what is compared, robust beforehand.
        covariates: what both sides shall be equal in, indicators or standardized numbers, without NaN.
        cluster: (n,) weeks; folds never split one.
        seed: of the folds.
    """
    if min(treated.sum(), (~treated).sum()) < MIN_SIDE or len(groups(cluster).rows) < FOLDS:
        return None
    propensity, if_treated, if_not = _cross_fitted(treated, outcome, covariates, cluster, seed)
    score = if_treated - if_not
    score = score + np.where(treated, (outcome - if_treated) / propensity, -(outcome - if_not) / (1 - propensity))
    estimate = float(score.mean())
    error, freedom = _clustered_error(score - estimate, cluster)
    width = float(stdtrit(freedom, 0.95)) * error
    return DoublyRobustEffect(
        estimate=estimate,
        standard_error=error,
        interval=(estimate - width, estimate + width),
        overlap_share=float(np.mean((propensity >= OVERLAP[0]) & (propensity <= OVERLAP[1]))),
        propensity_quantiles={"matching": _quantiles(propensity[treated]), "others": _quantiles(propensity[~treated])},
        effective_size=(_kish(1 / propensity[treated]), _kish(1 / (1 - propensity[~treated]))),
    )


def _cross_fitted(
    treated: Mask, outcome: Floats, covariates: Floats, cluster: Codes, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Propensity and both expected outcomes (n,), each row's from models that have not seen its week."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GroupKFold

    propensity, if_treated, if_not = (np.full(len(outcome), np.nan) for _ in range(3))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(covariates, groups=cluster):
        chooses = LogisticRegression(C=1.0 / RIDGE, max_iter=300).fit(covariates[train], treated[train])
        propensity[test] = chooses.predict_proba(covariates[test])[:, list(chooses.classes_).index(True)]
        for side, expected in ((treated, if_treated), (~treated, if_not)):
            rows = train[side[train]]
            expected[test] = Ridge(RIDGE).fit(covariates[rows], outcome[rows]).predict(covariates[test])
    return np.clip(propensity, MIN_PROPENSITY, 1 - MIN_PROPENSITY), if_treated, if_not


def _clustered_error(influence: Floats, cluster: Codes) -> tuple[float, int]:
    """Standard error of a mean with influence values (n,), and degrees of freedom."""
    sums = np.bincount(groups(cluster).codes, weights=influence)
    clusters, n = len(sums), len(influence)
    clustered = np.sqrt((sums**2).sum() * clusters / (clusters - 1)) / n
    return float(max(clustered, influence.std() / np.sqrt(n))), clusters - 1


def _quantiles(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def _kish(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())
