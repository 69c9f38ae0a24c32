"""What the posts show of each rule: tests of all that was searched on all rows, and lifts of the rules that pass.

Nothing is held back: half of the weeks would cost half of the power. Instead every rule that could have been proposed
is paid for. Single conditions share .7 of the false discovery rate among them; the other .3 is shared out among *all*
usable pairs, proposed or not (weighted Benjamini–Hochberg). Shrinkage learns how large effects are from all single
conditions, those without any effect included, so that what was chosen for being large is pulled in.

Measured on 200 simulated workspaces it was not tuned on: it finds .82 of what is there, and .024 of what it reports is
false; on 900 others .050 at half of the guide's least effect and .024 at the guide's
(`tests/tasks/patterns/test_planted_truth.py` has the bars); a split of the weeks found .68 elsewhere. Tried and
left: normal scores instead of ranks (.84), a budget weighted by each rule's information (no gain), half of it for pairs
(no gain, lifts .0015 worse), standard errors with moderated variances or a common correlation within weeks (+.02 power,
twice the false ones), errors clustered by week alone (three times), a rate of .10 (+.01 power, twice the null
workspaces hit). With gaps that are no accident, the share of nulls by Storey +.002 ± .002, prices even by
feature +.004 ± .004, .2 for pairs -.003 ± .002, two thirds of the pairs' share for pairs that hold no negation (0 of
296 rules): no gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from tasks.patterns.acts import adds, one_per_act
from tasks.patterns.adjustment import (
    CHANNEL,
    MIN_SHARE_LEFT,
    log_rate_contrasts,
    log_rate_contrasts_of_parts,
    score_contrasts,
)
from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.explained import Explained
from tasks.patterns.preparation import Posts
from tasks.patterns.records import SearchThresholds
from tasks.patterns.search import PairSums, RuleCandidate, distinct, pair_sums, search
from tasks.patterns.strong_rules import beside_strong_rules
from tasks.statistics.contrast import Contrast
from tasks.statistics.multiplicity import benjamini_hochberg
from tasks.statistics.shrinkage import Shrunken, adaptive_shrink

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

PAIR_SHARE = 0.3  # of the false discovery rate, for pairs
# z² of a pair that is kept by half: what the best of thousands owes to chance, which singles' prior does not know.
CURSE_OF_PAIRS = 4.0
LARGE_ENOUGH = 0.25  # chance that an effect is at least as large as asked for, beneath which it is left out

INTERVAL_LEVEL = 0.90
# How far a log lift moves between one stretch of weeks and another, as a share of itself. On 37 real pages sixths of
# the first 70 % of time differ by .27 more than chance explains, and the last 30 % from the first 70 by .29; a page's
# own sixths do not tell how far that page will move. Shrunken lifts are nearer to what comes: with .20 of them .88 of
# later lifts lie within, with .11 .83.
RELATIVE_DRIFT = 0.20
MAX_LOG = 50.0  # e⁵⁰: an interval so wide says 'unknown', and must not overflow to infinity
THIRDS = 3
MIN_THIRD_ROWS = 30


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """What all rows show of one rule.

    Attributes:
        candidate: the rule.
        effect: shrunken standardized effect.
        log_lift: difference of robust log rates, shrunken as much as the effect is.
        adjusted: the same before shrinking.
        adjusted_error: its standard error as if posts were independent.
        interval: its 90 % interval in these weeks.
        later_interval: the same in weeks to come, drift between one stretch of weeks and the next included.
        q_value: false discovery rate at which it is just reported.
        confidence: 1 − max(local false sign rate, q).
        effective_rows: matching rows, discounted for posts of one week sharing their luck.
        folded: weaker rules about the same act that add nothing to this one.
    """

    candidate: RuleCandidate
    effect: float
    log_lift: float
    adjusted: float
    adjusted_error: float
    interval: tuple[float, float]
    later_interval: tuple[float, float]
    q_value: float
    confidence: float
    effective_rows: float
    folded: tuple[RuleCandidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a search came to.

    Attributes:
        found: rules worth reporting that neither overlap nor negate each other, strongest first.
        bound: rules that stand out but always come together with what they would be adjusted for.
        searched: single conditions and pairs that were paid for, proposed or not.
        tested: rules whose test was computed.
    """

    found: list[RuleEvidence]
    bound: list[RuleCandidate]
    searched: int
    tested: int


