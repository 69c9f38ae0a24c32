"""Topics without labels: found again from night to night under their names, splits and merges said."""

from __future__ import annotations

import numpy as np
import polars as pl

from tasks.conditions import TITLE_AND_BODY, Condition
from tasks.content.topics import Topic, topics_in, with_names
from tasks.content.words import COMMA, Terms, terms_in, tokens
from tests.generators.wordy_workspaces import SUBJECTS, WORDS_OF_SUBJECT, simulate_texts


def terms_of(frame: pl.DataFrame) -> Terms:
    return terms_in(frame.select(tokens(pl.col("title"), pl.col("body"))).to_series(), 5)


def test_every_subject_of_a_workspace_is_a_topic_of_its_own_words() -> None:
    frame, subject, telling = simulate_texts(4, n=1500)
    topics = topics_in(terms_of(frame))
    of_subject = [set(telling[k * WORDS_OF_SUBJECT : (k + 1) * WORDS_OF_SUBJECT]) for k in range(SUBJECTS)]
    told = 0
    for k, own in enumerate(of_subject):
        best = max(topics, key=lambda topic: len(own & {*topic.words}))
        condition = Condition(TITLE_AND_BODY, "is_about", COMMA.join(best.words))
        about = frame.select(condition.expression).to_series().to_numpy()
        assert about.sum() == best.texts
        told += (about & (subject == k)).sum() / (about | (subject == k)).sum() >= 0.6
        assert all(subject[i] == k for i in best.examples) or len(own & {*best.words}) < 8
    assert told >= SUBJECTS - 1


def test_the_next_analysis_keeps_the_names() -> None:
    frame, _, _ = simulate_texts(4, n=1500)
    yesterday = topics_in(terms_of(frame.head(1480)))
    today = topics_in(terms_of(frame), yesterday)
    kept = [topic for topic in today if topic.history == "kept"]
    assert len(kept) >= 0.75 * len(today)
    before = {topic.topic_id: {*topic.words} for topic in yesterday}
    assert all(len(before[topic.topic_id] & {*topic.words}) >= 6 for topic in kept)
    assert topics_in(terms_of(frame)) == topics_in(terms_of(frame))


def test_splits_and_merges_are_said() -> None:
    words = [f"w{i}" for i in range(24)]
    whole, other = Topic("whole", tuple(words[:12]), 90), Topic("other", tuple(words[12:]), 50)
    halves = [Topic("a", tuple(words[:7]), 50), Topic("b", tuple(words[7:12]), 40), Topic("c", tuple(words[12:]), 50)]
    split = with_names(halves, [whole, other])
    assert [(topic.topic_id, topic.history) for topic in split] == [
        ("whole", "kept"), ("b", "split from whole"), ("other", "kept"),
    ]  # fmt: skip
    merged = with_names([whole], [halves[0], halves[1]])
    assert [(topic.topic_id, topic.history) for topic in merged] == [("a", "kept, merged with b")]
    assert [topic.history for topic in with_names([Topic("n", ("new", "words"), 9)], [whole])] == ["new"]


def test_few_texts_and_texts_without_words_have_no_topics() -> None:
    frame, _, _ = simulate_texts(4, n=150)
    assert topics_in(terms_of(frame)) == []
    assert topics_in(terms_of(frame.with_columns(body=pl.lit("…")))) == []
    assert topics_in(terms_of(frame.with_columns(body=pl.lit(None, dtype=pl.String)))) == []
    assert np.isfinite(topics_in(terms_of(simulate_texts(4, n=400)[0]))[0].texts)
