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


def plain(text: str) -> str:
    """A text by its words alone, whatever their case and the signs around them."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold().replace("_", " ")))


def _spellings(name: str, label: str) -> set[str]:
    return {plain(name), plain(label), plain(f"{name} {label}")} - {""}
