"""An agency's warehouse as months of nights would have left it: rows made directly, for pages over many workspaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tasks.conditions import Condition
from tasks.effects.other_organizations import TOO_LITTLE
from tasks.effects.records import BasedOn, CalibratedEffect
from tasks.effects.wording import AboutCalibration, SeenPattern, as_effect
from tasks.patterns.records import Pattern, PatternQuery, Period, SearchThresholds, rule_key
from tasks.patterns.wording import describe
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Base,
    Content,
    Debate,
    DriftCheck,
    Experiment,
    ExperimentDecision,
    ExperimentLook,
    ExperimentVariant,
    Learning,
    ModelDeployment,
    ModelSketch,
    ModelVersion,
    PatternAnalysis,
    PatternFinding,
    StepOutcome,
    Workspace,
)
from tests.factories import content_row, store, workspace_row

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> {{ 7*7 }} \'"&'
HOSTILE_ID = "../x?y=1&z=<b>\"%2F#'"
TYPES = ("ENGAGEMENT_PREDICTOR", "TONE_CLASSIFIER")
INDUSTRIES, SIZES = ("saas", "retail", "travel", "food"), ("smb", "mid", "enterprise")
STEPS = ("ingest", "patterns", "transfer", "models", "experiments")
FOUND = (*("running",) * 9, "winner", *("insufficient_data",) * 5, "no_difference", "harmed", "running", "invalid")
RULES = (
    Condition("question_count", ">=", 1.0, "present"),
    Condition("media_type", "==", "video"),
    Condition("word_count", ">=", 120.0, "top_quarter"),
    Condition("has_cta", "==", True),
    Condition("local_weekday", "==", 2),
    Condition("title_and_body", "mentions", "free shipping"),
)
Row = dict[str, Any]


def write_agency(warehouse: Warehouse, n: int, *, nights: int = 5, hostile: bool = False, seed: int = 0) -> list[str]:
    """Workspaces with everything a page shows, the newest of it of today; ids by number, the first ones in need."""
    random, now = np.random.default_rng(seed), datetime.now(UTC).replace(microsecond=0)
    names = [f"client-{i:04d}" for i in range(n)]
    if hostile and names:
        names[0] = HOSTILE_ID
    rows: dict[type[Base], list[Row]] = {}
    for i, name in enumerate(names):
        title = HOSTILE if hostile and i == 0 else f"Client {i:04d} & Sons"
        for table, row in _workspace(name, i, title, now, nights, random):
            rows.setdefault(table, []).append(row)
    for table, made in rows.items():
        for start in range(0, len(made), 2000):
            store(warehouse, table, made[start : start + 2000])
    return names


def _workspace(
    name: str, i: int, title: str, now: datetime, nights: int, random: np.random.Generator
) -> Iterator[tuple[type[Base], Row]]:
    industry, size = INDUSTRIES[i % 4], SIZES[i % 3]
    group = {"industry": industry, "size": size, "organisation_id": f"org-{i % 7}"}
    yield Workspace, workspace_row(workspace_id=name, name=title, **group)
    for k in range(4):
        published = now - timedelta(days=k + (40 if i % 17 == 5 else 0))
        text = {"title": title, "body": f"{title}: how do you like post {k}?"}
        text |= {"impressions": 300_000, "engagements": 9_000 + 500 * k}
        yield Content, content_row(k, workspace_id=name, content_id=f"post-{k}", published_at=published, **text)
    yield from _nights(name, i, title, now, nights)
    yield from _patterns(name, i, now, random)
    yield from _models(name, i, now, nights)
    yield from _experiments(name, i, title, now, random)
    if i % 10 == 3:
        yield Debate, _debate(name, i, title, now)
    yield from _learnings(name, i, title, now)


def _learnings(name: str, i: int, title: str, now: datetime) -> Iterator[tuple[type[Base], Row]]:
    """What a workspace that has patterns has learned: one that holds, and one that does not any more."""
    for k, standing in enumerate(("current", "superseded") if i % 9 != 4 else ()):
        at = now - timedelta(days=30 * k)
        row = {"learning_id": f"{name}-{k}", "workspace_id": name, "kind": "experiment", "subject": f"subject {k}"}
        row |= {"statement": f"{title}: a question in the title wins", "words": "question title wins"}
        row |= {"basis": "randomized", "metric": "clicked", "effect": 0.12, "effect_low": 0.02, "effect_high": 0.23}
        row |= {"interval_level": 0.9, "learned_at": at, "confirmed_at": at, "standing": standing, "run_id": "test"}
        reason = "" if standing == "current" else "a later experiment found the opposite"
        yield Learning, row | {"standing_reason": reason, "replications": 0, "source_id": f"experiment-{k}"}


def _nights(name: str, i: int, title: str, now: datetime, nights: int) -> Iterator[tuple[type[Base], Row]]:
    for night in range(nights):
        at = now - timedelta(days=night, hours=5)
        for step in STEPS:
            status, reason = "done", None
            if i % 50 == 1 and step == "patterns":
                status, reason = "failed", f"ValueError: {title} broke it"
            elif i % 9 == 4 and step in ("patterns", "models"):
                status, reason = "skipped", f"{20 + i % 60} posts with engagement, needs 200"
            row = {"run_id": f"night-{at:%Y-%m-%d}", "step": step, "workspace_id": name, "status": status}
            yield StepOutcome, row | {"reason": reason, "unchanged_since": None, "recorded_at": at}


def _patterns(name: str, i: int, now: datetime, random: np.random.Generator) -> Iterator[tuple[type[Base], Row]]:
    query = PatternQuery(name, "social", now - timedelta(days=1), 365, SearchThresholds())
    count = 0 if i % 9 == 4 else 1 + i % len(RULES)
    status = "patterns_found" if count else "insufficient_data"
    reason = f"{count} patterns" if count else "31 posts with engagement, needs 200"
    head = {"analysis_id": query.analysis_id, "series": query.series, "workspace_id": name, "content_type": "social"}
    head |= {"as_of": query.as_of, "lookback_days": 365, "status": status, "reason": reason, "insights": []}
    statistics: Row = {"sample_count": 640}
    if i % 18 == 13:
        signal = {"words": f"worth a try: end with a call to action, <{name}> (91.0 % sure of the direction)"}
        signal |= {"effect_size": 0.18, "interval_95": [-0.02, 0.41], "source_workspaces": 5, "confidence": 0.91}
        statistics["early_signals"] = [signal]
        too_few = "too few posts for patterns: 120 usable posts, enough would be 200 posts"
        head |= {"status": "early_signal", "reason": f"{too_few}. Until then, {signal['words']}"}
    yield PatternAnalysis, head | {"statistics": statistics, "run_id": "test"}
    for k in range(count):
        yield PatternFinding, finding_row(query, pattern_of(k, now, random))


def pattern_of(k: int, now: datetime, random: np.random.Generator) -> Pattern:
    """The k-th pattern of a workspace; every third loses."""
    rule = (RULES[k % len(RULES)],)
    log_lift = float(random.normal(0.35, 0.1)) * (-1.0 if k % 3 == 2 else 1.0)
    low, mid, high = (100 * float(np.expm1(log_lift + side * 0.15)) for side in (-1, 0, 1))
    thirds = [now - timedelta(days=120 * (3 - t)) for t in range(4)]
    periods = tuple(Period(thirds[t], thirds[t + 1], mid, (low, high)) for t in range(3))
    wins = log_lift > 0
    return Pattern(
        f"{'winning' if wins else 'losing'}_{k}",
        rule_key(rule),
        "winning" if wins else "losing",
        describe(rule, mid, (low, high), 80),
        rule,
        {},
        0.99,
        80,
        0.4 if wins else -0.4,
        mid,
        (low, high),
        0.01,
        80,
        80,
        60.0,
        0.02,
        mid,
        "channel",
        1.0,
        False,
        periods,
        applicable_tasks=("social_post",),
        trend="new" if k == 0 else "holding",
        first_seen=now - timedelta(days=2 if k == 0 else 60),
        last_seen=now - timedelta(days=1),
        share_of_posts=0.25,
        best_posts=({"content_id": "post-0", "text": "how do you like it?", "times_typical": 3.2},),
        worst_posts=({"content_id": "post-1", "text": "we are here", "times_typical": 0.4},),
        effect=effect_of(k),
    )


def effect_of(k: int) -> Row | None:
    """What doing it would bring: known of every third pattern, not known of every third, and not asked by the rest."""
    if k % 3 == 2:
        return None
    seen = SeenPattern("asks a question", 40.0, wins=True, baseline=0.03, posts_spread=0.5)
    based_on = BasedOn(own=3, organization=1) if k % 3 == 0 else BasedOn()
    return as_effect(
        CalibratedEffect(0.086, (-0.02, 0.19), 0.91, 0.2, based_on), seen, AboutCalibration("clicks", TOO_LITTLE, 0.1)
    )


def finding_row(query: PatternQuery, pattern: Pattern) -> Row:
    """The row of a pattern as an analysis stores it."""
    plain = pattern.as_dict()
    names = ("pattern_key", "pattern_id", "pattern_type", "description", "confidence", "effect_size", "lift_pct")
    row = {name: plain[name] for name in (*names, "q_value", "sample_size", "trend", "first_seen", "last_seen")}
    instants = {name: plain[name].isoformat() for name in ("first_seen", "last_seen")}
    periods = [part | {end: part[end].isoformat() for end in ("first", "last")} for part in plain["over_time"]]
    low, high = pattern.lift_interval_pct
    about = {"analysis_id": query.analysis_id, "workspace_id": query.workspace_id, "content_type": query.content_type}
    row |= about | {"lift_low_pct": low, "lift_high_pct": high, "run_id": "test"}
    return row | {"details": plain | instants | {"over_time": periods}}


def _models(name: str, i: int, now: datetime, nights: int) -> Iterator[tuple[type[Base], Row]]:
    if i % 9 == 4:
        return
    for model_type in TYPES:
        about = {"workspace_id": name, "model_type": model_type, "run_id": "test"}
        ages = [60, 10, 2] if i % 25 == 2 else [60, 10]
        for k, age in enumerate(ages):
            yield ModelVersion, about | _version(k, age, now)
            for phase, outcome in (("opened", "pending"), ("closed", "done")) if k < 2 else ():
                moved = {"generation": k + 1, "phase": phase, "outcome": outcome, "kind": "promotion"}
                moved |= {"version_name": f"v_{k}", "from_version": f"v_{k - 1}" if k else None, "actor": "engine"}
                yield (
                    ModelDeployment,
                    about
                    | moved
                    | {"reason": "better on newer rows", "recorded_at": now - timedelta(days=age - i % 3)},
                )
        for age in range(9):
            rise = 2.2 if i % 30 == 6 and age < 3 else 1.0
            day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=age)
            sums = {"n_predictions": 80, "score_sum": 240_000_000 + age, "score_squares": 740_000_000}
            sums |= {"n_outcomes": 60, "loss_sum": int(18e6 * rise), "loss_squares": int(10e6 * rise**2)}
            plain = {name: about[name] for name in ("workspace_id", "model_type")}
            yield ModelSketch, plain | {"version_name": "v_1", "day": day} | sums
        for night in range(nights):
            status = "critical" if i % 30 == 6 else "warning" if i % 30 == 7 else "no_drift"
            check = {"version_name": "v_1", "data_sha256": f"{night:064d}", "drift_status": status}
            score = {"critical": 0.31, "warning": 0.13, "no_drift": 0.02}[status] + night / 1000
            check |= {"drift_score": score, "p_value": 0.001, "recommendation": "continue_monitoring"}
            column = {"name": "word_count", "kind": "input", "shift": 0.2, "p_adjusted": 0.01}
            check |= {"reasons": ["losses rose by a fifth"], "samples": 300, "performance": {"loss": 1.0}}
            yield (
                DriftCheck,
                about | check | {"columns": [column] * 12, "checked_at": now - timedelta(days=night)},
            )


def _version(k: int, age: int, now: datetime) -> Row:
    metrics = {"mae_log": 0.31 - k / 100, "baseline_mae_log": 0.48}
    evaluation = {"loss": 0.31 - k / 100, "baseline_loss": 0.48, "metrics": metrics}
    row = {"data_sha256": f"{k:064d}", "spec_sha256": "0" * 64, "version_name": f"v_{k}", "status": "registered"}
    row |= {"decision": "promote", "registry_version": k + 1, "artifact_sha256": None, "golden": {}, "gate": None}
    row |= {"evaluation": evaluation, "n_rows": 900 + k, "train_from": now - timedelta(days=365)}
    row |= {"train_to": now - timedelta(days=age), "snapshot_sha256": None, "git_commit": None, "pinned": False}
    return row | {"trained_at": now - timedelta(days=age)}


def _experiments(
    name: str, i: int, title: str, now: datetime, random: np.random.Generator
) -> Iterator[tuple[type[Base], Row]]:
    for k in range(1 + i % 3):
        found, ended = FOUND[(i + k) % len(FOUND)], (i + k) % 4 == 3
        identifier = f"exp-{i:04d}-{k}"
        row = {"experiment_id": identifier, "workspace_id": name, "name": f"{title[:90]} test {k}"}
        row |= {"hypothesis": None, "experiment_type": "ab_test", "allocation_strategy": "equal"}
        row |= {"metric_name": "clicked", "design": {}, "salt": "s", "planned_units_per_arm": 4000}
        won = (i + k) % 8 == 7
        found = "winner" if won else found
        row |= {"status": "completed" if ended else "running"}
        row |= {"conclusion": "winner" if won else "no_difference" if ended else None}
        row |= {"winner": "short title" if won else None}
        row |= {"created_at": now - timedelta(days=30), "started_at": now - timedelta(days=29)}
        yield (
            Experiment,
            row | {"completed_at": now - timedelta(days=i % 20) if ended else None} | {"covariate_origin": None},
        )
        effect = {"variant_id": "short title", "effect": 0.02, "interval": [0.005, 0.035], "p_value": 0.004}
        result = {"status": found, "headline": "Ship short title: +20 % on clicked (+5 % to +35 %)"}
        result |= {"winner": "short title" if found == "winner" else None, "p_value": 0.004, "effects": [effect]}
        result |= {"forecast": None if i % 4 == 1 else {"by": (now + timedelta(days=3 + 9 * (i % 5) - 6)).isoformat()}}
        result |= {"better_than_control": [], "evidence": {"terms": list(random.normal(size=60))}}
        look = {"experiment_id": identifier, "statistics_sha256": "0" * 64, "look": 1, "n": 5200}
        yield ExperimentLook, look | {"looked_at": now - timedelta(hours=5), "result": result}
        if won:
            yield from _sealed(identifier, now - timedelta(days=i % 20))
    if i % 6 == 5:
        draft = {"experiment_id": f"exp-{i:04d}-draft", "name": f"{title[:90]} to come", "status": "draft"}
        draft |= {"conclusion": None, "winner": None, "started_at": None, "completed_at": None}
        yield Experiment, row | draft | {"covariate_origin": None}


def _sealed(identifier: str, at: datetime) -> Iterator[tuple[type[Base], Row]]:
    """Arms and the decision of an experiment that ended with a winner, which made it the default."""
    for k, (arm, changes) in enumerate((("long title", None), ("short title", {"word_count": 40}))):
        row = {"experiment_id": identifier, "variant_id": arm, "position": k, "description": None, "weight": 0.5}
        yield ExperimentVariant, row | {"is_control": k == 0, "levels": None, "changes": changes}
    effect = {"variant_id": "short title", "effect": 0.02, "relative_lift": 0.2, "interval": [0.005, 0.035]}
    decision = {"experiment_id": identifier, "sequence": 1, "action": "completed", "actor": "engine"}
    evidence = {"p_value": 1e-6, "effects": [effect | {"p_value": 1e-6}]}
    yield ExperimentDecision, decision | {"evidence": evidence, "recorded_at": at, "sha256": "0" * 64}


def _debate(name: str, i: int, title: str, now: datetime) -> Row:
    row = {"debate_id": f"debate-{i:04d}", "workspace_id": name, "fingerprint": "0" * 64}
    row |= {"engine": "evidence_panel", "status": "decided" if i % 20 == 3 else "undecided", "option": "a"}
    row |= {"confidence": 0.84, "agreement": None, "brief": {"problem": f"{title}: video or photo?"}}
    row |= {"decision": {"label": "video"}, "outcome_option": None, "outcome_source": None}
    row |= {"created_at": now - timedelta(days=i % 12), "concluded_at": now - timedelta(days=i % 12)}
    return row | {"graded_at": None, "run_id": None, "held_by": None, "held_until": None}


def ids_in_need(names: Sequence[str]) -> list[str]:
    """Of the workspaces written, those of which a step failed."""
    return [name for i, name in enumerate(names) if i % 50 == 1]
