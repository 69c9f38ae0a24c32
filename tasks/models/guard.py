"""Automatic rollback: a champion that fails, is slow, or loses surely more than the one before it, gives way to it."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.models.canary import Canary, newer_than_both
from tasks.models.dataset import Examples
from tasks.models.errors import ArtifactRefusedError
from tasks.models.estimators import Floats
from tasks.models.gate import MIN_ROWS, lower_bound
from tasks.models.learning import Run
from tasks.models.limits import LATEST_BATCHES, breach
from tasks.models.promotion import ROLLBACK, lineage
from tasks.models.records import ModelKey, Version
from tasks.models.specs import Gate, ModelSpec


@dataclass(frozen=True, slots=True)
class Undone:
    """A rollback that was done: who went, who serves now, and why."""

    version_name: str
    back_to: str
    reason: str


class Guard:
    """Looks at champions before anything else is done with them."""

    def __init__(self, canary: Canary) -> None:
        self.canary, self.promoter, self.store = canary, canary.promoter, canary.store

    def check(self, key: ModelKey, spec: ModelSpec, rows: Examples, run: Run, actor: str) -> Undone | None:
        """Put the previous champion back where this one must not go on; None where it may, or nothing came before.

        What is rolled back is never promoted again by itself, so that nothing swings to and fro.

        Raises:
            ArtifactRefusedError: if the champion cannot serve and the previous one cannot either; nothing was moved.
        """
        stack = lineage(self.store.deployments(key))
        names = [stack[-1], stack[-2]] if len(stack) > 1 else []
        champion, previous = (self.store.version(key, name) for name in names) if names else (None, None)
        if champion is None or previous is None:
            return None
        reason = self._failure(key, spec, champion) or self._regret(key, spec, champion, previous, rows)
        if reason is None:
            return None
        self.promoter.move(key, previous, ROLLBACK, reason, actor, run.run_id)
        return Undone(champion.version_name, previous.version_name, reason)

    def _failure(self, key: ModelKey, spec: ModelSpec, champion: Version) -> str | None:
        try:
            self.promoter.verify(key, champion)
        except ArtifactRefusedError as error:
            return str(error)
        return breach(self.store.batches(key, champion.version_name, LATEST_BATCHES), spec.serving)

    def _regret(
        self, key: ModelKey, spec: ModelSpec, champion: Version, previous: Version, rows: Examples
    ) -> str | None:
        newer = newer_than_both(rows, champion, previous)
        if newer is None:
            return None
        lost, served = self.canary.losses(key, champion, newer)
        try:
            would_have_lost, _ = self.canary.losses(key, previous, newer)
        except ArtifactRefusedError:  # nothing to go back to
            return None
        least = surely_lost(lost, would_have_lost, spec.gate)
        if least is None:
            return None
        basis = f"{len(newer)} rows newer than both, {served} as served"
        return f"it loses at least {least:.3g} a row more than {previous.version_name} on {basis}"


def surely_lost(champion: Floats, previous: Floats, rule: Gate) -> float | None:
    """By how much, at least, a champion loses more than the one before it, where that exceeds the margin.

    The bound holds at every look: a guard that looks each night is wrong no more often than one that looks once.

    Args:
        champion: losses (n,) as served; likewise `previous`, on the same rows.
        rule: confidence, and the margin as a share of the previous champion's loss.
    """
    if len(champion) < MIN_ROWS:
        return None
    least = lower_bound(champion - previous, rule)
    return least if least > rule.non_inferiority_margin * abs(float(previous.mean())) else None
