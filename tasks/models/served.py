"""What a version was really served as, against what came: logged predictions joined with later labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.dataset import Examples
from tasks.models.estimators import FittedModel, Floats, losses

Outputs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Served:
    """Losses (m,) of the rows that were served, and where they stand among the n rows asked about (m,)."""

    positions: NDArray[np.int64]
    losses: Floats


def served_losses(rows: Examples, outputs: Outputs) -> Served:
    """Losses of a version's logged outputs on labelled rows, in the unit of `FittedModel.losses`.

    Args:
        rows: labelled.
        outputs: what the version said, by row; rows it was not asked about are left out.
    """
    found = [(i, outputs[key]) for i, key in enumerate(rows.keys.to_list()) if key in outputs]
    positions = np.array([i for i, _ in found], dtype=np.int64)
    if not found:
        return Served(positions, np.empty(0))
    target = rows.target[positions.tolist()]
    if "expected" in found[0][1]:
        return Served(positions, losses(np.array([output["expected"] for _, output in found]), target, None))
    classes = tuple(found[0][1]["probabilities"])
    probabilities = np.array([[output["probabilities"][name] for name in classes] for _, output in found])
    return Served(positions, losses(probabilities, target, classes))


def losses_as_served(model: FittedModel, rows: Examples, outputs: Outputs) -> tuple[Floats, int]:
    """Losses (n,) on labelled rows, as served where the version was asked, else scored again; and how many were."""
    served = served_losses(rows, outputs)
    if len(served.positions) == len(rows):
        return served.losses, len(rows)
    found = model.losses(rows)
    found[served.positions] = served.losses
    return found, len(served.positions)
