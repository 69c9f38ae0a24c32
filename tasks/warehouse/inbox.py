"""Files that wait: in a kind's folder, or in folders below it that say by which preset and for whom they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.warehouse.preset_files import preset_names


@dataclass(frozen=True, slots=True)
class Waiting:
    """Files that are read alike: by which preset, for which workspace."""

    files: Sequence[Path]
    preset: str | None
    workspace: str | None


def waiting(how: Mapping[str, str | None], files: Sequence[Path]) -> Waiting:
    """Files that were named, read as was said."""
    return Waiting(files, how.get("preset") or None, how.get("workspace") or None)


def inbox(folder: Path, how: Mapping[str, str | None]) -> list[Waiting]:
    """What waits in a folder: its own files as `how` says, those in `PRESET` and `WORKSPACE/PRESET` as these say."""
    known = set(preset_names())
    batches = [waiting(how, _files(folder))]
    for below in _folders(folder):
        if below.name in known:
            batches.append(Waiting(_files(below), below.name, how.get("workspace") or None))
            continue
        batches += [Waiting(_files(one), one.name, below.name) for one in _folders(below) if one.name in known]
    return [batch for batch in batches if batch.files]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[!.]*") if path.is_file())


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir())