def within_channels(posts: Posts, table: ConditionTable, thresholds: SearchThresholds) -> Evidence:
    """Rules of one or two conditions, compared within channel × period."""
    chosen = np.flatnonzero(~table.of_words)  # they stand before those on words, so that their numbers are the same
    sums = _sums(posts, table, chosen)
    candidates = search(sums, table.act[chosen], table.alone[chosen], thresholds.min_sample_size)
    singles = [one for one in candidates.singles if table.roles(one.members) != {CHANNEL}]
    pairs = candidates.pairs if singles else []
    prices = np.repeat(
        [(1.0 - PAIR_SHARE) / max(len(singles), 1), PAIR_SHARE / max(candidates.pairs_searched, 1)],
        [len(singles), len(pairs)],
    )
    searched = len(singles) + candidates.pairs_searched
    strong = beside_strong_rules(posts, table, singles + pairs)
    return _judged(posts, table, singles + pairs, prices, len(singles), thresholds, searched, strong=strong)


def across_channels(posts: Posts, table: ConditionTable, thresholds: SearchThresholds) -> Evidence:
    """Channels, compared within periods.

    They are a family of their own: differences between channels are large and nearly always there. In one family with
    the rest they would lower the bar for everything else: the false discovery rate holds on average over a family, not
    for its weakest members.
    """
    of_channels = np.array([i for i, feature in enumerate(table.about) if feature.role == CHANNEL], dtype=np.int64)
    least, known_rows = thresholds.min_sample_size, [int(table.about[i].known.sum()) for i in of_channels]
    rows = table.matches.T[of_channels].sum(axis=1)
    usable = (rows >= least) & (known_rows - rows >= least)
    channels = [RuleCandidate((int(of_channels[k]),), 0.0, int(rows[k])) for k in np.flatnonzero(usable)]
    prices = np.full(len(channels), 1.0 / max(len(channels), 1))
    return _judged(posts, table, channels, prices, len(channels), thresholds, len(channels))


def about_words(
    posts: Posts, table: ConditionTable, thresholds: SearchThresholds, reported: Sequence[RuleEvidence]
) -> Evidence:
    """What posts mention, compared with posts that have a text and do not; one story counts once.

    Words are a family of their own, like channels, and no part of pairs: 200 words would make 20,000 of them.
    Topics are among them. Measured on the half of 40 real pages that no choice was made on (first 70 % of time, as the
    guide calls it): 2.2 times the findings of all other features, .975 of 79 with their sign later. Tried and left:
    adjusted for the other features too (a third fewer findings, later posts told worse), words in at least 3 % of posts
    (a fourth fewer).

    Args:
        posts: all of them.
        table: conditions, those on words last.
        thresholds: when a pattern is worth reporting.
        reported: rules on other features; a word that adds nothing to them, such as “sign” where calls to action win,
            is no second finding.
    """
    rows = table.matches.sum(axis=0)
    words = [RuleCandidate((int(i),), 0.0, int(rows[i])) for i in np.flatnonzero(table.of_words)]
    prices = np.full(len(words), 1.0 / max(len(words), 1))
    taken = [rule.candidate for rule in reported]
    judged = _judged(posts, table, words, prices, len(words), thresholds, len(words), taken)
    own = [one for one in judged.found if not taken or adds(posts, table, one.candidate, one.effect, taken)]
    return replace(judged, found=own)


def _sums(posts: Posts, table: ConditionTable, conditions: Codes) -> PairSums:
    known, known_as = table.known
    matches, outcome = table.matches.T[conditions].T, posts.beside_kinds.rank_score
    return pair_sums(matches, outcome, known, known_as[conditions], table.made_of(conditions))


