"""What can go wrong with models.

RaptorflowError
├── RegistryUnreachableError     MLflow does not answer
├── RegistryRefusedError         MLflow answers, and refuses
├── RegistryFilesError           MLflow answers, but its files cannot be read or written
├── ArtifactRefusedError         a model file is not what was registered
├── PromotionConflictError       somebody else moved the champion first
└── InputError
    ├── WrongTimeError
    │   └── NoChampionError      nothing is served yet, or any more
    │       └── NoPreviousChampionError  nothing served before the champion
    └── ModelSpecError           a file under mlflow/models is wrong
"""

from __future__ import annotations

from tasks.errors import InputError, RaptorflowError, WrongTimeError
from tasks.settings import hidden, without_password


class RegistryUnreachableError(RaptorflowError):
    """Raised when MLflow does not answer; nothing was moved, or what was begun is finished at the next start."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = without_password(address)
        why = hidden(reason, address)
        super().__init__(f"MLflow does not answer at {self.address} ({why}); start it or change MLFLOW_TRACKING_URI")


class RegistryRefusedError(RaptorflowError):
    """Raised when MLflow answers, but not with what was asked for: something there was deleted or changed by hand."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = without_password(address)
        why = hidden(reason, address)
        super().__init__(f"MLflow at {self.address} refused: {why}; `raptorflow run model-refresh` puts models right")


class RegistryFilesError(RaptorflowError):
    """Raised when MLflow answers, and the folder of its files cannot be read or written: full, read-only, or gone."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = without_password(address)
        why = hidden(reason, address)
        super().__init__(f"MLflow answers at {self.address}, but its files cannot be read or written: {why}")


class ArtifactRefusedError(RaptorflowError):
    """Raised when a model file is missing, differs from what was registered or holds foreign types; not loaded.

    `why` is the reason alone; the message names the way out as well.
    """

    def __init__(self, model: str, version: object, reason: str) -> None:
        self.model, self.version, self.why = model, version, reason
        way_out = "`raptorflow run model-refresh` puts the version before it back, or trains a new one"
        super().__init__(f"{model} version {version} was not loaded: {reason}; {way_out}")


class PromotionConflictError(RaptorflowError):
    """Raised to the second of two promoters."""

    def __init__(self, model: str, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"{model} is at generation {found}, not {expected}: another promotion came first; look and decide again"
        )


class NoChampionError(WrongTimeError):
    """Raised when nothing serves a workspace's model of this type, or nothing served before what does.

    `why` says what took the last champion away; None where there was none.
    """

    def __init__(self, model: str, why: str | None = None) -> None:
        state = "has no champion yet" if why is None else f"has no champion: {why}"
        super().__init__(f"{model} {state}; run `raptorflow run model-refresh` first")


class NoPreviousChampionError(NoChampionError):
    """Raised when a rollback has nowhere to go: no readable version served before the champion."""

    def __init__(self, model: str, champion: str) -> None:
        InputError.__init__(self, f"nothing served {model} before {champion}: name the version to go back to")


class ModelSpecError(InputError):
    """Raised when a model's YAML file is wrong."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
