"""Which half of the calendar searches and which confirms, decided once and for ever.

Fortnights go in pairs of neighbours, and a keyed hash says which of the two searches. So the halves have the same
seasons, no fortnight ever changes sides as nights go by, and a discovery can never be 'confirmed' by rows that made it.

What the key buys: different workspaces get different calendars, so that one loud fortnight (an election, a sale) is not
evidence for everybody at once. It is derived from the workspace's id rather than kept as a secret of the installation:
nobody gains by guessing it, while a lost secret would swap halves, break every history, and make a re-run of last
night's work give other tables.
"""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.statistics.group_codes import groups

Codes = NDArray[np.int64]

SPLIT_KEY = b"raptorflow.patterns.split.1"  # another key is another calendar: change it only with the algorithm
DAY_MICROSECONDS = 86_400_000_000
MONDAY_OFFSET_DAYS = 3  # 1970-01-01 was a Thursday
WEEKS_PER_PERIOD = 8


def week_numbers(published_at: pl.Series) -> Codes:
    """Weeks (n,) since the one that held 1970-01-01, beginning on Mondays, UTC."""
    days = published_at.cast(pl.Datetime("us", "UTC")).to_physical().to_numpy() // DAY_MICROSECONDS
    weeks: Codes = (days + MONDAY_OFFSET_DAYS) // 7
    return weeks


def periods(week: Codes) -> Codes:
    """Eight-week blocks (n,): two pairs of fortnights, so that each half holds four weeks of every full block."""
    return week // WEEKS_PER_PERIOD


def is_discovery(week: Codes, workspace_id: str) -> NDArray[np.bool_]:
    """Whether each row (n,) belongs to the half that searches."""
    fortnight = week // 2
    pairs = groups(fortnight // 2)
    first_searches = np.array([_bit(workspace_id, int(pair)) for pair in pairs.numbers], dtype=bool)
    found: NDArray[np.bool_] = (fortnight % 2 == 0) == first_searches[pairs.codes]
    return found


def _bit(workspace_id: str, pair: int) -> bool:
    return bool(hmac.digest(SPLIT_KEY, f"{workspace_id}:{pair}".encode(), hashlib.sha256)[0] & 1)
