"""What findings about conditions say of texts: the model that everybody at the table shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.conditions import OF_WORDS, Condition
from tasks.swarm.evidence import subject_of
from tasks.swarm.posterior import effects_of
from tasks.swarm.records import EvidenceRef

Floats = NDArray[np.float64]


def findings_say(features: pl.DataFrame, evidence: Sequence[EvidenceRef], prior_sd: float) -> Floats:
    """(U,) what texts gain by the conditions they meet, as the posterior counts them; log ratios.

    Args:
        features: (U) rows: title, body and the catalogue's columns.
    """
    by_subject: dict[str, list[EvidenceRef]] = {}
    for item in sorted({item.id: item for item in evidence if item.conditions}.values(), key=lambda item: item.id):
        if all(_is_readable(one, features) for one in item.conditions):
            by_subject.setdefault(subject_of(item), []).append(item)
    gained = np.zeros(len(features))
    for effect, items in zip(effects_of(list(by_subject.values()), prior_sd)[0], by_subject.values(), strict=True):
        met = features.select(pl.all_horizontal(one.expression for one in items[0].conditions).alias("met"))["met"]
        gained += effect * met.fill_null(False).to_numpy()
    return gained


def _is_readable(condition: Condition, features: pl.DataFrame) -> bool:
    return condition.op in OF_WORDS or condition.feature in features.columns
