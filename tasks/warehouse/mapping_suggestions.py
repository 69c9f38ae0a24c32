"""Which of a file's columns could be which of ours, where no preset fits: by names that presets know, and by values.

A suggestion is for a person to judge; nothing is read by one. Pure but for reading the presets.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import polars as pl

from tasks.content.media import MEDIA_TYPES, normal_media_type
from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import COUNT, INSTANT, NUMBER, Column, Contract
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.presets import presets
from tasks.warehouse.reading.header import key, renamed
from tasks.warehouse.reading.instants import EPOCH, ISO, WORDS, read_formats

ORDERS = (("%d", "%m", "%Y"), ("%m", "%d", "%Y"), ("%Y", "%m", "%d"), ("%d", "%m", "%y"), ("%m", "%d", "%y"))
DAYS = [mark.join(order) for order, mark in product(ORDERS, ".-/")]
HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = (ISO, EPOCH, WORDS, *(day + hour for day, hour in product(DAYS, HOURS)))
NAMES_OF_IDS = ("id", "link", "url", "permalink")
INSTANTS = "its values are instants"
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # `%Y` reads 24 as the year 24
AS_TEXT = (pl.String, pl.Boolean, pl.Date, pl.Datetime, pl.Time, pl.Categorical, pl.Enum)
NOT_IN_YAML = re.compile(r"[^\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
SHORTEST_BODY = 20  # characters on average: below it a column holds labels rather than texts


@dataclass(frozen=True)
class Suggestion:
    """What could stand in a mapping file behind one of our columns.

    Attributes:
        columns: of the file; several are added up.
        formats: of its instants, where they are not ISO 8601; several where the values do not tell which is meant.
        reason: why it could be so.
    """

    columns: tuple[str, ...]
    reason: str
    formats: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """It as the mapping file writes it."""
        names = [in_yaml(name) for name in self.columns]
        if len(names) > 1:
            return f"{{sum: [{', '.join(names)}]}}"
        if not self.formats:
            return names[0]
        return f"{{column: {names[0]}, format: {json.dumps(self.formats[0])}}}"


def in_yaml(value: str | Sequence[str]) -> str:
    """A name, or a list of them, on one line of YAML, whatever characters it has."""
    return fit_for_yaml(json.dumps(value, ensure_ascii=False))


def fit_for_yaml(text: str) -> str:
    """A text without the signs that no YAML may hold, a comment neither."""
    return NOT_IN_YAML.sub(_escaped, text)


def _escaped(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"


def suggestions(rows: pl.DataFrame, contract: Contract) -> dict[str, Suggestion]:
    """Suggest columns of a file for ours.

    Args:
        rows: the first rows of the file, as it writes them, with its columns' names.
        contract: what the rows are.

    Returns:
        Suggestions by the names of our columns; none for what the file has by our name, and none where nothing tells.
    """
    plain = [name for name, dtype in rows.schema.items() if name != ROW and (dtype.is_numeric() or dtype in AS_TEXT)]
    texts = rows.select(pl.col(plain).cast(pl.String, strict=False).str.strip_chars().replace("", None))
    there = [name for name in texts.columns if texts[name].null_count() < len(texts)]
    wanted = [name for name in contract.columns if name not in texts.columns and name != "workspace_id"]
    known = _by_name(there, contract)
    could_be = {
        name: known[name]
        for name in wanted
        if name in known and _could_hold(contract.columns[name], known[name], texts)
    }
    for name in wanted:
        if _is_instant(contract, name) and contract.columns[name].required:
            named = [known[name].columns[0]] if name in known else []
            instant = _instant(texts, [*named, *there])
            could_be |= {} if instant is None else {name: instant}
    if contract.hours_of is not None:  # posts: only they have texts, and ids that addresses hold
        taken = {column for one in could_be.values() for column in one.columns}
        left = texts.select(name for name in there if name not in taken)
        could_be |= {name: one for name, one in _by_values(left) if name in wanted and name not in could_be}
    for name, other in (("title", "body"), ("engagements", "impressions")):
        if name in could_be and other in could_be and could_be[name].columns == could_be[other].columns:
            del could_be[name]
    return {name: could_be[name] for name in wanted if name in could_be}


def _could_hold(column: Column, known: Suggestion, texts: pl.DataFrame) -> bool:
    """Whether the values may be such a column's: of numbers each begins as one does; instants are found by values."""
    if column.dtype == INSTANT:
        return False
    return column.dtype not in (COUNT, NUMBER) or all(
        texts[name].drop_nulls().str.contains(r"^[^\p{L}{\[]*\d").all() for name in known.columns
    )


