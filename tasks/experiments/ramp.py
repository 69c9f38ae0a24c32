"""A traffic ramp: a larger share of the units stage by stage, unless a guardrail says stop. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tasks.experiments.design import Design
from tasks.experiments.records import ExperimentResult, ExperimentStatus


@dataclass(frozen=True, slots=True)
class RampStep:
    """What to do now.

    Attributes:
        action: `raise` the traffic to `share`, `switch_off` the `arms`, `stop` the experiment, or `wait`.
        why: in words, for the log.
    """

    action: Literal["raise", "switch_off", "stop", "wait"]
    why: str
    share: float | None = None
    arms: tuple[str, ...] = ()

    def in_words(self) -> str:
        """What was done and why."""
        done = {"raise": f"traffic raised to {100 * (self.share or 0):.3g} %", "stop": "stopped, the control is kept"}
        done |= {"switch_off": f"switched off: {', '.join(self.arms)}", "wait": "the traffic stays as it is"}
        return f"{done[self.action]}: {self.why}"


def next_step(design: Design, analysis: ExperimentResult, stage_began: datetime, now: datetime) -> RampStep:
    """The next stage once this one has lasted its days and nothing forbids it.

    Args:
        stage_began: when the present share came into force.
    """
    harms = {row["variant_id"]: row["metric_name"] for row in analysis.guardrails if row["is_harmed"]}
    on = [arm.variant_id for arm in analysis.variants if arm.weight > 0 and not arm.is_control]
    harmful = tuple(arm for arm in on if arm in harms)
    if harmful:
        why = "; ".join(f"{arm} makes {harms[arm]} worse" for arm in harmful)
        return RampStep("stop" if len(harmful) == len(on) else "switch_off", why, arms=harmful)
    if analysis.status in (ExperimentStatus.INVALID, ExperimentStatus.CONTRADICTED):
        return RampStep("wait", f"the analysis is {analysis.status.value}: find out why first")
    later = [share for share in design.ramp or () if share > design.traffic_share]
    if not later:
        return RampStep("wait", "the last stage is reached")
    left = stage_began + timedelta(days=design.ramp_days) - now
    if left > timedelta(0):
        return RampStep("wait", f"{100 * design.traffic_share:.3g} % of the traffic until {now + left:%Y-%m-%d %H:%M}")
    return RampStep("raise", f"ramp: no guardrail is harmed at {100 * design.traffic_share:.3g} %", share=later[0])
