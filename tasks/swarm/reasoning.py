"""A reply without what the model thought aloud before it: drafts in there are no answer; and its numbers, bounded."""

from __future__ import annotations

import json
import re

_NAMES = (
    r"(?:\w{1,20}[:_-])?"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|deliberation|monologue|cot)"
)
# The tags of the families in use, and those of two that write them otherwise.
_TAG = re.compile(
    rf"<(?P<close>/)?{_NAMES}(?:\s[^<>]{{0,80}})?>"
    r"|(?P<open_other>\[THINK\]|◁think▷|<\|(?:begin_of_)?(?:thought|thinking|think)\|>)"
    r"|(?P<close_other>\[/THINK\]|◁/think▷|<\|(?:end_of_|/)(?:thought|thinking|think)\|>)",
    re.IGNORECASE,
)
# Channels: the answer is what the last channel `final` holds.
_FINAL = re.compile(r"<\|channel\|>\s*final[^<]{0,80}<\|message\|>")
MOST_DIGITS = 18
_CHANNEL = "<|channel|>"
_CHANNEL_ENDS = re.compile(r"<\|(?:end|return|start)\|>")


def without_reasoning(text: str) -> str:
    """The text outside every pair of reasoning tags, nested or not.

    A tag that closes what was not opened closes all before it, since templates open it in the prompt; one that is never
    closed takes the rest along. A text that is one JSON object as a whole is left as it is, whatever its values quote.
    Time is linear in the text.
    """
    if _is_one_object(text):
        return text
    if _CHANNEL in text:
        finals = list(_FINAL.finditer(text))
        last = text[finals[-1].end() :] if finals else ""
        return "" if _CHANNEL in last else _CHANNEL_ENDS.split(last)[0]  # who thinks on may think otherwise
    kept: list[str] = []
    depth, start = 0, 0
    for tag in _TAG.finditer(text):
        closes = tag["close"] or tag["close_other"]
        if depth == 0:
            kept = [] if closes else [*kept, text[start : tag.start()]]
        depth = max(0, depth - 1) if closes else depth + 1
        start = tag.end()
    return "".join([*kept, text[start:]] if depth == 0 else kept)


def whole_number(digits: str) -> int | float:
    """An integer of JSON; one of more digits than any count has is a float, since Python refuses 4,301 of them."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _is_one_object(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text, parse_int=whole_number, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
