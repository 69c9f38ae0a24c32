"""What applying deployments/ changed, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DeploymentChange:
    """One thing that was created, changed, or waits for something.

    Attributes:
        kind: work pool, deployment or automation.
        name: its name.
        what: `created`, `changed`, or what a person has to do.
        fields: what differed.
        waits: nothing was changed, a person has to do something first.
        refused: what was asked for cannot work, and a person has to change it.
    """

    kind: str
    name: str
    what: str
    fields: list[str] = field(default_factory=list)
    waits: bool = False
    refused: bool = False

    def __str__(self) -> str:
        """One line for the terminal."""
        fields = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.kind} {self.name}: {self.what}{fields}"


def different(wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    """Names of the wanted fields that hold another value; the order of a list of words does not matter."""
    return [name for name, value in wanted.items() if _settled(value) != _settled(actual.get(name))]


def _settled(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return value
