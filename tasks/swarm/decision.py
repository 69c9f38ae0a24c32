"""The decision: a pure function of the brief and the turns, so that a replay gives it byte for byte."""

from __future__ import annotations

import math
from typing import Any

from tasks.swarm.calibration import calibrated
from tasks.swarm.consensus import Count
from tasks.swarm.counting import counted
from tasks.swarm.evidence import any_applies
from tasks.swarm.fencing import looks_like_injection, texts_in
from tasks.swarm.messages import Closing, Turns, Usage
from tasks.swarm.order_effects import order_flags
from tasks.swarm.panel import favorite, label_of
from tasks.swarm.positions import ballots, changes
from tasks.swarm.posterior import Standing, standings
from tasks.swarm.protocol import rounds_run, stop_reason, with_options
from tasks.swarm.records import Brief, ConsensusStrategy

DECIDED_FROM = 0.55


def decide(brief: Brief, turns: Turns) -> dict[str, Any]:
    """The debate's outcome.

    Returns:
        `status` (`concluded`, `degraded`, `budget_exhausted`, `insufficient_evidence`, `undecided` (the vote is
        tied) or `failed`) and `reason`;
        `option` and `label`, among `options`; `confidence` (probability that the option is the best, or the nearest
        estimate of it, with `confidence_basis`) and `agreement` (share of the vote), never the same number under two
        names; `count`, `standings`, `baseline` (the evidence panel's own answer), `changes`, `dissent`, `flags`,
        `usage`.
    """
    turns = dict(sorted(turns.items()))  # the order of arrival must not show
    settled = with_options(brief, turns)
    pooled = pool(settled)
    count = counted(settled, turns)
    option, extra = (
        _panel_choice(settled, pooled) if brief.engine == "evidence_panel" else _voted(settled, turns, count)
    )
    status, reason = _status(settled, turns, option, count)
    confidence, basis = _confidence(settled, option, pooled, count)
    best = favorite(settled.options, pooled) if pooled else None
    return {
        "status": status,
        "reason": reason,
        "option": option,
        "label": label_of(settled.options, option) if option else None,
        "options": [{"id": one.id, "label": one.label} for one in settled.options],
        "confidence": confidence,
        "confidence_basis": basis,
        "raw_confidence": _raw(settled, option, pooled, count),
        "agreement": _agreement(count, option),
        "engine": brief.engine,
        "llm_used": brief.engine == "llm",
        "rounds_run": rounds_run(turns),
        "stop_reason": stop_reason(brief, turns),
        "count": count.model_dump(mode="json"),
        "standings": [one.model_dump(mode="json") for one in pooled],
        "baseline": best and {"engine": "evidence_panel", "option": best.option, "confidence": best.probability_best},
        "changes": [change.model_dump(mode="json") for change in changes(settled, turns)],
        "dissent": [ballot.agent for ballot in ballots(settled, turns) if ballot.option not in (None, option)],
        "flags": sorted(
            {flag for turn in turns.values() for flag in turn.flags} | {*extra, *_warnings(settled, turns)}
        ),
        "usage": sum((turn.usage for turn in turns.values()), Usage()).model_dump(mode="json"),
    }


def pool(brief: Brief) -> list[Standing]:
    """Standings over all unique evidence; empty where none is about any option."""
    known = [item for item in brief.evidence if item.kind != "part"]  # parts rest on what is counted already
    if not any_applies(known, brief.options):
        return []
    return standings(brief.options, known, brief.prior_sd)


def _panel_choice(brief: Brief, pooled: list[Standing]) -> tuple[str | None, tuple[str, ...]]:
    if not pooled:
        return None, ()
    best = favorite(brief.options, pooled)
    return best.option, () if best.probability_best >= DECIDED_FROM else ("leaning",)


def _voted(brief: Brief, turns: Turns, count: Count) -> tuple[str | None, tuple[str, ...]]:
    flags = tuple(
        f for f, yes in (("tie", count.outcome == "tie"), ("no_majority", count.outcome == "plurality")) if yes
    )
    if brief.strategy is not ConsensusStrategy.MODERATOR or count.outcome == "no_quorum":
        return count.decision, flags
    verdicts = [
        turn.message.option
        for turn in turns.values()
        if turn.phase in ("moderate", "moderate_reversed") and isinstance(turn.message, Closing)
    ]
    if len(verdicts) < 2:
        return count.decision, (*flags, "moderator_unavailable")
    if len(set(verdicts)) > 1:
        return count.decision, (*flags, "order_sensitive")
    # A moderator who gives the same answer in both orders settles what the vote left open, and nothing else.
    if verdicts[0] in count.tied or (count.outcome == "plurality" and verdicts[0] in count.tally):
        return verdicts[0], (*flags, "settled_by_moderator")
    return count.decision, flags if verdicts[0] == count.decision else (*flags, "moderator_dissents")


