"""Which files a form may name."""

from __future__ import annotations

from pathlib import Path

from tasks.settings import get_settings
from tasks.warehouse.errors import UndeclaredFileError


def declared(path: Path) -> Path:
    """The file itself, links followed, if it lies in the inbox or a folder of RAPTORFLOW_INPUT_FOLDERS.

    Raises:
        UndeclaredFileError: if it does not; whether there is such a file is not said.
    """
    folders = get_settings().readable_folders
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, and names that no file has
        raise UndeclaredFileError(path, folders) from error
    if not any(resolved.is_relative_to(folder) for folder in folders):
        raise UndeclaredFileError(path, folders)
    return resolved
