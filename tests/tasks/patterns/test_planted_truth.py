"""Simulated workspaces with planted truth: what is reported is true, and what is there is found.

The suite runs a small seeded share with room for chance; `make bench` runs the full simulation against the bars.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pytest

from tasks.patterns.analysis import analyze
from tasks.patterns.records import Pattern, PatternQuery, SearchThresholds
from tests.generators.planted_patterns import (
    ATTRIBUTES,
    DAYS,
    NEGLIGIBLE,
    START,
    Planted,
    Simulated,
    is_channel,
    simulate,
)

AS_OF = START + timedelta(days=DAYS + 10)
# The guide's 0.3 standard deviations would leave out half of the planted lifts (−20 %, +25 %) by definition.
SMALL_EFFECTS = SearchThresholds(min_effect_size=0.15)


def query(seed: int, thresholds: SearchThresholds = SMALL_EFFECTS) -> PatternQuery:
    return PatternQuery(f"workspace-{seed}", "social", AS_OF, 600, thresholds, ATTRIBUTES)


AS_PLANTED = "power as planted, rules that die at mid-history or cancel out included"
COVERAGE = "coverage of 90 % intervals, given that the pattern was reported"


@dataclass
class Tally:
    """Counts over many workspaces; channels are left out, for they differ in every workspace.

    Power is over rules whose lift is in the data: of a planted +45 % that dies at mid-history, or that shares its rows
    with a planted −45 %, little is left to find. The figure as planted is printed beside it.
    """

    false: int = 0
    nulls: int = 0
    nulls_hit: int = 0
    errors: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    right_sign: list[bool] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    found_large: list[bool] = field(default_factory=list)
    found_as_planted: list[bool] = field(default_factory=list)

    def add(self, truth: Simulated, patterns: list[Pattern]) -> None:
        self.nulls += not truth.planted
        self.nulls_hit += bool(patterns and not truth.planted)
        for pattern in patterns:
            self._judge(pattern, truth.truth(pattern.rule))
        for planted in truth.planted:
            self._seek(planted, truth, patterns)

    def _judge(self, pattern: Pattern, true: float) -> None:
        sign = 1 if pattern.pattern_type == "winning" else -1
        low, high = np.log1p(np.array(pattern.lift_interval_pct) / 100)
        self.false += abs(true) < NEGLIGIBLE or np.sign(true) != sign
        self.errors.append(np.log1p(pattern.lift_pct / 100) - true)
        self.confidence.append(pattern.confidence)
        self.right_sign.append(bool(np.sign(true) == sign and abs(true) > 1e-9))
        self.covered.append(bool(low <= true <= high))

    def _seek(self, planted: Planted, truth: Simulated, patterns: list[Pattern]) -> None:
        if planted.flips:
            return
        same_way = [p for p in patterns if (p.pattern_type == "winning") == (planted.lift > 0)]
        hit = any(_jaccard(truth.matches(p.rule), planted.matches) >= 0.5 for p in same_way)
        rows, realized = planted.matches.sum(), abs(truth.realized(planted))
        if rows >= 100 and abs(planted.effect) >= 0.2:
            self.found_as_planted.append(hit)
        if rows >= 100 and realized >= 0.2:
            self.found.append(hit)
        if rows >= 500 and realized >= np.log(1.45):
            self.found_large.append(hit)

    def figures(self) -> dict[str, float]:
        return {
            "false share of reported patterns": self.false / max(len(self.errors), 1),
            "null workspaces with any pattern": self.nulls_hit / max(self.nulls, 1),
            "power": _share(self.found),
            AS_PLANTED: _share(self.found_as_planted),
            "power at n >= 500 and lift >= 45 %": _share(self.found_large),
            "log-lift mean absolute error": float(np.mean(np.abs(self.errors))),
            "stated confidence minus truth": float(np.mean(self.confidence) - np.mean(self.right_sign)),
            COVERAGE: float(np.mean(self.covered)),
        }


def _share(found: list[bool]) -> float:
    """Of none, NaN: a workspace may hold no rule that is so large."""
    return sum(found) / len(found) if found else float("nan")


def tally(truths: Iterable[Simulated], asked: PatternQuery) -> Tally:
    counts = Tally()
    for number, truth in enumerate(truths):
        found = analyze(truth.frame, replace(asked, workspace_id=f"workspace-{number}")).patterns
        counts.add(truth, [pattern for pattern in found if not is_channel(pattern.rule)])
    return counts


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def test_a_small_share_of_the_simulation_stays_near_its_bars() -> None:
    """30 workspaces: the bars with two standard errors of slack for so few."""
    figures = tally(map(simulate, range(30)), query(0)).figures()
    assert figures["false share of reported patterns"] <= 0.12
    assert figures["null workspaces with any pattern"] <= 0.20
    assert figures["power"] >= 0.45
    assert figures["log-lift mean absolute error"] <= 0.10
    assert abs(figures["stated confidence minus truth"]) <= 0.08


BARS = (
    ("false share of reported patterns", "<=", 0.05),
    ("null workspaces with any pattern", "<=", 0.05),
    ("power", ">=", 0.78),
    ("power at n >= 500 and lift >= 45 %", ">=", 0.95),
    ("log-lift mean absolute error", "<=", 0.058),
    ("stated confidence minus truth", "<=", 0.05),
    (COVERAGE, ">=", 0.88),
    (COVERAGE, "<=", 0.94),
)
DEFAULT_POWER = 0.68  # at the guide's 0.3


@pytest.mark.slow
def test_the_whole_simulation_meets_its_bars() -> None:
    """400 workspaces that no choice was made on; half of them hold no pattern."""
    figures, by_default = (
        tally(map(simulate, range(5000, 5400)), query(0, one)).figures() for one in (SMALL_EFFECTS, SearchThresholds())
    )
    print("\nat min_effect_size = 0.15, and in brackets at the guide's 0.3, which leaves out lifts under about ±30 %:")
    for name, sign, bound in BARS:
        print(f"BAR {name}: {figures[name]:.3f} [{by_default[name]:.3f}] (bar {sign} {bound})")
    print(f"{AS_PLANTED}: {figures[AS_PLANTED]:.3f} [{by_default[AS_PLANTED]:.3f}]")
    assert by_default["power"] >= DEFAULT_POWER
    for name, sign, bound in BARS:
        assert figures[name] <= bound if sign == "<=" else figures[name] >= bound, name


def _nights(seeds: range, **shape: int) -> Iterator[tuple[set[str], set[str]]]:
    for seed in seeds:
        frame = simulate(seed, null=False, **shape).frame
        last = frame["published_at"].max()
        before = frame.filter(frame["published_at"] < last - timedelta(days=1))
        yield tuple({p.pattern_key for p in analyze(rows, query(seed)).patterns} for rows in (before, frame))  # type: ignore[misc]


def _mean_jaccard(nights: Iterator[tuple[set[str], set[str]]]) -> float:
    return float(np.mean([len(a & b) / len(a | b) for a, b in nights if a | b]))


def test_one_more_day_of_posts_hardly_changes_the_rules() -> None:
    assert _mean_jaccard(_nights(range(8), n=1500)) >= 0.8


@pytest.mark.slow
def test_night_to_night_stability_meets_its_bar() -> None:
    similarity = _mean_jaccard(_nights(range(60)))
    print(f"\nBAR night-to-night rule Jaccard: {similarity:.3f} (bar >= 0.93)")
    assert similarity >= 0.93


@pytest.mark.slow
def test_a_year_of_looks_at_nothing_seldom_finds_something() -> None:
    """300 null workspaces, looked at every fortnight of a year, and every other night around looks that came near."""
    hit = [_is_hit_within_a_year(seed) for seed in range(32000, 32300)]
    error = float(np.sqrt(np.mean(hit) * (1.0 - np.mean(hit)) / len(hit)))
    print(f"\nBAR null workspaces with a pattern on any look of a year: {np.mean(hit):.3f} ± {error:.3f} (bar <= 0.10)")
    assert np.mean(hit) <= 0.10


def _is_hit_within_a_year(seed: int) -> bool:
    """Near is what three times the false discovery rate would report."""
    frame, asked = simulate(seed, null=True).frame, query(seed)
    last, rate = frame["published_at"].max(), asked.thresholds.false_discovery_rate
    wider = replace(asked, thresholds=replace(asked.thresholds, false_discovery_rate=3 * rate))

    def nearest(days_ago: int) -> float:
        rows = frame.filter(frame["published_at"] < last - timedelta(days=days_ago))
        return min((one.q_value for one in analyze(rows, wider).patterns if not is_channel(one.rule)), default=1.0)

    seen = {days: nearest(days) for days in range(0, 364, 14)}
    if min(seen.values()) <= rate:
        return True
    near = [days + step for days, q in seen.items() if q < 1.0 for step in range(-6, 7, 2) if step and days + step >= 0]
    return any(nearest(days) <= rate for days in near)


def test_whatever_spoils_the_data_the_answer_holds_no_nan() -> None:
    """The simulation does hold bots, a viral row, gaps, duplicates and effects that flip; answers stay numbers."""
    truths = [simulate(seed, null=False, n=900) for seed in range(12)]
    assert any(planted.flips for truth in truths for planted in truth.planted)
    for seed, truth in enumerate(truths):
        factor = (truth.frame["engagements"] / truth.complete["engagements"].clip(1)[_rows(truth)]).to_numpy()
        assert (factor == 1000).any()
        assert (factor == 50).sum() >= 2
        assert truth.frame["content_id"].n_unique() < len(truth.frame)
        assert 0.05 < truth.frame["flag_0"].null_count() / len(truth.frame) < 0.15
        answer = analyze(truth.frame, query(seed)).as_dict()
        assert json.dumps(answer, default=str, allow_nan=False)


def _rows(truth: Simulated) -> list[int]:
    """Where each row that the analyzer sees lies in the complete ones."""
    return [int(name[1:]) for name in truth.frame["content_id"]]
