"""The memory of the platform: what was learned is kept once, and recalled by words within a workspace's scope.

A recalled learning is no new evidence: it says what is known already, and by what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.errors import InputError, require_between
from tasks.learnings import store
from tasks.learnings.ranking import RecallCandidate, SearchTerm, ranked
from tasks.learnings.records import LearnedFact, RecalledLearning, recalled
from tasks.learnings.search_words import keys_of, scope_key, search_words
from tasks.learnings.sources import learnings_from
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.scope import EvidenceScope, scope_of, workspace_owners

MOST_RECALLED = 100
MOST_WORDS, MOST_TERMS = 96, 24  # of a question: read, and the rarest of them kept
CANDIDATES_A_QUERY = 200
ENOUGH_CANDIDATES = 80
FEW = 200  # learnings that hold a word: so few are all looked at
MOST_LEFT_OUT = 8  # rarest words of which each may be missing
PAIRED = 5  # rarest words of which every two are looked for together
LEAST_BEGINNING = 4  # letters by which an unknown word is looked for
MEANT = 3  # known words that an unknown one may stand for
MOST_ENDING = 5  # letters by which it may end otherwise
SEEN_BEGINNINGS = 200


class LearningService:
    """What the warehouse has learned.

    Args:
        warehouse: another one than the settings' own; opened at first use.
    """

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self._given = warehouse
        self._opened: Warehouse | None = None

    def warehouse(self) -> Warehouse:
        """The warehouse, opened."""
        if self._opened is None:
            self._opened = open_warehouse(self._given)
        return self._opened

    def remember(self, workspace_ids: Sequence[str], run_id: str) -> dict[str, int]:
        """Keep what has been learned of these workspaces since; how many learnings are new or changed, by workspace.

        Run again it changes nothing: a learning is one row however often it is learned.
        """
        facts: dict[str, list[LearnedFact]] = defaultdict(list)
        for fact in learnings_from(store.source_rows(self.warehouse(), workspace_ids)):
            facts[fact.workspace_id or ""].append(fact)
        return {name: self._remember_one(name, facts[name], run_id) for name in workspace_ids}

    def remember_unowned(self, run_id: str) -> int:
        """The same for debates that one organization held over all its workspaces."""
        facts = learnings_from({"debate": store.unowned_debates(self.warehouse())})
        return store.save_learnings(self.warehouse(), None, _rows(facts, run_id)) if facts else 0

    def _remember_one(self, workspace_id: str, facts: Sequence[LearnedFact], run_id: str) -> int:
        rows = _rows(facts, run_id)
        written = store.save_learnings(self.warehouse(), workspace_id, rows) if rows else 0
        seen = [row["learning_id"] for row in rows]
        store.mark_not_seen(self.warehouse(), workspace_id, "pattern", seen, "no analysis that is kept holds it")
        return written

    def recall(self, question: str, workspace_id: str | None = None, limit: int = 5) -> list[RecalledLearning]:
        """What was learned that answers a question best, the best first; none where nothing is about it.

        Args:
            question: any words.
            workspace_id: whose; None where all workspaces there are belong to one organization.
            limit: 1 to 100.

        Raises:
            UnknownNameError: if there is no such workspace.
            InputError: if none is named and there are several organizations.
        """
        require_between("limit", limit, 1, MOST_RECALLED)
        warehouse = self.warehouse()
        with warehouse.connect() as connection:
            scope = scope_of(workspace_owners(warehouse, workspace_id, connection), workspace_id)
            if scope.kind == "shared":
                raise InputError("the workspaces here belong to several organizations: name the one that asks")
            words = list(dict.fromkeys(search_words(question)))[:MOST_WORDS]
            if not words or not scope.workspace_ids:
                return []
            rows = _best_rows(warehouse, connection, scope, words, limit)
        now = datetime.now(UTC)
        return [recalled(row, now) for row in rows]

    def newest(self, workspace_id: str, limit: int = 5) -> list[RecalledLearning]:
        """What a workspace has learned or confirmed last, the newest first.

        Args:
            workspace_id: whose.
            limit: 1 to 100.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        require_between("limit", limit, 1, MOST_RECALLED)
        warehouse = self.warehouse()
        scope_of(workspace_owners(warehouse, workspace_id), workspace_id)
        now = datetime.now(UTC)
        return [recalled(row, now) for row in store.newest_of(warehouse, workspace_id, limit)]


def _best_rows(
    warehouse: Warehouse, connection: Any, scope: EvidenceScope, words: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Learnings of a scope that answer these words best."""
    own = scope_key(scope.workspace_id) if scope.kind == "workspace" else None
    terms, total, unknown = _known_terms(connection, own, words)
    if not terms:
        return []
    best = ranked(terms, _candidates(warehouse, connection, own, terms), total, unknown)[:limit]
    known = store.learnings_of(warehouse, connection, scope, best)
    return [known[name] for name in best if name in known]


def _known_terms(connection: Any, scope: str | None, words: Sequence[str]) -> tuple[list[SearchTerm], int, int]:
    """Words of a question that the scope's learnings hold, the rarest first; how many learnings there are, and how many
    words of the question none of them holds.

    A word that is in none of them stands for those that begin as it does.
    """
    by_word = {word: keys_of(word) for word in words}
    counts = store.counts_of(
        connection, scope, sorted({store.EACH, *(key for keys in by_word.values() for key in keys)})
    )
    terms = []
    for keys in by_word.values():
        own, known = keys[:1], counts
        if not any(key in counts for key in keys):
            known = _meant(connection, scope, own[0])
            own = tuple(known)
        terms.append(SearchTerm(keys[0], own, keys[1:], known))
    there = sorted((term for term in terms if term.keys), key=lambda term: (term.most, term.keys))
    return there[:MOST_TERMS], counts.get(store.EACH, 0), len(terms) - len(there)


def _meant(connection: Any, scope: str | None, key: str) -> dict[str, int]:
    """Known words that begin as an unknown one does, the most alike first."""
    for length in range(len(key) - 1, max(LEAST_BEGINNING, len(key) - MOST_ENDING), -1):
        near = store.keys_beginning(connection, scope, key[:length], SEEN_BEGINNINGS)
        if near:
            chosen = sorted(near, key=lambda one: (abs(len(one) - len(key)), -near[one], one))[:MEANT]
            return {one: near[one] for one in chosen}
    return {}


def _candidates(
    warehouse: Warehouse, connection: Any, scope: str | None, terms: Sequence[SearchTerm]
) -> list[RecallCandidate]:
    """Learnings that hold all words, all but one, two of the rarest, or any: until there are enough of them.

    What holds a rare word is always looked at.
    """
    rarest, most = terms[:PAIRED], terms[:MOST_LEFT_OUT]
    steps = [store.combined(terms, len(terms)), store.combined([term for term in terms if term.most <= FEW], 1)]
    steps += [store.combined(most, len(most) - 1)] if len(terms) > 2 else []
    steps += [store.combined(rarest, 2), store.combined(rarest, 1)]
    keys: dict[str, frozenset[str]] = {}
    store.prefer_index(warehouse, connection)
    for place, alternatives in enumerate(steps):
        if place > 1 and len(keys) >= ENOUGH_CANDIDATES:
            break
        keys |= store.matching(warehouse, connection, scope, alternatives, CANDIDATES_A_QUERY)
    return [RecallCandidate(name, held) for name, held in keys.items()]


def _rows(facts: Sequence[LearnedFact], run_id: str) -> list[dict[str, Any]]:
    """Facts as they are stored, each once; of two with one id the later one."""
    return list({fact.learning_id: fact.as_row(run_id) for fact in facts}.values())
