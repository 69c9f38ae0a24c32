"""Predictions in words: what the model says of each row, and of which inputs it says it. Pure."""

from __future__ import annotations

import hashlib
import json

from tasks.models.dataset import Examples
from tasks.models.estimators import FittedModel
from tasks.models.records import Prediction


def predictions(model: FittedModel, rows: Examples, version_name: str) -> list[Prediction]:
    """One prediction a row, in time order."""
    if not len(rows):
        return []
    predicted = model.predict(rows.features)
    inputs = rows.features.select([name for name in model.columns if name in rows.features.columns]).to_dicts()
    found = []
    for key, given, value in zip(rows.keys.to_list(), inputs, predicted.tolist(), strict=True):
        text = json.dumps(given, sort_keys=True, ensure_ascii=False)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        output = {"expected": value} if model.classes is None else _labelled(model.classes, value)
        found.append(Prediction(row_id=key, model_version=version_name, inputs_sha256=sha256, output=output))
    return found


def _labelled(classes: tuple[str, ...], probabilities: list[float]) -> dict[str, object]:
    by_label = dict(zip(classes, probabilities, strict=True))
    return {"label": max(by_label, key=by_label.__getitem__), "probabilities": by_label}
