"""What can go wrong with models.

RaptorflowError
├── RegistryUnreachableError     MLflow does not answer
├── ArtifactRefusedError         a model file is not what was registered
├── PromotionConflictError       somebody else moved the champion first
└── InputError
    ├── NoChampionError          nothing is served yet
    └── ModelSpecError           a file under mlflow/models is wrong
"""

from __future__ import annotations

from tasks.errors import InputError, RaptorflowError
from tasks.settings import hidden, without_password


class RegistryUnreachableError(RaptorflowError):
    """Raised when MLflow does not answer; nothing was moved, or what was begun is finished at the next start."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = without_password(address)
        why = hidden(reason, address)
        super().__init__(f"MLflow does not answer at {self.address} ({why}); start it or change MLFLOW_TRACKING_URI")


class ArtifactRefusedError(RaptorflowError):
    """Raised when a model file differs from what was registered or holds foreign types; it was not loaded."""

    def __init__(self, model: str, version: object, reason: str) -> None:
        self.model, self.version = model, version
        super().__init__(f"{model} version {version} was not loaded: {reason}; roll back or train it again")


class PromotionConflictError(RaptorflowError):
    """Raised to the second of two promoters."""

    def __init__(self, model: str, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"{model} is at generation {found}, not {expected}: another promotion came first; look and decide again"
        )


class NoChampionError(InputError):
    """Raised when a workspace has no model of this type yet."""

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} has no champion yet; run `raptorflow run model-refresh` first")


class ModelSpecError(InputError):
    """Raised when a model's YAML file is wrong."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
