"""The models last used, so that who asks for predictions again and again waits for the file once."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from tasks.models.estimators import FittedModel

KEPT = 8  # a text model may hold tens of megabytes


class LatestModels:
    """At most so many models by the sha256 of their files: a file is one model. Safe to share by threads."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self._models: OrderedDict[str, FittedModel] = OrderedDict()
        self._lock = Lock()

    def get(self, sha256: str) -> FittedModel | None:
        """The model of a file; None where it was not used lately."""
        with self._lock:
            if sha256 in self._models:
                self._models.move_to_end(sha256)
            return self._models.get(sha256)

    def put(self, sha256: str, model: FittedModel) -> None:
        """Keep a model, and let the one unused for longest go."""
        with self._lock:
            self._models[sha256] = model
            self._models.move_to_end(sha256)
            if len(self._models) > self.kept:
                self._models.popitem(last=False)
