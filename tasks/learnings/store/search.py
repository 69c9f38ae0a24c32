"""The full-text index of learnings: FTS5 on SQLite, a tsvector on PostgreSQL.

Keys are letters and digits of ASCII, see `search_words`, so that a question holds no syntax of either. Every search is
within a scope, ends at a number of rows, and gives ids alone; what they say is read from `learning`, scoped again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, text

from tasks.learnings.ranking import SearchTerm
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import LearningWord

ID_DIGITS = 15  # of the hexadecimal end of an id: SQLite's number of a row holds so many
AT_A_TIME = 500
EACH = "all"  # counted once for each learning
FTS5_SEARCH = text("SELECT learning_id, words FROM learning_index WHERE learning_index MATCH :query LIMIT :most")
TSVECTOR_SEARCH = text(
    "SELECT learning_id, array_to_string(tsvector_to_array(words), ' ') FROM learning_index "
    "WHERE words @@ CAST(:query AS tsquery) LIMIT :most"
)
# The limit makes reading the whole table look cheap: of 100,000 learnings that took 60 ms where the index takes 4.
BY_INDEX = text("SET LOCAL enable_seqscan = off")
# What was written waits in a list that every search reads to its end, until somebody puts it into the index; only its
# owner may. Of 100,000 learnings just written a search took 40 ms for it.
INTO_INDEX = text(
    "SELECT gin_clean_pending_list(oid) FROM pg_class "
    "WHERE oid = to_regclass('learning_index_words') AND pg_has_role(relowner, 'USAGE')"
)
Group = tuple[str, ...]
Alternative = tuple[Group, ...]


def index_rows(warehouse: Warehouse, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what learnings (`learning_id`, `words`, `scope`) are found by, in place of what was there."""
    if not rows:
        return
    if warehouse.is_sqlite:
        placed = [{"place": _place(row["learning_id"]), "id": row["learning_id"], "words": _text(row)} for row in rows]
        connection.execute(text("DELETE FROM learning_index WHERE rowid = :place"), placed)
        insert = "INSERT INTO learning_index (rowid, words, learning_id) VALUES (:place, :words, :id)"
        connection.execute(text(insert), placed)
        return
    values = [{"id": row["learning_id"], "words": _text(row).split()} for row in rows]
    upsert = (
        "INSERT INTO learning_index (learning_id, words) VALUES (:id, array_to_tsvector(:words)) "
        "ON CONFLICT (learning_id) DO UPDATE SET words = excluded.words"
    )
    connection.execute(text(upsert), values)


def finish_index(warehouse: Warehouse, connection: Connection) -> None:
    """Make what was written as quick to find as what was there."""
    if not warehouse.is_sqlite:
        connection.execute(INTO_INDEX)


def prefer_index(warehouse: Warehouse, connection: Connection) -> None:
    """For the rest of this transaction, have searches go by the index; said once, as each saying is a round trip."""
    if not warehouse.is_sqlite:
        connection.execute(BY_INDEX)


def matching(
    warehouse: Warehouse, connection: Connection, scope: str | None, alternatives: Iterable[Alternative], limit: int
) -> dict[str, frozenset[str]]:
    """The keys of at most `limit` learnings of a scope that meet any alternative, by id: of each of its groups they
    hold a key.

    After `prefer_index`.

    Args:
        scope: its key; None where all there is belongs to the scope.
    """
    either = " {or} ".join(f"({' {and} '.join(map(_group, groups))})" for groups in alternatives)
    if not either:
        return {}
    query = f"{_quoted(scope)} {{and}} ({either})" if scope else either
    signs = {"or": "OR", "and": "AND"} if warehouse.is_sqlite else {"or": "|", "and": "&"}
    query = query.format(**signs)
    search = FTS5_SEARCH if warehouse.is_sqlite else TSVECTOR_SEARCH
    parameters = {"query": query.replace("'", '"') if warehouse.is_sqlite else query, "most": limit}
    return {row[0]: frozenset(row[1].split()) for row in connection.execute(search, parameters)}


def combined(terms: Sequence[SearchTerm], size: int) -> list[Alternative]:
    """All ways to hold `size` of the terms."""
    return [tuple(term.keys for term in chosen) for chosen in combinations(terms, size)]


def counts_of(connection: Connection, scope: str | None, keys: Sequence[str]) -> dict[str, int]:
    """In how many learnings of the scope (None: of all) each key stands; keys that stand in none are left out."""
    if not keys:
        return {}
    statement: Select[Any] = select(LearningWord.word, func.sum(LearningWord.learnings)).group_by(LearningWord.word)
    statement = statement.where(LearningWord.word.in_(keys))
    if scope is not None:
        statement = statement.where(LearningWord.scope == scope)
    return {word: int(count) for word, count in connection.execute(statement) if count > 0}


def keys_beginning(connection: Connection, scope: str | None, beginning: str, limit: int) -> dict[str, int]:
    """Keys that begin so, with how many learnings hold them, at most `limit`."""
    after = beginning[:-1] + chr(ord(beginning[-1]) + 1)
    statement: Select[Any] = select(LearningWord.word, LearningWord.learnings).where(
        LearningWord.word >= beginning, LearningWord.word < after, LearningWord.learnings > 0
    )
    if scope is not None:
        statement = statement.where(LearningWord.scope == scope)
    counts: Counter[str] = Counter()
    for word, count in connection.execute(statement.limit(limit)):
        counts[word] += int(count)
    return dict(counts)


def change_counts(
    warehouse: Warehouse, connection: Connection, scope: str, old: Iterable[str], new: Iterable[str]
) -> None:
    """Count the words of learnings that were written, and no longer those they had before; each text's words once."""
    change = Counter(key for words in new for key in {EACH, *words.split()})
    change.subtract(Counter(key for words in old for key in {EACH, *words.split()}))
    changed = sorted(key for key, difference in change.items() if difference)
    table = LearningWord
    for start in range(0, len(changed), AT_A_TIME):
        keys = changed[start : start + AT_A_TIME]
        mine = select(table.word, table.learnings).where(table.scope == scope, table.word.in_(keys))
        known = {row[0]: row[1] for row in connection.execute(mine)}
        rows = [{"word": key, "scope": scope, "learnings": known.get(key, 0) + change[key]} for key in keys]
        warehouse.upsert(connection, table, [row for row in rows if row["learnings"] > 0])
        gone = [row["word"] for row in rows if row["learnings"] <= 0]
        connection.execute(delete(table).where(table.scope == scope, table.word.in_(gone)))


def _text(row: Mapping[str, Any]) -> str:
    return f"{row['scope']} {row['words']}".strip()


def _group(keys: Group) -> str:
    return f"({' {or} '.join(map(_quoted, keys))})"


def _quoted(key: str) -> str:
    """A key as both databases quote it; it is letters and digits."""
    assert key.isascii(), "keys are made by search_words"
    assert key.isalnum(), "keys are made by search_words"
    return f"'{key}'"


def _place(learning_id: str) -> int:
    return int(learning_id[-ID_DIGITS:], 16)
