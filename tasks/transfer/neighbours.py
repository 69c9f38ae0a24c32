"""The nearest of many vectors by cosine, for little more than the cost of multiplying them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tasks.transfer.records import Floats

Singles = NDArray[np.float32]
Indices = NDArray[np.int64]

GROUP = 32  # references that are first represented by their best
ROWS = 128  # queries a block: their products stay in the processor's cache
SPARE = 4  # candidates beyond the top k that single precision may have put in the wrong order


def nearest(queries: Floats, references: Floats, top_k: int) -> tuple[Indices, Floats]:
    """The `top_k` references most alike to each query by cosine, best first.

    Products are taken in single precision, block by block. The k best lie in the k groups with the best maxima, so
    only those are looked at, and the candidates are compared anew in double precision. A reference is missed only if
    more than four others are as near as single precision can tell (10⁻⁶).

    Args:
        queries: (Q, D). references: (R, D), R ≥ top_k.

    Returns:
        Indices and cosines, (Q, top_k) each.
    """
    from threadpoolctl import threadpool_limits

    near, far = _unit(queries), _unit(references)
    grouped = _grouped(far)
    starts = range(0, len(near), ROWS)

    def block(start: int) -> tuple[Indices, Floats]:
        rows = near[start : start + ROWS]
        found = _candidates(rows.astype(np.float32) @ grouped, len(far), min(top_k + SPARE, len(far)))
        cosine = np.einsum("qd,qcd->qc", rows, far[found])
        best = np.argsort(-cosine, axis=1, kind="stable")[:, :top_k]
        return np.take_along_axis(found, best, axis=1), np.take_along_axis(cosine, best, axis=1)

    # One thread a core, each with its own block: the libraries' threads would wait for each other after every product.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1) or 1) as threads:
        parts = list(threads.map(block, starts))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _grouped(unit: Floats) -> Singles:
    """References (R, D) as columns (D, GROUP · G), filled up with zeros; every G-th column is of one group."""
    groups = -(-len(unit) // GROUP)
    columns = np.zeros((unit.shape[1], GROUP * groups), dtype=np.float32)
    columns[:, : len(unit)] = unit.T
    return columns


def _candidates(products: Singles, references: int, count: int) -> Indices:
    """Indices (q, count) of the largest of the first `references` products (q, GROUP · G), in no order."""
    groups = products.shape[1] // GROUP
    products[:, references:] = -2.0  # beneath every cosine
    best = products.reshape(len(products), GROUP, groups).max(axis=1)
    kept = min(count, groups)
    among = np.argpartition(best, groups - kept, axis=1)[:, groups - kept :]
    members = (np.arange(GROUP)[:, None] * groups + among[:, None, :]).reshape(len(products), -1)
    values = np.take_along_axis(products, members, axis=1)
    chosen = np.argpartition(values, values.shape[1] - count, axis=1)[:, values.shape[1] - count :]
    found: Indices = np.take_along_axis(members, chosen, axis=1)
    return found


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = vectors / np.where(length > 0, length, 1.0)
    return found
