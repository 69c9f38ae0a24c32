"""The command line answers in one line, with the right exit status, and quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def raptorflow(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, flows.cli; heavy = {'polars', 'prefect', 'mlflow', 'pandas', 'sqlalchemy', 'sklearn', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["ingest"], "Missing parameter: kind"),
        (["run", "pattern-lerning"], "did you mean 'pattern-learning'?"),
        (["run", "meta-learning", "--param", "x"], "--param takes key=value, not 'x'"),
        (["run", "meta-learning", "--param", "lookback=3"], "did you mean 'lookback_days'?"),
        (["run", "meta-learning", "--param", "lookback_days=3"], "--param lookback_days: "),
        (["ingest", "posts", "f.csv"], "unknown kind 'posts'"),
        (["ingest", "content", "absent.csv"], "absent.csv"),
    ],
)
def test_bad_usage_is_one_line_and_status_two(arguments: list[str], says: str) -> None:
    ran = raptorflow(*arguments)
    assert ran.returncode == 2, ran.stderr
    assert says in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert ran.stdout == ""


def test_init_twice_is_the_same_as_once() -> None:
    first, second = raptorflow("init"), raptorflow("init")
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)
    assert "schema revision" in first.stdout


def test_an_empty_warehouse_says_what_to_do_next() -> None:
    ran = raptorflow("patterns")
    assert ran.returncode == 0
    assert "no patterns yet; raptorflow run meta-learning" in ran.stdout
