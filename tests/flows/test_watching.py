"""A child that keeps dying is given up alone, and loudly; one that dies now and then is started each time."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from flows.platform import watching
from flows.platform.children import Child
from flows.platform.errors import StartFailedError
from flows.platform.watching import Watched, watch


def child(tmp_path: Path, name: str, program: str) -> Child:
    return Child(name, ["-c", program], {}, tmp_path / "logs" / f"{name}.log", bool)


def outlive(one: Child) -> None:
    """Wait until its process has ended."""
    assert one.process is not None
    one.process.wait(30)


def test_one_that_dies_six_times_is_given_up_and_said_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    dying = Watched(child(tmp_path, "worker light", "raise SystemExit(1)"))
    dying.child.start()
    now, starts = 0.0, 1
    for _ in range(200):
        outlive(dying.child)
        before = dying.child.process
        dying.look(now, said.append)
        starts += dying.child.process is not before
        now += 1.0
    assert (dying.is_given_up, starts) == (True, 6)
    loud = [line for line in said if "GIVEN UP" in line]
    assert len(loud) == 1
    assert "worker light" in loud[0]
    assert str(dying.child.log) in loud[0]
    assert "the rest goes on" in loud[0]
    assert len(said) == 6, "five times that it is started again, once that it is not"


def test_pauses_grow_so_that_a_store_may_come_back(tmp_path: Path) -> None:
    dying = Watched(child(tmp_path, "MLflow", "raise SystemExit(1)"))
    dying.child.start()
    started, now = [0.0], 0.0
    while not dying.is_given_up:
        outlive(dying.child)
        before = dying.child.process
        dying.look(now, str)
        if dying.child.process is not before:
            started.append(now)
        now += 1.0
    assert [round(later - one) for one, later in itertools.pairwise(started)] == [0, 3, 5, 9, 17]


def test_one_that_dies_once_an_hour_is_always_started(tmp_path: Path) -> None:
    dying = Watched(child(tmp_path, "Prefect", "raise SystemExit(1)"))
    dying.child.start()
    for hour in range(12):
        outlive(dying.child)
        before = dying.child.process
        dying.look(hour * 3600.0, str)
        assert dying.child.process is not before
    assert not dying.is_given_up


def test_the_others_go_on_and_only_with_nothing_left_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(watching.time, "sleep", pause_briefly)
    until = tmp_path / "until"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(until)!r}).exists(): time.sleep(0.05)"
    lives, dies = child(tmp_path, "lives", waits), child(tmp_path, "dies", "raise SystemExit(1)")
    lives.start()
    dies.start()
    said: list[str] = []

    def let_the_other_die(line: str) -> None:
        said.append(line)
        if "GIVEN UP: dies" in line:
            until.touch()

    with pytest.raises(StartFailedError, match="again and again"):
        watch([lives, dies], let_the_other_die)
    loud = [line.split()[2] for line in said if "GIVEN UP" in line]
    assert loud == ["dies", "lives"], "the other was started as long as it was allowed to live"


def test_a_disk_that_takes_no_log_counts_as_a_death_and_not_as_the_end(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    said: list[str] = []
    watched = Watched(child(tmp_path, "MLflow", "pass"))
    for now in range(100):
        watched.look(float(now), said.append)
    assert watched.is_given_up
    assert any("did not start" in line for line in said)


REAL_SLEEP = time.sleep


def pause_briefly(_seconds: float) -> None:
    REAL_SLEEP(0.1)
