"""What a person does with releases in a form: files of the inbox alone, everything or nothing, nobody's gain shown."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.parameters import ReleaseExchange
from flows.release_exchange import release_exchange
from tasks.errors import InputError, UnknownNameError
from tasks.reporting.menus import Menu, choices
from tasks.settings import get_settings
from tasks.transfer import steps
from tasks.transfer.catalogue import KEYS
from tasks.transfer.exchange.errors import NoReleaseError, RepeatedReleaseError, UntrustedReleaseError
from tasks.transfer.exchange.release_file import write_release
from tasks.transfer.exchange.service import ExchangeService
from tasks.transfer.service import PublisherService
from tasks.warehouse import Warehouse
from tasks.warehouse.errors import UndeclaredFileError
from tests.release_factories import key_of, manifest_of, name_of, noisy_sums
from tests.transfer_factories import NOW, SeededNoise, crowd, store_crowd

FLOW = sys.modules["flows.release_exchange"]


@pytest.fixture
def inbox(sqlite_template: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files come to; those of installations 1 and 2 are trusted. A form does what is done."""
    home.mkdir(mode=0o700)
    shutil.copy(sqlite_template, home / "warehouse.db")
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_RELEASES", f"{name_of(1)},{name_of(2)}")
    get_settings.cache_clear()
    monkeypatch.setattr(steps, "ExchangeService", partial(ExchangeService, clock=lambda: NOW + timedelta(hours=1)))
    folder = get_settings().inbox / "releases"
    folder.mkdir(parents=True)
    return folder


def came(folder: Path, seed: int) -> Path:
    """A release of an installation, in a folder."""
    sums, file = noisy_sums(seed), folder / f"{seed}.release"
    file.write_bytes(write_release(manifest_of(sums), sums, key_of(seed)))
    return file


def act(action: str, *files: Path | str, period: str | None = None, installation: str | None = None) -> list[Any]:
    which = {"period": period, "installation": installation}
    rows: list[Any] = steps.act_on_releases.fn(action, [str(file) for file in files], which, False, True)
    return rows


def states() -> dict[str, str]:
    return {row["fingerprint"]: row["state"] for row in act("list")}


def test_what_came_is_checked_taken_in_once_and_forgotten(inbox: Path) -> None:
    with pytest.raises(InputError, match="no file named, none in"):
        act("import")
    for seed in (1, 3):
        came(inbox, seed)
    (inbox / "letter.txt").write_text("Dear colleague")
    verdicts = {row["file"]: row["what"] for row in act("verify")}
    assert "import would take it in" in verdicts["1.release"]
    assert "not trusted here" in verdicts["3.release"]
    assert verdicts["letter.txt"].startswith("refused: ")
    with pytest.raises(InputError):
        act("import")
    assert states() == {}, "one that is refused keeps the others out"
    for name in ("3.release", "letter.txt"):
        (inbox / name).unlink()
    assert name_of(1) in act("import")[0]["what"]
    came(inbox, 2)
    assert [row["what"].split()[0] for row in act("import")] == ["this", "taken"], "what was here stays as it is"
    with pytest.raises(RepeatedReleaseError):
        act("import", inbox / "1.release")
    assert states() == {name_of(1): "in use", name_of(2): "in use"}
    assert choices(Menu.INSTALLATIONS) == sorted([name_of(1), name_of(2)])
    assert [row["what"] for row in act("forget", installation=name_of(1))] == ["forgotten"]
    assert choices(Menu.INSTALLATIONS) == [name_of(2)]
    assert "gain" not in act("list")[0], "what a release brings whom is on no run's page"


def test_no_other_file_is_read_or_written(inbox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    file = came(outside, 1)
    (inbox / "linked.release").symlink_to(file)
    (inbox / "folder").symlink_to(outside)
    (inbox / "circle").symlink_to(inbox / "circle")
    unnamable = (inbox / "circle", inbox / "circle" / "x", f"{inbox}/a\0b", f"{inbox}/\ud800")
    outward = (file, inbox / "linked.release", inbox / "folder" / "new.release", inbox / ".." / ".." / "x.db")
    for action in ("verify", "import", "export"):
        for name in (*outward, *unnamable):
            with pytest.raises(UndeclaredFileError):
                act(action, name)
    with pytest.raises(UndeclaredFileError):
        act("import")
    assert list(outside.iterdir()) == [file]


def test_a_release_is_handed_out_into_the_inbox_and_is_not_what_came(inbox: Path) -> None:
    with pytest.raises(NoReleaseError, match="there is no release yet"):
        act("export")
    warehouse = Warehouse()
    store_crowd(warehouse, crowd(20, KEYS[:20]), industry="saas", size="smb")
    PublisherService(noise=SeededNoise(), warehouse=warehouse, clock=lambda: NOW).release(run_id="r")
    (row,) = act("export")
    written = Path(row["file"])
    assert written.parent == inbox / "sent"
    assert written.name == f"{row['fingerprint'][:8]}-{row['period']}.release"
    assert (row["is_new"], act("export")[0]["is_new"]) == (True, False)
    assert act("export", inbox / "named.release")[0]["is_new"]
    assert (inbox / "named.release").read_bytes() == written.read_bytes()
    with pytest.raises(UnknownNameError):
        act("export", period="../../2026-05-20")
    with pytest.raises(InputError, match="holds something else"):
        act("export", came(inbox, 1))
    shutil.rmtree(inbox / "sent")
    (inbox / "named.release").unlink()
    assert [row["file"] for row in act("import")] == ["1.release"]
    with pytest.raises(UntrustedReleaseError):
        act("import", came(inbox, 3))


def test_the_form_does_what_its_page_says(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, pages = list[str](), dict[str, str]()
    monkeypatch.setattr(FLOW, "act_on_releases", steps.act_on_releases.fn)  # a task would start a server
    monkeypatch.setattr(FLOW, "announce", told.append)
    monkeypatch.setattr(FLOW, "publish_markdown", lambda key, text, _about: pages.update({key: text}))
    came(inbox, 1)
    release_exchange.fn()
    assert (pages, told) == ({"release-exchange-report": FLOW.exchange_report("list", [])}, [])
    assert pages["release-exchange-report"].startswith("No release yet")
    release_exchange.fn(ReleaseExchange(action="import"))
    assert told == [f"1.release · taken in: period 2026-05-20 of {name_of(1)}"]
    release_exchange.fn(ReleaseExchange())
    assert f"| {name_of(1)[:16]} |" in pages["release-exchange-report"]
    assert told[1] == f"{name_of(1)} · 2026-05-20 · in use"
