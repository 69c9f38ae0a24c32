"""Predictions as they are served and logged, and their losses once labels are known. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.records import Prediction
from tasks.models.training.dataset import Examples, ModelRows
from tasks.models.training.estimators import FittedModel, Floats, losses

Outputs = Mapping[str, Mapping[str, Any]]


def predictions(model: FittedModel, rows: Examples, version_name: str) -> list[Prediction]:
    """One prediction a row, in time order, with the hash of the inputs it was made from."""
    if not rows.n:
        return []
    predicted = model.predict_rows(rows)
    inputs = rows.features.select([name for name in model.columns if name in rows.features.columns]).to_dicts()
    return [
        Prediction(
            row_id=key,
            model_version=version_name,
            inputs_sha256=_sha256(given),
            output=output,
        )
        for key, given, output in zip(rows.keys.to_list(), inputs, outputs(model, predicted), strict=True)
    ]


def preview_of(model: FittedModel, rows: ModelRows, row_id: str, version_name: str) -> dict[str, Any]:
    """One row's prediction: a label with probabilities, or a value with its 90 % interval, on the scale people know."""
    only = rows.everything.only([row_id])
    about = {"model_version": version_name}
    (output,) = outputs(model, predicted := model.predict_rows(only))
    if model.classes is not None:
        return about | output
    is_rate = rows.labeled.is_rate
    width = model.half_width or 0.0
    low, value, high = (_natural(float(predicted[0]) + shift, is_rate) for shift in (-width, 0.0, width))
    unit = "engagements per impression" if is_rate else "engagements"
    return about | {"value": value, "interval": [low, high], "interval_level": 0.9, "unit": unit}


def _natural(log: float, is_rate: bool) -> float:
    value = float(np.exp(np.clip(log, -50.0, 50.0)))
    return value if is_rate else max(value - 0.5, 0.0)


def outputs(model: FittedModel, predicted: Floats) -> list[dict[str, Any]]:
    """Predictions as `FittedModel.predict` gives them, one a row, in the words of `Prediction.output`."""
    if model.classes is None:
        return [{"expected": value} for value in predicted.tolist()]
    labels = [model.classes[place] for place in model.chosen(predicted)]
    both = zip(labels, predicted.tolist(), strict=True)
    return [{"label": label, "probabilities": dict(zip(model.classes, row, strict=True))} for label, row in both]


def _sha256(inputs: Mapping[str, Any]) -> str:
    text = json.dumps(inputs, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ServedLosses:
    """Losses (m,) of the rows that were served, and their positions among the n rows in question (m,)."""

    positions: NDArray[np.int64]
    losses: Floats


def served_losses(rows: Examples, outputs: Outputs) -> ServedLosses:
    """Losses of a version's logged outputs on labeled rows, in the unit of `FittedModel.losses`.

    Args:
        rows: labeled.
        outputs: what the version predicted, by row; rows it did not serve are left out.
    """
    served = [(i, outputs[key]) for i, key in enumerate(rows.keys.to_list()) if key in outputs]
    positions = np.array([i for i, _ in served], dtype=np.int64)
    if not served:
        return ServedLosses(positions, np.empty(0))
    target = rows.target[positions.tolist()]
    if "expected" in served[0][1]:
        return ServedLosses(positions, losses(np.array([output["expected"] for _, output in served]), target, None))
    classes = tuple(served[0][1]["probabilities"])
    probabilities = np.array([[output["probabilities"][name] for name in classes] for _, output in served])
    return ServedLosses(positions, losses(probabilities, target, classes))


def losses_as_served(model: FittedModel, rows: Examples, outputs: Outputs) -> tuple[Floats, int]:
    """Losses (n,) on labeled rows, as served where the version served them, else scored again; and how many were."""
    served = served_losses(rows, outputs)
    if len(served.positions) == rows.n:
        return served.losses, rows.n
    lost = model.losses(rows)
    lost[served.positions] = served.losses
    return lost, len(served.positions)
