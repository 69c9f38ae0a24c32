"""What the evidence says about the options: one pooled posterior over unique evidence.

Each subject (the same conditions, or the same terms) has an unknown effect with prior N(0, prior_sd²) on the log
scale. Evidence is normal around it, its precision discounted by source and age (power prior, Ibrahim and Chen 2000).
An option's effect is the sum over the subjects that apply to it, and for a text what is its own; P(best) integrates
over all of them jointly, so that what two options share cannot set them apart, and experts who cite one experiment do
not make it two.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tasks.conditions import Condition
from tasks.swarm.evidence import applies_to, discount, is_named_in, subject_of
from tasks.swarm.records import EvidenceRef, Option, Record, Scalar

POINTS = 4096
MOST_OPTIONS_DRAWN = 4
STATUS_QUO = "Keep what is done today."
# Spread of log click rates between headlines of one story under one picture: 0.30 in the Upworthy archive, as
# tests/tasks/swarm/test_upworthy.py computes it. Knowing every feature of a text leaves this much unknown.
OWN_SD = 0.3
Array = npt.NDArray[np.float64]


class Standing(Record):
    """An option as the evidence sees it: posterior of its effect (log ratio), and how likely it is the best."""

    option: str
    mean: float
    sd: float
    probability_best: float
    evidence_ids: tuple[str, ...] = ()


def standings(options: Sequence[Option], evidence: Iterable[EvidenceRef], prior_sd: float) -> list[Standing]:
    """Each option's posterior effect (log ratio) and probability of being the best, in order of option id.

    The same whatever the order of options and evidence, and however often an item is listed.
    """
    ordered = sorted(options, key=lambda option: (option.label, option.id))
    unique = sorted({item.id: item for item in evidence}.values(), key=lambda item: item.id)
    subjects = sorted({subject_of(item) for item in unique})
    used = {option.id: tuple(item.id for item in unique if applies_to(item, option)) for option in ordered}
    design = np.array(
        [
            [float(any(subject_of(i) == s and i.id in used[option.id] for i in unique)) for s in subjects]
            for option in ordered
        ]
    ).reshape(len(ordered), len(subjects))
    means, variances = _subjects(subjects, unique, prior_sd)
    # An option nothing is known about is as uncertain as the prior; changing nothing is certain to change nothing.
    own = np.array([_own_variance(option, bool(used[option.id]), prior_sd) for option in ordered])
    design[[option.is_status_quo for option in ordered]] = 0.0
    mean = design @ means
    covariance = (design * variances) @ design.T + np.diag(own)
    best = probability_best(mean, covariance)
    result = [
        Standing(
            option=option.id,
            mean=float(mean[row]),
            sd=math.sqrt(max(0.0, float(covariance[row, row]))),
            probability_best=float(best[row]),
            evidence_ids=used[option.id],
        )
        for row, option in enumerate(ordered)
    ]
    return sorted(result, key=lambda standing: standing.option)


def probability_best(mean: Array, covariance: Array) -> Array:
    """P(each is the largest) of jointly normal effects; exact for two, 4,096 fixed points beyond; no random numbers."""
    if len(mean) == 1:
        return np.ones(1)
    if len(mean) == 2:
        sd = math.sqrt(max(0.0, covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1]))
        first = _normal_cdf((mean[0] - mean[1]) / sd) if sd > 0.0 else 0.5 + 0.5 * float(np.sign(mean[0] - mean[1]))
        return np.array([first, 1.0 - first])
    values, vectors = np.linalg.eigh(covariance)
    drawn = mean + _normal_points(len(mean)) @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    largest = drawn >= drawn.max(axis=1, keepdims=True) - 1e-12
    return np.asarray((largest / largest.sum(axis=1, keepdims=True)).mean(axis=0))


def prior_sd_of(evidence: Sequence[EvidenceRef], fallback: float = 0.1, enough: int = 20) -> float:
    """Spread of true effects, by moments (DerSimonian and Laird 1986) where there are enough findings; else 0.1."""
    if len(evidence) < enough:
        return fallback
    effects = np.array([item.effect for item in evidence])
    noise = np.array([item.se**2 / discount(item) for item in evidence])
    weights = 1.0 / noise
    spread = weights @ effects**2 - len(effects)
    return float(np.clip(math.sqrt(max(0.0, spread / weights.sum())), 0.02, 1.0))


def options_from(evidence: Sequence[EvidenceRef], prior_sd: float, problem: str) -> tuple[Option, ...]:
    """Options where the caller named none: up to four subjects of the largest expected effect, and changing nothing.

    Empty without evidence. Where the problem names what findings are about, only those are drawn upon: the question is
    about them, not about the best that could be done elsewhere.
    """
    by_subject: dict[str, list[EvidenceRef]] = {}
    for item in sorted({item.id: item for item in evidence}.values(), key=lambda item: item.id):
        by_subject.setdefault(subject_of(item), []).append(item)
    named = {subject: items for subject, items in by_subject.items() if is_named_in(problem, items[0])}
    ranked = sorted((named or by_subject).items(), key=lambda pair: (-_expected(pair[1], prior_sd), pair[0]))
    if not ranked:
        return ()
    chosen = [
        _option(letter, items[0])
        for letter, (_, items) in zip(string.ascii_uppercase, ranked[:MOST_OPTIONS_DRAWN], strict=False)
    ]
    return (*chosen, status_quo(string.ascii_uppercase[len(chosen)]))


def status_quo(letter: str) -> Option:
    """Changing nothing, as an option."""
    return Option(id=letter, label=STATUS_QUO, is_status_quo=True)


def _own_variance(option: Option, is_known: bool, prior_sd: float) -> float:
    if option.is_status_quo:
        return 0.0
    return OWN_SD**2 if option.is_content else 0.0 if is_known else prior_sd**2


def _subjects(subjects: Sequence[str], evidence: Sequence[EvidenceRef], prior_sd: float) -> tuple[Array, Array]:
    precision = np.full(len(subjects), prior_sd**-2)
    pull = np.zeros(len(subjects))
    place = {subject: i for i, subject in enumerate(subjects)}
    for item in evidence:
        weight = discount(item) / item.se**2
        precision[place[subject_of(item)]] += weight
        pull[place[subject_of(item)]] += weight * item.effect
    return pull / precision, 1.0 / precision


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@lru_cache(maxsize=16)
def _normal_points(dimensions: int) -> Array:
    """Normal points from the R sequence (Roberts 2018): low discrepancy, always the same."""
    from scipy.special import ndtri

    base = 2.0
    for _ in range(60):
        base = (1.0 + base) ** (1.0 / (dimensions + 1.0))
    steps = base ** -np.arange(1.0, dimensions + 1.0)
    points: Array = ndtri((0.5 + np.outer(np.arange(1.0, POINTS + 1.0), steps)) % 1.0)
    return points


def _expected(items: Sequence[EvidenceRef], prior_sd: float) -> float:
    weights = [discount(item) / item.se**2 for item in items]
    pull = sum(weight * item.effect for weight, item in zip(weights, items, strict=True))
    return pull / (prior_sd**-2 + sum(weights))


def _option(letter: str, item: EvidenceRef) -> Option:
    attributes = {condition.feature: _meets(condition) for condition in item.conditions}
    return Option(id=letter, label=f"Act on: {item.statement}", attributes=attributes)


def _meets(condition: Condition) -> Scalar:
    """A value that meets the condition."""
    value = condition.value
    if isinstance(value, tuple):
        return value[0]
    if condition.op == "<" and not isinstance(value, str):
        return value - 1
    return value