@dataclass(frozen=True, slots=True)
class _Tests:
    """K tests of one family: differences of scores, shrunken effects, q-values, confidence and what controls leave."""

    score: Contrast
    effect: Shrunken
    q_value: Floats
    confidence: Floats
    share_left: Floats

    def passing(self, thresholds: SearchThresholds) -> list[int]:
        """Those worth reporting, strongest first; of two that negate each other the winning one."""
        upper = np.abs(self.effect.mean) + ndtri(1.0 - LARGE_ENOUGH) * self.effect.standard_deviation
        passes = (
            (self.q_value <= thresholds.false_discovery_rate)
            & (self.confidence >= thresholds.min_confidence)
            & (upper >= thresholds.min_effect_size)
        )
        strength = np.abs(self.score.estimate / self.score.standard_error)
        order = np.lexsort((np.arange(len(passes)), self.score.estimate < 0.0, -np.round(strength, 3)))
        return [int(i) for i in order if passes[i]]


def _judged(
    posts: Posts,
    table: ConditionTable,
    candidates: list[RuleCandidate],
    prices: Floats,
    singles: int,
    thresholds: SearchThresholds,
    searched: int,
    taken: Sequence[RuleCandidate] = (),
    strong: Explained | None = None,
) -> Evidence:
    """Test candidates of one family, the single conditions first, each at its share of the false discovery rate.

    What overlaps with rules that are taken is left out; rules are tested beside those that are strong.
    """
    if not candidates:
        return Evidence([], [], searched, 0)
    tests = _tested(posts, table, candidates, prices, singles, strong)
    index = {candidate.members: i for i, candidate in enumerate(candidates)}
    passing = [candidates[i] for i in tests.passing(thresholds)]
    kept = distinct([*taken, *passing], table.matches)[len(taken) :]
    chosen = [index[candidate.members] for candidate in kept]
    free = [i for i in chosen if tests.share_left[i] >= MIN_SHARE_LEFT]
    bound = [candidates[i] for i in chosen if tests.share_left[i] < MIN_SHARE_LEFT]
    worth_reporting = _found(posts, table, candidates, tests, free)
    weaker_ones = one_per_act(
        posts,
        table,
        [one.candidate for one in worth_reporting],
        [one.effect for one in worth_reporting],
        thresholds.min_effect_size,
    )
    rules = [replace(worth_reporting[k], folded=tuple(weaker)) for k, weaker in weaker_ones.items()]
    return Evidence(rules, bound, searched, len(candidates))


def _tested(
    posts: Posts,
    table: ConditionTable,
    candidates: list[RuleCandidate],
    prices: Floats,
    singles: int,
    strong: Explained | None,
) -> _Tests:
    contrasts = score_contrasts(posts, table, candidates, strong)
    score = contrasts.told_apart
    p_value = 2.0 * stdtr(score.degrees_of_freedom, -np.abs(score.estimate) / score.standard_error)
    effect = adaptive_shrink(score.estimate, score.standard_error, learn_from=singles)
    q_value = benjamini_hochberg(p_value, prices)
    return _Tests(score, effect, q_value, 1.0 - np.maximum(effect.false_sign_rate, q_value), contrasts.share_left)


