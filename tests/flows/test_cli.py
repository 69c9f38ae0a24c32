"""The command line answers in one line, with the right exit status, and quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from rich.console import Console

from flows.cli import main

ROOT = Path(__file__).resolve().parents[2]


def raptorflow(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as people run it, which imports what it needs."""
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def in_process(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Any, str, str]:
    """The same here, where everything is imported already: exit status, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["raptorflow", *arguments])
    with patch.dict(os.environ), pytest.raises(SystemExit) as ended:  # the command settles Prefect's environment
        main()
    return ended.value.code, *capsys.readouterr()


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
        (["ingest", "content"], "ingest takes either files or --from URI --query FILE.sql"),
        (["ingest", "content", "--from", "duckdb:"], "ingest takes either files or --from URI --query FILE.sql"),
        (["ingest", "content", "a.csv", "--from", "duckdb:", "--query", "q.sql"], "ingest takes either files or"),
        (["ingest", "content", "--from", "postgresql://u:s3cret@127.0.0.1:1/d", "--query", "absent.sql"], "absent.sql"),
    ],
)
def test_bad_usage_is_one_line_and_status_two(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, printed, complaint = in_process(arguments, monkeypatch, capsys)
    assert status == 2, complaint
    assert says in complaint
    assert len(complaint.strip().splitlines()) == 1
    assert printed == ""


def test_init_twice_is_the_same_as_once() -> None:
    first, second = raptorflow("init"), raptorflow("init")
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)
    assert "schema revision" in first.stdout


def test_an_empty_warehouse_says_what_to_do_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, printed, _ = in_process(["patterns"], monkeypatch, capsys)
    assert status == 0
    assert "no patterns yet; raptorflow run meta-learning" in printed


def test_names_stay_whole_where_sentences_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import console

    said = StringIO()
    monkeypatch.setattr(console, "out", Console(file=said, width=40))
    rows = [{"workspace": "a-rather-long-name", "pattern": "does better when it asks a question", "posts": 12}]
    console.table("patterns", rows)
    lines = [line.rstrip() for line in said.getvalue().splitlines()]
    assert lines[0] == "patterns of a-rather-long-name"
    assert all(len(line) <= 40 for line in lines)
    assert lines[2].endswith("12")
    assert " ".join(word for line in lines[2:] for word in line.split() if word != "12") == rows[0]["pattern"]
