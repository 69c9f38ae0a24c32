"""The traps of this layout stay closed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
TRACKED = LISTED.stdout.splitlines()
ROOMS = ["content", "experiments", "models", "patterns", "reporting", "swarm", "transfer", "warehouse"]


def test_the_folder_mlflow_does_not_shadow_the_library() -> None:
    import mlflow

    assert "site-packages" in str(mlflow.__file__)
    assert not list((ROOT / "mlflow").rglob("*.py"))


def test_tests_hold_no_packages_and_no_two_files_of_one_name() -> None:
    files = [Path(name) for name in TRACKED if name.startswith("tests/") and name.endswith(".py")]
    assert not [file for file in files if file.name == "__init__.py"]
    names = [file.name for file in files if file.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_no_flow_is_named_like_a_library() -> None:
    flows = [Path(name).stem for name in TRACKED if name.startswith("flows/") and name.endswith(".py")]
    assert not set(flows) & set(sys.stdlib_module_names)


def test_the_lock_names_versions_and_no_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "prefect==3.8.8" in lock
    assert not re.search(r"https?://|--index|--find-links|file:", lock)


@pytest.mark.parametrize("room", ROOMS)
def test_public_faces_are_sorted_and_real(room: str) -> None:
    module = importlib.import_module(f"tasks.{room}")
    public = list(getattr(module, "__all__", []))
    assert public == sorted(public)
    for name in public:
        assert hasattr(module, name)


def test_nothing_committed_names_an_address_of_this_machine() -> None:
    words = re.compile("/" + "work/|/" + "root/|pypi" + r"\.org|files\.python" + "hosted")
    text = {name: (ROOT / name).read_text(errors="ignore") for name in TRACKED if (ROOT / name).is_file()}
    assert [name for name, body in text.items() if words.search(body)] == []
