"""Drafts are scored, and rows predicted, in a process beside: MLflow takes seconds to import and 200 MB, and a model's
arithmetic would hold up the units that wait for their arms. It starts with the first draft and stays.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from service.problems import BUSY, ProblemError, status_of, unavailable, words_of
from tasks.errors import RaptorflowError
from tasks.json_output import plain
from tasks.warehouse.database import UNAVAILABLE

if TYPE_CHECKING:
    from tasks.models.service import ModelService

SECONDS = 60.0
UNAVAILABLE_STATUS = 503


class Scoring:
    """One process beside this one, which is started when first asked, and again where it has died.

    Args:
        url: of the warehouse.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: ProcessPoolExecutor | None = None
        self._starting = threading.Lock()

    def score(self, workspace_id: str, draft: Mapping[str, Any]) -> dict[str, Any]:
        """What a draft is worth; see `service.draft_score`.

        Raises:
            ProblemError: 503 where the process does not answer in time.
        """
        scored: dict[str, Any] = self._ask(_score, self._url, workspace_id, dict(draft))
        return scored

    def predict(self, workspace_id: str, model_type: str, row_ids: Sequence[str] | None) -> list[dict[str, Any]]:
        """Predictions of stored rows by what serves, logged; see `ModelService.predict`."""
        predicted: list[dict[str, Any]] = self._ask(_predict, self._url, workspace_id, model_type, row_ids)
        return predicted

    def move(self, kind: str, workspace_id: str, model_type: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Promote a version, or roll back to one: `kind` is `promote_model` or `rollback_model`."""
        moved: dict[str, Any] = self._ask(_move, self._url, kind, workspace_id, model_type, dict(options))
        return moved

    def close(self) -> None:
        """End the process; what it still computes is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, work: Any, *given: Any) -> Any:
        try:
            status, answer = self._started().submit(_told, work, given).result(SECONDS)
        except BrokenProcessPool as error:
            self._pool = None
            raise unavailable("the process that scores has ended and starts again; send the same again") from error
        except NotInTimeError as error:
            raise unavailable(f"no answer within {SECONDS:.0f} s; send the same again") from error
        if status is not None:
            raise unavailable(answer) if status == UNAVAILABLE_STATUS else ProblemError(status, answer)
        return answer

    def _started(self) -> ProcessPoolExecutor:
        with self._starting:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_end_with_parent)
            return self._pool


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone, however it went: an agent's is killed."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _told(work: Any, given: Sequence[Any]) -> tuple[int | None, Any]:
    """The answer, or the status and the words of what is wrong: errors of the house cannot be sent from there."""
    try:
        return None, work(*given)
    except RaptorflowError as error:
        return status_of(error), words_of(error)
    except UNAVAILABLE:
        return UNAVAILABLE_STATUS, BUSY


@lru_cache(maxsize=4)
def _models(url: str) -> ModelService:
    from tasks.models.service import ModelService
    from tasks.warehouse import Warehouse

    return ModelService(Warehouse(url))


def _score(url: str, workspace_id: str, draft: dict[str, Any]) -> Any:
    from service.draft_score import score_draft
    from tasks.warehouse import Warehouse

    return plain(score_draft(Warehouse(url), _models(url), workspace_id, draft))


def _predict(url: str, workspace_id: str, model_type: str, row_ids: Sequence[str] | None) -> Any:
    return plain(_models(url).predict(workspace_id, model_type, row_ids))


def _move(url: str, kind: str, workspace_id: str, model_type: str, options: dict[str, Any]) -> Any:
    models = _models(url)
    work = models.promote_model if kind == "promote_model" else models.rollback_model
    return plain(work(workspace_id, model_type, **options))
