"""Posts that stand in the warehouse, for reports that name pages and not when they were published.

A page is the post whose id or web address has its path; the report's figures are then that post's, and all else of the
post stays as it is. Pages that are no posts (a shop, the start page) are left out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl
from sqlalchemy import select

from tasks.warehouse.batches import Batch
from tasks.warehouse.database import Warehouse
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.origins import Origin
from tasks.warehouse.schema import Content
from tasks.warehouse.sources import Source

TAKEN = ("content_id", "channel", "published_at")
IS_ADDRESS = re.compile(r"url|link|address", re.IGNORECASE)
NUMBERED = re.compile(r"^\d+\.(.+)$")  # Substack's ids: a number, then the last part of the address /p/…
# What is written of such a post: its key, what may not be missing and stays the same, and after these the figures.
KEPT = (
    "workspace_id",
    "content_id",
    "content_type",
    "channel",
    "published_at",
    "local_weekday",
    "is_weekend",
    "run_id",
)
FIGURES = ("impressions", "engagements", "clicks", "conversions", "audience_size", "measured_at")


class StandingPosts:
    """The posts of one kind of one workspace, by the paths of their addresses.

    Attributes:
        unmatched: pages of the report that are none of them, as far as it was read.
    """

    def __init__(self, store: Warehouse, workspace_id: str, content_type: str) -> None:
        columns = (*(Content.__table__.c[name] for name in TAKEN), Content.local_hour, Content.attributes)
        of = (Content.workspace_id == workspace_id, Content.content_type == content_type)
        rows = [(path, row) for row in store.rows(select(*columns).where(*of)) for path in _paths(row)]
        claimed = Counter(path for path, _ in rows)
        own = [(path, row) for path, row in rows if claimed[path] == 1]
        self._posts = pl.DataFrame(
            {"path": [path for path, _ in own]}
            | {_joined(name): [_written(row, name) for _, row in own] for name in TAKEN},
            schema=dict.fromkeys(("path", *map(_joined, TAKEN)), pl.String),
        )
        self.unmatched = 0

    def __len__(self) -> int:
        return self._posts.height

    def joined(self, source: Source, mapping: Mapping) -> tuple[Source, Mapping]:
        """The source with the posts its pages are, without other pages, and the mapping that takes them."""
        page = mapping.columns["content_id"]
        taken = {name: Origin(column=_joined(name)) for name in TAKEN}
        taken["published_at"] = Origin(column=_joined("published_at"), format=["iso"], timezone="UTC")
        # An address may come in several ways (with a slash at its end, with a query): one post.
        added = mapping.model_copy(update={"columns": mapping.columns | taken, "grain": "day"})
        columns = [*source.columns, *map(_joined, TAKEN)]
        return replace(source, batches=self._of_posts(source.batches, page), columns=columns), added

    def _of_posts(self, batches: Iterator[Batch], page: Origin) -> Iterator[Batch]:
        for batch in batches:
            pages = batch.rows.select(page.expression().cast(pl.String).alias("page"))["page"]
            paths = pl.Series("path", [None if one is None else path_of(one) for one in pages], dtype=pl.String)
            posts = paths.to_frame().join(self._posts, on="path", how="left", maintain_order="left").drop("path")
            rows = batch.rows.hstack(posts)
            is_post = rows[_joined("content_id")].is_not_null()
            self.unmatched += int((~is_post).sum())
            yield replace(batch, rows=rows.filter(is_post))


def figures_of(mapping: Mapping) -> list[str]:
    """The columns of the table that a report with such a mapping may write."""
    return [*KEPT, *(name for name in FIGURES if name in mapping.columns)]


def path_of(address: str) -> str | None:
    """The path of a web address, without what follows it; None for a start page."""
    path = unquote(urlsplit(address.strip()).path).rstrip("/")
    return path or None


def _paths(row: dict[str, Any]) -> Iterator[str]:
    """The paths that a post's id and web addresses have."""
    key, attributes = str(row["content_id"]), row["attributes"] or {}
    attributes = json.loads(attributes) if isinstance(attributes, str) else attributes
    addresses = {key} | {str(value) for name, value in attributes.items() if IS_ADDRESS.search(name)}
    numbered = NUMBERED.match(key)
    if numbered:
        addresses.add(f"/p/{numbered[1]}")
    paths = (path_of(one) for one in addresses if one.startswith(("/", "http://", "https://")))
    yield from {path for path in paths if path is not None}


def _written(row: dict[str, Any], name: str) -> str:
    """A value as a file would write it: an instant, or a day where the hour is not known."""
    if name != "published_at":
        return str(row[name])
    return f"{row[name]:%Y-%m-%d}" if row["local_hour"] is None else f"{row[name]:%Y-%m-%dT%H:%M:%S.%fZ}"


def _joined(name: str) -> str:
    return f"{name} (of the post)"
