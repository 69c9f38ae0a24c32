"""The pages of an archive beside its table: the words of a post that its table only names."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl

from tasks.warehouse import batches
from tasks.warehouse.batches import Batch
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.reading.containers import Container

PAGE_TEXT = "text of the page"
BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "br",
        "div",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "tr",
        "ul",
    ]
)
SILENT = frozenset(("script", "style", "head", "template", "button", "form"))


class Pages(AbstractContextManager["Pages"]):
    """Pages (`posts/123.title.html`) by what stands before `.html`. A context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._archive = zipfile.ZipFile(path)
        self._by_stem = {Path(name).stem: name for name in self._archive.namelist() if name.lower().endswith(".html")}

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def __len__(self) -> int:
        return len(self._by_stem)

    def text(self, stem: str | None) -> str | None:
        """The words of a page; None where there is none of that name.

        Raises:
            BadFileError: if it is longer than any post.
        """
        name = self._by_stem.get(stem) if stem is not None else None
        if name is None:
            return None
        with self._archive.open(name) as stream:
            content = stream.read(batches.LONGEST_ROW_BYTES + 1)
        if len(content) > batches.LONGEST_ROW_BYTES:
            raise BadFileError(self._path, f"the page '{name}' is longer than {batches.LONGEST_ROW_BYTES >> 20} MiB")
        return text_of(content.decode("utf-8", "replace"))


def has_pages(table: Container) -> bool:
    """Whether pages lie beside a table."""
    if table.packing != "zip":
        return False
    with Pages(table.path) as pages:
        return len(pages) > 0


def with_pages(rows: Iterator[Batch], table: Container, column: str) -> Iterator[Batch]:
    """The same batches with `PAGE_TEXT`, the words of the page that a column names."""
    with Pages(table.path) as pages:
        for batch in rows:
            texts = [pages.text(stem) for stem in batch.rows[column].cast(pl.String).to_list()]
            yield replace(batch, rows=batch.rows.with_columns(pl.Series(PAGE_TEXT, texts, dtype=pl.String)))


def text_of(page: str) -> str:
    """The words of a page, a paragraph a line."""
    reader = _Words()
    reader.feed(page)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


class _Words(HTMLParser):
    """Collects what a reader of a page reads."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the parser's
        self._silent += tag in SILENT
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT and self._silent > 0
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data.replace("\n", " "))