def _is_instant(contract: Contract, name: str) -> bool:
    return contract.columns[name].dtype == INSTANT


def _by_name(columns: Sequence[str], contract: Contract) -> dict[str, Suggestion]:
    """What the presets, and the contract itself, call our columns; what most of them say where they differ."""
    votes: dict[str, Counter[tuple[str, ...]]] = {}
    first: dict[tuple[str, tuple[str, ...]], str] = {}
    for preset in presets(contract.kind):
        ours = {renamed(name, preset.mapping.aliases): name for name in reversed(columns)}
        for name, sources in _sources(preset.mapping, ours):
            votes.setdefault(name, Counter())[sources] += 1
            first.setdefault((name, sources), f"preset {preset.name} reads it so")
    keys = {key(name): name for name in reversed(columns)}
    for name, others in contract.aliases.items():
        for other in others:
            if key(other) in keys:
                votes.setdefault(name, Counter())[(keys[key(other)],)] += 1
                first.setdefault((name, (keys[key(other)],)), "by its name")
    best = {name: max(each, key=lambda one: (each[one], len(one))) for name, each in votes.items()}
    return {name: Suggestion(sources, first[name, sources]) for name, sources in best.items()}


def _sources(mapping: Mapping, ours: dict[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Our columns that a preset would make of a file's, and of which; parts of addresses are no columns."""
    for name, origin in mapping.columns.items():
        bound = origin.bound(ours)
        if bound is None or bound.extract is not None or bound.concat is not None:
            continue
        names = bound.sum or bound.sources_of_own[:1]
        if names:
            yield name, tuple(ours[one] for one in names)


def _instant(texts: pl.DataFrame, candidates: Sequence[str]) -> Suggestion | None:
    """The first column whose every value is an instant, and how it is written; large numbers where nothing else is."""
    counted: Suggestion | None = None
    firsts = pl.Series([texts[name].drop_nulls()[0] for name in candidates], dtype=pl.String)
    by_format = {written: _moments(firsts, written).is_not_null() for written in FORMATS}
    for place, name in enumerate(candidates):
        values = texts[name].drop_nulls()
        tried = {written: _moments(values, written) for written in FORMATS if by_format[written][place]}
        read = {written: moments for written, moments in tried.items() if moments.null_count() == 0}
        if ISO in read:
            return Suggestion((name,), INSTANTS)
        ways = list(read)
        different = [one for i, one in enumerate(ways) if not any(read[one].equals(read[other]) for other in ways[:i])]
        if different:
            if different[0] == EPOCH:
                counted = counted or (None if _names_an_id(name) else Suggestion((name,), INSTANTS, (EPOCH,)))
                continue
            doubt = f"; or {' or '.join(different[1:])}: its first values do not tell" if different[1:] else ""
            return Suggestion((name,), INSTANTS + doubt, tuple(different))
    return counted


def _names_an_id(name: str) -> bool:
    last = key(name).replace("_", " ").replace("-", " ").split()[-1:]
    return bool(last) and last[0] in NAMES_OF_IDS


def _moments(values: pl.Series, written: str) -> pl.Series:
    instants = read_formats(values, [written])
    moments = instants.zoned.fill_null(instants.naive.dt.replace_time_zone("UTC"))
    return moments.set(moments < EARLIEST, None)


def _by_values(texts: pl.DataFrame) -> Iterator[tuple[str, Suggestion]]:
    """A column that names each row, one of kinds of media alone, and the one with the longest texts."""
    for name in texts.columns:
        if _names_an_id(name) and texts[name].null_count() == 0 and texts[name].is_unique().all():
            yield "content_id", Suggestion((name,), "each row has its own")
            break
    for name in texts.columns:
        values = texts.select(normal_media_type(pl.col(name).drop_nulls().unique())).to_series()
        if len(values) > 1 and values.is_in(list(MEDIA_TYPES)).all():
            yield "media_type", Suggestion((name,), "its values are kinds of media")
            break
    of_words = [name for name in texts.columns if texts[name].drop_nulls().str.contains(r"\S\s+\S").all()]
    lengths = {name: float(texts[name].str.len_chars().drop_nulls().to_numpy().mean()) for name in of_words}
    longest = max(of_words, key=lambda name: lengths[name], default=None)
    if longest is not None and lengths[longest] >= SHORTEST_BODY:
        yield "body", Suggestion((longest,), "its texts are the longest")
