"""What the evidence says about the options: one pooled posterior over unique evidence.

Each subject (the same conditions, or the same terms) has an unknown effect with prior N(0, prior_sd²) on the log scale,
prior_sd being learned from the findings themselves, unless experiments on other conditions have said already what an
association is worth. Evidence is normal around it, an association with a larger variance than an experiment. What an
option is worth is counted against what is done today: a subject that `share` of today's content has already is worth
(1 − share) of its effect to who does it always, and −share of it to who avoids it. P(best) integrates over all of them
jointly, so that what two options share cannot set them apart, and experts who cite one experiment do not make it two.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tasks.conditions import OF_WORDS, OR, Condition, in_a_sentence
from tasks.swarm.evidence import exposure, informs, is_named_in, share_today, subject_of, variance
from tasks.swarm.records import EvidenceRef, Option, Record, Scalar
from tasks.swarm.wording import is_about_avoiding, is_general

POINTS = 4096
MOST_OPTIONS_DRAWN = 4
STATUS_QUO = "Keep what is done today."
# Spread of log click rates between headlines of one story under one picture: 0.30 in the Upworthy archive, as
# tests/tasks/swarm/test_upworthy.py computes it. Knowing every feature of a text leaves this much unknown.
OWN_SD = 0.3
PLANNED_SD = 0.1  # where nothing at all was found yet
SPREADS = np.linspace(0.005, 1.0, 200)
Array = npt.NDArray[np.float64]


class Standing(Record):
    """An option as the evidence sees it: posterior of its effect (log ratio against today), and how likely it is the
    best of all, and better than what is done today."""

    option: str
    mean: float
    sd: float
    probability_best: float
    probability_better: float = 0.5
    evidence_ids: tuple[str, ...] = ()


def standings(
    options: Sequence[Option],
    evidence: Iterable[EvidenceRef],
    prior_sd: float,
    scores: Mapping[str, float] | None = None,
    findings_count: float = 1.0,
) -> list[Standing]:
    """Each option's posterior effect (log ratio against today) and probability of being the best, in order of id.

    The same whatever the order of options and evidence, and however often an item is listed.

    Args:
        scores: what learned models say of the options, where texts were compared before.
        findings_count: by how much findings about conditions count more or less there.
    """
    ordered = sorted(options, key=lambda option: (option.label, option.id))
    unique = sorted({item.id: item for item in evidence}.values(), key=lambda item: item.id)
    by_subject: dict[str, list[EvidenceRef]] = {}
    for item in unique:
        by_subject.setdefault(subject_of(item), []).append(item)
    subjects = sorted(by_subject)
    design = np.array(
        [[_more_than_today(by_subject[subject], option) for subject in subjects] for option in ordered]
    ).reshape(len(ordered), len(subjects))
    design *= [findings_count if by_subject[subject][0].conditions else 1.0 for subject in subjects]
    means, variances = effects_of([by_subject[subject] for subject in subjects], prior_sd)
    # An option nothing is known about is as uncertain as the prior; changing nothing is certain to change nothing.
    own = np.array([_own_variance(option, unique, prior_sd) for option in ordered])
    mean = design @ means + np.array([(scores or {}).get(option.id, 0.0) for option in ordered])
    covariance = (design * variances) @ design.T + np.diag(own)
    best = probability_best(mean, covariance)
    result = [
        Standing(
            option=option.id,
            mean=float(mean[row]),
            sd=math.sqrt(max(0.0, float(covariance[row, row]))),
            probability_best=float(best[row]),
            probability_better=_probability_positive(float(mean[row]), float(covariance[row, row])),
            evidence_ids=tuple(item.id for item in unique if informs(item, option)),
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


def prior_sd_of(evidence: Sequence[EvidenceRef]) -> float:
    """Spread of true effects (log ratio): what the findings themselves show of it, 0.1 where there are none.

    Its posterior mean on a grid under a half-normal prior, whose scale of 0.3 is the spread between headlines of one
    story (`OWN_SD`). Findings that were reported for being clear overstate it somewhat; patterns are shrunken already.
    """
    if not evidence:
        return PLANNED_SD
    effects, noise = np.array([item.effect for item in evidence]), np.array([variance(item) for item in evidence])
    spread = SPREADS[:, None] ** 2 + noise
    log_density = -0.5 * (np.log(spread) + effects**2 / spread).sum(axis=1) - 0.5 * (SPREADS / OWN_SD) ** 2
    weights = np.exp(log_density - log_density.max())
    return float(weights @ SPREADS / weights.sum())


def options_from(evidence: Sequence[EvidenceRef], prior_sd: float, problem: str) -> tuple[Option, ...]:
    """Options where the caller named none: up to four things to do or to avoid, worth most first, and changing nothing.

    Where the problem names what findings are about, only those are drawn upon. Where it asks for something else than
    what works at all, nothing is: no finding is an answer to it.
    """
    by_subject: dict[str, list[EvidenceRef]] = {}
    for item in sorted({item.id: item for item in evidence}.values(), key=lambda item: item.id):
        by_subject.setdefault(subject_of(item), []).append(item)
    named = {subject: items for subject, items in by_subject.items() if is_named_in(problem, items[0])}
    if not named and not is_general(problem):
        return ()
    of_subjects = named or {subject: items for subject, items in by_subject.items() if not items[0].is_text}
    means, _ = effects_of(list(of_subjects.values()), prior_sd)
    asks_what_loses = not named and is_about_avoiding(problem)
    means = np.minimum(means, 0.0) if asks_what_loses else means
    worth = {
        subject: (_gain(mean, share_today(items)), mean)
        for (subject, items), mean in zip(of_subjects.items(), means, strict=True)
    }
    ranked = sorted(worth.items(), key=lambda pair: (-pair[1][0], pair[0]))
    helping = [one for one in ranked if one[1][0] > 0.0]
    ranked = helping or ([] if asks_what_loses else ranked[:1])
    if not ranked:
        return ()
    acts: dict[str, list[EvidenceRef]] = {}  # what wins alone; labels of one kind that all lose, as Saturday and Sunday
    for subject, (_, mean) in ranked:
        item = of_subjects[subject][0]
        acts.setdefault(subject if mean > 0.0 else _avoided_with(item), []).append(item)
    gains = {act: sum(worth[subject_of(item)][0] for item in items) for act, items in acts.items()}
    best = sorted(acts, key=lambda act: -gains[act])[:MOST_OPTIONS_DRAWN]
    chosen = [
        _drawn(letter, acts[act], is_winning=worth[subject_of(acts[act][0])][1] > 0.0)
        for letter, act in zip(string.ascii_uppercase, best, strict=False)
    ]
    return (*chosen, status_quo(string.ascii_uppercase[len(chosen)]))


def status_quo(letter: str) -> Option:
    """Changing nothing, as an option."""
    return Option(id=letter, label=STATUS_QUO, is_status_quo=True)


def _more_than_today(items: Sequence[EvidenceRef], option: Option) -> float:
    """How much more of a subject the option has than today's content; 0 where it leaves it as it is."""
    share_of_option = next((share for item in items if (share := exposure(item, option)) is not None), None)
    return 0.0 if share_of_option is None else share_of_option - share_today(items)


