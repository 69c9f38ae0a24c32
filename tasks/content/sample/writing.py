"""The words of simulated posts: each holds the pieces it is said to hold, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from tasks.content.sample import vocabulary

LABEL_NOISE = {"tone": 0.1, "sentiment": 0.1, "topic": 0.05}
SENTIMENT_SHARES = (0.35, 0.5, 0.15)


def texts(posts: pl.DataFrame, industry: str, random: Generator) -> pl.DataFrame:
    """`title`, `body`, and the labels `tone`, `sentiment` and `topic`, some of which a tired person got wrong."""
    n = len(posts)
    tone = random.choice(list(vocabulary.TONES), n)
    topic = random.choice(list(vocabulary.TOPICS), n)
    sentiment = random.choice(list(vocabulary.SENTIMENTS), n, p=SENTIMENT_SHARES)
    thing = random.choice(vocabulary.THINGS[industry], n)
    titled = posts["content_type"].to_numpy() != "social"
    sentences = [
        _of_label(vocabulary.TONES, tone, random),
        _about(topic, thing, random),
        *_fillers(posts["long"].to_numpy(), random),
        _of_label(vocabulary.SENTIMENTS, sentiment, random),
    ]
    optional = {
        **{"number": vocabulary.NUMBERS, "exclamation": vocabulary.EXCLAMATIONS, "question": vocabulary.QUESTIONS},
        **{
            "call": vocabulary.CALLS,
            "emoji": vocabulary.EMOJI,
            "hashtag": vocabulary.HASHTAGS,
            "link": vocabulary.LINKS,
        },
    }
    sentences += [_some(posts[name].to_numpy(), pieces, random) for name, pieces in optional.items()]
    frame = pl.DataFrame({str(i): sentence for i, sentence in enumerate(sentences)})
    return frame.select(
        pl.Series("title", _titles(thing, titled, random)),
        pl.concat_str(pl.all(), separator=" ", ignore_nulls=True).alias("body"),
        *(
            pl.Series(name, _mislabeled(truth, LABEL_NOISE[name], random))
            for name, truth in (("tone", tone), ("sentiment", sentiment), ("topic", topic))
        ),
    )


def _of_label(vocabulary_of: Mapping[str, Sequence[str]], label: NDArray[np.str_], random: Generator) -> pl.Series:
    chosen = np.empty(len(label), dtype=object)
    for name, sentences in vocabulary_of.items():
        rows = np.flatnonzero(label == name)
        chosen[rows] = random.choice(sentences, len(rows))
    return pl.Series(chosen, dtype=pl.String)


def _about(topic: NDArray[np.str_], thing: NDArray[np.str_], random: Generator) -> pl.Series:
    template = _of_label(vocabulary.TOPICS, topic, random).alias("template")
    named = pl.col("template").str.replace("{}", pl.col("thing"), literal=True) + "."
    return pl.DataFrame([template, pl.Series("thing", thing)]).select(named).to_series()


def _titles(thing: NDArray[np.str_], titled: NDArray[np.bool_], random: Generator) -> pl.Series:
    openings = random.choice(("Notes on", "More of", "Inside", "This month with"), len(thing))
    titles = pl.Series(openings) + " " + pl.Series(thing)
    return titles.set(pl.Series(~titled), None)


def _fillers(long: NDArray[np.bool_], random: Generator) -> list[pl.Series]:
    """Long posts hold eight to ten sentences more, short ones up to two; the order differs from post to post."""
    order = np.argsort(random.random((len(long), len(vocabulary.FILLERS))), axis=1)
    wanted = np.where(long, random.integers(8, 11, len(long)), random.integers(0, 3, len(long)))
    sentences = np.array(vocabulary.FILLERS, dtype=object)[order]
    return [pl.Series(sentences[:, i], dtype=pl.String).set(pl.Series(wanted <= i), None) for i in range(10)]


def _some(where: NDArray[np.bool_], pieces: Sequence[str], random: Generator) -> pl.Series:
    chosen = pl.Series(random.choice(np.array(pieces, dtype=object), len(where)), dtype=pl.String)
    return chosen.set(pl.Series(~where), None)


def _mislabeled(truth: NDArray[np.str_], share: float, random: Generator) -> NDArray[np.str_]:
    wrong = random.random(len(truth)) < share
    return np.where(wrong, random.permutation(truth), truth)
