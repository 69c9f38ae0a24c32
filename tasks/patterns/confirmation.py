"""The half that confirms: what the search proposed, tested on weeks it has never seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from tasks.patterns.adjustment import Contrasts, adjusted_contrasts, log_rate_contrasts_of_parts
from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.preparation import Posts
from tasks.patterns.records import SearchThresholds
from tasks.patterns.search import RuleCandidate, rule_matches
from tasks.statistics.contrast import Contrast
from tasks.statistics.multiplicity import benjamini_hochberg
from tasks.statistics.shrinkage import Shrunken, adaptive_shrink

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

INTERVAL_LEVEL = 0.90
# How far a log lift moves between one stretch of weeks and another, as a share of itself. On 37 real pages sixths of
# the first 70 % of time differ by .27 more than chance explains, and the last 30 % from the first 70 by .29; a page's
# own sixths do not tell how far that page will move. Without it 90 % intervals held 83 % of later lifts.
RELATIVE_DRIFT = 0.25
MAX_LOG = 50.0  # e⁵⁰: an interval so wide says 'unknown', and must not overflow to infinity
THIRDS = 3
MIN_THIRD_ROWS = 30


@dataclass(frozen=True, slots=True)
class ConfirmationResult:
    """What the confirmation half shows of one candidate.

    Attributes:
        candidate: the rule and what the search saw of it.
        effect: shrunken standardized effect.
        log_lift: shrunken difference of robust log rates.
        adjusted: the same before shrinking.
        interval: its 90 % interval, drift between one stretch of weeks and the next included.
        q_value: Benjamini–Hochberg over the candidates of its family.
        confidence: 1 − max(local false sign rate, q).
        rows: matching rows.
        effective_rows: the same, discounted for posts of one week sharing their luck.
    """

    candidate: RuleCandidate
    effect: float
    log_lift: float
    adjusted: float
    interval: tuple[float, float]
    q_value: float
    confidence: float
    rows: int
    effective_rows: float

    def passes(self, thresholds: SearchThresholds) -> bool:
        """Whether it is worth reporting."""
        return (
            self.q_value <= thresholds.false_discovery_rate
            and self.confidence >= thresholds.min_confidence
            and abs(self.effect) >= thresholds.min_effect_size
            and np.sign(self.effect) == np.sign(self.log_lift)
        )


def testable(
    posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], min_rows: int
) -> list[RuleCandidate]:
    """Candidates with enough confirmation rows on both sides; the outcome plays no part in this choice.

    Rows on which a rule is unknown count on the other side here.
    """
    half = posts.confirmation
    enough = range(min_rows, len(half) - min_rows + 1)
    rows = [int(np.count_nonzero(rule_matches(table.matches, one.members)[half])) for one in candidates]
    return [candidate for candidate, n in zip(candidates, rows, strict=True) if n in enough]


def confirm(posts: Posts, table: ConditionTable, candidates: list[RuleCandidate]) -> list[ConfirmationResult]:
    """Test K ≥ 1 candidates of one family on the confirmation half."""
    half = posts.confirmation
    contrasts = adjusted_contrasts(posts, table, candidates, half)
    effect, log_lift = _shrunken(contrasts)
    direction = np.sign([candidate.score for candidate in candidates])
    q_value = benjamini_hochberg(_one_sided(contrasts.score, direction))
    confidence = 1.0 - np.maximum(effect.false_sign_rate, q_value)
    rows = [int(np.count_nonzero(rule_matches(table.matches, one.members)[half])) for one in candidates]
    effective = np.array(rows) / _design_effect(contrasts.score)
    interval = _interval(contrasts.log_rate)
    return [
        ConfirmationResult(
            candidate=candidate,
            effect=float(effect.mean[i]),
            log_lift=float(log_lift.mean[i]),
            adjusted=float(contrasts.log_rate.estimate[i]),
            interval=(float(interval[i, 0]), float(interval[i, 1])),
            q_value=float(q_value[i]),
            confidence=float(confidence[i]),
            rows=rows[i],
            effective_rows=float(effective[i]),
        )
        for i, candidate in enumerate(candidates)
    ]


def _shrunken(contrasts: Contrasts) -> tuple[Shrunken, Shrunken]:
    """Standardized effects and log lifts, each under a prior of its own scale."""
    score, log_rate = contrasts.score, contrasts.log_rate
    known = np.isfinite(score.standard_error) & (score.standard_error > 0)
    ratio = log_rate.standard_error[known] / score.standard_error[known]
    unit = float(np.median(ratio)) if known.any() else 1.0  # log units in one standard score
    return (
        adaptive_shrink(score.estimate, score.standard_error),
        adaptive_shrink(log_rate.estimate, log_rate.standard_error, max(unit, 1e-6)),
    )


def _one_sided(contrast: Contrast, direction: Floats) -> Floats:
    """p-values (K,) in the direction the discovery half found."""
    p: Floats = stdtr(contrast.degrees_of_freedom, -direction * contrast.estimate / contrast.standard_error)
    return p


def _interval(contrast: Contrast) -> Floats:
    """90 % interval (K, 2) of the log lift in weeks like these, those to come included: what chance and drift allow."""
    by_chance = stdtrit(contrast.degrees_of_freedom, 0.5 + INTERVAL_LEVEL / 2) * contrast.standard_error
    by_drift = ndtri(0.5 + INTERVAL_LEVEL / 2) * RELATIVE_DRIFT * contrast.estimate
    half_width = np.minimum(np.hypot(by_chance, by_drift), MAX_LOG)
    return np.column_stack([contrast.estimate - half_width, contrast.estimate + half_width])


def _design_effect(contrast: Contrast) -> Floats:
    known = np.isfinite(contrast.standard_error)
    ratio = np.ones(len(known))
    ratio[known] = (contrast.standard_error[known] / contrast.iid_standard_error[known]) ** 2
    return np.maximum(ratio, 1e-6)


@dataclass(frozen=True, slots=True)
class TimeThird:
    """One of three consecutive parts of the confirmation half, with as many rows each.

    Attributes:
        first, last: its oldest and its newest post.
        log_rate: contrasts of K candidates in it.
    """

    first: datetime
    last: datetime
    log_rate: Contrast


def thirds(posts: Posts, table: ConditionTable, candidates: list[RuleCandidate]) -> list[TimeThird]:
    """How K candidates fared over time, where there are rows enough to say."""
    rows = posts.confirmation
    if len(rows) < THIRDS * MIN_THIRD_ROWS:
        return []
    part = np.arange(len(rows)) * THIRDS // len(rows)
    contrasts = log_rate_contrasts_of_parts(posts, table, candidates, rows, part)
    first = np.searchsorted(part, np.arange(THIRDS + 1))
    instants = posts.published_at.gather(rows)
    return [TimeThird(instants[int(first[i])], instants[int(first[i + 1] - 1)], contrasts[i]) for i in range(THIRDS)]
