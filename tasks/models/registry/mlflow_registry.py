"""The MLflow registry, and the only module that imports mlflow.

An explicit client everywhere: the fluent API keeps its store and experiment in process globals, which two threads, or
two warehouses in one process, would share.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from tasks.errors import WarehouseUnreachableError
from tasks.models.errors import (
    ArtifactRefusedError,
    RegistryFilesError,
    RegistryRefusedError,
    RegistryUnreachableError,
)
from tasks.models.records import NO_ARTIFACTS, ModelArtifacts, ModelKey
from tasks.models.registry.model_folder import file_sha256, write_model_folder
from tasks.models.registry.trusted import MODEL_FILE, TRUSTED_TYPES
from tasks.models.store.presence import stored_aliases, stored_source
from tasks.models.training.estimators import FittedModel
from tasks.plain_text import markdown
from tasks.private_files import private_folder
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.locks import locked_meanwhile

logger = logging.getLogger("raptorflow")

CREATED_BY = "ModelUpdater"
DIGEST_CHARACTERS = 36  # what MLflow keeps of a data set's hash; the whole one stands in its profile and in the tags
PARAM_CHARACTERS = 500  # MLflow's limit is 6,000; its page shows a line
LOGGED_TABLES = "mlflow.loggedArtifacts"  # the tag by which its page finds tables to show
MODEL_ID = "model_id"  # a tag of our own: the SQL store forgets which logged model a version is of
FIRST_USE = "mlflow-first-use"
# Codes under which MLflow refuses what was asked; under every other, it could not answer.
REFUSALS = frozenset(
    {
        "RESOURCE_DOES_NOT_EXIST",
        "RESOURCE_ALREADY_EXISTS",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "BAD_REQUEST",
        "NOT_FOUND",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
    }
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # said of a file, with or without its name
ABANDONED_HOURS = 24  # a registration takes seconds; a run open for a day was left by one that was killed
_FIRST_USE = RLock()  # MLflow creates the tables of a new store at first use, and two threads doing so collide
_READING = Lock()  # arrays' headers are read by Python's parser, which two threads at once can break (cpython#106905)


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
        with _FIRST_USE, _alone_at(self.address):
            from mlflow import MlflowClient

            logging.getLogger("mlflow").setLevel(logging.WARNING)
            with self._answering():
                client = MlflowClient(tracking_uri=self.address, registry_uri=self.address)
                client.search_experiments(max_results=1)
                return client

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn MLflow's many ways of being away into one error, its ways of saying no into another, and what is wrong
        with files of its on this machine into a third.
        """
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
                raise RegistryFilesError(self.address, first_line) from error
            is_refusal = isinstance(error, MlflowException) and error.error_code in REFUSALS
            raised = RegistryRefusedError if is_refusal else RegistryUnreachableError
            raise raised(self.address, first_line) from error

    def find(
        self, key: ModelKey, tags: Mapping[str, str], besides: Collection[int] = ()
    ) -> tuple[int, dict[str, str]] | None:
        """Number and tags of the first version, `besides` these, that carries all these tags; None when none does."""
        with self._answering():
            versions = self._client.search_model_versions(f"name = '{key.registered_name}'")
        numbered = {int(one.version): dict(one.tags) for one in versions if int(one.version) not in besides}
        numbers = [number for number, known in numbered.items() if tags.items() <= known.items()]
        return (min(numbers), numbered[min(numbers)]) if numbers else None

    def register(
        self,
        key: ModelKey,
        model: FittedModel,
        tags: Mapping[str, str],
        metrics: Sequence[Mapping[str, float]],
        card: str,
        artifacts: ModelArtifacts = NO_ARTIFACTS,
    ) -> tuple[int, str]:
        """Save a model as a new version with its card and artifacts; returns its number and the sha256 of its file.

        Args:
            key: whose model of which type.
            model: the model.
            tags: of the version and its run; `version_name` among them.
            metrics: of the versions before it, oldest first, and last its own: the run's page draws them over versions.
            card: Markdown.
            artifacts: tables, input example and data set.
        """
        with self._answering(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            sha256 = write_model_folder(model, path, artifacts.example, artifacts.about)
            run_tags = {
                "workspace": key.workspace_id,
                "model_type": key.model_type.value,
                **tags,
                **_source(tags, card),
            }
            experiment = self._experiment(key)
            run = self._client.create_run(experiment, run_name=tags["version_name"], tags=run_tags).info
            with self._failed_unless_done(run.run_id):
                logged = self._client.create_logged_model(
                    experiment,
                    name=key.logged_name,
                    source_run_id=run.run_id,
                    tags=dict(tags),
                    model_type=key.model_type.value,
                )
                self._client.log_model_artifacts(logged.model_id, str(path))
                self._client.finalize_logged_model(logged.model_id, "READY")
                self._log(run.run_id, logged.model_id, metrics, artifacts, Path(folder))
                self._client.set_terminated(run.run_id)
                about = {**tags, "artifact_sha256": sha256, MODEL_ID: logged.model_id}
                described = {"tags": about, "description": card, "await_creation_for": 0}
                described |= {"source": logged.artifact_location, "run_id": run.run_id, "model_id": logged.model_id}
                return self._create_version(key, described), sha256

    @contextmanager
    def _failed_unless_done(self, run_id: str) -> Iterator[None]:
        """Mark a run as failed where what it is about cannot be written, such as on a full disk."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except Exception:
            try:
                self._client.set_terminated(run_id, "FAILED")
            except (MlflowException, OSError) as error:
                logger.warning("run %s could not be marked as failed and looks as if it ran: %s", run_id, error)
            raise

    def close_abandoned_runs(self, now: datetime) -> int:
        """Mark runs as failed that killed registrations left open for a day; returns how many."""
        from mlflow.entities import ViewType

        before = int((now - timedelta(hours=ABANDONED_HOURS)).timestamp() * 1000)
        with self._answering():
            known = self._client.search_experiments(filter_string=f"name LIKE '{CREATED_BY}/%'")
            if not known:
                return 0
            ids, left_open = [one.experiment_id for one in known], f"status = 'RUNNING' AND start_time < {before}"
            runs = self._client.search_runs(ids, left_open, ViewType.ACTIVE_ONLY)
            for run in runs:
                self._client.set_terminated(run.info.run_id, "FAILED")
            return len(runs)

    def _create_version(self, key: ModelKey, described: dict[str, Any]) -> int:
        from mlflow.exceptions import MlflowException

        try:
            version = self._client.create_model_version(key.registered_name, **described)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self._create_registered_model(key)
            version = self._client.create_model_version(key.registered_name, **described)
        return int(version.version)

    def _log(
        self,
        run_id: str,
        model_id: str,
        metrics: Sequence[Mapping[str, float]],
        artifacts: ModelArtifacts,
        folder: Path,
    ) -> None:
        """Tables, metrics, parameters and data set on the run's page; the model's shows the metrics too."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag

        if artifacts.data is not None:
            data = Dataset(**dict(artifacts.data) | {"digest": artifacts.data["digest"][:DIGEST_CHARACTERS]})
            inputs = DatasetInput(data, [InputTag("mlflow.data.context", "training")])
            _retried(self._client.log_inputs, run_id, datasets=[inputs])
        self._client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        now = int(time.time() * 1000)
        points = [
            Metric(name, value, now, step, run_id=run_id, model_id=model_id if step == len(metrics) else None)
            for step, version in enumerate(metrics, start=1)
            for name, value in version.items()
        ]
        params = [Param(name, value[:PARAM_CHARACTERS]) for name, value in artifacts.params.items()]
        shown = [RunTag(LOGGED_TABLES, json.dumps([{"path": path, "type": "table"} for path in artifacts.tables]))]
        self._client.log_batch(run_id, metrics=points, params=params, tags=shown if artifacts.tables else [])
        self._log_files(run_id, artifacts.tables, folder / "artifacts")

    def _log_files(self, run_id: str, files: Mapping[str, bytes], folder: Path) -> None:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if files:
            self._client.log_artifacts(run_id, str(folder))

    def log_figures(self, key: ModelKey, version: int, figures: Mapping[str, bytes]) -> None:
        """Show figures, PNG by their path such as `figures/calibration.png`, on the page of a version's run."""
        registered = self._version(key, version)
        if registered is None or not registered.run_id:  # deleted in MLflow meanwhile: no page is left to show them on
            return
        with self._answering(), tempfile.TemporaryDirectory() as folder:
            self._log_files(registered.run_id, figures, Path(folder))

    def load(self, key: ModelKey, version: int, sha256: str) -> Any:
        """The estimator of a version, if its file is the one registered and holds no foreign type.

        Raises:
            ArtifactRefusedError: if the file is missing, changed, or holds a type outside our list.
        """
        from skops.io import load
        from skops.io.exceptions import UntrustedTypesFoundException

        with self._intact_file(key, version, sha256) as path:
            try:
                with _READING:
                    return load(path, trusted=TRUSTED_TYPES)
            except UntrustedTypesFoundException as error:
                foreign = f"it holds foreign types: {error}"
                raise ArtifactRefusedError(key.registered_name, version, foreign) from error
            except Exception as error:  # a file cut short by a full disk was registered so: no zip, no JSON, no array
                unreadable = f"its file cannot be read ({type(error).__name__}: {error})"
                raise ArtifactRefusedError(key.registered_name, version, unreadable) from error

    def require_file(self, key: ModelKey, version: int, sha256: str) -> None:
        """Look whether the file of a version is the one registered, and no further.

        Raises:
            ArtifactRefusedError: if the file is missing or changed.
        """
        with self._intact_file(key, version, sha256):
            return

    @contextmanager
    def _intact_file(self, key: ModelKey, version: int, sha256: str) -> Iterator[Path]:
        with self.model_file(key, version) as path:
            if path is None or not path.is_file():  # a folder of that name holds no model either
                raise ArtifactRefusedError(key.registered_name, version, "its file is missing")
            if file_sha256(path) != sha256:
                raise ArtifactRefusedError(key.registered_name, version, "its file is not the one registered (sha256)")
            yield path

    @contextmanager
    def model_file(self, key: ModelKey, version: int) -> Iterator[Path | None]:
        """The model file of a version, local for as long as the context lasts; None when there is none.

        Raises:
            RegistryUnreachableError: if its store does not answer, so that nobody knows.
            RegistryFilesError: if its files cannot be read here.
        """
        source = self._source(key, version)
        if source is None:
            yield None
            return
        with tempfile.TemporaryDirectory() as folder:
            yield self._downloaded(source.rstrip("/"), folder)

    def _downloaded(self, source: str, folder: str) -> Path | None:
        """The model file below an address; None where the store, which answers, has no such file."""
        from mlflow.artifacts import download_artifacts, list_artifacts
        from mlflow.exceptions import MlflowException

        try:
            uri = f"{source}/{MODEL_FILE}"
            return Path(download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=self.address))
        except ImportError as error:  # an object store whose client is not installed: the file may well be there
            raise RegistryFilesError(self.address, f"{source}: {error}") from error
        except (MlflowException, OSError):
            with self._answering():
                files = list_artifacts(artifact_uri=source, tracking_uri=self.address)
            if any(Path(one.path).name == MODEL_FILE for one in files):
                with self._answering():
                    raise
            return None

    def point(self, key: ModelKey, alias: str, version: int) -> bool:
        """Set an alias; doing it twice changes nothing. False where there is no such version any more."""
        from mlflow.exceptions import MlflowException

        with self._answering():
            try:
                _retried(self._client.set_registered_model_alias, key.registered_name, alias, str(version))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return False
        return True

    def unpoint(self, key: ModelKey, alias: str) -> None:
        """Remove an alias, wherever it points."""
        with self._answering():
            if alias in self.aliases(key):
                self._client.delete_registered_model_alias(key.registered_name, alias)

    def clear(self, key: ModelKey, alias: str, version: int) -> None:
        """Remove an alias if it points to this version."""
        with self._answering():
            if self.aliases(key).get(alias) == version:
                self._client.delete_registered_model_alias(key.registered_name, alias)

    def rename(self, key: ModelKey, version: int, version_name: str) -> None:
        """Change the name a version goes by."""
        with self._answering():
            self._client.set_model_version_tag(key.registered_name, str(version), "version_name", version_name)

    def delete(self, key: ModelKey, version: int) -> None:
        """Delete a version, then its model, then its run: in that order nothing that is registered ever dangles."""
        registered = self._version(key, version)
        if registered is None:  # a sweep that was killed had come this far
            return
        with self._answering():
            self._client.delete_model_version(key.registered_name, str(version))
            if MODEL_ID in registered.tags:
                self._client.delete_logged_model(registered.tags[MODEL_ID])
            if registered.run_id:
                self._client.delete_run(registered.run_id)

    def _source(self, key: ModelKey, version: int) -> str | None:
        """The address of a version's files; None where there is no such version, or its address was taken away."""
        stored = stored_source(self.address, key.registered_name, version)
        if stored is not None:
            return stored
        registered = self._version(key, version)
        return None if registered is None else registered.source or None

    def _version(self, key: ModelKey, version: int) -> Any | None:
        with self._answering():
            named = f"name = '{key.registered_name}' AND version_number = {version}"
            return next(iter(self._client.search_model_versions(named)), None)

    def aliases(self, key: ModelKey) -> dict[str, int]:
        """Aliases of a registered model; empty when it does not exist."""
        stored = stored_aliases(self.address, key.registered_name)
        if stored is not None:
            return stored
        with self._answering():
            models = self._client.search_registered_models(f"name = '{key.registered_name}'")
        return {name: int(version) for model in models for name, version in model.aliases.items()}

    def _create_registered_model(self, key: ModelKey) -> None:
        """Create `<workspace>.<TYPE>`; whoever comes second finds it there."""
        from mlflow.exceptions import MlflowException

        tags = {"workspace": key.workspace_id, "model_type": key.model_type.value, "created_by": CREATED_BY}
        what = f"`champion` serves {markdown(key.workspace_id)}, `previous` served before it, `challenger` waits."
        try:
            self._client.create_registered_model(key.registered_name, tags=tags, description=what)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _experiment(self, key: ModelKey) -> str:
        """Id of the type's experiment; one that was deleted in MLflow's page is brought back with its runs."""
        name = f"{CREATED_BY}/{key.model_type.value}"
        client = self._client
        with _FIRST_USE:
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                # A server knows where its files go; of a database MLflow would think the folder it was started in.
                is_server = self.address.startswith(("http://", "https://"))
                folder = None if is_server else self._artifacts.as_uri()
                return self._create_experiment(name, folder)
            if experiment.lifecycle_stage == "deleted":
                logger.warning("experiment %s was deleted in MLflow; it is restored", name)
                client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _create_experiment(self, name: str, folder: str | None) -> str:
        """Create an experiment; whoever comes second, in another process, finds it there."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.create_experiment(name, artifact_location=folder))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self._client.get_experiment_by_name(name).experiment_id)


def _source(tags: Mapping[str, str], card: str) -> dict[str, str]:
    """Tags MLflow's own pages read: what made a run, from which commit, and its description."""
    source = {"mlflow.source.name": CREATED_BY, "mlflow.source.type": "JOB", "mlflow.note.content": card}
    return source | ({"mlflow.source.git.commit": tags["git_commit"]} if "git_commit" in tags else {})


def _retried(call: Callable[..., Any], *arguments: str, **named: Any) -> None:
    """Two that create the same alias or data set at once collide, and one is refused; its second try finds it there."""
    from mlflow.exceptions import MlflowException

    try:
        call(*arguments, **named)
    except MlflowException:
        call(*arguments, **named)


@contextmanager
def _alone_at(address: str) -> Iterator[None]:
    """Alone among processes at a store, whose tables two would create at once; one in a file is prepared."""
    if address.startswith("postgresql"):
        try:
            with locked_meanwhile(Warehouse(address), FIRST_USE):
                yield
        except WarehouseUnreachableError as error:
            raise RegistryUnreachableError(address, "no database there") from error
        return
    if not address.startswith("sqlite:///"):
        yield
        return
    store = Path(address.removeprefix("sqlite:///"))
    private_folder(store.parent)
    with store.with_name(f"{store.name}.first-use").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _prepare_file(store)
        yield


def _prepare_file(path: Path) -> None:
    """Let a new store write ahead: one sync a commit instead of four, and readers never stop a writer."""
    if not path.exists():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
