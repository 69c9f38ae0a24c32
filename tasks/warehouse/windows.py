"""Cuts rows into slices of bounded size, in the order of workspace and time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

SLICE_ROWS = 25_000

Bounds = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some workspaces, and the time from (inclusive) and to (exclusive) which their rows are meant; None is open."""

    workspace_ids: tuple[str, ...]
    bounds: Bounds


def slices(rows: Mapping[str, int], bounds: Bounds, cuts: Callable[[str], list[datetime]]) -> list[Slice]:
    """Slices of about `SLICE_ROWS` rows: small workspaces share one, large ones are cut in time.

    Args:
        rows: number of rows by workspace.
        bounds: the time that is asked for.
        cuts: instants at which to cut a workspace of more than `SLICE_ROWS` rows.
    """
    parts: list[Slice] = []
    together: list[str] = []
    for workspace_id in sorted(rows):
        if together and sum(rows[name] for name in together) + rows[workspace_id] > SLICE_ROWS:
            parts.append(Slice(tuple(together), bounds))
            together = []
        if rows[workspace_id] > SLICE_ROWS:
            edges = [bounds[0], *cuts(workspace_id), bounds[1]]
            parts += [Slice((workspace_id,), edge) for edge in pairwise(edges)]
        else:
            together.append(workspace_id)
    return [*parts, Slice(tuple(together), bounds)] if together else parts
