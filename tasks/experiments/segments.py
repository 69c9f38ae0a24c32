"""Labels of a unit that are known before an experiment: one, or several by name. Pure.

Several are kept as one text, `country=DE;device=ios`, names in order, so that sums are kept once for each combination
and added up by label when one looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.experiments.errors import InvalidDesignError

BETWEEN, IS = ";", "="
LONGEST_SEGMENT = 128


def as_text(labels: object) -> str:
    """A unit's label, or its labels by name, as they are kept.

    Raises:
        InvalidDesignError: for a name or value that is empty or holds `;` or `=`, or labels that are too long together.
    """
    if isinstance(labels, Mapping):
        known = sorted(((name, value) for name, value in labels.items() if value is not None), key=_name)
        text = BETWEEN.join(_named(name, value) for name, value in known)
    else:
        text = "" if labels is None else str(labels).strip()
    if len(text) > LONGEST_SEGMENT:
        raise InvalidDesignError(
            f"a segment is a text of at most {LONGEST_SEGMENT} characters, all labels together, not {text!r}"
        )
    return text


def _name(item: tuple[object, object]) -> str:
    return str(item[0])


def _named(name: object, value: object) -> str:
    parts = (str(name).strip(), str(value).strip())
    for part in parts:
        if not part or BETWEEN in part or IS in part:
            raise InvalidDesignError(f"a segment's name and value are texts without {BETWEEN} and {IS}, not {part!r}")
    return IS.join(parts)


def labels_of(text: str) -> list[str]:
    """The labels in a kept text: `country=DE` and `device=ios`, or the one label."""
    parts = text.split(BETWEEN)
    return parts if text and all(IS in part for part in parts) else [text] * bool(text)


def dimension_of(label: str) -> str:
    """What a label says something about; empty where a unit has just one label."""
    return label.partition(IS)[0] if IS in label else ""


def by_dimension(texts: Iterable[str]) -> dict[str, list[str]]:
    """All labels, by what they say something about, in order."""
    labels = sorted({label for text in texts for label in labels_of(text)})
    return {name: [one for one in labels if dimension_of(one) == name] for name in sorted(map(dimension_of, labels))}
