"""What rows of other workspaces are to a workspace's own: the shapes that rows, recipes and pools share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

WORKSPACE = "workspace"  # the label by which a pool of touches knows whose a row is


@dataclass(frozen=True)
class PooledModels:
    """What an organization's rows taught, for one workspace.

    Attributes:
        before: the estimator of the rows before those that a mixture is tuned on; `served` the one that serves.
        scale: the workspace's usual residual, in the unit of the target.
        label_shares: of each label among the organization's rows before.
    """

    workspace: str
    before: Any
    served: Any
    scale: float
    label_shares: Mapping[str, float]


def inputs_of_both(own: Mapping[str, Any], pooled: Mapping[str, Any]) -> dict[str, Any]:
    """What two models read, or either, but for the workspace, which is known; own kinds of columns count."""
    numbers, labels = list(own["numbers"]), list(own["labels"])
    numbers += [name for name in pooled["numbers"] if name not in {*numbers, *labels}]
    labels += [name for name in pooled["labels"] if name not in {*numbers, *labels, WORKSPACE}]
    return {"numbers": numbers, "labels": labels, "text": bool(own.get("text") or pooled.get("text"))}


class RowsInCommon(Protocol):
    """The labeled rows of an organization's workspaces; an `OrganizationPool`."""

    @property
    def workspace_ids(self) -> tuple[str, ...]:
        """Whose rows they are, in order."""

    @property
    def n(self) -> int:
        """How many rows there are."""

    @property
    def newest(self) -> datetime | None:
        """The time of the latest row; None where there is none."""

    @property
    def sha256(self) -> str:
        """Hash of all rows."""


class Teaching(Protocol):
    """What a workspace's rows carry of its organization's; `Siblings`."""

    @property
    def pool(self) -> RowsInCommon:
        """The rows."""

    @property
    def basis(self) -> str:
        """What the pool is made of, in short."""

    @property
    def is_enough(self) -> bool:
        """Whether the pool holds rows enough to help."""

    def models(self, own: Any, learned: datetime, served: datetime | None) -> PooledModels | None:
        """The organization's models up to two moments, the later None for now; None where there are none yet."""
