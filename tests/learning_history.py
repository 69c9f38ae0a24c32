"""A workspace's history as its tables hold it: patterns, experiments, debates and changes of models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tasks.conditions import Condition
from tasks.patterns.wording import describe
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Base,
    Debate,
    Experiment,
    ExperimentLook,
    ExperimentVariant,
    ModelDeployment,
    PatternAnalysis,
    PatternFinding,
    Workspace,
)
from tests.factories import store, workspace_row

Row = dict[str, Any]
NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)


def analysis_row(workspace_id: str, content_type: str, as_of: datetime, **changes: Any) -> Row:
    row = {"analysis_id": f"{workspace_id}-{content_type}-{as_of:%Y%m%d}", "series": f"{workspace_id}-{content_type}"}
    row |= {"workspace_id": workspace_id, "content_type": content_type, "as_of": as_of, "lookback_days": 365}
    row |= {"status": "patterns_found", "reason": "", "statistics": {}, "insights": [], "run_id": "test"}
    return row | changes


def finding_row(analysis: Mapping[str, Any], rule: Sequence[Row], lift: float, **changes: Any) -> Row:
    conditions = tuple(Condition.from_dict(one) for one in rule)
    low, high = lift - 10.0, lift + 12.0
    row = {name: analysis[name] for name in ("analysis_id", "workspace_id", "content_type", "run_id")}
    key = hashlib.sha256(repr(rule).encode()).hexdigest()[:16]
    row |= {"pattern_key": key, "pattern_id": "winning_0", "pattern_type": "winning" if lift > 0 else "losing"}
    row |= {"description": describe(conditions, lift, (low, high), 120), "confidence": 0.98, "effect_size": 0.3}
    row |= {"lift_pct": lift, "lift_low_pct": low, "lift_high_pct": high, "q_value": 0.01, "sample_size": 120}
    row |= {"trend": "holding", "first_seen": NOW - timedelta(days=200), "last_seen": analysis["as_of"]}
    return row | {"details": {"rule": list(rule)}} | changes


def experiment_rows(
    workspace_id: str, fact: Mapping[str, Any], number: int, **changes: Any
) -> dict[type[Base], list[Row]]:
    ended = NOW - timedelta(days=5 + number % 300)
    name = f"{workspace_id}-experiment-{number}"
    row = {"experiment_id": name, "workspace_id": workspace_id, "name": fact["name"], "hypothesis": fact["hypothesis"]}
    row |= {"experiment_type": "ab_test", "allocation_strategy": "fixed_split", "metric_name": fact["metric"]}
    row |= {"design": {"confidence_level": 0.95}, "salt": "s", "planned_units_per_arm": 1000, "status": "completed"}
    row |= {"conclusion": "winner" if fact["winner"] else "no_difference", "winner": fact["winner"]}
    row |= {"created_at": ended - timedelta(days=20), "started_at": ended - timedelta(days=20), "completed_at": ended}
    row |= {"covariate_origin": None} | changes
    arms = [
        {"experiment_id": name, "variant_id": arm, "position": i, "description": text, "weight": 0.5}
        | {"is_control": i == 0, "levels": None}
        for i, (arm, text) in enumerate(fact["arms"].items())
    ]
    other = list(fact["arms"])[1]
    effect = {"variant_id": other, "effect": 0.1 * fact["lift"], "relative_lift": fact["lift"] or None}
    effect |= {"interval": [0.1 * fact["lift"] - 0.01, 0.1 * fact["lift"] + 0.01], "p_value": 0.01}
    look = {"experiment_id": name, "statistics_sha256": "0" * 64, "look": 1, "looked_at": ended, "n": 2000}
    look |= {"result": {"effects": [effect], "winner": fact["winner"]}}
    return {Experiment: [row], ExperimentVariant: arms, ExperimentLook: [look]}


def debate_row(workspace_id: str | None, fact: Mapping[str, Any], number: int, **changes: Any) -> Row:
    ended = NOW - timedelta(days=3 + number % 200)
    options = [{"id": chr(65 + i), "label": label} for i, label in enumerate(fact["options"])]
    chosen = options[fact["chosen"]]
    row = {
        "debate_id": f"{workspace_id}-debate-{number}",
        "workspace_id": workspace_id,
        "fingerprint": f"{number:064d}",
    }
    row |= {"engine": "llm", "status": "decided", "option": chosen["id"], "confidence": 0.85, "agreement": 0.8}
    row |= {"brief": {"problem": fact["problem"], "part_of": None, "scope": "workspace"}}
    row |= {"decision": {"label": chosen["label"], "options": options}, "outcome_option": None, "outcome_source": None}
    row |= {"created_at": ended, "concluded_at": ended, "graded_at": None, "run_id": None}
    return row | {"held_by": None, "held_until": None} | changes


def change_row(workspace_id: str, fact: Mapping[str, Any], generation: int, **changes: Any) -> Row:
    row = {"workspace_id": workspace_id, "model_type": fact["model_type"], "generation": generation, "phase": "closed"}
    row |= {"kind": fact["change"], "outcome": "done", "version_name": f"v_2026010{generation}_000000"}
    row |= {"from_version": "v_20251201_000000", "reason": fact["reason"], "actor": "nightly"}
    return row | {"recorded_at": NOW - timedelta(days=60 - generation), "run_id": "test"} | changes


def write_history(warehouse: Warehouse, workspace_id: str, facts: Sequence[Mapping[str, Any]], **changes: Any) -> None:
    """Write facts, as `tests/cases/recall.json` has them, to the tables they would stand in."""
    store(warehouse, Workspace, [workspace_row(workspace_id=workspace_id, **changes)])
    rows: dict[type[Base], list[Row]] = {}
    for number, fact in enumerate(facts):
        for table, some in _rows(workspace_id, fact, number).items():
            rows.setdefault(table, []).extend(some)
    unique = {row["analysis_id"]: row for row in rows.get(PatternAnalysis, [])}
    for table, some in rows.items():
        store(warehouse, table, list(unique.values()) if table is PatternAnalysis else some)


def _rows(workspace_id: str, fact: Mapping[str, Any], number: int) -> dict[type[Base], list[Row]]:
    if fact["kind"] == "experiment":
        return experiment_rows(workspace_id, fact, number)
    if fact["kind"] == "debate":
        return {Debate: [debate_row(workspace_id, fact, number)]}
    if fact["kind"] == "model_change":
        return {ModelDeployment: [change_row(workspace_id, fact, 1)]}
    analysis = analysis_row(workspace_id, fact["content_type"], NOW)
    return {PatternAnalysis: [analysis], PatternFinding: [finding_row(analysis, fact["rule"], fact["lift"])]}


_METRICS = ("open_rate", "click_rate", "conversion_rate", "revenue_per_visitor", "repeat_rate", "bounce_rate")
_POOLS = """
catalog brochure window staircase calendar invoice parcel label fabric lamp chair garden bottle mirror
homepage footer sidebar dashboard archive lobby counter shelf gallery basement terrace annex
larger smaller rounder quieter brighter slower heavier thinner softer sharper wider narrower
video emoji headline button coupon delivery photo newsletter price review weekend morning story hashtag
"""
_THINGS, _PLACES, _ADJECTIVES, _WORDS = (line.split() for line in _POOLS.strip().splitlines())


def other_experiments(count: int, seed: int) -> list[dict[str, Any]]:
    """Experiments about other things, which share words with any question."""
    rng = np.random.default_rng(seed)
    facts = []
    for number in range(count):
        thing, place, how, word = (str(rng.choice(pool)) for pool in (_THINGS, _PLACES, _ADJECTIVES, _WORDS))
        arms = {"control": f"The usual {thing}", "new": f"A {how} {thing} with a {word} in the {place}"}
        lift = round(float(rng.normal(0, 0.08)), 3)
        facts.append(
            {"kind": "experiment", "name": f"{how} {thing} {number}", "arms": arms, "metric": str(rng.choice(_METRICS))}
            | {
                "winner": "new" if lift > 0.05 else None,
                "lift": lift,
                "hypothesis": f"A {how} {thing} helps {word} pages",
            }
        )
    return facts
