"""The nearest by cosine are found whatever the sizes, and exactly."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.transfer.similarity import GROUP, ROWS, nearest


@pytest.mark.parametrize(
    ("queries", "references", "top_k"),
    [(1, 1, 1), (3, 5, 5), (2, GROUP - 1, 3), (ROWS + 1, GROUP + 1, 10), (2 * ROWS + 7, 700, 10)],
)
def test_it_agrees_with_comparing_everything(queries: int, references: int, top_k: int) -> None:
    rng = np.random.default_rng(references)
    a, b = rng.standard_normal((queries, 16)), rng.standard_normal((references, 16))
    cosine = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    index, found = nearest(a, b, top_k)
    assert (index == np.argsort(-cosine, axis=1)[:, :top_k]).all()
    assert np.allclose(found, -np.sort(-cosine, axis=1)[:, :top_k])


def test_neighbors_that_single_precision_cannot_tell_apart_come_in_the_right_order() -> None:
    rng = np.random.default_rng(1)
    query, others = rng.standard_normal((1, 64)), rng.standard_normal((1000, 64))
    steps = np.array([3.0, 1.0, 2.0])[:, None] * 1e-6
    others[[40, 500, 900]] = query + steps * rng.standard_normal((3, 64))
    index, _ = nearest(query, others, 3)
    assert index[0].tolist() == [500, 900, 40]


def test_a_workspace_that_knows_nothing_is_like_nobody() -> None:
    index, cosine = nearest(np.zeros((1, 8)), np.eye(8), 2)
    assert cosine.tolist() == [[0.0, 0.0]]
    assert len(set(index[0])) == 2
