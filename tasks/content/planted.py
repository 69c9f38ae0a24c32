"""What was planted in the simulated sample, and whether an analysis found it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from tasks.content.words import is_about, mentions, tokens
from tasks.errors import InputError

MIN_JACCARD = 0.5
MIN_PREVALENCE = 0.3
LENGTHS = ("word_count", "body_words", "character_count")

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Truth:
    """An effect of the simulation: while it is in force, the posts it covers engage at `1 + lift` times the rate.

    Attributes:
        workspace_id: where.
        rule: selectors `{feature, op, value}` on columns of the content table, all of which must hold; `op` is one of
            `==`, `>=`, `<`, `between` (low inclusive, high exclusive), `mentions`, `is_about`.
        words: the rule for a person.
        lift: relative change of the rate; 0.45 is +45 %.
        content_type: of the posts it holds for.
        since, until: when it is in force, `until` exclusive; None is without end.
    """

    workspace_id: str
    rule: tuple[Mapping[str, Any], ...]
    words: str
    lift: float
    content_type: str
    since: datetime | None = None
    until: datetime | None = None

    @property
    def direction(self) -> str:
        """Whether it makes content win or lose."""
        return "winning" if self.lift > 0 else "losing"

    def as_dict(self) -> dict[str, Any]:
        """As planted.json holds it."""
        instants = {"from": self.since, "until": self.until}
        return {
            "rule": [dict(selector) for selector in self.rule],
            **{"words": self.words, "lift": self.lift, "direction": self.direction, "content_type": self.content_type},
            **{name: instant.isoformat() if instant else None for name, instant in instants.items()},
        }

    def log_lift(self) -> pl.Expr:
        """log(1 + lift) on the rows it covers while it is in force, 0 elsewhere."""
        covered = covers(self.rule) & (pl.col("content_type") == self.content_type)
        if self.since is not None:
            covered &= pl.col("published_at") >= self.since
        if self.until is not None:
            covered &= pl.col("published_at") < self.until
        return pl.when(covered).then(math.log1p(self.lift)).otherwise(0.0)


@dataclass(frozen=True, slots=True)
class Match:
    """One truth, and the found pattern that says the same, if any.

    Attributes:
        truth: what was planted.
        pattern: of those found that are about a feature of the truth's, the one of the same direction with the greatest
            overlap, or of the opposite direction whose other posts overlap most; None if nothing overlaps enough.
        jaccard: rows that both cover among rows that either covers; 0 without a pattern.
    """

    truth: Truth
    pattern: Mapping[str, Any] | None
    jaccard: float


def covers(rule: Sequence[Mapping[str, Any]]) -> pl.Expr:
    """True on the rows where every selector holds; a missing feature holds nowhere."""
    return pl.all_horizontal(_holds(selector).fill_null(False) for selector in rule)


def match(patterns: Sequence[Mapping[str, Any]], planted: Sequence[Truth], frame: pl.DataFrame) -> list[Match]:
    """For each truth in force in the frame, the found pattern that says the same.

    Args:
        patterns: those found, with `rule` and `pattern_type` (`winning` or `losing`).
        planted: truths of one workspace.
        frame: the content the analysis looked at: one workspace, one content type, one window.

    Returns:
        One match a rule that has an effect on the frame. A relation that flips within the window is judged by what
        prevails there; where nothing does, because both halves nearly cancel, it is left out.
    """
    masks = [frame.select(covers(pattern["rule"])).to_series() for pattern in patterns]
    matches = []
    for rule, truths in _by_rule(planted).items():
        mask = frame.select(covers(json.loads(rule))).to_series()
        effect = frame.select(pl.sum_horizontal(truth.log_lift() for truth in truths)).to_series().filter(mask).mean()
        prevailing = [truth for truth in truths if _prevails(truth, effect)]
        matches += [_best(truth, mask, patterns, masks) for truth in prevailing[-1:]]
    return matches


def true_lift(
    rule: Sequence[Mapping[str, Any]],
    planted: Sequence[Truth],
    channel_levels: Mapping[str, float],
    frame: pl.DataFrame,
) -> float | None:
    """What the simulation makes of any rule: the posts it covers against others of their channel and month.

    A rule need not be planted to be true: 'short' is, where short posts hold more of the planted questions. A rule
    about the channel is compared across channels.

    Returns:
        The ratio of geometric mean rates minus one, without noise; None if no month has both kinds of posts.
    """
    about_channel = any(selector["feature"] == "channel" for selector in rule)
    level = pl.col("channel").replace_strict(channel_levels, default=0.0, return_dtype=pl.Float64)
    effects = [level if about_channel else pl.lit(0.0), *(truth.log_lift() for truth in planted)]
    strata = [pl.lit("") if about_channel else pl.col("channel"), pl.col("published_at").dt.strftime("%Y-%m")]
    rows = frame.select(covered=covers(rule), effect=pl.sum_horizontal(effects), stratum=pl.concat_str(strata))
    inside, outside = pl.col("effect").filter("covered"), pl.col("effect").filter(~pl.col("covered"))
    contrasts = rows.group_by("stratum").agg(
        difference=inside.mean() - outside.mean(), weight=inside.len() * outside.len() / pl.len()
    )
    comparable = contrasts.filter(pl.col("weight") > 0)
    if comparable.is_empty():
        return None
    return math.expm1(
        comparable.select((pl.col("difference") * pl.col("weight")).sum() / pl.col("weight").sum()).item()
    )


def load_planted(path: Path) -> dict[str, list[Truth]]:
    """Truths by workspace from a planted.json.

    Raises:
        InputError: if there is no such file, or it is not one that `simulate` wrote.
    """
    return _read(path, _truths)


def load_channel_levels(path: Path) -> dict[str, dict[str, float]]:
    """What each channel adds to the log rate, by workspace, from a planted.json; errors as in `load_planted`."""
    return _read(path, _channel_levels)


def _read(path: Path, parse: Callable[[str, Any], Parsed]) -> dict[str, Parsed]:
    try:
        workspaces = json.loads(path.read_text(encoding="utf-8"))["workspaces"]
        return {name: parse(name, entry) for name, entry in workspaces.items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); write it with `raptorflow sample`") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a file of planted truths; write it with `raptorflow sample`") from error


def _truths(workspace_id: str, entry: Mapping[str, Any]) -> list[Truth]:
    return [_truth(workspace_id, pattern) for pattern in entry["patterns"]]


def _channel_levels(_: str, entry: Mapping[str, Any]) -> dict[str, float]:
    return dict(entry["channel_levels"])


def _truth(workspace_id: str, entry: Mapping[str, Any]) -> Truth:
    since, until = (datetime.fromisoformat(entry[name]) if entry[name] else None for name in ("from", "until"))
    return Truth(workspace_id, tuple(entry["rule"]), entry["words"], entry["lift"], entry["content_type"], since, until)


def _by_rule(planted: Sequence[Truth]) -> dict[str, list[Truth]]:
    rules: dict[str, list[Truth]] = {}
    for truth in sorted(planted, key=lambda truth: truth.since or datetime.min.replace(tzinfo=UTC)):
        rules.setdefault(json.dumps([dict(selector) for selector in truth.rule]), []).append(truth)
    return rules


def _prevails(truth: Truth, effect: Any) -> bool:
    """Whether the mean effect on covered rows is a fair part of this truth's own, the same way."""
    return effect is not None and effect / math.log1p(truth.lift) >= MIN_PREVALENCE


