"""Labels that came after a champion learned, and that it never saw. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from tasks.plain_text import visible

SHOWN = 3
SHOWN_CHARACTERS = 40


def unseen_labels(classes: Sequence[str], labels: Iterable[str]) -> str | None:
    """One line on the labels that are none of the classes, the most frequent first; None where all are.

    A label that is one of the classes but for capitals, blanks or accents' code points is named with it: a source that
    began to spell otherwise is no new kind, but every model takes it for one.
    """
    counted = Counter(labels)
    new = {label: n for label, n in counted.most_common() if label not in set(classes)}
    if not new:
        return None
    known = {_spelling(name): name for name in classes}
    lines = []
    for label, n in list(new.items())[:SHOWN]:
        same = known.get(_spelling(label))
        spelled = f", which is {_quoted(same)} in another spelling" if same is not None else ""
        lines.append(f"{_quoted(label)} ({n}{spelled})")
    more = [f"{len(new) - SHOWN} more"] if len(new) > SHOWN else []
    fix = "; give them one spelling at the source" if any(_spelling(label) in known for label in new) else ""
    return f"{sum(new.values())} of {counted.total()} rows have labels it never saw: {', '.join([*lines, *more])}{fix}"


def _spelling(label: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def _quoted(label: str) -> str:
    return visible(f"'{label[:SHOWN_CHARACTERS]}'")  # quoted first: a blank at its end is what differs
