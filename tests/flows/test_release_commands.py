"""Two installations exchange releases on the command line; each mistake and each bad file is one line."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.settings import get_settings
from tasks.transfer.catalogue import KEYS
from tasks.transfer.exchange.service import ExchangeService
from tasks.transfer.exchange.signing import KEY_FILE
from tasks.transfer.service import PublisherService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.chain_homes import at_home
from tests.factories import store, workspace_row
from tests.flows.conftest import Command
from tests.transfer_factories import SeededNoise, crowd, store_crowd

SHARED_KEYS = tuple(key for key in KEYS if key.startswith("content:"))[:20]
DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "releases.md"
At = Callable[[str], None]


@pytest.fixture(scope="module")
def sender(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """The home of another installation, a file with its release of 200 workspaces, and its fingerprint."""
    folder = tmp_path_factory.mktemp("sender")
    home, file = folder / "home", folder / "their.release"
    home.mkdir(mode=0o700)
    shutil.copy(sqlite_template, home / "warehouse.db")
    with at_home(home):
        warehouse = Warehouse()
        store_crowd(warehouse, crowd(200, SHARED_KEYS), industry="saas", size="smb")
        PublisherService(noise=SeededNoise(), warehouse=warehouse).release(run_id="r")
        return home, file, ExchangeService().export(file).fingerprint


@pytest.fixture
def at(tmp_path: Path, sender: tuple[Path, Path, str], monkeypatch: pytest.MonkeyPatch) -> At:
    """Makes this process work in the sender's home, or in its own, which it begins in."""
    homes = {"sender": tmp_path / "sender", "receiver": Path(os.environ["RAPTORFLOW_HOME"])}
    shutil.copytree(sender[0], homes["sender"])

    def go(name: str) -> None:
        monkeypatch.setenv("RAPTORFLOW_HOME", str(homes[name]))
        get_settings.cache_clear()

    return go


@pytest.fixture
def sent(raptorflow: Command, sender: tuple[Path, Path, str], tmp_path: Path) -> tuple[Path, str]:
    """The file that came, and who signed it; a newcomer of the same kind is at home."""
    store(Warehouse(), Workspace, [workspace_row(industry="saas", size="smb")])
    return Path(shutil.copy(sender[1], tmp_path / "their.release")), sender[2]


def trust(monkeypatch: pytest.MonkeyPatch, *fingerprints: str) -> None:
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_RELEASES", ", ".join(fingerprints))
    get_settings.cache_clear()


def insights(raptorflow: Command) -> list[dict[str, object]]:
    return [row for row in json.loads(raptorflow("insights", "-w", "acme", "--json")[1]) if row["insight_type"]]