def _best(truth: Truth, mask: pl.Series, patterns: Sequence[Mapping[str, Any]], masks: Sequence[pl.Series]) -> Match:
    """That questions win is the same finding as that posts without one lose; that Instagram wins is another one."""
    same_way = [pattern["pattern_type"] == truth.direction for pattern in patterns]
    overlaps = [
        _jaccard(mask, one if same else ~one) if _subjects(truth.rule) & _subjects(pattern["rule"]) else 0.0
        for pattern, one, same in zip(patterns, masks, same_way, strict=True)
    ]
    jaccard, _, best = max(zip(overlaps, same_way, range(len(patterns)), strict=True), default=(0.0, False, -1))
    return Match(truth, patterns[best], jaccard) if jaccard >= MIN_JACCARD else Match(truth, None, 0.0)


def _subjects(rule: Sequence[Mapping[str, Any]]) -> set[str]:
    """Features a rule is about; length is length, in words or in characters."""
    return {"length" if selector["feature"] in LENGTHS else selector["feature"] for selector in rule}


def _jaccard(one: pl.Series, other: pl.Series) -> float:
    return int((one & other).sum()) / max(int((one | other).sum()), 1)


def _holds(selector: Mapping[str, Any]) -> pl.Expr:
    if selector["op"] in ("mentions", "is_about"):
        held = tokens(pl.col("title"), pl.col("body"))
        return (mentions if selector["op"] == "mentions" else is_about)(held, selector["value"])
    column, value = pl.col(selector["feature"]), selector["value"]
    if selector["op"] == "between":
        return column.is_between(value[0], value[1], closed="left")
    compare: dict[str, Callable[[Any], pl.Expr]] = {"==": column.eq, ">=": column.ge, "<": column.lt}
    return compare[selector["op"]](value)
