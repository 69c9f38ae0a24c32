"""The command line answers in one line, with the right exit status, and quickly."""

from __future__ import annotations

import json
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
from flows.home import require_home
from tasks.errors import HomeNameError
from tasks.settings import get_settings

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
        (["ingest"], "Missing argument 'kind'"),
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


def facebook(path: Path) -> Path:
    header = (
        "Post ID,Publish time,Permalink,Post type,Title,Date,Views,Reactions,Comments,Shares,Reach,Duration (sec)\n"
    )
    line = '1221580{i:05},03/0{i}/2026 06:00,https://www.facebook.com/p/{i},Reels,"hello, {i}",Lifetime,"1,{i}00",'
    line += "5,1,0,900,30\n"
    path.write_text(header + "".join(line.format(i=i) for i in range(1, 7)))
    return path


def test_a_look_at_a_file_says_how_it_would_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = facebook(tmp_path / "posts.csv")
    status, printed, _ = in_process(["inspect", str(file)], monkeypatch, capsys)
    assert status == 0
    for said in (
        "posts.csv · text divided by commas · utf-8, header in line 1 · 12 columns",
        "preset meta-facebook: Meta Business Suite",
        "times are written by the clock of America/Los_Angeles",
        "2026-03-01 14:00Z",
        "Duration (sec) feature may be learned from",
        "Reach kept no feature",
        f"raptorflow ingest content {file} --preset meta-facebook --workspace ID",
    ):
        assert said in " ".join(printed.split())
    assert printed.count("hello, ") == 5


def test_a_look_can_be_had_by_machines_and_leave_a_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, mapping = facebook(tmp_path / "posts.csv"), tmp_path / "map.yaml"
    status, printed, _ = in_process(
        ["inspect", str(file), "--json", "--write-mapping", str(mapping)], monkeypatch, capsys
    )
    seen = json.loads(printed)
    assert (status, seen["preset"], seen["rows"][0]["impressions"]) == (0, "meta-facebook", 1100)
    new = ["--workspace", "acme", "--industry", "bakery", "--timezone", "UTC"]
    in_process(["init"], monkeypatch, capsys)
    status, printed, complaint = in_process(
        ["ingest", "content", str(file), "--mapping", str(mapping), *new], monkeypatch, capsys
    )
    assert (status, complaint) == (0, "")
    assert "content: 6 read, 6 written, 0 unchanged, 0 rejected" in printed


def test_a_look_at_a_file_that_no_preset_fits_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "posts.csv").write_text("Post ID,Publish time,Permalink,Sähe\n1,2,3,4\n", encoding="cp1252")
    status, printed, _ = in_process(
        ["inspect", str(tmp_path / "posts.csv"), "--write-mapping", str(tmp_path / "map.yaml")], monkeypatch, capsys
    )
    assert status == 0
    assert "no preset fits; the nearest: meta-facebook: lacks 'Post type'" in printed
    assert "windows-1252" in printed
    assert "nothing says where" in printed
    draft = (tmp_path / "map.yaml").read_text()
    assert "encoding: windows-1252" in draft
    assert '# content_id: "Post ID"   # needed; perhaps: preset ' in draft
    assert "# channel: COLUMN   # needed; or {constant: NAME} for all rows" in draft


@pytest.mark.parametrize("agreed", [True, False])
def test_at_a_terminal_the_one_preset_that_fits_is_asked_about(
    agreed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows import file_inspection

    file = facebook(tmp_path / "posts.csv")
    monkeypatch.setattr(file_inspection, "at_a_terminal", lambda: True)
    monkeypatch.setattr(file_inspection.typer, "confirm", lambda *_, **__: agreed)
    in_process(["init"], monkeypatch, capsys)
    new = ["--workspace", "acme", "--industry", "bakery", "--timezone", "UTC"]
    status, printed, complaint = in_process(["ingest", "content", str(file), *new], monkeypatch, capsys)
    assert status == (0 if agreed else 2)
    assert "times are those of America/Los_Angeles" in printed if agreed else "nothing was read" in complaint


@pytest.mark.parametrize("sign", "?#")
def test_a_home_whose_path_would_end_early_in_an_address_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    monkeypatch.setenv("RAPTORFLOW_HOME", str(tmp_path / f"a{sign}b"))
    get_settings.cache_clear()
    with pytest.raises(HomeNameError, match="rename it") as refused:
        require_home()
    assert refused.value.exit_status == 2
    assert list(tmp_path.iterdir()) == []
