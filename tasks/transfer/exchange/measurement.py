"""What each installation's releases bring one workspace, as rows to keep; and what it therefore leaves alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from tasks.transfer.exchange.held_out import HeldOutPosts, MeasuredGain
from tasks.transfer.exchange.pooling import PoolGates
from tasks.transfer.exchange.reading import KnownReleases, without
from tasks.transfer.exchange.store import TOGETHER


def measure(
    content: pl.DataFrame, as_of: datetime, place: tuple[str, str], known: KnownReleases
) -> list[dict[str, Any]]:
    """Rows of the table of benefits, without the workspace: one an installation, and one for all that are left.

    An installation's is what is lost without it. It is refused where it does harm beyond chance. The others together
    are refused where what was measured and what was foretold expect a loss of them.

    Args:
        content: rows of the content table of one workspace, in time order.
        as_of: posts younger than a week by then are left out.
        place: its industry and size.
        known: the releases.
    """
    gates, names = PoolGates(), [one.fingerprint for one in known.imported]
    posts = HeldOutPosts.of(content, as_of, place)
    if isinstance(posts, int):
        return [_row(name, None, -posts, False) for name in [*names, TOGETHER]]
    number, every = len(posts.above), known.installations
    rows = []
    for name in names:
        gain = posts.gain(every, without(every, {name}), gates)
        rows.append(_row(name, gain, number, gain.shows_harm))
    left = without(every, {row["fingerprint"] for row in rows if row["refused"]})
    together = posts.gain(left, [], gates)
    harms = together.expects_loss(posts.foretold(left, gates) if left else None)
    return [*(row | {"refused": row["refused"] or harms} for row in rows), _row(TOGETHER, together, number, harms)]


def _row(fingerprint: str, gain: MeasuredGain | None, held_out_posts: int, refused: bool) -> dict[str, Any]:
    numbers = (
        {"gain": gain.gain, "standard_error": gain.standard_error} if gain else {"gain": None, "standard_error": None}
    )
    return {"fingerprint": fingerprint, **numbers, "held_out_posts": held_out_posts, "refused": refused}
