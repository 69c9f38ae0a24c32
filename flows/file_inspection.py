"""What `raptorflow inspect` prints, and the question `ingest` asks where exactly one preset fits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def agreed_preset(kind: str, files: Sequence[Path]) -> str | None:
    return None


def show(*_: object) -> None:
    raise NotImplementedError
