"""What a person does with releases from a form: files that lie where forms may name them, a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.errors import InputError
from tasks.private_files import private_folder
from tasks.settings import get_settings
from tasks.transfer.exchange.errors import RepeatedReleaseError
from tasks.transfer.exchange.service import OWN, ExchangeService
from tasks.warehouse.input_folders import declared

FOLDER, SENT = "releases", "sent"  # in the inbox: what came, and below it what is handed out
SHOWN_DIGITS = 8
Row = dict[str, Any]


def waiting(files: Sequence[str], *, is_from_form: bool) -> list[Path]:
    """The files that were named, or all that came.

    Args:
        files: none for all of the inbox's folder of releases; what was handed out lies below it.
        is_from_form: filled in by whoever may open the page: files of the inbox and of declared folders alone.

    Raises:
        UndeclaredFileError: if a form names another file.
        InputError: if none is named and none has come.
    """
    folder = get_settings().inbox / FOLDER
    paths = [Path(file) for file in files] or sorted(path for path in folder.glob("[!.]*") if path.is_file())
    if not paths:
        raise InputError(f"no file named, none in {folder}")
    return [declared(path) for path in paths] if is_from_form else paths


def checked(service: ExchangeService, files: Sequence[Path]) -> list[Row]:
    """What `import` would do with each file; nothing is taken in."""
    return [_checked(service, file) for file in files]


def taken_in(service: ExchangeService, files: Sequence[Path], *, is_all: bool, again: bool) -> list[Row]:
    """Take in all of some files or, where one is refused, none; then measure what they bring here.

    Args:
        service: of this installation.
        files: one or more.
        is_all: they are all that came, and those that were here before are left as they are.
        again: also what was forgotten here.

    Raises: as `ExchangeService.take_in`.
    """
    rows, new = [], []
    for file in files:
        try:
            service.verify(file, again=again)
        except RepeatedReleaseError as repeated:
            if not is_all:
                raise
            rows.append({"file": file.name, "what": repeated.reason})
        else:
            new.append(file)
    if new:
        releases = service.take_in(new, again=again)
        service.measure()
        rows += [
            {"file": file.name, "what": f"taken in: period {release.manifest.period} of {release.fingerprint}"}
            for file, release in zip(new, releases, strict=True)
        ]
    return rows


def handed_out(service: ExchangeService, files: Sequence[str], period: str | None, *, is_from_form: bool) -> Row:
    """Write a release to the file that was named, or to one of its own name in the inbox's folder of what was sent.

    Raises: as `ExchangeService.export`, and UndeclaredFileError.
    """
    if files:
        path = Path(files[0])
        return service.export(declared(path) if is_from_form else path, period).as_dict()
    newest = next((one.period for one in service.list_releases() if one.state == OWN), "none")
    folder = private_folder(get_settings().inbox / FOLDER / SENT)
    name = f"{service.fingerprint[:SHOWN_DIGITS]}-{period or newest}.release"
    return service.export(folder / name, period).as_dict()


def _checked(service: ExchangeService, file: Path) -> Row:
    try:
        release = service.verify(file)
    except InputError as refusal:
        return {"file": file.name, "what": f"refused: {str(refusal).removeprefix(f'{file}: ')}"}
    signed = f"whole, signed by {release.fingerprint}, period {release.manifest.period}; import would take it in"
    return {"file": file.name, "what": signed}
