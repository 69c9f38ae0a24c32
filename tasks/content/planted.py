"""What was planted in the simulated sample, and whether an analysis found it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError

MIN_JACCARD = 0.5


@dataclass(frozen=True, slots=True)
class Truth:
    """An effect of the simulation: while it is in force, the posts it covers engage at `1 + lift` times the rate.

    Attributes:
        workspace_id: where.
        rule: selectors `{feature, op, value}` on columns of the content table, all of which must hold; `op` is one of
            `==`, `>=`, `<`, `between` (low inclusive, high exclusive).
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

    def to_dict(self) -> dict[str, Any]:
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
        pattern: the found one with the greatest overlap among those of the same direction; None if nothing overlaps
            enough.
        jaccard: rows that both cover among rows that either covers; 0 without a pattern.
    """

    truth: Truth
    pattern: Mapping[str, Any] | None
    jaccard: float


def covers(rule: Sequence[Mapping[str, Any]]) -> pl.Expr:
    """True on the rows where every selector holds; a missing feature holds nowhere."""
    return pl.all_horizontal(_holds(selector).fill_null(False) for selector in rule)


def match(found: Sequence[Mapping[str, Any]], planted: Sequence[Truth], frame: pl.DataFrame) -> list[Match]:
    """For each truth in force in the frame, the found pattern that says the same.

    Args:
        found: patterns with `rule` and `pattern_type` (`winning` or `losing`).
        planted: truths of one workspace.
        frame: the content the analysis looked at: one workspace, one content type, one window.

    Returns:
        One match a truth that is in force on some row, its direction being that of its mean effect on the frame: a
        relation that flips within the window is judged by what prevails.
    """
    masks = [frame.select(covers(pattern["rule"])).to_series() for pattern in found]
    matches = []
    for rule, truths in _by_rule(planted).items():
        effect = frame.select(pl.sum_horizontal(truth.log_lift() for truth in truths).sum()).item()
        if effect:
            prevailing = [truth for truth in truths if (truth.lift > 0) == (effect > 0)][-1]
            mask = frame.select(covers(json.loads(rule))).to_series()
            matches.append(_best(prevailing, mask, found, masks))
    return matches


def load_planted(path: Path) -> dict[str, list[Truth]]:
    """Truths by workspace from a planted.json.

    Raises:
        InputError: if there is no such file, or it is not one that `simulate` wrote.
    """
    try:
        workspaces = json.loads(path.read_text(encoding="utf-8"))["workspaces"]
        return {name: [_truth(name, one) for one in entry["patterns"]] for name, entry in workspaces.items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); write it with `raptorflow sample`") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a file of planted truths; write it with `raptorflow sample`") from error


def _truth(workspace_id: str, entry: Mapping[str, Any]) -> Truth:
    since, until = (datetime.fromisoformat(entry[name]) if entry[name] else None for name in ("from", "until"))
    return Truth(workspace_id, tuple(entry["rule"]), entry["words"], entry["lift"], entry["content_type"], since, until)


def _by_rule(planted: Sequence[Truth]) -> dict[str, list[Truth]]:
    rules: dict[str, list[Truth]] = {}
    for truth in sorted(planted, key=lambda truth: truth.since or datetime.min.replace(tzinfo=UTC)):
        rules.setdefault(json.dumps([dict(selector) for selector in truth.rule]), []).append(truth)
    return rules


def _best(truth: Truth, mask: pl.Series, found: Sequence[Mapping[str, Any]], masks: Sequence[pl.Series]) -> Match:
    same_way = [i for i, pattern in enumerate(found) if pattern["pattern_type"] == truth.direction]
    overlaps = [(_jaccard(mask, masks[i]), i) for i in same_way]
    jaccard, best = max(overlaps, default=(0.0, -1))
    return Match(truth, found[best], jaccard) if jaccard >= MIN_JACCARD else Match(truth, None, 0.0)


def _jaccard(one: pl.Series, other: pl.Series) -> float:
    return int((one & other).sum()) / max(int((one | other).sum()), 1)


def _holds(selector: Mapping[str, Any]) -> pl.Expr:
    column, value = pl.col(selector["feature"]), selector["value"]
    if selector["op"] == "between":
        return column.is_between(value[0], value[1], closed="left")
    compare: dict[str, Callable[[Any], pl.Expr]] = {"==": column.eq, ">=": column.ge, "<": column.lt}
    return compare[selector["op"]](value)
