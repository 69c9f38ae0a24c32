"""A contextual experiment in sentences: whether the context matters, what following it brings, what to do now."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from tasks.experiments.records import ExperimentStatus

STEPS = {
    ExperimentStatus.INVALID: (
        "stop and find out why units did not get their arms with the promised probabilities; it proves nothing"
    ),
    ExperimentStatus.INSUFFICIENT_DATA: "keep it running",
    ExperimentStatus.POLICY: "complete the experiment, and let each unit have the arm that its context recommends",
    ExperimentStatus.NO_DIFFERENCE: "complete the experiment: neither an arm nor the context makes a difference",
}


def next_step(status: ExperimentStatus, leader: str | None, missing_days: float) -> str:
    """What to do now."""
    if status == ExperimentStatus.WINNER:
        return f"complete the experiment and give all traffic to {leader}: the context adds nothing worth having"
    if status == ExperimentStatus.RUNNING and missing_days > 0:
        return f"run for {ceil(missing_days)} more days: nothing is declared before one full cycle of days"
    return STEPS.get(status, "keep it running; it is not shown yet that following the context is worth having")


def in_words(policy: Mapping[str, Any], control_mean: float | None) -> str:
    """Whether the context matters, then what following it brings over the best arm and over what was served."""
    matters = (
        "the context matters: no one arm is best in every context"
        if policy["does_context_matter"]
        else f"it is not shown that the context matters (p = {policy['context_p_value']:.2g})"
    )
    best, served = policy["gain_over_best_arm"], policy["gain_over_served"]
    return (
        f"{matters}; following it brings {gain_in_words(best, control_mean)} against giving {best['than']} to "
        f"everybody, and {gain_in_words(served, control_mean)} against what was served"
    )


def gain_in_words(gain: Mapping[str, Any], control_mean: float | None) -> str:
    """As a share of the control's mean where that is known, else in the metric's unit."""
    values = [gain[name] for name in ("estimate", "lower", "upper")]
    if control_mean:
        estimate, low, high = (100 * value / abs(control_mean) for value in values)
        return f"{estimate:+.1f} % ({low:+.1f} to {high:+.1f} %)"
    estimate, low, high = values
    return f"{estimate:+.3g} ({low:+.3g} to {high:+.3g})"
