"""The half that confirms: what the search proposed, tested on weeks it has never seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from tasks.patterns.adjustment import Contrasts, adjusted_contrasts, log_rate_contrasts
from tasks.patterns.preparation import Posts
from tasks.patterns.records import Thresholds
from tasks.patterns.search import Candidate, rule_matches
from tasks.patterns.selectors import SelectorTable
from tasks.statistics.contrast import Contrast
from tasks.statistics.multiplicity import benjamini_hochberg
from tasks.statistics.shrinkage import Shrunken, adaptive_shrink

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

INTERVAL_LEVEL = 0.90
THIRDS = 3
MIN_THIRD_ROWS = 30


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the confirmation half says about K candidates; every array is (K,) unless said.

    Attributes:
        effect: shrunken standardised effect.
        log_lift: shrunken difference of robust log rates.
        interval: (K, 2) its 90 % interval before shrinking.
        q_value: Benjamini–Hochberg over the K candidates.
        confidence: 1 − max(local false sign rate, q).
        rows: matching rows.
        effective_rows: the same, discounted for posts of one week sharing their luck.
    """

    effect: Floats
    log_lift: Floats
    interval: Floats
    q_value: Floats
    confidence: Floats
    rows: NDArray[np.int64]
    effective_rows: Floats

    def passing(self, thresholds: Thresholds) -> list[int]:
        """Indices of candidates worth reporting, by |effect| × confidence."""
        good = (
            (self.q_value <= thresholds.false_discovery_rate)
            & (self.confidence >= thresholds.min_confidence)
            & (np.abs(self.effect) >= thresholds.min_effect_size)
            & (np.sign(self.effect) == np.sign(self.log_lift))
        )
        weight = np.abs(self.effect) * self.confidence
        return [int(i) for i in np.argsort(-weight, kind="stable") if good[i]]


def testable(posts: Posts, table: SelectorTable, found: list[Candidate], min_sample_size: int) -> list[Candidate]:
    """Candidates with enough confirmation rows on both sides; the outcome plays no part in this choice."""
    matches = table.matches[~posts.discovery]
    rows = [int(rule_matches(matches, candidate.members).sum()) for candidate in found]
    enough = range(min_sample_size, len(matches) - min_sample_size + 1)
    return [candidate for candidate, n in zip(found, rows, strict=True) if n in enough]


def confirm(posts: Posts, table: SelectorTable, candidates: list[Candidate]) -> Evidence:
    """Test K ≥ 1 candidates on the confirmation half."""
    half = ~posts.discovery
    contrasts = adjusted_contrasts(posts, table, candidates, half)
    effect, log_lift = _shrunken(contrasts)
    direction = np.sign([candidate.score for candidate in candidates])
    q_value = benjamini_hochberg(_one_sided(contrasts.score, direction))
    rows = np.array([rule_matches(table.matches[half], candidate.members).sum() for candidate in candidates])
    design_effect = _design_effect(contrasts.score)
    return Evidence(
        effect=effect.mean,
        log_lift=log_lift.mean,
        interval=_interval(contrasts.log_rate),
        q_value=q_value,
        confidence=1.0 - np.maximum(effect.false_sign_rate, q_value),
        rows=rows,
        effective_rows=rows / design_effect,
    )


def _shrunken(contrasts: Contrasts) -> tuple[Shrunken, Shrunken]:
    """Standardised effects and log lifts, each under a prior of its own scale."""
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
    """90 % interval (K, 2)."""
    half_width = stdtrit(contrast.degrees_of_freedom, 0.5 + INTERVAL_LEVEL / 2) * contrast.standard_error
    return np.column_stack([contrast.estimate - half_width, contrast.estimate + half_width])


def _design_effect(contrast: Contrast) -> Floats:
    known = np.isfinite(contrast.standard_error)
    ratio = np.ones(len(known))
    ratio[known] = (contrast.standard_error[known] / contrast.iid_standard_error[known]) ** 2
    return np.maximum(ratio, 1e-6)


@dataclass(frozen=True, slots=True)
class Third:
    """One of three consecutive parts of the confirmation half, with as many rows each.

    Attributes:
        rows: (n,) which of all posts are in it.
        log_rate: contrasts of K candidates in it.
    """

    rows: Mask
    log_rate: Contrast


def thirds(posts: Posts, table: SelectorTable, candidates: list[Candidate]) -> list[Third]:
    """How K candidates fared over time, where there are rows enough to say."""
    half = np.flatnonzero(~posts.discovery)
    parts = []
    for part in np.array_split(half, THIRDS):
        if len(part) >= MIN_THIRD_ROWS:
            rows = np.zeros(len(posts.week), dtype=bool)
            rows[part] = True
            parts.append(Third(rows, log_rate_contrasts(posts, table, candidates, rows)))
    return parts
