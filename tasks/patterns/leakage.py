"""Features that are part of the outcome, whatever they were declared to be: refused by name, not explained by. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tasks.patterns.features import EncodedFeature

NEARLY_DETERMINES = 0.9  # rank correlation; what is known before publication explains far less of an outcome
FEWEST_ROWS = 20
REASON = "is part of the outcome: put it under `results:`"
# What platforms count after publication.
_COUNTED = re.compile(
    r"^(total|unique|lifetime|number of|anzahl)?[ _]?(post )?(likes?|reactions?|comments?|replies|shares?|retweets?|"
    r"reposts?|quotes?|saves?|bookmarks?|clicks?|link clicks|url clicks|views?|video views|plays?|reach|impressions?|"
    r"engagements?|interactions?|opens?|unique opens|unique clicks|conversions?|orders?|revenue|follows|new follows|"
    r"unsubscribes?|bounces?|profile visits|watch time( \(hours\))?)([ _](rate|count|total|%|\(%\)))?$",
    re.IGNORECASE,
)


def without_leaks(
    features: Sequence[EncodedFeature], *outcomes: NDArray[np.float64]
) -> tuple[list[EncodedFeature], dict[str, str]]:
    """The features that may be learned from, and the refused ones with the reason.

    Args:
        features: of n posts; only attributes are judged, all others are known before publication.
        outcomes: (n,) each.
    """
    refused = {one.name: REASON for one in features if one.role == "attribute" and _leaks(one, outcomes)}
    return [one for one in features if one.name not in refused], refused


def _leaks(feature: EncodedFeature, outcomes: Sequence[NDArray[np.float64]]) -> bool:
    if feature.kind == "category":
        return False
    if _COUNTED.match(feature.name.strip()):
        return True
    return any(abs(_rank_correlation(feature.numbers, outcome)) >= NEARLY_DETERMINES for outcome in outcomes)


def _rank_correlation(values: NDArray[np.float64], outcome: NDArray[np.float64]) -> float:
    """Spearman's; 0 where too few rows have both or one of them does not vary."""
    known = np.isfinite(values) & np.isfinite(outcome)
    if known.sum() < FEWEST_ROWS:
        return 0.0
    first, second = rankdata(values[known]), rankdata(outcome[known])
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
