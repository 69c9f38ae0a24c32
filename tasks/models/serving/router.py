"""Predictions on request: routed by the stage of a rollout, and logged with the version that gave them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from time import perf_counter

from tasks.models.errors import NoChampionError
from tasks.models.records import ModelKey, Prediction, PredictionBatch, Run, Version
from tasks.models.registry.promotion import Promoter, withdrawn_because
from tasks.models.serving.predictions import predictions
from tasks.models.serving.rollouts import Rollouts
from tasks.models.training.dataset import Examples


class PredictionRouter:
    """Serves one warehouse and one registry. Champion and stage are read once a call, and models loaded by number."""

    def __init__(self, promoter: Promoter, rollouts: Rollouts) -> None:
        self.promoter, self.rollouts, self.store = promoter, rollouts, promoter.store

    def predict(self, key: ModelKey, rows: Examples, row_ids: Collection[str] | None, run: Run) -> list[Prediction]:
        """Predict rows, in time order, and log the predictions.

        Where a challenger fails the champion serves its rows too, and the failure is logged.

        Raises:
            NoChampionError: if there is no champion.
        """
        name = self.promoter.champion(key)
        champion = None if name is None else self.store.version(key, name)
        if champion is None:
            raise NoChampionError(key.registered_name, withdrawn_because(self.store.deployments(key)))
        wanted = rows if row_ids is None else rows.only(row_ids)
        challenger, for_challenger = self._challenged(key, champion, wanted)
        served: list[Prediction] = []
        if challenger is not None and for_challenger:
            try:
                served = self._serve(key, challenger, wanted.only(for_challenger), run)
            except Exception:  # noqa: BLE001 - logged with the batch; a challenger's failure is no caller's
                for_challenger = set()
        rest = [row for row in wanted.keys.to_list() if row not in for_challenger]
        if rest:
            served += self._serve(key, champion, wanted.only(rest), run)
        by_row = {prediction["row_id"]: prediction for prediction in served}
        return [by_row[row] for row in wanted.keys.to_list()]

    def _challenged(self, key: ModelKey, champion: Version, rows: Examples) -> tuple[Version | None, set[str]]:
        """The challenger and the rows it serves, where a rollout beside this champion is under way."""
        step = self.rollouts.current(key)
        if step is None or step.champion != champion.version_name or not rows.n:
            return None, set()
        challenger = self.store.version(key, step.version_name)
        return challenger, self.rollouts.challenger_rows(step, rows.keys.to_list()) if challenger else set()

    def _serve(self, key: ModelKey, version: Version, rows: Examples, run: Run) -> list[Prediction]:
        """One version's predictions, logged; the batch is logged also where it fails."""
        begun: float = perf_counter()
        error: str | None = "interrupted"
        try:
            served = predictions(self.promoter.load(key, version), rows, version.version_name)
            error = None
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            seconds = perf_counter() - begun
            batch = PredictionBatch(version.version_name, rows.n, seconds, error, datetime.now(UTC))
            self.store.add_batch(key, batch, run.run_id)
        logged = [{name: one[name] for name in ("row_id", "inputs_sha256", "output")} for one in served]
        self.store.add_predictions(key, version.version_name, logged, run.run_id)
        return served
