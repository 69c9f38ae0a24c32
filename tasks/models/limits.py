"""Does a version answer, and soon enough? Limits on what its latest batches show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from tasks.models.records import Batch
from tasks.models.specs import Serving

LATEST_BATCHES = 200
LEAST_FAILURES = 3  # one broken request is not a broken model
LEAST_BATCHES = 20  # for a 95th percentile
ROWS = 1_000  # a batch may take its seconds for every thousand rows, or part of it


def breach(batches: Sequence[Batch], limits: Serving) -> str | None:
    """Why these batches of one version break a limit; None where they do not."""
    failures = [batch for batch in batches if batch.error is not None]
    if len(failures) >= LEAST_FAILURES and len(failures) > limits.maximum_error_share * len(batches):
        return f"{len(failures)} of its latest {len(batches)} batches failed, the last with: {failures[0].error}"
    answered = [batch.seconds / ceil(max(batch.n_rows, 1) / ROWS) for batch in batches if batch.error is None]
    if len(answered) < LEAST_BATCHES:
        return None
    slow = float(np.quantile(answered, 0.95))
    if slow <= limits.maximum_seconds:
        return None
    allowed = f"{limits.maximum_seconds:.2g} s allowed"
    return f"one batch in twenty takes longer than {slow:.2g} s per {ROWS:,} rows, {allowed}"
