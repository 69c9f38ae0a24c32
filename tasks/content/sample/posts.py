"""When a simulated workspace posts, where, and of what its posts are made."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from tasks.content.sample.agency import SimulatedWorkspace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS = 7 * 78
DRIFT_DAYS = 84

CONTENT_TYPES = ("social", "blog", "email", "ad")
TYPE_SHARES = (0.76, 0.06, 0.1, 0.08)
CHANNELS = {
    "social": ("instagram", "facebook", "linkedin"),
    "blog": ("website",),
    "email": ("newsletter",),
    "ad": ("search_ads", "social_ads"),
}
MEDIA = ("photo", "video", "link", "text", "carousel")

# Share of posts with each piece, and how far that share drifts with the season: the last three never have an effect.
PIECES = {
    **{"emoji": (0.35, 0.0), "question": (0.35, 0.0), "call": (0.35, 0.0), "number": (0.35, 0.0), "long": (0.4, 0.0)},
    **{"hashtag": (0.4, 1.2), "exclamation": (0.3, -1.2), "link": (0.3, 1.2)},
}
HOUR_WEIGHTS = np.repeat((1.0, 3.0, 2.0, 2.5, 2.0), (2, 3, 5, 4, 2))  # 6 to 22 o'clock


def posts(workspace: SimulatedWorkspace, until: date, random: Generator) -> pl.DataFrame:
    """One row a post: when, where, and which pieces it holds (booleans named as in `PIECES`)."""
    n = workspace.posts
    day = np.sort(_days(n, until, random))
    season = day / DAYS
    kind = random.choice(len(CONTENT_TYPES), n, p=TYPE_SHARES)
    channel = _channels(kind, season, random)
    every = sorted({name for names in CHANNELS.values() for name in names})
    place = np.searchsorted(every, channel)
    drifted = (day >= DAYS - DRIFT_DAYS) & (workspace.drift == "covariates")
    pieces = _pieces(place, len(every), season, drifted, random)
    columns: dict[str, Any] = {
        "workspace_id": np.repeat(workspace.workspace_id, n),
        "content_type": np.array(CONTENT_TYPES)[kind],
        "channel": channel,
        "media_type": _media(place, len(every), random),
        **pieces,
    }
    local = _local_times(day, until, random)
    published = pl.Series("published_at", local).dt.cast_time_unit("us").dt.replace_time_zone(workspace.timezone)
    return pl.DataFrame(columns).with_columns(published.dt.convert_time_zone("UTC"), pl.Series("season", season))


def _days(n: int, until: date, random: Generator) -> Ints:
    """Days since the start: more towards the end, fewer at weekends."""
    day = np.arange(DAYS)
    is_weekend = (day + first_day(until).weekday()) % 7 >= 5
    weight = (0.8 + 0.4 * day / DAYS) * np.where(is_weekend, 0.8, 1.0)
    return random.choice(DAYS, n, p=weight / weight.sum())


def _local_times(day: Ints, until: date, random: Generator) -> NDArray[np.datetime64]:
    hour = random.choice(np.arange(6, 22), len(day), p=HOUR_WEIGHTS / HOUR_WEIGHTS.sum())
    second = hour * 3600 + random.integers(0, 3600, len(day))
    start = np.datetime64(first_day(until), "us")
    return np.asarray(start + day.astype("timedelta64[D]") + second.astype("timedelta64[s]"))


def first_day(until: date) -> date:
    """Of the sample that ends on a day."""
    return until - timedelta(days=DAYS - 1)


def flip(until: date) -> datetime:
    """When the drifting workspaces change, UTC."""
    start = first_day(until) + timedelta(days=DAYS - DRIFT_DAYS)
    return datetime(start.year, start.month, start.day, tzinfo=UTC)


def _channels(kind: Ints, season: Floats, random: Generator) -> NDArray[np.str_]:
    """The mix moves from one to another over the whole time, so that channel and season hang together."""
    channel = np.empty(len(kind), dtype="<U16")
    for i, content_type in enumerate(CONTENT_TYPES):
        names, rows = CHANNELS[content_type], np.flatnonzero(kind == i)
        first, last = random.dirichlet(np.full(len(names), 4.0), 2)
        mix = np.cumsum(np.outer(1 - season[rows], first) + np.outer(season[rows], last), axis=1)
        channel[rows] = np.array(names)[(random.random((len(rows), 1)) > mix[:, :-1]).sum(axis=1)]
    return channel


def _pieces(place: Ints, places: int, season: Floats, drifted: NDArray[np.bool_], random: Generator) -> dict[str, Any]:
    """Each channel has its habits, some habits come with the season, and pieces come together a little."""
    effort = random.normal(0, 1, len(place))
    pieces = {}
    for name, (share, slope) in PIECES.items():
        logit = np.log(share / (1 - share)) + random.normal(0, 0.8, places)[place] + slope * (season - 0.5)
        logit += 0.3 * effort + np.where(drifted & (name in ("emoji", "long")), 2.0, 0.0)
        pieces[name] = random.random(len(place)) < 1 / (1 + np.exp(-logit))
    return pieces


def _media(place: Ints, places: int, random: Generator) -> NDArray[np.str_]:
    mix = np.cumsum(random.dirichlet((4.0, 3.5, 2.0, 1.5, 1.5), places), axis=1)[place]
    chosen: NDArray[np.str_] = np.array(MEDIA)[(random.random((len(place), 1)) > mix[:, :-1]).sum(axis=1)]
    return chosen
