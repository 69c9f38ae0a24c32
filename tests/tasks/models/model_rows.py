"""Content and touches with a planted truth for models to find."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.factories import content_row, touch_row

TONES = {"warm": "lovely friends together happy thanks", "dry": "quarterly figures report margin table"}


def posts(n: int, *, start: int = 0, seed: int = 1, video: float = 0.9, level: float = 3.0, **more: Any) -> list[Any]:
    """n posts: video lifts the log of engagements by `video`, noise has deviation 0.4; tone shows in the words."""
    random = np.random.default_rng([seed, start])
    rows = []
    for i in range(start, start + n):
        media = random.choice(["photo", "video", "link"])
        tone = random.choice(list(TONES))
        words = random.choice(TONES[tone].split(), 4)
        log_engagements = level + video * (media == "video") + random.normal(0, 0.4)
        row = {"media_type": str(media), "tone": str(tone), "body": f"{' '.join(words)} no {random.integers(99)}"}
        row |= {"engagements": round(math.exp(log_engagements)), "impressions": None}
        row |= {"character_count": int(random.integers(20, 200)), "readability": float(random.normal(60, 10))}
        rows.append(content_row(i, **(row | more)))
    return rows


def calls(n: int, *, start: int = 0, seed: int = 1, effect: float = 3.0) -> list[Any]:
    """n contacts whose chance to convert rises with age."""
    random = np.random.default_rng([seed, start])
    rows = []
    for i in range(start, start + n):
        age = random.uniform(20, 60)
        chance = 1 / (1 + math.exp(-effect * (age - 40) / 10))
        attributes = {"age": float(age), "job": str(random.choice(["a", "b", "c"]))}
        rows.append(touch_row(i, attributes=attributes, converted=bool(random.random() < chance)))
    return rows
