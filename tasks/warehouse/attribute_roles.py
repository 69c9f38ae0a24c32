"""Which further columns may be learned from: a number of which nothing was said may be the outcome itself. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tasks.warehouse.reading.numbers import NUMBER_LIKE

FEATURE, LABEL, RESULT = "feature", "label", "result"
COLUMN = "attribute_roles"


@dataclass(frozen=True, slots=True)
class AttributeRoles:
    """What mappings said of the further columns of some rows.

    Attributes:
        roles: feature, label or result by name; where rows disagree, result.
        declared: whether any of the rows came with roles; older ones did not.
    """

    roles: Mapping[str, str]
    declared: bool

    def is_feature(self, name: str, *, numeric: bool) -> bool:
        """Whether a further column is known before publication: where that was said; in older rows, if a label."""
        if name in self.roles or self.declared:
            return self.roles.get(name) in (FEATURE, LABEL)
        return not numeric

    def is_label(self, name: str) -> bool:
        """Whether its values are names, even where they are digits."""
        return self.roles.get(name) == LABEL


def roles_in(frame: pl.DataFrame) -> AttributeRoles:
    """The roles that the rows of a content or touch frame came with."""
    texts = frame[COLUMN].cast(pl.String).drop_nulls().unique().to_list() if COLUMN in frame.columns else []
    roles: dict[str, str] = {}
    for text in texts:
        for name, role in json.loads(text).items():
            roles[name] = role if RESULT not in (role, roles.get(name)) else RESULT
    return AttributeRoles(roles, bool(texts))


def is_numeric(values: pl.Series) -> bool:
    """Whether a column holds numbers, or texts that all write one (`1.20%`, `1,730`)."""
    if values.dtype.is_numeric():
        return True
    known = values.drop_nulls().unique()
    return (
        values.dtype == pl.String and len(known) > 0 and bool(known.str.strip_chars().str.contains(NUMBER_LIKE).all())
    )
