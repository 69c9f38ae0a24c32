"""Logs of servers and workers: bounded, whole when one is full, JSON where that is asked for."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.platform.child_log import LONGEST_LINE, ChildLog
from flows.platform.children import Child, end
from flows.platform.log_lines import PREFECTS_LINES, JsonLines, json_line
from flows.platform.up import in_lines_of_json

AT = datetime(2026, 1, 1, tzinfo=UTC)


def files(path: Path) -> list[Path]:
    """The log's files, oldest first."""
    return sorted(path.parent.glob(f"{path.name}*"), key=lambda one: -int(one.suffix[1:] if one != path else 0))


def test_a_full_log_is_put_aside_and_no_line_is_lost_or_cut(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "worker.log"
    printing = "import os\nfor i in range(2000): print(i)\nos.system('echo last words of its child')"
    child = Child("worker", ["-c", printing], dict(os.environ), path, bool)
    child._written.most_bytes, child._written.most_files = 3000, 50
    child.start()
    assert child.process is not None
    child.process.wait(30)
    end([child])
    lines = [line for file in files(path) for line in file.read_text().splitlines()]
    # The child's child writes to the pipe at once, while Python keeps what it prints until its end.
    assert sorted(lines) == sorted([*map(str, range(2000)), "last words of its child"])
    assert [line for line in lines if line.isdigit()] == [*map(str, range(2000))]
    assert len(files(path)) > 2
    assert all(file.stat().st_size <= 3000 for file in files(path))


def test_the_oldest_is_forgotten_so_that_the_whole_is_bounded(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "a.log", "a", most_bytes=100, most_files=3)
    for i in range(1000):
        log.write(b"%d\n" % i)
    assert [file.name for file in files(log.path)] == ["a.log.2", "a.log.1", "a.log"]
    assert sum(file.stat().st_size for file in files(log.path)) <= 300
    assert log.path.read_text().endswith("999\n")


def test_a_log_that_a_person_empties_or_deletes_goes_on(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "a.log", "a")
    log.write(b"one\n")
    os.truncate(log.path, 0)
    log.write(b"two\n")
    assert log.path.read_bytes() == b"two\n"
    log.path.unlink()
    log.write(b"three, without an end")
    assert log.path.read_bytes() == b"three, without an end\n"


def test_a_disk_that_takes_nothing_stops_nobody_and_is_told_of_later(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "gone" / "a.log", "a")
    log.write(b"one\n")
    log.write(b"two\n")
    log.path.parent.mkdir()
    log.write(b"three\n")
    assert log.path.read_text().splitlines() == ["2 lines were lost here: the disk took none", "three"]


def test_a_line_without_an_end_is_cut_and_fills_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.log"
    child = Child("a", ["-c", f"print('x' * {3 * LONGEST_LINE})"], dict(os.environ), path, bool)
    child.start()
    assert child.process is not None
    child.process.wait(30)
    end([child])
    lines = path.read_text().splitlines()
    assert "".join(lines) == "x" * 3 * LONGEST_LINE
    assert max(map(len, lines)) <= LONGEST_LINE


@pytest.mark.parametrize(
    ("printed", "level"),
    [
        ("12:00:01.000 | ERROR   | prefect.server - it broke", "ERROR"),
        ("2026/01/01 12:00:01 WARNING mlflow.store: old", "WARNING"),
        ("INFO:     Started server process [1]", "INFO"),
        ("Traceback (most recent call last):", "ERROR"),
        ("said by nobody: no ERROR of ours", "INFO"),
        ("{not JSON", "INFO"),
        ("[1, 2]", "INFO"),
        ("", "INFO"),
        ('quotes " and \x1b[31m colors \u2028', "INFO"),
    ],
)
def test_what_a_process_prints_is_one_line_of_json_that_says_who_and_how_bad(printed: str, level: str) -> None:
    written = json_line(printed, AT, "worker heavy")
    assert "\n" not in written
    assert written.isascii()
    read = json.loads(written)
    assert read == {"time": AT.isoformat(), "level": level, "message": printed, "source": "worker heavy"}


def test_a_line_that_is_json_keeps_what_it_says() -> None:
    said = '{"time": "t", "level": "ERROR", "message": "m", "exception": "e"}'
    assert json.loads(json_line(said, AT, "Prefect")) == {"source": "Prefect"} | json.loads(said)


def test_a_record_with_a_traceback_is_one_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("a.b", logging.ERROR, __file__, 1, "it %s", ("broke",), sys.exc_info())
    written = JsonLines("default").format(record)
    assert "\n" not in written
    read = json.loads(written)
    assert (read["level"], read["logger"], read["message"]) == ("ERROR", "a.b", "it broke")
    assert "ValueError: first\nsecond" in read["exception"]


def test_prefects_processes_log_such_lines(tmp_path: Path) -> None:
    program = (
        "from prefect.logging import get_logger; from prefect.logging.configuration import setup_logging; "
        "setup_logging(); get_logger('worker').warning('a [red]mark[/] of theirs %s', 'x' * 300)"
    )
    environment = os.environ | PREFECTS_LINES | {"PREFECT_HOME": str(tmp_path), "PREFECT_LOGGING_LEVEL": "INFO"}
    environment.pop("PREFECT_API_URL", None)
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    read = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [(one["level"], one["logger"]) for one in read] == [("WARNING", "prefect.worker")]
    assert read[0]["message"] == f"a [red]mark[/] of theirs {'x' * 300}"


def test_what_up_says_is_json_too() -> None:
    said = list[str]()
    in_lines_of_json(said.append)("ready in 3 s\n  Open     here")
    assert [json.loads(line)["message"] for line in said] == ["ready in 3 s", "Open     here"]
