"""Rows of other capabilities' result tables as findings, one function a table.

No finding names a workspace; whose rows a debate may use says `tasks.warehouse.scope`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from tasks.conditions import Condition
from tasks.swarm.evidence import GENERIC, UNCALIBRATED, tags_of
from tasks.swarm.records import EvidenceRef
from tasks.swarm.wording import answer_of, words_of
from tasks.transfer.catalogue import BY_KEY, CORE, LESS

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]

# A name that says no more than which of several it is: v3, "Variant 2", B1, 17, a number in hexadecimal.
INDEX = re.compile(
    r"(?:v|ver|version|var|variant|variante|variation|arm|group|cell|bucket|test|treatment|challenger|combination|recipe|"
    r"option|[a-h])?\d+[a-z]?|(?:[0-9a-f]*\d[0-9a-f]*){6,}"
)
Z_90 = 1.6449
LEAST_SE = 1e-4
MOST_EFFECT = 3.0  # a twentyfold difference is a unit, not an effect

# A private release, table `transfer_sum` by what its docstring says: [count, mean, product] a pattern, all noisy sums.
# The swarm takes the level of all workspaces and the release's own gate: fifty contributors, and no vaguer than 0.12.
SCALE = 1000  # fixed point of the release
CLIP = 0.7  # bound of one contribution, a log lift
MOST_SAMPLING_ERROR = 0.35
LEAST_SOURCES, MOST_ERROR = 50.0, 0.12

# Features that an option can show; a release also holds the pace of posting and the mood of texts, which none can.
SHOWN_BY_OPTIONS = {
    *("local_hour", "local_weekday", "media_type", "tone", "channel", "content_type"),
    *("emoji_count", "hashtag_count", "mention_count", "link_count", "exclamation_count", "question_count"),
    *("number_count", "has_cta", "word_count", "title_words", "readability"),
}


def findings_from(rows: Rows, now: datetime) -> list[EvidenceRef]:
    """All findings among the rows, by table name; what states no effect with its error is left out."""
    return [item for table, read in READERS.items() for item in read(rows.get(table, ()), now) if _is_sane(item)]


def _patterns(rows: Sequence[Row], now: datetime) -> Iterator[EvidenceRef]:
    """Rows of `pattern_finding`, as what doing it would bring, not as what was seen."""
    for row in rows:
        log_ratio = _effect_of(row)
        rule = row["details"].get("rule", [])
        if log_ratio is None or row["trend"] == "gone" or not rule:
            continue
        yield EvidenceRef(
            id=_id("pattern", row["workspace_id"], row["content_type"], row["pattern_key"]),
            kind="pattern",
            statement=row["description"],
            metric=f"{row['content_type']} engagement, {_weighed_by(row)}",
            effect=log_ratio[0],
            se=log_ratio[1],
            n=row["sample_size"],
            conditions=tuple(_condition(selector) for selector in rule),
            terms=tuple(str(s["value"]) for s in rule if len(rule) == 1 and isinstance(s["value"], str)),
            tags=tags_of(selector["feature"] for selector in rule),
            age_days=_age(row["last_seen"], now),
            share=row["details"].get("share_of_posts"),
            is_calibrated=row["details"].get("effect") is not None,
        )


def _weighed_by(row: Row) -> str:
    """What made an effect of an association."""
    effect = row["details"].get("effect") or {}
    if effect.get("status") == "not_enough_experiments":
        return "association weighed by public archives, not enough experiments here"
    return "calibrated association"


def _effect_of(row: Row) -> tuple[float, float] | None:
    """The log effect and its error; of rows that older versions wrote, the association with a wider error."""
    effect = row["details"].get("effect")
    if effect is not None:
        low, high = effect["log_interval"]
        return float(effect["log_estimate"]), max(LEAST_SE, (high - low) / (2.0 * Z_90))
    seen = _log_ratio(row["lift_pct"] / 100.0, row["lift_low_pct"] / 100.0, row["lift_high_pct"] / 100.0)
    return None if seen is None else (seen[0], math.sqrt(UNCALIBRATED) * seen[1])


def _transfer(rows: Sequence[Row], now: datetime) -> Iterator[EvidenceRef]:
    """Rows of `transfer_sum`, joined with their release: what workspaces at large see, from private sums alone."""
    for row in rows:
        for key, sums in row["sums"].items():
            noise_scale = row["noise_scale"] * (1 if key in CORE else LESS)
            condition, estimate = _condition_of_key(key), _pooled(sums, noise_scale)
            if condition is None or estimate is None:
                continue
            about = f"{condition.feature} {condition.op} {condition.value}"
            yield EvidenceRef(
                id=_id("transfer", row["period"], row["segment"], key),
                kind="transfer",
                statement=f"content with {about}, across workspaces",
                metric="engagement, association, private release",
                effect=estimate[0],
                se=estimate[1],
                conditions=(condition,),
                terms=(str(condition.value),) if isinstance(condition.value, str) else (),
                tags=tags_of([condition.feature]),
                age_days=_age(row["as_of"], now),
            )


def _experiments(rows: Sequence[Row], now: datetime) -> Iterator[EvidenceRef]:
    """Arms (`experiment`, `variant`, `metric`, `n`, `mean`, `variance`, `is_control`, `sign`) against their control."""
    keys = ("workspace_id", "experiment", "metric")
    for (workspace_id, name, metric), group in groupby(rows, key=lambda row: tuple(row[key] for key in keys)):
        arms = list(group)
        control = next((arm for arm in arms if arm["is_control"] and arm["mean"] > 0 and arm["n"] > 1), None)
        for arm in arms if control else []:
            assert control is not None
            log_ratio = (0.0, LEAST_SE) if arm is control else _against(arm, control)
            terms = _words_of_arm(name, arm["variant"], arm["description"])
            if log_ratio is None or not terms:
                continue
            against = "the control" if arm is control else f"against '{control['variant']}'"
            yield EvidenceRef(
                id=_id("experiment", workspace_id, name, arm["variant"], metric),
                kind="experiment",
                statement=f"'{arm['variant']}' in experiment '{name}', {against}",
                metric=metric,
                effect=log_ratio[0],
                se=log_ratio[1],
                n=arm["n"] + control["n"],
                terms=terms,
                tags=tags_of([]),
                age_days=_age(arm["observed_at"], now),
                is_text=bool(arm.get("is_text")),
            )


def _debates(rows: Sequence[Row], now: datetime) -> Iterator[EvidenceRef]:
    """Graded debates: what turned out right is expected to beat others again, by about the prior's spread.

    A bare yes or no is about its question: only a question in much the same words is answered by it.
    """
    for row in rows:
        options = {option["id"]: option["label"] for option in row["decision"]["options"]}
        label = options.get(row["outcome_option"])
        if label is None:
            continue
        spread, answer = row["brief"]["prior_sd"], answer_of(label)
        was = "and was chosen" if row["option"] == row["outcome_option"] else "but was not chosen"
        about = f" on '{row['brief']['problem']}'" if answer is not None else ""
        yield EvidenceRef(
            id=_id("debate", row["debate_id"]),
            kind="debate",
            statement=f"'{label}' turned out right in an earlier debate{about}, {was}",
            metric="graded outcome",
            effect=-spread if answer is False else spread,
            se=spread,
            terms=(label if answer is None else row["brief"]["problem"],),
            tags=tags_of([]),
            age_days=_age(row["graded_at"], now),
        )


READERS: dict[str, Callable[[Sequence[Row], datetime], Iterator[EvidenceRef]]] = {
    "pattern_finding": _patterns,
    "transfer_sum": _transfer,
    "experiment_arm": _experiments,
    "experiment_statistic": _experiments,
    "debate": _debates,
}


def _condition(selector: Row) -> Condition:
    value = selector["value"]
    bounds = (float(value[0]), float(value[1])) if isinstance(value, list | tuple) else value
    return Condition(feature=selector["feature"], op=selector["op"], value=bounds)


def _condition_of_key(key: str) -> Condition | None:
    """What an entry of the transfer catalogue asks of content; None where an option cannot show it."""
    entry = BY_KEY.get(key)
    return entry.condition if entry is not None and entry.condition.feature in SHOWN_BY_OPTIONS else None


def _pooled(sums: Sequence[float], noise_scale: float) -> tuple[float, float] | None:
    """Mean log lift and its standard error, sampling and noise together; None below the release's gate."""
    count, total, product = (float(one) / SCALE for one in sums)
    if count < LEAST_SOURCES:
        return None
    mean = min(CLIP, max(-CLIP, CLIP * total / count))
    heterogeneity = min(CLIP**2, max(0.0, CLIP**2 * product / count - mean**2))
    noise = CLIP**2 * (1.0 + (mean / CLIP) ** 2) * noise_scale**2 / count**2
    error = math.sqrt((heterogeneity + MOST_SAMPLING_ERROR**2) / count + noise)
    return (mean, error) if error <= MOST_ERROR else None


