"""Flows that do nothing of ours: they show what the platform itself does, in seconds."""

from __future__ import annotations

import time

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from tasks.reporting import announce


@flow(name="no-op")
def no_op() -> None:
    """Do nothing, so that what a run costs by itself can be stated, and say so."""
    announce("nothing was done")


@task(name="wait", cache_policy=NO_CACHE)
def wait(seconds: float) -> float:
    """Take time."""
    time.sleep(seconds)
    return seconds


@flow(name="lasts")
def lasts(seconds: float = 20.0) -> float:
    """Last long enough to be killed, or to see its server go and come back."""
    return sum(wait(1.0) for _ in range(int(seconds)))


@flow(name="alone")
def alone(seconds: float = 20.0) -> float:
    """Last, while its deployment lets no second run begin."""
    return sum(wait(1.0) for _ in range(int(seconds)))
