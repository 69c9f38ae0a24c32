"""What can be learned from the rows there are, and what is missing, by the limits that the capabilities set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import yaml

from flows.parameters import RowSelection
from tasks.settings import CHECKOUT
from tasks.warehouse import open_warehouse
from tasks.warehouse.frames import learning_columns

SPECS = CHECKOUT / "mlflow" / "models"  # read as files: importing the room of models takes seconds
NEXT = {
    "workspaces": "raptorflow ingest content FILE",
    "content": "raptorflow run meta-learning",
    "touches": "raptorflow run meta-learning",
    "experiments": "raptorflow experiment",
    "exposures": "raptorflow ingest outcomes FILE",
    "outcomes": "raptorflow experiment",
}
COLUMN_OF = {"engagement": "engagements"}  # the column that holds a model's target, where it has another name


@dataclass(frozen=True, slots=True)
class Readiness:
    """What one workspace has, and what more it needs.

    Attributes:
        about: such as 'acme · social'.
        holds: such as '143 posts over 7 weeks'.
        learns: what these rows are enough for.
        needs: what they are not enough for, each with what it takes.
    """

    about: str
    holds: str
    learns: list[str]
    needs: list[str]

    def __str__(self) -> str:
        """One line."""
        enough = [f"enough for: {', '.join(self.learns)}"] if self.learns else []
        return "; ".join([f"{self.about}: {self.holds}", *enough, *self.needs])


def readiness(kind: str, workspace_ids: Sequence[str]) -> list[Readiness]:
    """What can be learned from the content or touches of some workspaces; nothing for other kinds."""
    tables = {"content": _content, "touches": _touches}
    if kind not in tables or not workspace_ids:
        return []
    specs = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(SPECS.glob("*.yaml"))]
    models = [spec for spec in specs if spec["rows"] == kind]
    days = RowSelection.model_fields["lookback_days"].default
    rows = learning_columns(open_warehouse(), kind, workspace_ids, days)
    by_workspace = sorted(rows.partition_by("workspace_id", as_dict=True).items())
    return [tables[kind](str(name[0]), own, models) for name, own in by_workspace]


def _content(workspace_id: str, rows: pl.DataFrame, models: Sequence[dict[str, Any]]) -> Readiness:
    from tasks.patterns.records import SearchThresholds  # scipy and others: files of other kinds need not wait for them

    limits = SearchThresholds()
    learns, needs = _models(rows, models, "posts")
    kinds = [(str(name[0]), own) for name, own in sorted(rows.partition_by("content_type", as_dict=True).items())]
    enough = [kind for kind, own in kinds if _known(own) >= limits.min_rows and _weeks(own) >= limits.min_weeks]
    short = [kind for kind, _ in kinds if kind not in enough]
    if short:
        needs.insert(0, f"patterns need {limits.min_rows:,} posts with engagements over {limits.min_weeks} weeks")
    if len(kinds) == 1:
        about, holds = f"{workspace_id} · {kinds[0][0]}", _held(kinds[0][1])
    else:
        about, holds = workspace_id, ", ".join(f"{kind} {_held(own)}" for kind, own in kinds)
        needs = [need + f" ({', '.join(short)})" * need.startswith("patterns") for need in needs]
    of = f" of {', '.join(enough)}" if short else ""
    return Readiness(about, holds, [*([f"patterns{of}"] if enough else []), *learns], needs)


def _held(rows: pl.DataFrame) -> str:
    weeks, known = _weeks(rows), _known(rows)
    without = "" if known == len(rows) else f" ({known:,} with engagements)"
    return f"{len(rows):,} post{'s' if len(rows) > 1 else ''} over {weeks} week{'s' if weeks > 1 else ''}{without}"


def _weeks(rows: pl.DataFrame) -> int:
    return rows["published_at"].dt.truncate("1w").n_unique()


def _known(rows: pl.DataFrame) -> int:
    return len(rows) - rows["engagements"].null_count()


def _touches(workspace_id: str, rows: pl.DataFrame, models: Sequence[dict[str, Any]]) -> Readiness:
    converted = int(rows["converted"].sum())
    return Readiness(workspace_id, f"{len(rows):,} visits, {converted:,} converted", *_models(rows, models, "visits"))


def _models(rows: pl.DataFrame, models: Sequence[dict[str, Any]], what: str) -> tuple[list[str], list[str]]:
    """Models whose target enough rows have, and those that lack some; a label nobody gave is no lack."""
    learns, needs = [], []
    for spec in models:
        column, name = COLUMN_OF.get(spec["target"], spec["target"]), spec["model_type"].lower().replace("_", " ")
        known = len(rows) - rows[column].null_count()
        if known >= spec["minimum_rows"]:
            learns.append(name)
        elif known:
            needs.append(f"the {name} needs {spec['minimum_rows']:,} {what} with {column}, there are {known:,}")
    return learns, needs
