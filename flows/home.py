"""The home, before anything is begun that writes there."""

from __future__ import annotations

import os
from tempfile import TemporaryFile

from tasks.errors import HomeNameError, HomeUnusableError
from tasks.private_files import private_folder
from tasks.settings import get_settings

ROOM = 4 * 2**20  # less is left only where the next transaction fails


def require_home() -> None:
    """Write a little and take it back: servers and stores try for minutes before they give another reason.

    Raises:
        HomeNameError: if its path would end early in an address.
        HomeUnusableError: if the home cannot be made, is read-only, or has no room left.
    """
    home = get_settings().home.resolve()
    if set(str(home)) & {"?", "#"}:
        raise HomeNameError(home)
    try:
        with TemporaryFile(dir=private_folder(home), buffering=0) as file:
            file.write(bytes(ROOM))
            os.fsync(file.fileno())
    except OSError as error:
        raise HomeUnusableError(home, error.strerror or type(error).__name__) from error
