"""A home is its owner's alone, one of an earlier version too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.private_files import private_folder, tighten

ROOT = Path(__file__).resolve().parents[2]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def cli(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *arguments]
    environment = os.environ | {"RAPTORFLOW_HOME": str(home)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, umask=0o022)


def open_to_others(home: Path) -> list[str]:
    return [str(path.relative_to(home)) for path in [home, *home.rglob("*")] if path.lstat().st_mode & 0o077]


def test_a_new_home_is_its_owners(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    assert cli(home, "init").returncode == 0
    ran = cli(home, "sample")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (home / "sample").is_dir()
    assert open_to_others(home) == []


def test_a_home_of_an_earlier_version_is_tightened_and_that_is_said_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "snapshots").mkdir(parents=True)
    (home / "snapshots" / "content.parquet").write_text("posts")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    elsewhere.chmod(0o644)
    (home / "snapshots" / "link").symlink_to(elsewhere)
    (home / "somebody-elses").mkdir(mode=0o755)
    first, second = cli(home, "init"), cli(home, "init")
    assert "could read" in first.stderr
    assert second.stderr == ""
    assert mode(home) == 0o700
    assert mode(home / "snapshots" / "content.parquet") == 0o600
    assert mode(elsewhere) == 0o644, "links are not followed"
    assert mode(home / "somebody-elses") == 0o755, "what we did not put there is not ours to change"


def test_a_home_that_everybody_shares_stays_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "warehouse.db").write_text("")
    (tmp_path / "warehouse.db").chmod(0o644)
    assert tighten(tmp_path) == 1
    assert (mode(tmp_path), mode(tmp_path / "warehouse.db")) == (0o1777, 0o600)


def test_folders_are_made_for_their_owner_with_all_that_is_above(tmp_path: Path) -> None:
    made = private_folder(tmp_path / "a" / "b" / "c")
    assert [mode(folder) for folder in (made, made.parent, made.parent.parent)] == [0o700] * 3
    assert private_folder(made) == made
    assert tighten(tmp_path / "absent") == 0


def test_a_library_leaves_no_open_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.warehouse import Warehouse, upgrade

    before = os.umask(0o022)
    try:
        upgrade(Warehouse())
    finally:
        os.umask(before)
    assert mode(home) == 0o700
