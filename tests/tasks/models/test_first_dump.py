"""The first models of a night are written by several threads at once, while the format's module is still loading."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SLOW_IMPORT = """
import importlib, pathlib, sys, threading, time
from sklearn.linear_model import Ridge
from tasks.models.registry.model_folder import _dump

registering, load = threading.Event(), importlib.import_module

def slowly(name, package=None):
    if name == "._general":
        registering.set()
        time.sleep(0.5)
    return load(name, package)

importlib.import_module = slowly
threading.Thread(target=lambda: __import__("skops.io")).start()
registering.wait()
_dump(Ridge(), pathlib.Path(sys.argv[1]))
"""


def test_a_model_waits_for_what_another_thread_is_loading(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW_IMPORT, str(tmp_path / "model.skops")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
