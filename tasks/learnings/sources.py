"""Rows of the capabilities' result tables as learnings, one function a kind. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from tasks.conditions import Condition
from tasks.learnings.records import LearnedFact, LearningBasis, LearningKind, LearningStanding, RelativeEffect
from tasks.learnings.search_words import search_words

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]

Z_90 = 1.6449
LONGEST_PROBLEM = 300
LONGEST_SUBJECT = 128
# Of an experiment that ran here: what its conclusion says of the arms.
CONCLUSIONS = {"no_difference": "found no difference worth having between", "winner": "was won by"}
ENDED_WITHOUT = "ended without an answer between"
MEASURES = {"count", "share", "score", "local", "is", "has", "type"}  # how a feature is measured, not what it is about
CHANGES = {"promotion": "Promoted", "rollback": "Rolled back", "withdrawal": "Withdrew"}


def learnings_from(rows: Rows) -> list[LearnedFact]:
    """All learnings among the rows, by table."""
    return [fact for table, read in READERS.items() for fact in read(rows.get(table, ()))]


def _patterns(rows: Sequence[Row]) -> Iterator[LearnedFact]:
    """The newest row of `pattern_finding` for each rule, with the `nights` that found it (`as_of`, `lookback_days`) and
    when its series was last analyzed (`newest_as_of`)."""
    for row in rows:
        rule = [Condition.from_dict({"level": ""} | one) for one in row["details"].get("rule", ())]
        standing, why = _standing_of_pattern(row)
        yield LearnedFact(
            workspace_id=row["workspace_id"],
            kind=LearningKind.PATTERN,
            subject=f"{row['content_type']} {row['pattern_key']}"[:LONGEST_SUBJECT],
            source_id=row["analysis_id"],
            statement=row["description"],
            basis=LearningBasis.ASSOCIATION,
            learned_at=row["first_seen"],
            confirmed_at=row["last_seen"],
            standing=standing,
            standing_reason=why,
            metric=f"{row['content_type']} engagement",
            effect=_lift(row),
            replications=_windows_apart(row["nights"]) - 1,
            also_about=" ".join(["content post pattern", *map(_about, rule)]),
        )


def _standing_of_pattern(row: Row) -> tuple[LearningStanding, str]:
    if row["newest_as_of"] > row["as_of"]:
        return LearningStanding.NOT_SEEN_AGAIN, f"the analysis of {row['newest_as_of']:%Y-%m-%d} did not find it again"
    return LearningStanding.CURRENT, "weaker lately" if row["trend"] == "fading" else ""


def _windows_apart(nights: Sequence[tuple[datetime, int]]) -> int:
    """Of analyses that found it, oldest first, how many looked at weeks that none of the others did."""
    count, until = 0, None
    for as_of, lookback_days in nights:
        if until is None or as_of - timedelta(days=lookback_days) >= until:
            count, until = count + 1, as_of
    return count


def _about(condition: Condition) -> str:
    """What a condition is on: the name of its feature, a value in words, the time of the day."""
    value = condition.value if isinstance(condition.value, str) else ""
    measured = [word for word in condition.feature.split("_") if word not in MEASURES]
    return f"{' '.join(measured)} {value} {_hours(condition)}"


def _hours(condition: Condition) -> str:
    """What people call the hours of a condition: the morning, the evening."""
    if condition.feature != "local_hour" or isinstance(condition.value, str):
        return ""
    value = condition.value
    first, last = value if isinstance(value, tuple) else (value, value + 1)
    names = (("morning", 6, 11), ("noon", 11, 14), ("afternoon", 14, 18), ("evening", 18, 23), ("night", 0, 5))
    return " ".join(name for name, begin, end in names if first < end and last > begin)


def _lift(row: Row) -> RelativeEffect:
    return RelativeEffect(row["lift_pct"] / 100.0, row["lift_low_pct"] / 100.0, row["lift_high_pct"] / 100.0)


def _experiments(rows: Sequence[Row]) -> Iterator[LearnedFact]:
    """Rows of completed experiments, each with its `arms` and the `result` of its last look; the oldest first."""
    facts = [_experiment(row) for row in rows if row["completed_at"] is not None]
    yield from _replaced(facts, [row["winner"] for row in rows if row["completed_at"] is not None])


def _experiment(row: Row) -> LearnedFact:
    arms = {arm["variant_id"]: arm for arm in row["arms"]}
    named = {
        name: f"'{name}'" + (f" ({arm['description']})" if arm["description"] else "") for name, arm in arms.items()
    }
    conclusion = row["conclusion"] or "without an answer"
    verb = CONCLUSIONS.get(conclusion, f"{ENDED_WITHOUT}")
    about = named.get(row["winner"], row["winner"]) if row["winner"] else " and ".join(named.values())
    others = [name for name in named if name != row["winner"]]
    against = f" against {', '.join(named[name] for name in others)}" if row["winner"] and others else ""
    why = "" if conclusion in CONCLUSIONS else f" ({conclusion.replace('_', ' ')})"
    return LearnedFact(
        workspace_id=row["workspace_id"],
        kind=LearningKind.EXPERIMENT,
        subject=f"{_name_key(row['name'])} {row['metric_name']}"[:LONGEST_SUBJECT],
        source_id=row["experiment_id"],
        statement=f"Experiment '{row['name']}' on {row['metric_name']} {verb} {about}{against}{why}",
        basis=LearningBasis.RANDOMIZED,
        learned_at=row["completed_at"],
        confirmed_at=row["completed_at"],
        metric=row["metric_name"],
        effect=_effect_of_winner(row),
        also_about=f"{row['hypothesis'] or ''} experiment",
    )


def _effect_of_winner(row: Row) -> RelativeEffect | None:
    """Relative change of the winner, or of the first arm, against the control, with the interval of the last look."""
    effects = (row["result"] or {}).get("effects") or []
    shown = next((one for one in effects if one["variant_id"] == row["winner"]), effects[0] if effects else None)
    if shown is None or not shown["relative_lift"] or not shown["effect"]:
        return None
    mean = shown["effect"] / shown["relative_lift"]
    low, high = sorted(end / mean for end in shown["interval"])
    return RelativeEffect(shown["relative_lift"], low, high, float(row["design"].get("confidence_level", 0.95)))


def _ingested_experiments(rows: Sequence[Row]) -> Iterator[LearnedFact]:
    """Arms of experiments that ran elsewhere, by experiment and metric: each against its control."""
    for (workspace_id, name, metric), group in groupby(rows, key=_experiment_of):
        arms = list(group)
        control = next((arm for arm in arms if arm["is_control"]), None)
        for arm in arms:
            effect = _against(arm, control) if control is not None and arm is not control else None
            if control is None or effect is None:
                continue
            is_better = effect.effect > 0 if arm["direction"] == "increase" else effect.effect < 0
            is_clear = effect.low > 0 or effect.high < 0
            verb = ("beat" if is_better else "lost to") if is_clear else "could not be told from"
            against = f"{verb} '{control['variant_name']}' on {metric}"
            yield LearnedFact(
                workspace_id=workspace_id,
                kind=LearningKind.EXPERIMENT,
                subject=f"{_name_key(name)} {arm['variant_name']} {metric}"[:LONGEST_SUBJECT],
                source_id=name,
                statement=f"In experiment '{name}' '{arm['variant_name']}' {against}",
                basis=LearningBasis.RANDOMIZED,
                learned_at=arm["observed_at"],
                confirmed_at=arm["observed_at"],
                metric=metric,
                effect=effect,
                also_about="experiment",
            )


def _experiment_of(row: Row) -> tuple[str, str, str]:
    return row["workspace_id"], row["experiment_name"], row["metric_name"]


def _against(arm: Row, control: Row) -> RelativeEffect | None:
    """Relative change of means with its 90 % interval, by the delta method on the log ratio."""
    moments = [_moments(one) for one in (arm, control)]
    if any(n < 2 or mean <= 0.0 for n, mean, _ in moments):
        return None
    (_, mean, _), (_, base, _) = moments
    log_ratio = math.log(mean / base)
    error = math.sqrt(sum(variance / (n * one**2) for n, one, variance in moments))
    low, high = (math.expm1(log_ratio + side * Z_90 * error) for side in (-1.0, 1.0))
    return RelativeEffect(math.expm1(log_ratio), low, high)


def _moments(arm: Row) -> tuple[int, float, float]:
    """Units, mean and variance of one arm."""
    n, total = int(arm["n"]), float(arm["sum"])
    squares = total if arm["sum_of_squares"] is None else float(arm["sum_of_squares"])
    mean = total / n if n else 0.0
    return n, mean, max(0.0, (squares - n * mean**2) / max(n - 1, 1))


def _debates(rows: Sequence[Row]) -> Iterator[LearnedFact]:
    """Rows of debates that came to an end, the oldest first."""
    facts = [_debate(row) for row in rows]
    yield from _replaced(facts, [row["option"] and row["decision"].get("label") for row in rows])


def _debate(row: Row) -> LearnedFact:
    labels = {option["id"]: option["label"] for option in row["decision"].get("options", ())}
    problem = _shortened(row["brief"]["problem"])
    standing, why = LearningStanding.CURRENT, "not graded yet"
    if row["outcome_option"] is not None:
        is_right = row["outcome_option"] == row["option"]
        right = labels.get(row["outcome_option"], row["outcome_option"])
        standing = LearningStanding.CURRENT if is_right else LearningStanding.REFUTED
        why = "it turned out right" if is_right else f"'{right}' turned out right"
    return LearnedFact(
        workspace_id=row["workspace_id"],
        kind=LearningKind.DEBATE,
        subject=_name_key(problem)[:LONGEST_SUBJECT],
        source_id=row["debate_id"],
        statement=f"Debate '{problem}': {_decided(row)}",
        basis=LearningBasis.JUDGMENT,
        learned_at=row["concluded_at"],
        confirmed_at=row["graded_at"] or row["concluded_at"],
        standing=standing,
        standing_reason=why,
        replications=int(row["outcome_option"] is not None and standing is LearningStanding.CURRENT),
        also_about=" ".join(labels.values()),
    )


def _decided(row: Row) -> str:
    """How it ended, and how sure that was."""
    status = str(row["status"]).replace("_", " ")
    if row["option"] is None:
        return status
    sure = "" if row["confidence"] is None else f", confidence {row['confidence']:.0%}"
    return f"{status} '{row['decision'].get('label')}'{sure}"


def _model_changes(rows: Sequence[Row]) -> Iterator[LearnedFact]:
    """Rows of `model_deployment` that were done, by model, the oldest first."""
    for _, group in groupby(rows, key=lambda row: (row["workspace_id"], row["model_type"])):
        changes = list(group)
        for row, later in zip(changes, [*changes[1:], None], strict=True):
            fact = _model_change(row)
            if later is not None:
                why = f"{later['version_name']} serves since {later['recorded_at']:%Y-%m-%d}"
                fact = replace(fact, standing=LearningStanding.SUPERSEDED, standing_reason=why)
            yield fact


def _model_change(row: Row) -> LearnedFact:
    model = row["model_type"].replace("_", " ")
    before = f" from {row['from_version']}" if row["from_version"] and row["kind"] != "withdrawal" else ""
    return LearnedFact(
        workspace_id=row["workspace_id"],
        kind=LearningKind.MODEL_CHANGE,
        subject=f"{row['model_type']} {row['generation']}",
        source_id=row["version_name"],
        statement=f"{CHANGES.get(row['kind'], row['kind'])} the {model} model{before} to {row['version_name']}: "
        f"{row['reason']}",
        basis=LearningBasis.OPERATION,
        learned_at=row["recorded_at"],
        confirmed_at=row["recorded_at"],
        standing_reason="it serves",
        also_about=f"{row['kind']} {row['actor']} model",
    )


def _replaced(facts: Sequence[LearnedFact], answers: Sequence[Any]) -> Iterator[LearnedFact]:
    """Each fact, the oldest first, with what later ones on the same subject say of it: the same again, or otherwise."""
    by_subject: dict[tuple[str | None, str], list[tuple[LearnedFact, Any]]] = defaultdict(list)
    for fact, answer in zip(facts, answers, strict=True):
        by_subject[fact.workspace_id, fact.subject].append((fact, answer))
    for history in by_subject.values():
        newest, last_answer = history[-1]
        for place, (fact, answer) in enumerate(history):
            again = [one for one, given in history[place + 1 :] if given == answer]
            known = replace(fact, replications=fact.replications + len(again))
            if again:
                known = replace(known, confirmed_at=again[-1].confirmed_at)
            if answer != last_answer and fact.standing is LearningStanding.CURRENT:
                why = f"another answer since {newest.learned_at:%Y-%m-%d}: {newest.statement}"
                known = replace(known, standing=LearningStanding.SUPERSEDED, standing_reason=why)
            yield known


def _name_key(text: str) -> str:
    """A name or a question by its words: the same in other capitals, signs and endings."""
    return "-".join(sorted(set(search_words(text)))) or text.strip().casefold()


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_PROBLEM else flat[:LONGEST_PROBLEM] + "…"


READERS: dict[str, Callable[[Sequence[Row]], Iterable[LearnedFact]]] = {
    "pattern_finding": _patterns,
    "experiment": _experiments,
    "experiment_arm": _ingested_experiments,
    "debate": _debates,
    "model_deployment": _model_changes,
}