def test_a_newcomer_learns_from_strangers_of_another_installation(
    raptorflow: Command, sent: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fingerprint = sent
    assert insights(raptorflow) == []
    status, _, complaint = raptorflow("releases", "verify", str(file))
    assert (status, fingerprint in complaint, "RAPTORFLOW_TRUSTED_RELEASES" in complaint) == (2, True, True)
    trust(monkeypatch, fingerprint)
    status, printed, _ = raptorflow("releases", "verify", str(file))
    assert (status, printed.startswith(f"whole, and signed by {fingerprint}")) == (0, True)
    status, printed, complaint = raptorflow("releases", "import", str(file))
    assert (status, printed.startswith("taken in: 1 release\n")) == (0, True), complaint
    assert "not enough data: no workspace has 50 posts" in printed
    assert len(insights(raptorflow)) >= 3
    trust(monkeypatch)
    assert insights(raptorflow) == [], "who is trusted no longer is heard no longer"
    assert "not trusted" in raptorflow("releases", "list")[1]


def test_what_is_forgotten_is_gone_from_all_that_is_said(
    raptorflow: Command, sent: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fingerprint = sent
    trust(monkeypatch, fingerprint)
    assert raptorflow("releases", "import", str(file))[0] == 0
    assert insights(raptorflow)
    assert raptorflow("releases", "forget", fingerprint[:12])[0] == 0
    assert insights(raptorflow) == []
    assert json.loads(raptorflow("releases", "list", "--json")[1])["releases"][0]["state"] == "forgotten"
    status, _, complaint = raptorflow("releases", "import", str(file))
    assert (status, "say --again" in complaint) == (2, True)
    assert raptorflow("releases", "import", str(file), "--again")[0] == 0
    assert insights(raptorflow)


def test_an_export_spends_nothing_and_draws_nothing(
    raptorflow: Command, at: At, sent: tuple[Path, str], tmp_path: Path
) -> None:
    file, fingerprint = sent
    at("sender")
    ledger = raptorflow("releases", "list", "-w", "w0", "--json")[1]
    status, printed, _ = raptorflow("releases", "export", str(file))
    assert (status, "was there already, unchanged" in printed) == (0, True)
    other = tmp_path / "again.release"
    assert raptorflow("releases", "export", str(other))[0] == 0
    assert other.read_bytes() == file.read_bytes()
    assert raptorflow("releases", "list", "-w", "w0", "--json")[1] == ledger
    entry = json.loads(ledger)["ledger"][0]
    assert (entry["epsilon_so_far"], entry["files"]) == (pytest.approx(3.0), 1)
    listed = json.loads(raptorflow("releases", "list", "--json")[1])
    assert (listed["fingerprint"], listed["releases"][0]["handed_out"]) == (fingerprint, 1)
    key = Path(os.environ["RAPTORFLOW_HOME"]) / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_commands_of_the_documentation_run_as_they_stand_there(
    raptorflow: Command, at: At, sent: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = DOCUMENTATION.read_text().splitlines()
    commands = [line.split("#")[0].split()[2:] for line in lines if line.startswith("$ .venv/bin/raptorflow ")]
    assert [command[1] for command in commands if len(command) > 1][:3] == ["export", "list", "verify"]
    monkeypatch.chdir(tmp_path)
    trust(monkeypatch, sent[1])
    for command in commands:
        at("receiver" if command[-1] != "list" and command[1:2] != ["export"] else "sender")
        status, printed, complaint = raptorflow(*(sent[1] if word == "FINGERPRINT" else word for word in command))
        assert status == 0, f"{command}: {complaint}"
        assert printed


def test_a_mistake_is_one_line(
    raptorflow: Command, at: At, sent: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, fingerprint = sent
    trust(monkeypatch, fingerprint)
    assert raptorflow("releases", "import", str(file))[0] == 0
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for arguments, says in (
        (("import", str(file)), f"taken in on {datetime.now(UTC):%Y-%m-%d}"),
        (("import", str(tmp_path / "absent")), "No such file"),
        (("import", str(tmp_path)), "it is not a file"),
        (("import", str(taken)), "it is not a release file"),
        (("export", str(tmp_path / "new")), "there is no release yet"),
        (("forget", "abc"), "no release of one installation"),
        (("forget", fingerprint, "--period", "1999-01-01"), "no release of period 1999-01-01"),
        (("list", "-w", "nobody"), "unknown workspace"),
        (("import",), "Missing argument 'files'"),
    ):
        status, printed, complaint = raptorflow("releases", *arguments)
        assert (status, printed) == (2, ""), complaint
        assert says in complaint
        assert len(complaint.strip().splitlines()) == 1
    at("sender")
    for arguments, says in (
        (("export", str(taken)), "holds something else"),
        (("export", "/nowhere/file"), "cannot be written"),
        (("export", str(tmp_path / "new"), "--period", "1999-01-01"), "unknown release of period"),
        (("import", str(file)), "this installation signed it"),
    ):
        status, _, complaint = raptorflow("releases", *arguments)
        assert (status, says in complaint, len(complaint.strip().splitlines())) == (2, True, 1), complaint
    assert taken.read_text() == "mine"
    trust(monkeypatch, "abc")
    assert "no fingerprint" in raptorflow("releases", "list")[2]
