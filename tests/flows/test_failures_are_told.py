"""A chain that failed for a workspace says so: to who started it, to who lists runs, and to other programs."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import cli, console
from flows.home import require_home
from flows.meta_learning import marked
from tasks.errors import HomeUnusableError, OutOfRangeError, reason_of
from tasks.json_output import plain
from tasks.warehouse.outcomes import DONE, FAILED, Outcome
from tests.running_platform import PATIENCE, ROOT


def summary(failed: int) -> dict[str, Any]:
    return {"workspaces": {"done": 10, "skipped": 1, "failed": failed}, "reasons": [], "seconds": {}}


def test_the_run_says_how_many_workspaces_failed() -> None:
    state: Any = marked(summary(2))
    assert (state.type.value, state.message) == ("COMPLETED", "2 of 13 workspaces failed")
    assert marked(summary(0)) == summary(0)


def test_failures_are_counted_wherever_they_stand() -> None:
    assert console.failures(summary(2)) == 2
    assert (
        console.failures({"nights": [{"night": "2026-03-01", "failed": 1}, {"night": "2026-03-08", "failed": 2}]}) == 3
    )
    assert console.failures([Outcome("a", DONE), Outcome("b", FAILED, "why")]) == 1
    assert [console.failures(ended) for ended in (None, {}, {"plan": []}, [], {"models": [], "snapshots": []})] == [
        0
    ] * 5


class Kind(Enum):
    ONE = "one"


@dataclass(frozen=True, slots=True)
class Record:
    when: datetime
    rows: list[Any]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Record(datetime(2026, 3, 1, tzinfo=UTC), [Outcome("a", DONE)]), None),
        ({Kind.ONE: Kind.ONE}, {"one": "one"}),
        ([math.nan, math.inf, 1.5, np.float64(2.5), np.int64(3), np.bool_(True)], [None, None, 1.5, 2.5, 3, True]),
        ((Path("/a"), timedelta(seconds=2), b"png"), ["/a", 2.0, "cG5n"]),
        (np.array([1.0, math.nan]), [1.0, None]),
        ({"a", "b"} & {"a"}, ["a"]),
    ],
)
def test_results_are_json_all_the_way_down(value: Any, shown: Any) -> None:
    text = json.dumps(plain(value), allow_nan=False)
    assert shown is None or json.loads(text) == shown
    assert not [word for word in ("Outcome(", "datetime", "PosixPath", "<", "array(", "nan") if word in text]


LEAVES = st.none() | st.booleans() | st.floats() | st.text() | st.integers()
NESTED = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(NESTED)
def test_any_nesting_can_be_read_again(value: Any) -> None:
    json.loads(json.dumps(plain(value), allow_nan=False))


def test_a_type_without_a_form_is_an_error_and_no_repr() -> None:
    with pytest.raises(TypeError, match="has no form in JSON"):
        plain(object())


@pytest.mark.parametrize("command", [["init"], ["run", "housekeeping"], ["up"], ["demo"]])
def test_a_home_that_cannot_be_written_is_one_line_at_once(command: list[str]) -> None:
    started = time.monotonic()
    environment = os.environ | {"RAPTORFLOW_HOME": "/proc/raptorflow"}  # where not even root makes a folder
    asked = [sys.executable, "-m", "flows.cli", *command]
    ran = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "nothing can be written to /proc/raptorflow" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert time.monotonic() - started < 5 * PATIENCE


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("flows.home.TemporaryFile", full)
    with pytest.raises(HomeUnusableError, match=r"No space left on device.*RAPTORFLOW_HOME"):
        require_home()


def test_a_usable_home_is_left_as_it_was(home: Path) -> None:
    require_home()
    assert list(home.iterdir()) == []


def raised(deepest: Exception, *, cause: bool) -> Exception:
    """As a library leaves it: the disk's word under its own."""
    try:
        try:
            raise deepest
        except Exception as error:
            if cause:
                raise RuntimeError("could not flush") from error
            raise RuntimeError("could not flush")  # noqa: B904 - as some do
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("cause", [True, False])
@pytest.mark.parametrize(
    ("deepest", "words"),
    [
        (sqlite3.OperationalError("database or disk is full"), "make room and run the same again"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "make room and run the same again"),
        (ValueError("IO error: (os error 28)"), "make room and run the same again"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be written to"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "cannot be written to"),
    ],
)
def test_what_a_disk_says_under_a_librarys_words_is_the_reason(deepest: Exception, words: str, cause: bool) -> None:
    assert words in reason_of(raised(deepest, cause=cause))
    assert "RuntimeError" not in reason_of(raised(deepest, cause=cause))


def test_a_reason_that_repeats_a_whole_request_is_cut() -> None:
    assert len(reason_of(ValueError("w" * 2_000_000))) < 600


def test_a_connection_that_cannot_be_given_back_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    disk = raised(sqlite3.OperationalError("database or disk is full"), cause=True)
    with console.watching("model-refresh"):
        logging.getLogger("sqlalchemy.pool.impl.QueuePool").error("Exception during reset", exc_info=disk)
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1, shown
    assert "Exception during reset: " in shown[0]
    assert "make room and run the same again" in shown[0]


def test_other_failures_are_named_by_their_first_line() -> None:
    assert reason_of(ValueError("a disk\nand more")) == "ValueError: a disk"
    assert reason_of(ValueError()) == "ValueError: no message"
    assert reason_of(OutOfRangeError("k", 0, "at least 1")) == "k must be at least 1, not 0"


def test_a_command_that_fails_without_room_says_that_first(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def unusable() -> None:
        raise HomeUnusableError("/home", "No space left on device")

    def failing(**_: object) -> None:
        raise RuntimeError("Server error '500 Internal Server Error'")

    monkeypatch.setattr("flows.home.require_home", unusable)
    monkeypatch.setattr(cli, "app", failing)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("raptorflow: nothing can be written to /home (No space left on device)")