def _log_ratio(lift: float, low: float, high: float) -> tuple[float, float] | None:
    """Log ratio and its standard error from a relative lift and its 90 % interval, all as shares above -1."""
    if not -1.0 < low <= lift <= high or not math.isfinite(high) or high <= low:
        return None
    return math.log1p(lift), max(LEAST_SE, (math.log1p(high) - math.log1p(low)) / (2.0 * Z_90))


def _against(arm: Row, control: Row) -> tuple[float, float] | None:
    """Log ratio of means and its standard error by the delta method; positive is better."""
    if arm["mean"] <= 0 or arm["n"] < 2:
        return None
    noise = sum(max(one["variance"], 0.0) / (one["n"] * one["mean"] ** 2) for one in (arm, control))
    return arm["sign"] * math.log(arm["mean"] / control["mean"]), max(LEAST_SE, math.sqrt(noise))


def _words_of_arm(name: str, variant: str, description: str | None) -> tuple[str, ...]:
    """Words by which an option may mean this arm; a bare 'B' or 'treatment' means nothing without its experiment."""
    plain = [text for text in (variant, description or "") if _says_something(text)]
    return tuple(dict.fromkeys(plain)) or (f"{name} {variant}",)


def _says_something(name: str) -> bool:
    """Whether a name tells what was shown; arms called v3 have nothing in common, and share no effect."""
    plain = "".join(word for part in words_of(name) for word in part.split("_"))
    return bool(set(words_of(name)) - GENERIC) and INDEX.fullmatch(plain) is None


def _is_sane(item: EvidenceRef) -> bool:
    return math.isfinite(item.effect) and math.isfinite(item.se) and abs(item.effect) <= max(MOST_EFFECT, CLIP)


def _age(observed_at: datetime | None, now: datetime) -> float:
    return max(0.0, round((now - observed_at).total_seconds() / 86400.0, 1)) if observed_at else 0.0


def _id(kind: str, *parts: str) -> str:
    """A short id that reveals nothing of the workspace it came from."""
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:10]}"
