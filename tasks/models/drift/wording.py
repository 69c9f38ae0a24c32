"""A drift check in a few words, for tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.models.records import INSUFFICIENT_DATA, NO_DRIFT


def drift_in_words(check: Mapping[str, Any]) -> str:
    """Status of a drift check, and what its score is: the share that retraining saves, or how far something moved.

    A score on its own reads as drift, also where nothing drifted and newer rows alone make retraining worthwhile.

    Args:
        check: its `drift_status` and `drift_score` (0–1), and its `performance` where that is known.
    """
    status, score = str(check["drift_status"]), float(check["drift_score"])
    words = status.replace("_", " ")
    if (check.get("performance") or {}).get("retrain") is not None:
        return f"{words}; retraining saves {score:.0%}"
    return words if status in (NO_DRIFT, INSUFFICIENT_DATA) else f"{words}, {score:.2f}"
