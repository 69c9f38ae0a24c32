"""Releases of other installations, good ones and others, made without the workspaces behind them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tasks.transfer.catalogue import CATALOGUE_VERSION, KEYS
from tasks.transfer.exchange.manifest import Manifest
from tasks.transfer.exchange.release_file import COLUMNS, Sums, sums_of, sums_sha256
from tasks.transfer.exchange.signing import fingerprint_of, public_bytes
from tasks.transfer.privacy import PrivacyBudget
from tasks.transfer.release import SCALE, SENSITIVITY, sum_rows
from tasks.transfer.similarity import SEGMENTS

BUDGET = PrivacyBudget()


def key_of(seed: int) -> Ed25519PrivateKey:
    """The same key each time."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def name_of(seed: int) -> str:
    """Its fingerprint."""
    return fingerprint_of(public_bytes(key_of(seed)))


def noisy_sums(seed: int = 0, count: int = 300, mean: float = 0.2) -> Sums:
    """Sums over `count` workspaces of one segment that all find the same."""
    sums = np.zeros((len(SEGMENTS), len(KEYS), 3), dtype=np.int64)
    sums[[SEGMENTS.index("everyone"), SEGMENTS.index("technology/smb")]] = np.array([count, count * mean, 0.0]) * SCALE
    noise = np.random.default_rng(seed).normal(0.0, BUDGET.noise_scale(SENSITIVITY), sums.shape)
    return sums_of(sum_rows(sums + np.rint(noise).astype(np.int64), ""))


def values_of(sums: Sums, **changes: Any) -> dict[str, Any]:
    """What a manifest of these sums says."""
    values: dict[str, Any] = {"format": 1, "catalogue_version": CATALOGUE_VERSION, "period": "2026-05-20"}
    values |= {
        "as_of": "2026-06-15T03:00:00+00:00",
        "epsilon": BUDGET.epsilon,
        "delta": BUDGET.delta,
        "rho": BUDGET.rho,
    }
    values |= {"noise_scale": BUDGET.noise_scale(SENSITIVITY) / SCALE, "contributors_at_least": 12}
    values |= {"releases_so_far": 1, "rho_so_far": BUDGET.rho, "code_version": "a" * 64}
    return values | {"sums_sha256": sums_sha256(sums)} | changes


def manifest_of(sums: Sums, **changes: Any) -> Manifest:
    """A manifest of these sums."""
    return Manifest(**values_of(sums, **changes))


def sums_table(sums: Sums) -> pa.Table:
    """The table that a release holds."""
    entries = [(segment, key, numbers) for segment, by_key in sums.items() for key, numbers in by_key.items()]
    columns = [
        *([entry[i] for entry in entries] for i in range(2)),
        *zip(*(entry[2] for entry in entries), strict=True),
    ]
    return pa.table(dict(zip(COLUMNS, columns, strict=True)))


def parquet(table: pa.Table, **options: Any) -> bytes:
    """A table as Parquet, written as releases are unless told otherwise."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **({"compression": "NONE", "use_dictionary": False, "store_schema": False} | options))
    return sink.getvalue()
