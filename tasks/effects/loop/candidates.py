"""Candidate experiments: what patterns, early signals and debates leave open, with what each may bring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.conditions import Rule, in_a_sentence, leaving_off
from tasks.effects.arms import ShownArms, text_features
from tasks.effects.calibration import calibrated
from tasks.effects.families import MIXED
from tasks.effects.loop.backlog import Candidate
from tasks.effects.loop.store import WEEKS_OF_TRAFFIC, rule_of
from tasks.effects.loop.worth import Prospect
from tasks.effects.records import Association, CalibratingPair
from tasks.effects.within_experiments import ComparedArms

Row = Mapping[str, Any]
Z_90, Z_95 = 1.6449, 1.96
LEAST_ERROR = 1e-4  # log ratio
SHARE_ASSUMED = 0.5
HALF_OF_THE_POSTS = "that it could change half of the posts"
LEAST_RATE = 1e-6
LEAST_POST_VARIANCE = 0.01
IMPRESSIONS, POSTS = "impressions", "posts"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a content type gets in a week, and how its posts differ.

    Attributes:
        posts, impressions: a week.
        rate: engagements an impression; 0 where impressions are not known.
        per_post: engagements a post.
        post_variance: variance of a post's engagements over their squared mean.
    """

    posts: float
    impressions: float
    rate: float
    per_post: float
    post_variance: float

    def prospect(self, mean: float, error: float, share: float) -> tuple[Prospect, str]:
        """What a change of a share of the posts may bring, by impressions where there are any."""
        error = max(error, LEAST_ERROR)
        if self.impressions > 0.0 and LEAST_RATE < self.rate < 1.0:
            variance = (1.0 - self.rate) / self.rate
            return Prospect(mean, error, share * self.impressions, self.rate, variance), IMPRESSIONS
        return Prospect(mean, error, share * self.posts, self.per_post, self.post_variance), POSTS


def traffic_of(posts: Sequence[Row]) -> Traffic:
    """Traffic of posts of some weeks."""
    seen = [(row["impressions"], row["engagements"]) for row in posts if row["impressions"] and row["engagements"]]
    impressions, engaged = (sum(one[place] for one in seen) for place in (0, 1))
    counts = np.array([row["engagements"] or 0 for row in posts], dtype=np.float64)
    mean = float(counts.mean()) if len(counts) else 0.0
    return Traffic(
        posts=len(posts) / WEEKS_OF_TRAFFIC,
        impressions=sum(row["impressions"] or 0 for row in posts) / WEEKS_OF_TRAFFIC,
        rate=engaged / impressions if impressions else 0.0,
        per_post=mean,
        post_variance=max(float(counts.var()) / mean**2, LEAST_POST_VARIANCE) if mean > 0.0 else 1.0,
    )


def of_pattern(row: Row, traffic: Traffic) -> Candidate | None:
    """Doing what a pattern says, or leaving it off, whichever is expected to be better; None of older versions'."""
    details = row["details"]
    effect = details.get("effect")
    if not effect:
        return None
    mean, (low, high) = effect["log_estimate"], effect["log_interval"]
    is_doing, share = mean >= 0.0, details.get("share_of_posts")
    reached = SHARE_ASSUMED if share is None else 1.0 - share if is_doing else share
    prospect, unit = traffic.prospect(abs(mean), (high - low) / (2.0 * Z_90), reached)
    content, rule = f"{row['content_type']} content", rule_of(details)
    change = f"{content} that {in_a_sentence(rule)}" if is_doing else leaving_off(content, rule)
    assumed = HALF_OF_THE_POSTS if share is None else ""
    return Candidate(row["pattern_key"], "pattern", change, is_doing, prospect, unit, assumed)


def of_signals(
    signals: Sequence[Row], traffic: Traffic, pairs: Sequence[CalibratingPair], workspace_id: str, outcome: str
) -> list[Candidate]:
    """Early signals: associations that others saw, calibrated as own ones are."""
    associations = []
    for signal in signals:
        middle, low, high = (_log(value) for value in (signal["effect_size"], *signal["interval_95"]))
        error = max((high - low) / (2.0 * Z_95), LEAST_ERROR)
        associations.append(Association(signal["signal_id"], MIXED, middle, error))
    made = []
    for signal, effect in zip(signals, calibrated(associations, pairs, workspace_id, outcome), strict=True):
        low, high = effect.interval
        error, is_doing = (high - low) / (2.0 * Z_90), effect.estimate >= 0.0
        prospect, unit = traffic.prospect(abs(effect.estimate), error, SHARE_ASSUMED)
        words = signal["words"] if is_doing else f"the opposite of: {signal['words']}"
        made.append(Candidate(signal["signal_id"], "early_signal", words, is_doing, prospect, unit, HALF_OF_THE_POSTS))
    return made


def of_debate(row: Row, traffic: Traffic, workspace_id: str) -> Candidate | None:
    """The experiment that would settle a debate; None where it has none.

    An expert's expectation is an opinion: it is calibrated as an association whose error is as large as itself.
    """
    design = row["decision"].get("experiment")
    if not design:
        return None
    expected = max(_log(design["effect"]), LEAST_ERROR)
    opinion = Association(row["debate_id"], MIXED, expected, expected)
    effect = calibrated([opinion], [], workspace_id, design["metric"])[0]
    low, high = effect.interval
    prospect, unit = traffic.prospect(effect.estimate, (high - low) / (2.0 * Z_90), SHARE_ASSUMED)
    words = f"{design['hypothesis']} (a debate's question)"
    return Candidate(row["debate_id"], "debate", words, True, prospect, unit, HALF_OF_THE_POSTS, design)


def as_declared(rows: Sequence[Row]) -> ShownArms | None:
    """Arms by what they declare to change alone, whatever became of them; None where there are none."""
    if not rows:
        return None
    names = sorted({_experiment(row) for row in rows})
    codes = np.array([names.index(_experiment(row)) for row in rows], dtype=np.int64)
    nothing = np.zeros(len(rows))
    changes = tuple(row["changes"] for row in rows)
    compared = ComparedArms(codes, nothing, nothing, np.array([bool(change) for change in changes]))
    return ShownArms(compared, "", text_features([{"title": None, "body": None}] * len(rows)), changes)


def is_tested(arms: ShownArms | None, key: str, rule: Rule) -> bool:
    """Whether an experiment has arms that differ in it by what they declare."""
    if arms is None:
        return False
    met, known = arms.membership(key, rule)
    codes, of_all = arms.compared.experiment, arms.compared.experiment.max() + 1
    doing, not_doing = (np.bincount(codes[part & known], minlength=of_all) for part in (met, ~met))
    return bool(np.any((doing > 0) & (not_doing > 0)))


def _experiment(row: Row) -> str:
    return str(row.get("experiment_id") or f"elsewhere {row['experiment']}")


def _log(relative: float) -> float:
    return math.log1p(max(float(relative), -0.99))
