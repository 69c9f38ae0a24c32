"""From stored patterns to what to do next for a task: what is significant, strong and still true first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.conditions import OF_WORDS, in_a_sentence
from tasks.patterns.applicability import TASK_TYPES
from tasks.patterns.history import FADING, GONE
from tasks.patterns.records import CAVEAT, Pattern
from tasks.patterns.wording import format_lift, per_cent

FADING_WEIGHT = 0.3
LEAST_SHOWN = 0.001  # of a false discovery rate
MAX_SHARED = 0.5  # rules that share more than half of their features say nearly the same


class Recommendations(list[dict[str, Any]]):
    """A list of recommendations that also says why it is as long as it is.

    Attributes:
        status: `ok`, or why there is none: `not_analyzed`, `insufficient_data`, `no_variance`, `no_patterns`,
            `none_for_task`.
        reason: one sentence for a person.
    """

    def __init__(self, recommendations: Iterable[dict[str, Any]], status: str, reason: str) -> None:
        super().__init__(recommendations)
        self.status, self.reason = status, reason


def recommend(patterns: Sequence[tuple[str, Pattern]], task_type: str, top_k: int) -> list[dict[str, Any]]:
    """The best `top_k` of (content type, pattern) for a task type, by what doing it is expected to bring.

    Left out is what experiments expect to harm, however well the posts that do it did.
    """
    fitting = [one for one in patterns if task_type in one[1].applicable_tasks and one[1].trend != GONE]
    fitting = [one for one in fitting if score(one[1]) > 0.0]
    chosen: list[tuple[str, Pattern]] = []
    for content_type, pattern in sorted(fitting, key=lambda one: (-score(one[1]), one[1].pattern_key)):
        if len(chosen) < top_k and all(_shared(pattern, other) <= MAX_SHARED for _, other in chosen):
            chosen.append((content_type, pattern))
    return [_recommendation(content_type, pattern, task_type) for content_type, pattern in chosen]


def why(analyses: Sequence[Mapping[str, Any]], task_type: str, count: int) -> tuple[str, str]:
    """Status and reason of a list of `count` recommendations from these analyses."""
    if count:
        return "ok", f"{count} patterns for {task_type}"
    served = TASK_TYPES[task_type]
    fitting = [analysis for analysis in analyses if not served or analysis["content_type"] in served]
    if not fitting:
        return "not_analyzed", f"no content for {task_type} has been analyzed; run `raptorflow run pattern-learning`"
    status = str(fitting[0]["status"])
    if status == "patterns_found":
        return "none_for_task", f"none of the patterns found so far was seen to hold for {task_type}"
    return status, "; ".join(f"{analysis['content_type']}: {analysis['reason']}" for analysis in fitting)


def score(pattern: Pattern) -> float:
    """Expected gain × recency; a fading pattern counts for 0.3 of a holding one.

    The gain is in log units: of having what wins, or of leaving out what loses, as experiments calibrate it. Where none
    are there yet, it is confidence × |effect size|, in standard deviations: the two never stand in one list, because
    experiments calibrate all patterns of a workspace's content type or none.
    """
    recency = FADING_WEIGHT if pattern.fading or pattern.trend == FADING else 1.0
    if pattern.effect is None or pattern.effect["source"] != "experiments":
        return pattern.confidence * abs(pattern.effect_size) * recency
    gain = float(pattern.effect["log_estimate"])
    return (gain if pattern.pattern_type == "winning" else -gain) * recency


def worth(pattern: Pattern) -> float:
    """What the typical post would gain, in per cent, were all posts of the better kind; 0 where that is not known.

    Log engagement would rise by what doing it is expected to bring, as experiments calibrate the lift, times the share
    of posts that are not of it yet. Of a word that wins: were twice as many posts to mention it, for not all posts can.
    """
    if pattern.share_of_posts is None:
        return 0.0
    share = pattern.share_of_posts
    left = 1.0 - share if pattern.pattern_type == "winning" and not _is_of_words(pattern) else share
    wins = pattern.pattern_type == "winning"
    doing = math.log1p(pattern.lift_pct / 100) if pattern.effect is None else float(pattern.effect["log_estimate"])
    return per_cent(max(doing if wins else -doing, 0.0) * left)


def _is_of_words(pattern: Pattern) -> bool:
    return any(condition.op in OF_WORDS for condition in pattern.rule)


def _worth(pattern: Pattern) -> dict[str, Any]:
    """What following it would bring a workspace that does so in some of its posts already; a post of either kind."""
    if pattern.share_of_posts is None:
        return {}
    wins, share = pattern.pattern_type == "winning", pattern.share_of_posts
    gain = worth(pattern)
    many = "none" if not wins else "twice as many" if _is_of_words(pattern) else "all"
    examples = [(pattern.example_post, pattern.example_text), (pattern.other_post, pattern.other_text)]
    (better, better_text), (worse, worse_text) = examples if wins else examples[::-1]
    today = f"{100 * share:.0f} % of your posts do today"
    return {
        "gain_pct": gain,
        "gain": f"{today}; if {many} did, the typical post would get {gain:.0f} % more",
        "better_post": better,
        "better_post_text": better_text,
        "worse_post": worse,
        "worse_post_text": worse_text,
    }


def _shared(one: Pattern, other: Pattern) -> float:
    """Jaccard index of the features of two rules."""
    a, b = ({condition.feature for condition in pattern.rule} for pattern in (one, other))
    return len(a & b) / len(a | b)


def _recommendation(content_type: str, pattern: Pattern, task_type: str) -> dict[str, Any]:
    wins = pattern.pattern_type == "winning"
    lift, low, high = (
        format_lift(value, pattern.lift_interval_pct, "+") for value in (pattern.lift_pct, *pattern.lift_interval_pct)
    )
    evidence = (
        f"{lift} % [{low}, {high}] against comparable posts, {pattern.sample_size} posts, {_rate(pattern)} "
        "after paying for the whole search"
    )
    return {
        "recommendation": f"{'Prefer' if wins else 'Avoid'} content that {in_a_sentence(pattern.rule)}",
        "action": "prefer" if wins else "avoid",
        "task_type": task_type,
        "content_type": content_type,
        "score": score(pattern),
        "evidence": evidence,
        **_worth(pattern),
        "caveat": CAVEAT,
        **{name: value for name, value in pattern.as_dict().items() if name != "caveat"},
    }


def _rate(pattern: Pattern) -> str:
    return f"q < {LEAST_SHOWN}" if pattern.q_value < LEAST_SHOWN else f"q = {pattern.q_value:.3f}"
