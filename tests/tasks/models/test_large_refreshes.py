"""Chunks of a night refresh models in threads: large workspaces one after the other, small ones as they come."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from tasks.models.records import ModelKey, ModelType, Run
from tasks.models.service import LARGE_ROWS, ModelService


class Counted:
    """A refresh that waits for another one to be there with it."""

    def __init__(self) -> None:
        self._here, self._lock, self._met = 0, threading.Lock(), threading.Event()

    @property
    def have_met(self) -> bool:
        return self._met.is_set()

    def update(self, **_: Any) -> None:
        with self._lock:
            self._here += 1
            if self._here == 2:
                self._met.set()
        self._met.wait(0.2)
        with self._lock:
            self._here -= 1


@pytest.mark.parametrize(("rows", "meet"), [(LARGE_ROWS, False), (LARGE_ROWS - 1, True)])
def test_two_large_workspaces_are_not_in_memory_at_once(rows: int, meet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, frame = Counted(), pl.DataFrame({"row": range(rows)})
    monkeypatch.setattr(ModelService, "_rows", lambda *_: SimpleNamespace(frame=frame))
    monkeypatch.setattr(ModelService, "refresh", lambda *_: counted)
    service, run = ModelService(), Run("run", None, None, None)
    with ThreadPoolExecutor(2) as pool:
        for name in ("a", "b"):
            pool.submit(service._update, None, run, False, True, ModelKey(name, ModelType.TONE_CLASSIFIER))
    assert counted.have_met is meet


class Circle:
    """Holds itself, as what libraries leave of a training does."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_large_refresh_leaves_in_cycles_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[weakref.ref[Circle]] = []
    frame = pl.DataFrame({"row": range(LARGE_ROWS)})
    refresh = SimpleNamespace(update=lambda **_: left.append(weakref.ref(Circle())))
    monkeypatch.setattr(ModelService, "_rows", lambda *_: SimpleNamespace(frame=frame))
    monkeypatch.setattr(ModelService, "refresh", lambda *_: refresh)
    service, run = ModelService(), Run("run", None, None, None)
    gc.disable()
    try:
        for name in ("a", "b"):
            service._update(None, run, False, True, ModelKey(name, ModelType.TONE_CLASSIFIER))
    finally:
        gc.enable()
    assert [one() for one in left] == [None, None]
