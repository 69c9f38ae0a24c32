"""The SQL of learnings: what they come from, how they are kept, and how they are found again."""

from tasks.learnings.store.learnings import (
    learnings_of,
    mark_not_seen,
    newest_of,
    note_told,
    save_learnings,
    untold_learnings,
)
from tasks.learnings.store.search import EACH, combined, counts_of, keys_beginning, matching, prefer_index
from tasks.learnings.store.sources import source_rows, unowned_debates

__all__ = [
    "EACH",
    "combined",
    "counts_of",
    "keys_beginning",
    "learnings_of",
    "mark_not_seen",
    "matching",
    "newest_of",
    "note_told",
    "prefer_index",
    "save_learnings",
    "source_rows",
    "unowned_debates",
    "untold_learnings",
]
