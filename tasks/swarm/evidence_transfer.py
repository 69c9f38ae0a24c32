"""A private release as findings: table `transfer_sum` by what its docstring says, [count, mean, product] a pattern.

Everything here is post-processing of noisy sums. The swarm takes the level of all workspaces and the release's own
gate: fifty contributors, and no vaguer than 0.12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tasks.swarm.records import Condition, Scalar

SCALE = 1000  # fixed point of the release
CLIP = 0.7  # bound of one contribution, a log lift
MOST_SAMPLING_ERROR = 0.35
LEAST_SOURCES, MOST_ERROR = 50.0, 0.12

_TEXT: dict[str, Condition] = {
    "cta": Condition(feature="has_cta", op="==", value=True),
    "emoji": Condition(feature="emoji_count", op=">=", value=1),
    "emoji_many": Condition(feature="emoji_count", op=">=", value=3),
    "hashtag": Condition(feature="hashtag_count", op=">=", value=1),
    "hashtag_many": Condition(feature="hashtag_count", op=">=", value=4),
    "mention": Condition(feature="mention_count", op=">=", value=1),
    "link": Condition(feature="link_count", op=">=", value=1),
    "exclamation": Condition(feature="exclamation_count", op=">=", value=1),
    "question": Condition(feature="question_count", op=">=", value=1),
    "number": Condition(feature="number_count", op=">=", value=1),
    "short": Condition(feature="word_count", op="<", value=21),
    "long": Condition(feature="word_count", op=">=", value=101),
    "title_short": Condition(feature="title_words", op="<", value=9),
    "title_long": Condition(feature="title_words", op=">=", value=13),
    "easy": Condition(feature="readability", op=">=", value=70.0),
    "hard": Condition(feature="readability", op="<", value=40.0),
}


def condition_of(key: str) -> Condition | None:
    """What a pattern key such as `content:media_type:video` asks of content; None where an option cannot show it."""
    _, group, name = key.split(":", 2) if key.count(":") >= 2 else ("", "", "")
    if group == "text":
        return _TEXT.get(name)
    value: Scalar = int(name) if name.isdigit() else name
    feature = {"hour": "local_hour", "weekday": "local_weekday"}.get(group, group)
    known = ("local_hour", "local_weekday", "media_type", "tone", "channel", "content_type")
    return Condition(feature=feature, op="==", value=value) if feature in known else None


def pooled(sums: Sequence[float], noise_scale: float) -> tuple[float, float] | None:
    """Mean log lift and its standard error, sampling and noise together; None below the release's gate."""
    count, total, product = (float(one) / SCALE for one in sums)
    if count < LEAST_SOURCES:
        return None
    mean = min(CLIP, max(-CLIP, CLIP * total / count))
    heterogeneity = min(CLIP**2, max(0.0, CLIP**2 * product / count - mean**2))
    noise = CLIP**2 * (1.0 + (mean / CLIP) ** 2) * noise_scale**2 / count**2
    error = math.sqrt((heterogeneity + MOST_SAMPLING_ERROR**2) / count + noise)
    return (mean, error) if error <= MOST_ERROR else None
