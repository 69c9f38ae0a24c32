"""Features that are part of the outcome, whatever they were declared to be: refused by name, not explained by. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.features import EncodedFeature
from tasks.statistics.outcome_parts import FIX, parts_of_outcome

# What platforms count after publication. Few rows show nothing of a count, but its name does.
_COUNTED = re.compile(
    r"^(total|unique|lifetime|number of|anzahl)?[ _]?(post )?(likes?|reactions?|comments?|replies|shares?|retweets?|"
    r"reposts?|quotes?|saves?|bookmarks?|clicks?|link clicks|url clicks|views?|video views|plays?|reach|impressions?|"
    r"engagements?|interactions?|opens?|unique opens|unique clicks|conversions?|orders?|revenue|follows|new follows|"
    r"unsubscribes?|bounces?|profile visits|watch time( \(hours\))?)([ _](rate|count|total|%|\(%\)))?$",
    re.IGNORECASE,
)


def without_leaks(
    features: Sequence[EncodedFeature], outcomes: Mapping[str, NDArray[np.float64]], week: NDArray[np.int64]
) -> tuple[list[EncodedFeature], dict[str, str]]:
    """The features that may be learned from, and the refused ones with the reason.

    Args:
        features: of n posts; only attributes are judged, all others are known before publication.
        outcomes: by name, (n,) each.
        week: (n,) clusters in time.
    """
    attributes = [feature for feature in features if feature.role == "attribute"]
    counted = {
        feature.name: f"counts what happens after publication, so it {FIX}"
        for feature in attributes
        if feature.kind != "category" and _COUNTED.match(feature.name.strip())
    }
    values = {feature.name: _values(feature) for feature in attributes if feature.name not in counted}
    refused = counted | parts_of_outcome(values, outcomes, week)
    return [feature for feature in features if feature.name not in refused], refused


def _values(feature: EncodedFeature) -> NDArray[np.float64] | NDArray[np.int64]:
    """Numbers as they are; labels as whole numbers, -1 where unknown."""
    if feature.kind != "category":
        return feature.numbers
    return np.where(feature.known, feature.numbers, -1.0).astype(np.int64)
