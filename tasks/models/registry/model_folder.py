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

from tasks.models.registry.trusted import MODEL_FILE
from tasks.models.serving.raw_rows import ABOUT_FILE, output_columns, raw_columns
from tasks.models.training.dataset import TEXT
from tasks.models.training.estimators import FittedModel

EXAMPLE_FILE = "input_example.json"
NOTHING_KNOWN = {"timezone": "UTC", "is_rate": False, "level": None}
REQUIRED = ("mlflow", "scikit-learn", "skops", "pandas", "numpy")


def write_model_folder(
    model: FittedModel,
    folder: Path,
    example: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, Any] = NOTHING_KNOWN,
) -> str:
    """Write a model, its signature, its requirements and an input example; returns the sha256 of the model file.

    Args:
        model: the model.
        folder: where to; it must not exist.
        example: a few rows of its inputs.
        about: what raw rows are read with: `timezone`, `is_rate` and `level`, see `serving.raw_rows`.
    """
    folder.mkdir(parents=True)
    _dump(model.estimator, folder / MODEL_FILE)
    (folder / ABOUT_FILE).write_text(json.dumps(dict(about)), encoding="utf-8")
    signature = _signature(model, is_rate=bool(about["is_rate"]))
    described = _flavors() | {"signature": signature, "mlflow_version": _versions()["mlflow"]}
    described["utc_time_created"] = datetime.now(UTC).isoformat(sep=" ")
    described["model_size_bytes"] = (folder / MODEL_FILE).stat().st_size
    if example:
        rows = _raw_example(model, example)
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


def _raw_example(model: FittedModel, example: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of inputs as a caller would give them: the text as the body, and no time, which features do not keep."""
    columns = [name for name in raw_columns(model) if name in model.columns or (name == "body" and model.text)]
    return {
        "columns": columns,
        "data": [[row[TEXT if name == "body" else name] for name in columns] for row in example],
    }


def _flavors() -> dict[str, Any]:
    """How MLflow finds and calls the model: by a loader of ours, which trusts the types of our list alone."""
    function = {
        "env": {"virtualenv": "python_env.yaml"},
        "loader_module": "tasks.models.serving.raw_rows",
        "python_version": platform.python_version(),
    }
    return {"flavors": {"python_function": function}}


def _signature(model: FittedModel, *, is_rate: bool) -> dict[str, str]:
    inputs = [_column(name, kind) | {"required": False} for name, kind in raw_columns(model).items()]
    outputs = [
        _column(name, "string" if name == "label" else "double") for name in output_columns(model, is_rate=is_rate)
    ]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}


def _column(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "required": True}


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in REQUIRED}