def _own_variance(option: Option, evidence: Sequence[EvidenceRef], prior_sd: float) -> float:
    if option.is_status_quo:
        return 0.0
    if option.is_content:
        return OWN_SD**2
    return 0.0 if any(informs(item, option) for item in evidence) else prior_sd**2


def effects_of(by_subject: Sequence[Sequence[EvidenceRef]], prior_sd: float) -> tuple[Array, Array]:
    """Posterior means and variances of the subjects' effects.

    A calibrated effect is a posterior itself: to shrink it again would make +35 % of it +5 %.
    """
    usual = np.array([0.0 if any(item.is_calibrated for item in items) else prior_sd**-2 for items in by_subject])
    precision = usual + np.array([sum(1.0 / variance(item) for item in items) for items in by_subject])
    pull = np.array([sum(item.effect / variance(item) for item in items) for items in by_subject])
    return pull / precision, 1.0 / precision


def _gain(mean: float, share: float) -> float:
    """What acting on an effect is worth: having it always where it wins, never where it loses."""
    return mean * (1.0 - share) if mean > 0.0 else -mean * share


def _probability_positive(mean: float, variance: float) -> float:
    if variance <= 0.0:
        return 0.5 + 0.5 * float(np.sign(mean))
    return _normal_cdf(mean / math.sqrt(variance))


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


def _avoided_with(item: EvidenceRef) -> str:
    """What a losing finding is avoided together with: others of the same feature, which content has one value of."""
    first = item.conditions[0] if len(item.conditions) == 1 else None
    return f"not {first.feature}" if first is not None and first.op == "==" else subject_of(item)


def _drawn(letter: str, items: Sequence[EvidenceRef], *, is_winning: bool) -> Option:
    """To do what a finding is about, or to avoid it, or several."""
    exposures = {subject_of(one): float(is_winning) for one in items}
    item = items[0]
    if not item.conditions:
        does = "Do" if is_winning else "Do without"
        return Option(id=letter, label=f"{does}: {item.statement}", exposures=exposures)
    words = OR.join(in_a_sentence(one.conditions) for one in sorted(items, key=subject_of))
    # A text that mentions one word may mention any other as well: nothing else follows from it.
    shown = [one for one in item.conditions if one.op not in OF_WORDS]
    attributes = {one.feature: _meets(one) for one in shown} if is_winning else {}
    label = f"{'Publish more' if is_winning else 'Avoid'} content that {words}"
    return Option(id=letter, label=label, attributes=attributes, exposures=exposures)


def _meets(condition: Condition) -> Scalar:
    """A value that meets the condition."""
    value = condition.value
    if isinstance(value, tuple):
        return value[0]
    if condition.op == "<" and not isinstance(value, str):
        return value - 1
    return value
