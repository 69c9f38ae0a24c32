"""The MLflow registry, and the only module that imports mlflow.

An explicit client everywhere: the fluent API keeps its store and experiment in process globals, which two threads, or
two warehouses in one process, would share.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from tasks.models.errors import ArtifactRefusedError, RegistryUnreachableError
from tasks.models.estimators import FittedModel
from tasks.models.records import ModelKey
from tasks.settings import get_settings

MODEL_FILE = "model.skops"
CREATED_BY = "ModelUpdater"
# Ours, fixed: the list inside an artifact is written by whoever wrote the artifact.
TRUSTED_TYPES = [
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.frozen._frozen.FrozenEstimator",
]
_FIRST_USE = Lock()  # MLflow creates the tables of a new store at first use, and two threads doing so collide


class Registry:
    """Registered models `<workspace>.<TYPE>` in one MLflow store.

    Args:
        address: MLflow tracking address; None takes the settings'.
    """

    def __init__(self, address: str | None = None) -> None:
        settings = get_settings()
        self.address = address or settings.mlflow_tracking_uri
        self._artifacts = settings.mlflow_artifacts

    @cached_property
    def _client(self) -> Any:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        with _FIRST_USE:
            if self.address.startswith("sqlite:///"):
                Path(self.address.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            from mlflow import MlflowClient

            logging.getLogger("mlflow").setLevel(logging.WARNING)
            with self._answering():
                client = MlflowClient(tracking_uri=self.address, registry_uri=self.address)
                client.search_experiments(max_results=1)
                return client

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn MLflow's many ways of being away into one error."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RegistryUnreachableError(self.address, first_line) from error

    def find(self, key: ModelKey, tags: Mapping[str, str]) -> tuple[int, dict[str, str]] | None:
        """Number and tags of the first version that carries all these tags; None when there is none."""
        with self._answering():
            versions = self._client.search_model_versions(f"name = '{key.registered_name}'")
        found = [v for v in versions if all(v.tags.get(name) == value for name, value in tags.items())]
        if not found:
            return None
        first = min(found, key=lambda version: int(version.version))
        return int(first.version), dict(first.tags)

    def register(
        self, key: ModelKey, model: FittedModel, tags: Mapping[str, str], metrics: Mapping[str, float], card: str
    ) -> tuple[int, str]:
        """Save a model as a new version; returns its number and the sha256 of its file."""
        with self._answering(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            _save(model, path)
            sha256 = file_sha256(path / MODEL_FILE)
            self._ensure_registered(key)
            experiment = self._experiment(key)
            name = tags["version_name"]
            run_tags = {"workspace": key.workspace_id, "model_type": key.model_type.value, **tags}
            run = self._client.create_run(experiment, run_name=name, tags=run_tags)
            run_id = run.info.run_id
            for metric, value in metrics.items():
                self._client.log_metric(run_id, metric, value)
            logged = self._client.create_logged_model(experiment, name="model", source_run_id=run_id, tags=run_tags)
            self._client.log_model_artifacts(logged.model_id, str(path))
            self._client.finalize_logged_model(logged.model_id, "READY")
            self._client.set_terminated(run_id)
            version = self._client.create_model_version(
                key.registered_name,
                source=logged.artifact_location,
                run_id=run_id,
                model_id=logged.model_id,
                tags={**tags, "artifact_sha256": sha256},
                description=card,
                await_creation_for=0,
            )
        return int(version.version), sha256

    def load(self, key: ModelKey, version: int, sha256: str) -> Any:
        """The estimator of a version, if its file is the one registered and holds no foreign type.

        Raises:
            ArtifactRefusedError: if the file is missing, changed, or holds a type outside our list.
        """
        from skops.io import get_untrusted_types, load

        with self.model_file(key, version) as path:
            if path is None:
                raise ArtifactRefusedError(key.registered_name, version, "its file is missing")
            if file_sha256(path) != sha256:
                raise ArtifactRefusedError(key.registered_name, version, "its file is not the one registered (sha256)")
            foreign = sorted(set(get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
            if foreign:
                raise ArtifactRefusedError(key.registered_name, version, f"it holds foreign types: {foreign}")
            return load(path, trusted=TRUSTED_TYPES)

    @contextmanager
    def model_file(self, key: ModelKey, version: int) -> Iterator[Path | None]:
        """The model file of a version, local for as long as the context lasts; None when it cannot be had."""
        found_version = self._version(key, version)
        if found_version is None:
            yield None
            return
        source = found_version.source
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as folder:
            try:
                uri = f"{source.rstrip('/')}/{MODEL_FILE}"
                found = Path(download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=self.address))
            except (MlflowException, OSError):
                found = None
            yield found

    def point(self, key: ModelKey, alias: str, version: int) -> None:
        """Set an alias; doing it twice changes nothing."""
        with self._answering():
            _twice(lambda: self._client.set_registered_model_alias(key.registered_name, alias, str(version)))

    def clear(self, key: ModelKey, alias: str, version: int) -> None:
        """Remove an alias if it points to this version."""
        with self._answering():
            if self.aliases(key).get(alias) == version:
                self._client.delete_registered_model_alias(key.registered_name, alias)

    def delete(self, key: ModelKey, version: int) -> None:
        """Delete a version, then its model, then its run: in that order nothing that is registered ever dangles."""
        found = self._version(key, version)
        if found is None:  # a sweep that was killed had come this far
            return
        with self._answering():
            self._client.delete_model_version(key.registered_name, str(version))
            if found.model_id:
                self._client.delete_logged_model(found.model_id)
            if found.run_id:
                self._client.delete_run(found.run_id)

    def _version(self, key: ModelKey, version: int) -> Any | None:
        with self._answering():
            named = f"name = '{key.registered_name}' AND version_number = {version}"
            return next(iter(self._client.search_model_versions(named)), None)

    def aliases(self, key: ModelKey) -> dict[str, int]:
        """Aliases of a registered model; empty when it does not exist."""
        with self._answering():
            found = self._client.search_registered_models(f"name = '{key.registered_name}'")
        return {name: int(version) for model in found for name, version in model.aliases.items()}

    def _ensure_registered(self, key: ModelKey) -> None:
        name = key.registered_name
        if self._client.search_registered_models(f"name = '{name}'"):
            return
        tags = {"workspace": key.workspace_id, "model_type": key.model_type.value, "created_by": CREATED_BY}
        self._client.create_registered_model(name, tags=tags)

    def _experiment(self, key: ModelKey) -> str:
        name = f"{CREATED_BY}/{key.model_type.value}"
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        with _FIRST_USE:
            found = self._client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            folder = self._artifacts.as_uri() if self.address.startswith("sqlite") else None
            return str(self._client.create_experiment(name, artifact_location=folder))


def _save(model: FittedModel, path: Path) -> None:
    """An MLflow model folder with our estimator as skops; nothing is inferred, nothing is pickled."""
    import mlflow.sklearn
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import ColSpec, Schema, TensorSpec

    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("double" if name in model.numbers else "string", name) for name in model.columns
    ]
    outputs: list[ColSpec | TensorSpec] = [ColSpec("double", name) for name in (model.classes or ("expected",))]
    mlflow.sklearn.save_model(
        model.estimator,
        str(path),
        serialization_format="skops",
        signature=ModelSignature(Schema(inputs), Schema(outputs)),
        pip_requirements=_requirements(),
        pyfunc_predict_fn="predict" if model.classes is None else "predict_proba",
        skops_trusted_types=TRUSTED_TYPES,
    )


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "pandas", "numpy")]


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _twice(call: Callable[[], Any]) -> None:
    """Two threads that create the same new alias collide once; the second try finds it there."""
    from mlflow.exceptions import MlflowException

    try:
        call()
    except MlflowException:
        call()
