"""The simulated agency: twelve workspaces, and what is true of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tasks.content.catalogue import BY_NAME
from tasks.content.planted import Truth

Drift = Literal["relation", "covariates"]
Selectors = tuple[dict[str, Any], ...]

EMOJI: Selectors = ({"feature": "emoji_count", "op": ">=", "value": 1},)
QUESTION: Selectors = ({"feature": "question_count", "op": ">=", "value": 1},)
NUMBER: Selectors = ({"feature": "number_count", "op": ">=", "value": 1},)
CALL_TO_ACTION: Selectors = ({"feature": "has_cta", "op": "==", "value": True},)
LONG: Selectors = ({"feature": "word_count", "op": ">=", "value": 65},)
WEEKEND: Selectors = ({"feature": "is_weekend", "op": "==", "value": True},)
EVENING: Selectors = ({"feature": "local_hour", "op": "between", "value": [16, 20]},)
VIDEO: Selectors = ({"feature": "media_type", "op": "==", "value": "video"},)

WORDS = {name: feature.words for name, feature in BY_NAME.items()} | {
    "word_count": "runs to 65 words or more",
    "local_hour": "is posted between 16 and 20 o'clock",
    "media_type": "is a video",
}


@dataclass(frozen=True, slots=True)
class SimulatedWorkspace:
    """One tenant of the agency.

    Attributes:
        slug: id and name without 'simulated'.
        effects: (selectors, lift, content type) of each planted pattern; none in a null workspace.
        drift: `relation`: in the last twelve weeks each lift turns into its inverse; `covariates`: in the last twelve
            weeks posts become longer and fuller of emoji, while what works stays the same.
    """

    slug: str
    industry: str
    size: Literal["smb", "mid", "enterprise"]
    timezone: str
    posts: int
    effects: tuple[tuple[Selectors, float, str], ...] = ()
    drift: Drift | None = None
    organization: str | None = None
    shares_insights: bool = True
    workspace_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "workspace_id", f"simulated-{self.slug}")

    def row(self) -> dict[str, Any]:
        """As in workspaces.csv."""
        return {
            "workspace_id": self.workspace_id,
            "name": f"Simulated {self.slug.replace('-', ' ').title()}",
            **{"industry": self.industry, "size": self.size, "timezone": self.timezone},
            "organisation_id": f"simulated-{self.organization or self.slug}",
            "shares_insights": self.shares_insights,
        }

    def truths(self, flip: datetime) -> list[Truth]:
        """What is planted here; a drifting relation is two truths, one to the flip and one from it."""
        truths = []
        for rule, lift, content_type in self.effects:
            words = ", ".join(WORDS[selector["feature"]] for selector in rule)
            spans = [(lift, None, None)]
            if self.drift == "relation":
                spans = [(lift, None, flip), (round(1 / (1 + lift) - 1, 4), flip, None)]  # type: ignore[list-item]
            truths += [Truth(self.workspace_id, rule, words, rate, content_type, *span) for rate, *span in spans]
        return truths


def _social(*effects: tuple[Selectors, float]) -> tuple[tuple[Selectors, float, str], ...]:
    return tuple((rule, lift, "social") for rule, lift in effects)


AGENCY: tuple[SimulatedWorkspace, ...] = (
    SimulatedWorkspace(
        *("bakery", "food", "smb", "Europe/Berlin", 2400),
        effects=_social((EMOJI, 0.8), (QUESTION, 0.6), (WEEKEND, -0.35)),
        organization="north-group",
    ),
    SimulatedWorkspace("coffee-roaster", "food", "smb", "Europe/London", 2200, organization="north-group"),
    SimulatedWorkspace(
        *("outdoor-shop", "retail", "mid", "America/Denver", 3200),
        effects=(*_social((VIDEO, 0.8), (CALL_TO_ACTION, 0.6)), (QUESTION, 0.8, "email")),
        organization="north-group",
    ),
    SimulatedWorkspace(
        *("fashion-label", "retail", "mid", "Europe/Paris", 3400),
        effects=_social((EMOJI, 0.8), (EVENING, 0.6)),
        drift="relation",
        organization="north-group",
    ),
    SimulatedWorkspace(
        *("gym", "fitness", "smb", "America/New_York", 2600),
        effects=_social((CALL_TO_ACTION, 0.8), (EMOJI, 0.6)),
        organization="north-group",
    ),
    SimulatedWorkspace(
        *("yoga-studio", "fitness", "smb", "America/Los_Angeles", 2400),
        effects=_social((QUESTION, 0.8), (WEEKEND, 0.6), (LONG, -0.35)),
        organization="north-group",
    ),
    SimulatedWorkspace(
        *("payroll-software", "saas", "mid", "Europe/London", 3000),
        effects=(*_social((NUMBER, 0.8), (EMOJI, -0.4)), (CALL_TO_ACTION, 0.8, "email")),
    ),
    SimulatedWorkspace(
        *("security-software", "saas", "enterprise", "America/New_York", 3800),
        effects=_social((NUMBER, 0.8), (QUESTION, 0.8)),
        drift="relation",
    ),
    SimulatedWorkspace("bank", "finance", "enterprise", "Europe/Zurich", 3600, shares_insights=False),
    SimulatedWorkspace(
        *("travel-agency", "travel", "mid", "Asia/Singapore", 3200),
        effects=_social((VIDEO, 0.6), (EMOJI + QUESTION, 0.8)),
        drift="covariates",
    ),
    SimulatedWorkspace("museum", "culture", "smb", "Europe/Madrid", 2200),
    SimulatedWorkspace(
        *("newspaper", "media", "enterprise", "Australia/Sydney", 4000),
        effects=_social((QUESTION, -0.4), (NUMBER, 0.6), (CALL_TO_ACTION, 0.6)),
    ),
)
