"""Associations, what experiments say of the same conditions, and what doing it is expected to bring; typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["experiments", "other_organizations", "public_prior"]


@dataclass(frozen=True, slots=True)
class Association:
    """What merely happened: how much better posts that meet a rule did.

    Attributes:
        key: of the rule, the same night after night.
        family: what the rule is about, such as text, words or timing.
        log_lift: difference of log outcomes, shrunken.
        standard_error: of the shrunken difference, above 0.
    """

    key: str
    family: str
    log_lift: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class CalibratingPair:
    """One condition of one workspace: its association, and what randomized experiments say of it.

    Attributes:
        association: of the posts.
        workspace_id: whose both are.
        outcome: the metric that the experiments counted.
        effect: log ratio within experiments, of arms that meet the rule to arms that do not.
        effect_error: its standard error, above 0; how differently texts turn out that differ in more is part of it.
        experiments: how many had arms of both kinds.
        of_experiments: how many of the workspace compare any condition.
    """

    association: Association
    workspace_id: str
    outcome: str
    effect: float
    effect_error: float
    experiments: int
    of_experiments: int


@dataclass(frozen=True, slots=True)
class BasedOn:
    """How many experiments an effect rests on, beside the public prior, which is always there.

    Attributes:
        own: experiments of the workspace that compare any condition.
        organization: of its organization's other workspaces.
        of_this: the workspace's experiments that compare this very condition.
        others_at_least: other organizations whose experiments count through a private release, with 97.5 % confidence;
            the true number is a secret of each of them. 0 where they say nothing.
    """

    own: int = 0
    organization: int = 0
    of_this: int = 0
    others_at_least: int = 0

    @property
    def experiments(self) -> int:
        """Those of the workspace and its organization."""
        return self.own + self.organization


@dataclass(frozen=True, slots=True)
class CalibratedEffect:
    """What doing it is expected to bring, on the log scale.

    Attributes:
        estimate: expected log ratio.
        interval: 90 %, what chance, bias and its spread allow.
        same_sign: probability that an experiment, large enough to tell, agrees with the association in its sign.
        slope: how much of an association is expected to be its effect, for conditions like this one.
        based_on: experiments behind it.
    """

    estimate: float
    interval: tuple[float, float]
    same_sign: float
    slope: float
    based_on: BasedOn = field(default_factory=BasedOn)

    @property
    def source(self) -> Source:
        """Whose experiments took part: its own or its organization's, else those of others, else public archives'."""
        if self.based_on.experiments:
            return "experiments"
        return "other_organizations" if self.based_on.others_at_least else "public_prior"

    @property
    def is_claim(self) -> bool:
        """Whether experiments took part and the interval leaves out nothing at all."""
        low, high = self.interval
        return self.source != "public_prior" and (low > 0.0 or high < 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Numbers on the log scale; `tasks.effects.wording` says them in per cent."""
        return {
            "log_estimate": self.estimate,
            "log_interval": list(self.interval),
            "same_sign": self.same_sign,
            "slope": self.slope,
            "source": self.source,
        }