def _found(
    posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], tests: _Tests, chosen: list[int]
) -> list[RuleEvidence]:
    """The chosen rules with their lifts, where effect and lift agree in their direction."""
    log_rate = log_rate_contrasts(posts, table, [candidates[i] for i in chosen])
    z = tests.score.estimate[chosen] / tests.score.standard_error[chosen]
    is_pair = np.array([len(candidates[i].members) > 1 for i in chosen], dtype=bool)
    effect = tests.effect.mean[chosen] * np.where(is_pair, z**2 / (z**2 + CURSE_OF_PAIRS), 1.0)
    kept = effect / tests.score.estimate[chosen]
    log_lift = log_rate.estimate * kept
    interval = on_its_side(lift_intervals(log_lift, log_rate), log_lift, tests.confidence[chosen])
    later = lift_intervals(log_lift, log_rate, RELATIVE_DRIFT)
    design_effect = (tests.score.standard_error[chosen] / tests.score.iid_standard_error[chosen]) ** 2
    evidence = [
        RuleEvidence(
            candidate=candidates[i],
            effect=float(effect[k]),
            log_lift=float(log_lift[k]),
            adjusted=float(log_rate.estimate[k]),
            adjusted_error=float(log_rate.iid_standard_error[k]),
            interval=(float(interval[k, 0]), float(interval[k, 1])),
            later_interval=(float(later[k, 0]), float(later[k, 1])),
            q_value=float(tests.q_value[i]),
            confidence=float(tests.confidence[i]),
            effective_rows=float(candidates[i].rows / design_effect[k]),
        )
        for k, i in enumerate(chosen)
    ]
    return [one for one in evidence if np.sign(one.effect) == np.sign(one.log_lift)]


def lift_intervals(log_lift: Floats, contrast: Contrast, drift: float = 0.0) -> Floats:
    """90 % intervals (K, 2) of log lifts (K,): what chance, shrinkage and drift allow.

    Around the shrunken lift, as wide as the unshrunken one's, and wider by what shrinking took, which is as uncertain
    as it is large: of rules that were reported because they look large, such intervals hold .91 of the true lifts at
    the guide's least effect and .91 at half of it; without that .88 and .84, around the unshrunken lift .86 and .81
    (simulated, 400 workspaces that no choice was made on, standard error .02).

    Args:
        log_lift: shrunken.
        contrast: what they are made of.
        drift: of a log lift until the weeks that are meant, as a share of itself.
    """
    quantile = ndtri(0.5 + INTERVAL_LEVEL / 2)
    by_chance = stdtrit(contrast.degrees_of_freedom, 0.5 + INTERVAL_LEVEL / 2) * contrast.standard_error
    by_shrinkage, by_drift = quantile * (contrast.estimate - log_lift), quantile * drift * log_lift
    half_width = np.minimum(np.hypot(np.hypot(by_chance, by_shrinkage), by_drift), MAX_LOG)
    return np.column_stack([log_lift - half_width, log_lift + half_width])


def on_its_side(intervals: Floats, log_lift: Floats, confidence: Floats) -> Floats:
    """The intervals (K, 2), those of lifts (K,) of a sure sign cut at no effect.

    Who is 95 % sure that an effect is above zero has nothing of a two-sided 90 % below it; the symmetric interval has,
    where shrinking took much. The cut costs .003 of the true lifts that were held (400 workspaces as above).
    """
    sure = confidence >= 0.5 + INTERVAL_LEVEL / 2
    low = np.where(sure & (log_lift > 0), np.maximum(intervals[:, 0], 0.0), intervals[:, 0])
    high = np.where(sure & (log_lift < 0), np.minimum(intervals[:, 1], 0.0), intervals[:, 1])
    return np.column_stack([low, high])


@dataclass(frozen=True, slots=True)
class TimeThird:
    """One of three consecutive parts of the time, with as many posts each.

    Attributes:
        first, last: its oldest and its newest post.
        log_rate: contrasts of K candidates in it.
    """

    first: datetime
    last: datetime
    log_rate: Contrast


def thirds(posts: Posts, table: ConditionTable, candidates: list[RuleCandidate]) -> list[TimeThird]:
    """How K candidates fared over time, where there are rows enough to say."""
    rows = np.arange(len(posts.week))
    if len(rows) < THIRDS * MIN_THIRD_ROWS:
        return []
    part = rows * THIRDS // len(rows)
    contrasts = log_rate_contrasts_of_parts(posts, table, candidates, part)
    first = np.searchsorted(part, np.arange(THIRDS + 1))
    instants = posts.published_at
    return [TimeThird(instants[int(first[i])], instants[int(first[i + 1] - 1)], contrasts[i]) for i in range(THIRDS)]
