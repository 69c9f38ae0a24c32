"""Visitors whose best arm depends on device and hour, or does not; served by the policy in batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.contextual.evaluation import ReportedUnits, Scored, policy_value, score_units
from tasks.experiments.contextual.policy import LinearPolicy
from tasks.experiments.inference.bandit_allocation import BATCH, BATCH_GROWTH

COLUMNS = ["device", "hour"]
DEVICES = ("mobile", "desktop", "tablet")


@dataclass
class Visitors:
    """Contexts, the chance of a click of each arm (n, K), and what each arm would bring."""

    contexts: list[dict[str, Any]]
    chance: NDArray[np.float64]
    outcome: NDArray[np.float64]

    @classmethod
    def draw(cls, seed: int, n: int, arms: int, *, does_context_matter: bool) -> Visitors:
        rng = np.random.default_rng(seed)
        effect = np.zeros((arms, 4))
        effect[:, 0] = rng.permutation(np.linspace(0.0, 0.04, arms))
        if does_context_matter:
            effect[:, 0], effect[:, 1:] = rng.normal(0, 0.01, arms), rng.normal(0, 0.04, (arms, 3))
        device, hour = rng.choice(DEVICES, n, p=[0.5, 0.3, 0.2]), rng.integers(0, 24, n)
        x = np.column_stack([np.ones(n), device == "mobile", device == "desktop", (hour - 11.5) / 7])
        chance = np.clip(0.12 + x @ effect.T, 0.005, 0.9)
        contexts = [{"device": str(one), "hour": int(at)} for one, at in zip(device, hour, strict=True)]
        return cls(contexts, chance, (rng.random((n, arms)) < chance).astype(np.float64))


@dataclass
class Served:
    """What a run of the policy left behind."""

    visitors: Visitors
    scored: Scored

    @property
    def regret(self) -> float:
        """Clicks lost against the best arm of each context."""
        chance = self.visitors.chance
        return float((chance.max(axis=1) - chance[np.arange(len(chance)), self.scored.units.arm]).sum())

    @property
    def regret_of_chance(self) -> float:
        """The same of arms drawn evenly."""
        return float((self.visitors.chance.max(axis=1) - self.visitors.chance.mean(axis=1)).sum())

    def ever_claims(self, alpha: float = 0.05) -> bool:
        """Whether at any look the context is said to matter."""
        looks = range(2, int(self.scored.units.epoch.max()) + 1)
        return any(self.claims_at(look, alpha) for look in looks)

    def claims_at(self, look: int, alpha: float) -> bool:
        """Whether it is at the end of an epoch."""
        seen, units = self.scored.units.epoch <= look, self.scored.units
        part = ReportedUnits([], units.arm[seen], units.value[seen], units.epoch[seen], units.propensity[seen])
        rows = {name: getattr(self.scored, name)[seen] for name in ("score", "probability", "expected", "followed")}
        value = policy_value(replace(self.scored, units=part, **rows), 1.0, alpha)
        return value is not None and value.does_context_matter


def serve(visitors: Visitors, seed: int) -> Served:
    """Each batch by the policy that the units before it gave."""
    n, arms = visitors.chance.shape
    position = np.random.default_rng([seed, 1]).random(n)
    arm, epoch, propensity = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n)
    policies: list[LinearPolicy | None] = [None]
    start, end = 0, BATCH
    while start < n:
        end, policy = min(end, n), policies[-1]
        own = slice(start, end)
        shares = (
            np.full((end - start, arms), 1 / arms) if policy is None else policy.probabilities(visitors.contexts[own])
        )
        arm[own] = (position[own, None] > np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1)
        propensity[own] = shares[np.arange(end - start), arm[own]]
        epoch[own] = len(policies) - 1
        value = visitors.outcome[np.arange(end), arm[:end]]
        policies.append(LinearPolicy.fit(COLUMNS, visitors.contexts[:end], arm[:end], value, arms))
        start, end = end, end + max(BATCH, int(BATCH_GROWTH * end))
    units = ReportedUnits(visitors.contexts, arm, visitors.outcome[np.arange(n), arm], epoch, propensity)
    return Served(visitors, score_units(units, policies[:-1], [[1 / arms] * arms] * (len(policies) - 1)))
