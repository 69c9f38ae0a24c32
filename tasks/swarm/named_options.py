"""Which one of several names a value of a reply means, however it is spelled; pure.

Models answer with an option's letter in another case, with the word "option" before it, or with its label. What only
one of them can mean is read as that one; everything else is for the caller to ask about, a bare number too, since
nobody knows whether it counts from 0.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_CLAUSES = re.compile(r"[.!?;\n。！？；]+")
_CALLED = re.compile(r"(?:option|choice|answer|variante?|antwort|opción|选项|選項|方案|選択肢)\s*(?=\S)")

# Signs before a name that may deny it, and a question about it.
_DENIED = re.compile(
    r"^[^\w]{0,20}[!\u00ac\u2260~\u223c\u2212\u2013-\u2715-\u2718\u274c\u274e\U0001f6ab\u00d7-]|\?\W{0,20}$"
)


def the_one_named(value: Any, names: Sequence[str], labels: Sequence[str] = ()) -> str | None:
    """The only name that a value can mean; None where that is none, or several.

    Args:
        value: a name, its label, both, or a list or an object that holds one of them.
        labels: what is behind each of the names, in their order.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping):
        value = value.get("id", value.get("label"))
    if not isinstance(value, str):
        return None
    if value in names:
        return value
    if _DENIED.search(unicodedata.normalize("NFKC", value)):
        return None
    written = {plain(value), _CALLED.sub("", plain(value), count=1)} - {""}
    known = [_spellings(name, label) for name, label in zip(names, labels or names, strict=True)]
    meant = [name for name, spelled in zip(names, known, strict=True) if written & spelled]
    return meant[0] if len(meant) == 1 else None


def names_others(text: str, chosen: str, names: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether a clause of a text names another option than the chosen one, and not that as well.

    A name of one letter is one where a clause ends with it, or calls it an option: "a" and "I" are words.
    """
    clauses = [clause for clause in _CLAUSES.split(text) if re.search(r"\w", clause)]
    for clause in clauses:
        named = {name for name, label in zip(names, labels, strict=True) if _is_named(clause, name, label)}
        if named and the_one_named(chosen, names, labels) not in named:
            return True
    return False


def _is_named(clause: str, name: str, label: str) -> bool:
    words = f" {plain(clause)} "
    if any(len(one) > 1 and f" {one} " in words for one in (plain(name), plain(label))):
        return True
    if len(name) > 1:
        return False
    letter = rf"(?<![^\W_])(?<!\w['’]){re.escape(name)}(?!\w)"
    called = rf"(?i:\b(?:option|choice|answer|variante?|antwort|opción|vote for))\W{{1,3}}{letter}"
    return re.search(rf"{letter}\W*$|{called}", clause) is not None


def plain(text: str) -> str:
    """A text by its words alone, whatever their case and the signs around them."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold().replace("_", " ")))


def _spellings(name: str, label: str) -> set[str]:
    return {plain(name), plain(label), plain(f"{name} {label}")} - {""}
