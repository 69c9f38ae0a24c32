"""Sums of each day's predictions and outcomes, kept up row by row: a write costs the same however much is known.

Rows and their sums are one transaction, and one model has one writer at a time, so that a process that is killed leaves
both or neither, and a row that is sent again adds nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from tasks.models.drift.sketch import Sketch, loss_of, score_of
from tasks.models.records import ModelKey, ModelType, OutcomeRows
from tasks.warehouse import Warehouse
from tasks.warehouse.locks import lock_until_commit
from tasks.warehouse.schema import ModelDeployment, ModelOutcome, ModelPrediction, ModelSketch

ROWS_PER_QUERY = 5_000
A_DAY = timedelta(days=1)
SUMS = tuple(Sketch.__slots__)
Days = list[tuple[datetime, Sketch]]


def add_predictions(
    warehouse: Warehouse, key: ModelKey, version_name: str, rows: Sequence[Mapping[str, Any]], run_id: str
) -> None:
    """Log predictions; the same version on the same inputs is the same row, and counts once.

    Args:
        rows: `row_id`, `inputs_sha256` and `output` of each.
    """
    about = {"workspace_id": key.workspace_id, "model_type": key.model_type.value, "version_name": version_name}
    with warehouse.begin() as connection:
        _alone(warehouse, connection, key)
        now = datetime.now(UTC)
        wanted = {(str(row["row_id"]), str(row["inputs_sha256"])): row for row in rows}
        table = ModelPrediction
        for chunk in _chunks([row_id for row_id, _ in wanted]):
            known = select(table.row_id, table.inputs_sha256).where(
                *_of(key, table, version_name), table.row_id.in_(chunk)
            )
            for row in warehouse.rows(known, connection):
                wanted.pop((row["row_id"], row["inputs_sha256"]), None)
        stamp = about | {"predicted_at": now, "run_id": run_id}
        warehouse.upsert(connection, ModelPrediction, [stamp | dict(row) for row in wanted.values()])
        _add(warehouse, connection, about, now, Sketch.of(scores=[score_of(row["output"]) for row in wanted.values()]))


def record_outcomes(warehouse: Warehouse, key: ModelKey, values: Mapping[str, float | str], run_id: str) -> OutcomeRows:
    """Note what came of rows, for every version that had predicted them; the first outcome of a row stands.

    Args:
        values: by row: a label, or a number on the scale of `expected`.
    """
    recorded, repeated, predicted = set[str](), set[str](), set[str]()
    with warehouse.begin() as connection:
        _alone(warehouse, connection, key)
        now, lost = datetime.now(UTC), dict[str, list[float]]()
        for chunk in _chunks(list(values)):
            outputs = _last_outputs(warehouse, connection, key, chunk)
            predicted.update(row_id for _, row_id in outputs)
            table = ModelOutcome
            known = select(table.version_name, table.row_id).where(*_of(key, table), _of_rows(table, outputs))
            for row in warehouse.rows(known, connection):
                outputs.pop((row["version_name"], row["row_id"]))
                repeated.add(row["row_id"])
            fresh = [
                {"version_name": version, "row_id": row_id, "value": str(values[row_id])}
                | {"loss": loss_of(output, values[row_id]), "recorded_at": now, "run_id": run_id}
                | {"workspace_id": key.workspace_id, "model_type": key.model_type.value}
                for (version, row_id), output in outputs.items()
            ]
            warehouse.upsert(connection, ModelOutcome, fresh)
            for row in fresh:
                recorded.add(str(row["row_id"]))
                lost.setdefault(str(row["version_name"]), []).append(float(row["loss"]))  # type: ignore[arg-type]
        for version, losses in lost.items():
            about = {"workspace_id": key.workspace_id, "model_type": key.model_type.value, "version_name": version}
            _add(warehouse, connection, about, now, Sketch.of(losses=losses))
    return OutcomeRows(frozenset(recorded), frozenset(repeated - recorded), frozenset(values.keys() - predicted))


def days_of(warehouse: Warehouse, key: ModelKey, version_name: str, as_of: datetime | None = None) -> Days:
    """The sketches of a version by day, as they were at an instant; None is now."""
    table = ModelSketch
    query = select(table.__table__).where(*_of(key, table, version_name)).order_by(table.day)
    if as_of is None:
        return [(row["day"], _sketch(row)) for row in warehouse.rows(query)]
    whole = [(row["day"], _sketch(row)) for row in warehouse.rows(query.where(table.day < _day(as_of)))]
    part = _part_of_day(warehouse, key, version_name, as_of)
    return [*whole, (_day(as_of), part)] if part != Sketch() else whole


def stream_mark(warehouse: Warehouse, key: ModelKey) -> tuple[Any, ...]:
    """What changes whenever a model predicts, an outcome comes, or another version serves."""
    sums, moved = ModelSketch, ModelDeployment
    seen = select(func.sum(sums.n_predictions), func.sum(sums.n_outcomes)).where(*_of(key, sums))
    changes = select(func.count()).select_from(moved).where(*_of(key, moved))
    with warehouse.connect() as connection:
        predictions, outcomes = connection.execute(seen).one()
        return predictions, outcomes, connection.execute(changes).scalar_one()


def used_since(
    warehouse: Warehouse, since: datetime, most: int, workspace_ids: Collection[str] | None = None
) -> list[ModelKey]:
    """Models, all or of some workspaces, that predicted or had an outcome on the day of an instant or later."""
    table = ModelSketch
    names = (table.workspace_id, table.model_type)
    query = select(*names).where(table.day >= _day(since)).group_by(*names)
    if workspace_ids is not None:
        query = query.where(table.workspace_id.in_(sorted(workspace_ids)))
    rows = warehouse.rows(query.order_by(func.max(table.day).desc(), *names).limit(most))
    return [ModelKey(row["workspace_id"], ModelType(row["model_type"])) for row in rows]


def _part_of_day(warehouse: Warehouse, key: ModelKey, version_name: str, until: datetime) -> Sketch:
    """What a day's sketch was at an instant, from the rows themselves."""
    served, came = ModelPrediction, ModelOutcome
    between = (served.predicted_at >= _day(until), served.predicted_at <= until)
    outputs = warehouse.rows(select(served.output).where(*_of(key, served, version_name), *between))
    between = (came.recorded_at >= _day(until), came.recorded_at <= until)
    losses = warehouse.rows(select(came.loss).where(*_of(key, came, version_name), *between))
    return Sketch.of([score_of(row["output"]) for row in outputs], [row["loss"] for row in losses])


