"""What was learned is found in other words than it was written in, within its scope alone, quickly, by any question.

The 200 questions of `tests/cases/recall.json` were written beside its 67 learnings, which stand among 1,000 experiments
about other things in words of the same trade. Weights and synonyms were chosen on the questions at even places; the
claim is about those at odd places, which nothing was chosen on.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, text

from tasks.errors import InputError, UnknownNameError
from tasks.learnings import LearningService, RecalledLearning
from tasks.learnings.records import LearnedFact, LearningBasis, LearningKind
from tasks.learnings.search_words import keys_of, search_words
from tasks.learnings.store import save_learnings
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.learning_history import NOW, other_experiments, write_history

CASES: dict[str, Any] = json.loads((Path(__file__).parents[2] / "cases" / "recall.json").read_text())
QUESTIONS = [(one["asks"], one["about"]) for one in CASES["questions"]]
# About nothing here, and nothing was chosen on them.
UNRELATED = [
    *[
        "How do I remove candle wax from a table?",
        "Which river flows through Vienna?",
        "Is the pharmacy open on Sunday?",
    ],
    *["What is the speed of light?", "How do I knit a scarf?", "Who painted the ceiling of the Sistine Chapel?"],
    *["Which vaccine does a puppy need first?", "How long do I boil an egg?", "What rhymes with orange?"],
    *["How do I get to the museum from the station?", "When does the school year start in Norway?"],
    *["Which screws hold in plaster?", "How is cheese made?", "What did Napoleon die of?", "Can I freeze fresh basil?"],
    *["How do I tune a guitar?", "What is a group of crows called?", "Why do cats purr?", "How deep is the ocean?"],
    *["Which side of the road do they drive on in Malta?", "How do I descale a kettle?", "Who invented the zipper?"],
]
# Learnings and questions of other trades, written before any of them was asked. Words of such trades were then put into
# groups by somebody who had read them all, and had looked at what was missed about every other learning of the second
# file: no figure about them is one of questions that nobody knew.
ELSEWHERE, TRADES = (
    json.loads((Path(__file__).parents[2] / "cases" / f"recall_{name}.json").read_text())
    for name in ("elsewhere", "trades")
)
FACTS = {fact["key"]: fact for fact in CASES["history"]}


def answers(service: LearningService, question: str, key: str) -> bool:
    return any(is_about(FACTS[key], one) for one in service.recall(question, "acme", 5))


def is_about(fact: dict[str, Any], learning: RecalledLearning) -> bool:
    if fact["kind"] == "pattern":
        return learning.kind == "pattern" and learning.effect == pytest.approx(fact["lift"] / 100)
    name = {"experiment": "name", "debate": "problem", "model_change": "reason"}[fact["kind"]]
    return fact[name] in learning.statement


def remembering(warehouse: Warehouse, others: int) -> LearningService:
    write_history(warehouse, "acme", CASES["history"] + other_experiments(others, 1))
    service = LearningService(warehouse)
    assert service.remember(["acme"], "night-1") == {"acme": len(FACTS) + others}
    return service


def test_the_cases_are_two_hundred_questions_about_different_learnings() -> None:
    assert len(QUESTIONS) == len(set(QUESTIONS)) == 200
    lifts = [fact["lift"] for fact in FACTS.values() if fact["kind"] == "pattern"]
    assert len(lifts) == len(set(lifts)), "a pattern is told by its lift"


def test_questions_in_other_words_find_the_learning(sqlite_warehouse: Warehouse) -> None:
    service = remembering(sqlite_warehouse, 1000)
    hits = [answers(service, question, key) for question, key in QUESTIONS]
    tuned, reported = np.mean(hits[0::2]), np.mean(hits[1::2])
    error = np.sqrt(reported * (1 - reported) / 100)
    print(f"BAR recall@5 {reported:.2f} ± {error:.2f} of 100 questions nothing was chosen on (bar .90); the other 100: "
          f"{tuned:.2f}; together {np.mean(hits):.3f}")  # fmt: skip
    assert reported >= 0.90
    assert np.mean(hits) >= 0.90
    answered = np.mean([bool(service.recall(question, "acme", 5)) for question in UNRELATED])
    print(f"BAR of {len(UNRELATED)} questions about other things {answered:.2f} are answered with something (bar .40)")
    assert answered <= 0.40


@pytest.mark.parametrize(
    ("cases", "least", "most"),
    [(ELSEWHERE, (0.55, 0.50), 0.50), (TRADES, (0.65, 0.45), 0.50)],
    ids=["elsewhere", "trades"],
)
def test_questions_of_other_trades(
    sqlite_warehouse: Warehouse, cases: dict[str, Any], least: tuple[float, float], most: float
) -> None:
    facts = {fact["key"]: fact for fact in cases["history"]}
    write_history(sqlite_warehouse, "acme", CASES["history"] + cases["history"] + other_experiments(1000, 1))
    service = LearningService(sqlite_warehouse)
    service.remember(["acme"], "night-1")
    hits: tuple[list[bool], list[bool]] = ([], [])
    for one in cases["questions"]:
        recalled = service.recall(one["asks"], "acme", 5)
        place = list(facts).index(one["about"]) % 2
        hits[place].append(any(is_about(facts[one["about"]], learning) for learning in recalled))
    shares = tuple(float(np.mean(half)) for half in hits)
    others = float(np.mean([bool(service.recall(question, "acme", 5)) for question in cases["unrelated"]]))
    print(f"BAR recall@5 of questions of other trades {shares[0]:.2f} of {len(hits[0])}, {shares[1]:.2f} of "
          f"{len(hits[1])}; of {len(cases['unrelated'])} about nothing learned {others:.2f} are answered")  # fmt: skip
    assert shares[0] >= least[0], "worse than measured by more than chance"
    assert shares[1] >= least[1], "worse than measured by more than chance"
    assert others <= most, "answers more that is about nothing learned"


def test_words_of_three_letters_have_their_meanings_too() -> None:
    for short, long in (("kid", "children"), ("sms", "text"), ("ad", "advertisement"), ("pet", "animals")):
        meanings = [{key for key in keys_of(search_words(word)[0]) if key.startswith("c")} for word in (short, long)]
        assert meanings[0] & meanings[1], short


def test_both_databases_find_the_same(warehouse: Warehouse, sqlite_warehouse: Warehouse) -> None:
    one = remembering(warehouse, 100)
    other = one if warehouse is sqlite_warehouse else remembering(sqlite_warehouse, 100)
    for question, _ in QUESTIONS[::20]:
        same = [[found.learning_id for found in service.recall(question, "acme")] for service in (one, other)]
        assert same[0] == same[1], question
    assert sum(answers(one, question, key) for question, key in QUESTIONS[::20]) >= 8


@pytest.mark.postgres
def test_postgresql_never_reads_the_whole_index(postgres_warehouse: Warehouse) -> None:
    """It would: a limit makes that look cheap, and took .06 s for a search of 100,000."""
    service = remembering(postgres_warehouse, 3000)
    with postgres_warehouse.begin() as connection:
        connection.execute(text("ANALYZE learning_index"))
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "@@" in statement:
            with connection.connection.cursor() as beside:
                beside.execute(f"EXPLAIN {statement}", parameters)
                plans.append("\n".join(row[0] for row in beside.fetchall()))

    event.listen(postgres_warehouse.engine, "after_cursor_execute", explain)
    for question, _ in QUESTIONS[::20]:
        service.recall(question, "acme")
    assert len(plans) >= 10
    assert [plan for plan in plans if "Seq Scan" in plan] == []


HOSTILE = [
    '" OR 1=1 --',
    "emoji* NEAR(video, 2) AND NOT (post)",
    'words:emoji ^emoji {words}: "emoji',
    "'; DROP TABLE learning; --",
    "& | ! <-> :* 'emoji'::tsquery",
    "emoji\x00video",
    "\ud800 emoji",
    "(((((((((((((((",
    "?!.,;:-_#@",
    "😀👍🏽🇩🇪",
    "عطلة نهاية الأسبوع",
    "写真を朝に投稿すると効果がありますか",
    "emoji " * 20_000,
    "".join(f"word{number} " for number in range(5_000)),
    "a" * 1_000_000,
    "%s %(x)s {0} {or} {and} :most",
]


def test_no_question_is_an_error(warehouse: Warehouse) -> None:
    write_history(warehouse, "acme", CASES["history"][:20])
    service = LearningService(warehouse)
    service.remember(["acme"], "night")
    for question in HOSTILE:
        began = time.process_time()
        assert len(service.recall(question, "acme", 5)) <= 5
        assert time.process_time() - began < 2.0, question[:40]
    assert service.recall("smileys", "acme"), "everything is still there"


def test_scripts_without_blanks_are_found(warehouse: Warehouse) -> None:
    fact = {"kind": "debate", "problem": "朝に写真を投稿するべきか", "options": ["はい", "いいえ"], "chosen": 0}
    write_history(warehouse, "acme", [fact, *CASES["history"]])
    service = LearningService(warehouse)
    service.remember(["acme"], "night")
    assert "朝に写真" in service.recall("写真の投稿", "acme")[0].statement


def test_a_misspelled_word_still_finds(sqlite_warehouse: Warehouse) -> None:
    service = remembering(sqlite_warehouse, 0)
    assert "TikTok" in service.recall("tiktoks", "acme")[0].statement
    assert "sourdough" in service.recall("sourdoug", "acme")[0].statement


def test_what_is_about_nothing_learned_finds_nothing(warehouse: Warehouse) -> None:
    write_history(warehouse, "acme", CASES["history"])
    service = LearningService(warehouse)
    service.remember(["acme"], "night")
    assert service.recall("quarterly helicopter insurance", "acme") == []


def test_whoever_names_no_workspace_sees_no_other_organization(warehouse: Warehouse) -> None:
    write_history(warehouse, "acme", CASES["history"][:5])
    service = LearningService(warehouse)
    service.remember(["acme"], "night")
    assert service.recall("emoji"), "one workspace needs no name"
    store(warehouse, Workspace, [workspace_row(workspace_id="other")])
    with pytest.raises(InputError, match="several organizations: name the one that asks"):
        service.recall("emoji")
    with pytest.raises(UnknownNameError, match="unknown workspace 'nobody'"):
        service.recall("emoji", "nobody")
    assert service.recall("emoji", "other") == []


def test_one_organization_recalls_over_its_workspaces(warehouse: Warehouse) -> None:
    write_history(warehouse, "one", CASES["history"][:5], organisation_id="agency")
    write_history(warehouse, "two", CASES["history"][5:10], organisation_id="agency")
    service = LearningService(warehouse)
    service.remember(["one", "two"], "night")
    assert {service.recall(words)[0].workspace_id for words in ("smileys", "slideshow", "early breakfast")} == {
        "one", "two"
    }  # fmt: skip


@pytest.mark.parametrize("tries", [60, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_row_is_out_of_scope(sqlite_warehouse: Warehouse, tries: int) -> None:
    names = [f"w{i}" for i in range(8)]
    for place, name in enumerate(names):
        write_history(sqlite_warehouse, name, CASES["history"][place::3], organisation_id=f"o{place // 2}")
    service = LearningService(sqlite_warehouse)
    service.remember(names, "night")
    words = sorted({word for question, _ in QUESTIONS for word in question.split()})
    rng = np.random.default_rng(11)
    seen, out_of_scope = 0, 0
    for _ in range(tries):
        asked = [str(word) for word in rng.choice(words, rng.integers(1, 8))]
        asked += [str(rng.choice(names))] if rng.random() < 0.2 else []
        name = str(rng.choice(names))
        rows = service.recall(" ".join(asked), name, 20)
        seen += len(rows)
        out_of_scope += sum(row.workspace_id != name for row in rows)
    print(f"BAR {out_of_scope} rows out of scope in {tries:,} tries, of {seen:,} rows (bar 0)")
    assert seen > tries
    assert out_of_scope == 0


def many(count: int, workspace_id: str) -> list[dict[str, Any]]:
    """Experiments about anything, as they are stored."""
    facts = other_experiments(count, 5)
    return [
        LearnedFact(
            workspace_id=workspace_id,
            kind=LearningKind.EXPERIMENT,
            subject=fact["name"],
            source_id=fact["name"],
            statement=f"Experiment '{fact['name']}' on {fact['metric']} was won by '{fact['arms']['new']}'",
            basis=LearningBasis.RANDOMIZED,
            learned_at=NOW - timedelta(days=number % 700),
            confirmed_at=NOW - timedelta(days=number % 700),
        ).as_row("bench")
        for number, fact in enumerate(facts)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100_000])
def test_recall_is_quick_over_many_learnings(warehouse: Warehouse, rows: int) -> None:
    write_history(warehouse, "acme", CASES["history"])
    save_learnings(warehouse, "acme", many(rows, "acme"))
    service = LearningService(warehouse)
    service.remember(["acme"], "night")
    cpu, wall = [], []
    for question, _ in QUESTIONS:
        began, began_at = time.process_time(), time.perf_counter()
        service.recall(question, "acme")
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - began_at)
    p95, p95_wall = np.quantile(cpu, 0.95) * 1e3, np.quantile(wall, 0.95) * 1e3
    hits = np.mean([answers(service, question, key) for question, key in QUESTIONS])
    kind = "SQLite" if warehouse.is_sqlite else "PostgreSQL"
    print(f"BAR {kind}, {rows:,} learnings: p50 {np.median(cpu) * 1e3:.1f} ms, p95 {p95:.1f} ms of the processor here, "
          f"{p95_wall:.1f} ms on the clock (bar 30); recall@5 among them {hits:.2f}")  # fmt: skip
    assert p95 <= 30.0
