"""Predictions on request: routed by the stage of a rollout, and logged with the version that gave them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from time import perf_counter

import polars as pl

from tasks.models.canary import Canary
from tasks.models.dataset import Examples, all_rows
from tasks.models.errors import NoChampionError
from tasks.models.learning import Run
from tasks.models.prediction import predictions
from tasks.models.records import Batch, ModelKey, Prediction, Version
from tasks.models.specs import ModelSpec


class Server:
    """Answers for one warehouse and one registry. Champion and stage are resolved once a call, and loaded by number."""

    def __init__(self, canary: Canary) -> None:
        self.canary, self.promoter, self.store = canary, canary.promoter, canary.store

    def predict(
        self, key: ModelKey, spec: ModelSpec, frame: pl.DataFrame, row_ids: Collection[str] | None, run: Run
    ) -> list[Prediction]:
        """Predict rows of a frame, in time order, and remember what was said.

        A challenger that fails is answered for by the champion, and its failure is remembered.

        Raises:
            NoChampionError: if nothing serves.
        """
        name = self.promoter.champion(key)
        champion = None if name is None else self.store.version(key, name)
        if champion is None:
            raise NoChampionError(key.registered_name)
        rows = all_rows(frame, spec)
        wanted = rows if row_ids is None else rows.only(row_ids)
        challenger, mine = self._challenged(key, champion, wanted)
        found: list[Prediction] = []
        if challenger is not None and mine:
            try:
                found = self._answer(key, challenger, wanted.only(mine), run)
            except Exception:  # noqa: BLE001 - remembered; whatever ails a challenger is no caller's trouble
                mine = set()
        rest = [row for row in wanted.keys.to_list() if row not in mine]
        if rest:
            found += self._answer(key, champion, wanted.only(rest), run)
        order = {row: i for i, row in enumerate(wanted.keys.to_list())}
        return sorted(found, key=lambda one: order[one["row_id"]])

    def _challenged(self, key: ModelKey, champion: Version, rows: Examples) -> tuple[Version | None, set[str]]:
        """The challenger and the rows it answers, where a rollout beside this champion is under way."""
        step = self.canary.open(key)
        if step is None or step.champion != champion.version_name or not len(rows):
            return None, set()
        challenger = self.store.version(key, step.version_name)
        return challenger, self.canary.challenger_rows(step, rows.keys.to_list()) if challenger else set()

    def _answer(self, key: ModelKey, version: Version, rows: Examples, run: Run) -> list[Prediction]:
        """One version's answers, logged; the batch is remembered also where it fails."""
        begun: float = perf_counter()
        error: str | None = "interrupted"
        try:
            outputs = predictions(self.promoter.load(key, version), rows, version.version_name)
            error = None
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            seconds = perf_counter() - begun
            batch = Batch(version.version_name, len(rows), seconds, error, datetime.now(UTC))
            self.store.add_batch(key, batch, run.run_id)
        logged = [{name: one[name] for name in ("row_id", "inputs_sha256", "output")} for one in outputs]
        self.store.add_predictions(key, version.version_name, logged, run.run_id)
        return outputs