def _last_outputs(
    warehouse: Warehouse, connection: Connection, key: ModelKey, row_ids: Sequence[str]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What each version last predicted for each of these rows, by version and row."""
    table = ModelPrediction
    query = select(table.version_name, table.row_id, table.output).where(*_of(key, table), table.row_id.in_(row_ids))
    rows = warehouse.rows(query.order_by(table.predicted_at), connection)
    return {(row["version_name"], row["row_id"]): row["output"] for row in rows}


def _add(warehouse: Warehouse, connection: Connection, about: Mapping[str, Any], now: datetime, more: Sketch) -> None:
    """Add to the sketch of a day; whoever calls is alone with the model."""
    if more == Sketch():
        return
    table, day = ModelSketch, _day(now)
    key = ModelKey(about["workspace_id"], ModelType(about["model_type"]))
    query = select(table.__table__).where(*_of(key, table, about["version_name"]), table.day == day)
    there = next((_sketch(row) for row in warehouse.rows(query, connection)), Sketch())
    total = there + more
    row = {**about, "day": day, **{name: getattr(total, name) for name in SUMS}}
    warehouse.upsert(connection, ModelSketch, [row])


def _alone(warehouse: Warehouse, connection: Connection, key: ModelKey) -> None:
    lock_until_commit(warehouse, connection, f"model_sketch {key.registered_name}")


def _sketch(row: Mapping[str, Any]) -> Sketch:
    return Sketch(*(int(row[name]) for name in SUMS))


def _day(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _of(key: ModelKey, table: Any, version_name: str | None = None) -> tuple[ColumnElement[bool], ...]:
    of_model = (table.workspace_id == key.workspace_id, table.model_type == key.model_type.value)
    return of_model if version_name is None else (*of_model, table.version_name == version_name)


def _of_rows(table: Any, outputs: Mapping[tuple[str, str], Any]) -> ColumnElement[bool]:
    versions, rows = {version for version, _ in outputs}, {row_id for _, row_id in outputs}
    return and_(table.version_name.in_(versions), table.row_id.in_(rows))


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), ROWS_PER_QUERY):
        yield items[start : start + ROWS_PER_QUERY]
