"""A champion as the warehouse remembers it, and predictions of it, without a model behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.models.records import ModelKey, ModelType
from tasks.models.store import ModelStore
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ModelDeployment, ModelVersion, Workspace
from tests.factories import store, workspace_row

CONVERSION = ModelKey("acme", ModelType.CONVERSION_PREDICTOR)
EVALUATION = {"loss": 0.2, "loss_variance": 0.1, "n": 1000, "baseline_loss": 0.3, "metrics": {}}


def let_serve(warehouse: Warehouse, key: ModelKey = CONVERSION, name: str = "v_1", **changes: Any) -> None:
    """A version of this name is champion, in a workspace of its own."""
    store(warehouse, Workspace, [workspace_row(workspace_id=key.workspace_id)])
    then = datetime.now(UTC) - timedelta(days=30)
    about = {"workspace_id": key.workspace_id, "model_type": key.model_type.value, "version_name": name}
    row = {"data_sha256": f"{name:0>64}", "spec_sha256": "0" * 64, "status": "registered", "decision": "promote"}
    row |= {"registry_version": 1, "artifact_sha256": None, "golden": {}, "gate": None, "evaluation": EVALUATION}
    row |= {"n_rows": 900, "train_from": then, "train_to": then, "snapshot_sha256": None, "git_commit": None}
    store(warehouse, ModelVersion, [about | row | {"pinned": False, "trained_at": then, "run_id": "test"} | changes])
    moved = {"generation": 1, "phase": "closed", "outcome": "done", "kind": "promotion", "from_version": None}
    moved |= {"actor": "engine", "reason": "first", "recorded_at": then, "run_id": "test"}
    store(warehouse, ModelDeployment, [about | moved])


def predict(warehouse: Warehouse, rows: dict[str, float], key: ModelKey = CONVERSION, name: str = "v_1") -> None:
    """Log the chance of a conversion for rows."""
    outputs = {row: {"label": "0", "probabilities": {"0": 1 - chance, "1": chance}} for row, chance in rows.items()}
    logged = [{"row_id": row, "inputs_sha256": "0" * 64, "output": output} for row, output in outputs.items()]
    ModelStore(warehouse).add_predictions(key, name, logged, "test")