def _warnings(brief: Brief, turns: Turns) -> tuple[str, ...]:
    """What people should look at; it changes no vote."""
    texts = [brief.problem, *texts_in(brief.context), *(item.statement for item in brief.evidence)]
    texts += [
        text for turn in turns.values() if turn.message for text in texts_in(turn.message.model_dump(mode="json"))
    ]
    return (*(("suspected_injection",) if looks_like_injection(texts) else ()), *order_flags(brief, turns))


def _status(brief: Brief, turns: Turns, option: str | None, count: Count) -> tuple[str, str | None]:
    flags = {flag for turn in turns.values() for flag in turn.flags}
    lost = [f"{turn.phase} of {turn.agent_id}: {turn.excuse}" for turn in turns.values() if turn.status == "failed"]
    if brief.engine == "evidence_panel":
        return ("concluded", None) if option else ("insufficient_evidence", what_would_decide(brief))
    reasons = "; ".join(dict.fromkeys(lost)) or None
    if "budget_exhausted" in flags:
        return "budget_exhausted", reasons
    unusable = [
        f"{turn.phase} of {turn.agent_id}: {turn.excuse}"
        for turn in turns.values()
        if turn.status == "abstained" and turn.excuse
    ]
    if count.outcome == "tie" and option is None:
        return "undecided", tie_between(brief, count)
    if option is None:
        few = "fewer than half of the experts cast a valid vote"
        return "failed", reasons or "; ".join(dict.fromkeys([few, *unusable]))
    if lost or unusable:
        return "degraded", "; ".join(dict.fromkeys([*lost, *unusable])) or "the synthesis was not usable"
    return "concluded", None


def tie_between(brief: Brief, count: Count) -> str:
    """Which options are ahead together, and what would tell them apart."""
    tied = " and ".join(f"'{label_of(brief.options, option)}'" for option in count.tied)
    return f"the vote is tied between {tied}: a moderator, a person's vote or an experiment between them settles it"


def _raw(brief: Brief, option: str | None, pooled: list[Standing], count: Count) -> float | None:
    """What history is compared with: the panel's posterior, or the model experts' agreement."""
    if option is None:
        return None
    if brief.engine == "llm":
        return _agreement(count, option)
    return next(one.probability_best for one in pooled if one.option == option)


def _confidence(
    brief: Brief, option: str | None, pooled: list[Standing], count: Count
) -> tuple[float | None, str | None]:
    """A probability where one can be had: graded history, else the evidence, else agreement pulled to chance."""
    raw = _raw(brief, option, pooled, count)
    if raw is None:
        return None, None
    if brief.calibration:
        return calibrated(raw, brief.calibration), "calibrated_history"
    posterior = next((one.probability_best for one in pooled if one.option == option), None)
    if posterior is not None:
        return posterior, "evidence_posterior"
    chance = 1.0 / len(brief.options)
    return chance + 0.5 * (max(raw, chance) - chance), "uncalibrated"


def _agreement(count: Count, option: str | None) -> float:
    tied = count.agreement if count.outcome == "tie" else 0.0
    return count.shares.get(option, 0.0) if option else tied


def what_would_decide(brief: Brief) -> str:
    """Which data the panel is missing, and how much of it."""
    if brief.scope == "shared" and not brief.evidence:
        return (
            "no workspace is named and the warehouse holds several organizations, whose findings are private: "
            "name a workspace, or publish a private release with `raptorflow run transfer-learning`"
        )
    if not brief.options:
        return (
            "the warehouse holds no finding for these experts: run `raptorflow run pattern-learning` over ingested "
            "content, record an experiment, or name the options to choose from"
        )
    effect = math.sqrt(2.0) * brief.prior_sd  # the typical difference between two options under the prior
    rate = 0.05
    per_arm = math.ceil(2.0 * (1.96 + 0.84) ** 2 * (1.0 - rate) / (rate * effect**2))
    return (
        f"no finding is about these {len(brief.options)} options; an experiment between them with about "
        f"{per_arm:,} exposures an arm would see a difference of {effect:.0%} at a base rate of 5 % (power .8)"
    )
