"""How alike workspaces are: by what is public about them, and by what works for them."""

from __future__ import annotations

import numpy as np

from tasks.statistics.shrinkage import shrink
from tasks.transfer.records import Floats, Mask
from tasks.transfer.segments import Profile

EFFECT_SPREAD = 0.2**2  # variance of log-lifts between patterns that a workspace's own are shrunk with
MAX_EFFECT_WEIGHT = 0.3


def effect_vector(log_lift: Floats, standard_error: Floats) -> Floats:
    """Shrunken log-lifts (K,) over the catalogue; what is not known is 0, which is what shrinkage makes of it."""
    return shrink(np.where(np.isfinite(standard_error), log_lift, 0.0), standard_error, EFFECT_SPREAD).mean


def reliability(standard_error: Floats) -> float:
    """Share of the variance of a vector's entries (K,) that is not noise, over those that are known; 0 for none."""
    known = np.isfinite(standard_error)
    return float(np.mean(EFFECT_SPREAD / (EFFECT_SPREAD + standard_error[known] ** 2))) if known.any() else 0.0


def similarity(
    profiles: tuple[Profile, Profile], effects: tuple[Floats, Floats], errors: tuple[Floats, Floats]
) -> float:
    """Likeness in [0, 1] of two workspaces, or of a workspace and a segment's prototype.

    Metadata speaks first. The cosine of the two effect vectors over patterns both know joins it with at most .3 of
    the weight, as far as both vectors are more than noise: a workspace without posts is judged by its metadata alone.
    """
    metadata = profiles[0].likeness(profiles[1])
    shared: Mask = np.isfinite(errors[0]) & np.isfinite(errors[1])
    trust = MAX_EFFECT_WEIGHT * min(reliability(np.where(shared, error, np.inf)) for error in errors)
    a, b = (np.where(shared, effect_vector(*pair), 0.0) for pair in zip(effects, errors, strict=True))
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    if length == 0.0:
        return metadata
    return float(np.clip((1.0 - trust) * metadata + trust * (1.0 + a @ b / length) / 2.0, 0.0, 1.0))
