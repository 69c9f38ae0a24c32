"""A model as a folder in MLflow's storage format: https://mlflow.org/docs/latest/ml/model/#storage-format.

Written here rather than by `mlflow.sklearn.save_model`, which loads every model back once more and costs twice as much.
Nothing is inferred and nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

from tasks.models.training.estimators import FittedModel

MODEL_FILE = "model.skops"
EXAMPLE_FILE = "input_example.json"
REQUIRED = ("mlflow", "scikit-learn", "skops", "pandas", "numpy")
# Ours, fixed: the list inside an artifact is written by whoever wrote the artifact.
TRUSTED_TYPES = [
    "tasks.models.training.calibration.Calibration",
    "tasks.models.training.conversion_model.ConversionModel",
    "tasks.models.training.level_model.FeatureColumns",
    "tasks.models.training.level_model.LevelModel",
    "tasks.models.training.text_columns.BlockWeights",
    "tasks.models.training.text_columns.TextWeights",
    "tasks.models.training.text_model.TextModel",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # of earlier releases:
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.frozen._frozen.FrozenEstimator",
]


def write_model_folder(model: FittedModel, folder: Path, example: Sequence[Mapping[str, Any]] = ()) -> str:
    """Write a model, its signature, its requirements and an input example; returns the sha256 of the model file."""
    folder.mkdir(parents=True)
    _dump(model.estimator, folder / MODEL_FILE)
    described = _flavors(model) | {"signature": _signature(model), "mlflow_version": _versions()["mlflow"]}
    described["utc_time_created"] = datetime.now(UTC).isoformat(sep=" ")
    described["model_size_bytes"] = (folder / MODEL_FILE).stat().st_size
    if example:
        rows = {"columns": model.columns, "data": [[row[name] for name in model.columns] for row in example]}
        (folder / EXAMPLE_FILE).write_text(json.dumps(rows), encoding="utf-8")
        info = {"artifact_path": EXAMPLE_FILE, "type": "dataframe", "pandas_orient": "split"}
        described["saved_input_example_info"] = info
    (folder / "MLmodel").write_text(yaml.safe_dump(described), encoding="utf-8")
    pins = "".join(f"{name}=={pin}\n" for name, pin in _versions().items())
    (folder / "requirements.txt").write_text(pins, encoding="utf-8")
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment), encoding="utf-8")
    return file_sha256(folder / MODEL_FILE)


def _dump(estimator: Any, path: Path) -> None:
    """What `skops.io.dump` does, but for the indents: they treble the file and take longer than all the rest."""
    import skops.io  # waits for another thread's import of it, which fills what get_state looks types up in
    from skops.io._utils import SaveContext, get_state  # the public door has no switch for them

    with ZipFile(path, "w") as file:
        context = SaveContext(zip_file=file)
        state = get_state(estimator, context)
        state |= {"protocol": context.protocol, "_skops_version": skops.__version__}
        file.writestr("schema.json", json.dumps(state))


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flavors(model: FittedModel) -> dict[str, Any]:
    """How MLflow's own loaders find and call the model."""
    function = {
        "env": {"virtualenv": "python_env.yaml"},
        "loader_module": "mlflow.sklearn",
        "model_path": MODEL_FILE,
        "predict_fn": "predict" if model.classes is None else "predict_proba",
        "python_version": platform.python_version(),
    }
    sklearn = {
        "pickled_model": MODEL_FILE,  # the key's name, not the format
        "serialization_format": "skops",
        "skops_trusted_types": list(TRUSTED_TYPES),
        "sklearn_version": _versions()["scikit-learn"],
        "code": None,
    }
    return {"flavors": {"python_function": function, "sklearn": sklearn}}


def _signature(model: FittedModel) -> dict[str, str]:
    inputs = [_column(name, "double" if name in model.numbers else "string") for name in model.columns]
    outputs = [_column(name, "double") for name in (model.classes or ("expected",))]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}


def _column(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "required": True}


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in REQUIRED}
