"""What a report's page of everything held after the last run, and what this run changed of it.

A flow's newest table in Prefect is its memory: wherever a worker runs, it can be read there, and a run over a few
workspaces leaves the others' rows as they were. So the report of a run by hand does not forget the night before it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.reporting.artifacts import plain_cells
from tasks.warehouse.outcomes import FAILED

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReportRows:
    """Everything that is known now, a row each, beside what the last run knew.

    Attributes:
        rows: as they are published.
        before: of the last run; None where there was none.
        looked_at: workspaces of this run.
    """

    rows: list[Row]
    before: list[Row] | None
    looked_at: Collection[str]

    def added(self, *identity: str) -> list[Row]:
        """Rows of this run that the last one did not have; none in the first run, where everything is new."""
        if self.before is None:
            return []
        known = {_identity(row, identity) for row in self.before}
        return [row for row in self._looked_at(self.rows) if _identity(row, identity) not in known]

    def gone(self, *identity: str) -> list[Row]:
        """Rows of the last run that this one looked for and did not find."""
        now = {_identity(row, identity) for row in self.rows}
        return [row for row in self._looked_at(self.before or []) if _identity(row, identity) not in now]

    def changed(self, identity: Sequence[str], names: Sequence[str]) -> list[tuple[Row, Row]]:
        """Pairs of a row before and now that differ in one of the columns named."""
        known = {_identity(row, identity): row for row in self.before or []}
        pairs = [(known.get(_identity(row, identity)), row) for row in self._looked_at(self.rows)]
        return [(old, new) for old, new in pairs if old is not None and any(old.get(n) != new.get(n) for n in names)]

    def _looked_at(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row["workspace"] in self.looked_at]


def report_rows(
    before: Sequence[Row] | None, now: Sequence[Mapping[str, Any]], looked_at: Collection[str], *, everyone: bool
) -> ReportRows:
    """Put this run's rows in the place of those its workspaces had.

    Args:
        before: rows of the last run; None where there was none.
        now: rows of this run; one with the status `failed` leaves what was known of its workspace.
        looked_at: workspaces of this run.
        everyone: whether the run was about all workspaces, so that one it did not see is none any more.
    """
    fresh = [plain_cells(row) for row in now]
    names = {row["workspace"] for row in plain_workspaces(looked_at)}
    failed = {row["workspace"] for row in fresh if row.get("status") == FAILED}
    kept = [row for row in before or [] if _is_kept(row, names, failed, everyone)]
    return ReportRows([*fresh, *kept], None if before is None else list(before), names)


def plain_workspaces(names: Collection[str]) -> list[Row]:
    """Ids as a published table shows them."""
    return [plain_cells({"workspace": name}) for name in names]


def published_rows(*keys: str) -> dict[str, list[Row]]:
    """Rows of the newest table under each key, as far as there are any."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey

    wanted = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=list(keys)))
    with get_client(sync_client=True) as client:
        newest = client.read_latest_artifacts(artifact_filter=wanted, limit=len(keys))
    tables = {str(one.key): one.data for one in newest if one.type == "table"}
    return {key: json.loads(data) if isinstance(data, str) else list(data) for key, data in tables.items()}  # type: ignore[arg-type]


def _is_kept(row: Row, looked_at: Collection[str], failed: Collection[str], everyone: bool) -> bool:
    if row["workspace"] not in looked_at:
        return not everyone
    return row["workspace"] in failed and row.get("status") != FAILED


def _identity(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in names)
