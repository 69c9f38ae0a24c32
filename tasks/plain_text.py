"""Text that others wrote, made harmless for where it is shown: Markdown, a terminal, a picture, a key.

Posts, ids, column names and answers of language models come from customers. Wherever such text meets a language that
acts on it (Markdown becomes links, images and HTML; a terminal obeys escape codes; a spreadsheet computes), it passes
through one of these functions, and is seen as the text it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
JOINER = "\N{WORD JOINER}"  # has no width and breaks no line; a link must not hold one, so what it cuts is no link
# Left-to-right and right-to-left overrides show a text in another order than it is read in.
BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What no id, label or column name holds, as a class of a regular expression, Python's and Rust's (polars): control
# characters, ends of lines and paragraphs, and what changes the direction of reading from inside.
ACTING = "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
SPACE = frozenset({"Zs", "Zl", "Zp"})
CONTROLS = frozenset({"Cc", "Cs"})
# An escape code as a whole: colors and moves of the cursor, and what sets a title or a link, which ends with a bell.
ESCAPE_CODE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c]{0,2048}(?:\x07|\x1b\\\\|\x9c)"
)
TAGS = range(0xE0000, 0xE1000)  # letters that nobody sees, and language models read
DIGEST = 16


class Markdown(str):
    """Text that is Markdown already: made by us, or escaped; it is not escaped again."""

    __slots__ = ()


def visible(value: object) -> str:
    """On one line, without what acts instead of being seen: control characters, escape codes, reading directions."""
    return " ".join("".join(map(_seen, ESCAPE_CODE.sub("", str(value)))).split())


def markdown(value: object) -> Markdown:
    """The text as Markdown that shows it, and nothing else: no link, image, HTML, table, formula or emphasis.

    Holds for CommonMark with GitHub's additions (tables, links without brackets), formulas between dollars, and
    showdown, which MLflow uses. What is `Markdown` already stays as it is.
    """
    if isinstance(value, Markdown):
        return value
    text = STRUCTURE.sub(lambda match: _escaped(match[0]), LINK.sub(JOINER, visible(value)))
    return Markdown(BEGINNING.sub(lambda match: f"{match[1]}{_entity(match[2])}", text))


def code(value: object) -> Markdown:
    """An id or a name as code; one that could end the code is shown as text."""
    text = visible(value)
    return Markdown(f"`{text}`") if text and not {"`", "|"} & set(text) else markdown(text)


def terminal(text: str) -> str:
    """Lines as a terminal may print them: line breaks and tabs stay, escape codes become visible."""
    return "".join(letter if letter in "\n\t" or _is_plain(letter) else _seen(letter) or REPLACEMENT for letter in text)


def picture_label(value: object) -> str:
    """A label of a picture: matplotlib takes what stands between dollars for a formula, and fails where it is none."""
    return visible(value).replace("$", r"\$")


def spreadsheet_cell(text: str) -> str:
    """A cell that no spreadsheet computes: an apostrophe before what it would take for a formula; numbers stay."""
    guarded = text if NUMBER.fullmatch(text) else FORMULA.sub("'", text)
    return LATER_FORMULA.sub(r"\g<0>'", guarded)


def slug(text: str) -> str:
    """Lower case letters, digits and single dashes: what keys and addresses may hold; different texts may share one."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def digest(*parts: str) -> str:
    """The same few characters for the same parts, and for them alone."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGEST]


def _escaped(sign: str) -> str:
    return f"\\{sign}" if sign in BACKSLASHED else _entity(sign)


def _entity(sign: str) -> str:
    return f"&#{ord(sign)};"


def _is_plain(letter: str) -> bool:
    return letter.isprintable() and letter not in BIDIRECTIONAL and ord(letter) not in TAGS


def _seen(letter: str) -> str:
    """What stands for one character: itself, a space for a break, nothing for what would act."""
    kind = unicodedata.category(letter)
    if kind in SPACE or letter in "\t\n\v\f\r\x85":
        return " "
    if kind in CONTROLS:
        return REPLACEMENT if kind == "Cs" else ""
    return "" if letter in BIDIRECTIONAL or ord(letter) in TAGS else letter


# A backslash where every dialect knows it and reports are still readable as they are; an entity, which is text in every
# dialect, for the rest.
BACKSLASHED = "\\`*_[]|#~"
STRUCTURE = re.compile(rf"[{re.escape(BACKSLASHED)}&<>$]")
# Nothing may begin a list, a rule, or what underlines a heading or a table's.
BEGINNING = re.compile(r"^(\d{0,9})([-+=:.)])(?=[-=:\s]|$)")
# Links that need no brackets: some renderers look for them after backslashes and entities were taken away, so something
# has to stand between.
LINK = re.compile(r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\S)(?=@)|(?<=@)(?=\S)|(?<=mailto)(?=:)|(?<=xmpp)(?=:)")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?\s?%?")
FORMULA = re.compile(r"^(?=[\t\r\n]|[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])")
# Where a file is read with another separator, a later part of a text begins a cell too.
LATER_FORMULA = re.compile(r"[;\t\r\n,|]\s*\"?(?=[=@\uff1d\uff20]|[+\-\uff0b\uff0d](?!\d))")
