"""The evidence panel: experts who argue from the warehouse's findings, by arithmetic. No language model is used.

Each expert weighs the findings its skills earn, proposes what they favor, points at what contradicts the others, and
adds what others raised. The experts show how the evidence divides; the decision is the pooled posterior, the same under
every strategy and after any number of rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from tasks.swarm.evidence import DIMENSIONS, VARIANCE_FACTOR, argues_against, dimension_of, informs, relevance
from tasks.swarm.learned import IN_WORDS
from tasks.swarm.messages import Critique, FlawKind, Message, Proposal, Split, Turn, TurnRequest, Turns, Vote
from tasks.swarm.positions import position
from tasks.swarm.posterior import Standing, standings
from tasks.swarm.protocol import FEWEST_PARTS
from tasks.swarm.records import Brief, EvidenceRef, Expert, LearnedPanel, Option
from tasks.swarm.shared_context import latest_proposal, shared_evidence, shown_as

NOTICE = "Statistical panel; no language model was used."
ONE_PROCEDURE = (
    "One procedure decided: the joint posterior of all findings, whatever the strategy and the number of rounds; the "
    "experts show how the findings divide."
)
NOTHING_KNOWN = "no finding within my skills is about these options"
STALE_DAYS = 365
Z_90 = 1.6449
TIE = 1e-9  # of log ratios: nearer than any finding could tell apart


def weighed(brief: Brief) -> str:
    """How the panel weighs what it knows, in words."""
    return (
        f"{who_decided(brief.learned)} A pattern counts as the effect that experiments calibrated it to, a release "
        f"{1.0 / VARIANCE_FACTOR['transfer']:.0%} as much as an experiment of the same precision; effects are expected "
        f"to lie within ±{math.expm1(brief.prior_sd):.0%} of today two times in "
        "three, as these findings do."
    )


def who_decided(learned: LearnedPanel | None) -> str:
    """Whose models decided, and how good they have proved; where none were learned, that one procedure did."""
    if learned is None:
        return ONE_PROCEDURE
    from_what = (("experiment", learned.experiments), ("graded debate", learned.debates))
    known = " and ".join(f"{many:,} {name}{'s' if many != 1 else ''}" for name, many in from_what if many)
    held_out = f"Of {learned.pairs:,} pairs of texts that were held out"
    best = f"by {IN_WORDS[learned.best]}"
    if not learned.is_together:
        return (
            f"One expert's model decided, {best}, learned from {known}; the others' added nothing to it. {held_out} it "
            f"tells {learned.best_right:.1%} right."
        )
    return (
        f"The experts' models decided together, each weighted by what it tells right in {known}. {held_out} they tell "
        f"{learned.right:.1%} right; the best alone, {best}, {learned.best_right:.1%}."
    )


class EvidencePanel:
    """Answers turns from the brief's evidence alone: no I/O, no randomness, nothing to pay."""

    keeps_turns = False

    async def answer(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        """The expert's turn."""
        return answer(brief, turns, request)

    def wait_out(self, seconds: float) -> None:
        """The panel has no deadline."""


def answer(brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
    """One turn of the panel."""
    expert = next(one for one in brief.experts if one.agent_id == request.agent_id)
    by_phase: dict[str, Callable[[Brief, Turns, Expert, int], Message]] = {
        "split": _split,
        "propose": _propose,
        "refine": _refine,
        "critique": _critique,
        "vote": _vote,
    }
    message = by_phase[request.phase](brief, turns, expert, request.round)
    return Turn(
        round=request.round,
        phase=request.phase,
        agent_id=request.agent_id,
        message=message,
        shown_as=shown_as(brief, turns, request) if request.phase == "critique" else {},
    )


def cite(item: EvidenceRef) -> str:
    """A finding with its interval, its size and its name."""
    return f"{measured(item)} [{item.id}]"


def measured(item: EvidenceRef) -> str:
    """A finding with its interval and its size."""
    if item.kind == "part":
        return f"{item.statement} ({item.metric})"
    low, high = item.effect - Z_90 * item.se, item.effect + Z_90 * item.se
    size = f", n = {item.n}" if item.n else ""
    return (
        f"{item.statement} ({item.metric} {math.expm1(item.effect):+.1%}, "
        f"90 % interval {math.expm1(low):+.1%} to {math.expm1(high):+.1%}{size})"
    )


def _split(brief: Brief, _turns: Turns, _expert: Expert, _number: int) -> Split:
    """A part for each side of the problem that findings are about; none where they are all about one."""
    sides = {dimension_of(item) for item in brief.evidence}
    questions = {name: dimension.question for name, dimension in DIMENSIONS.items() if name in sides}
    return Split(
        questions=questions if len(questions) >= FEWEST_PARTS else {}, reasoning="one part for each kind of finding"
    )


def _propose(brief: Brief, _turns: Turns, expert: Expert, _number: int) -> Proposal:
    return _proposal_from(brief, expert, expert.evidence_ids)


def _refine(brief: Brief, turns: Turns, expert: Expert, number: int) -> Proposal:
    return _proposal_from(brief, expert, (*expert.evidence_ids, *shared_evidence(brief, turns, expert, number - 1)))


def _proposal_from(brief: Brief, expert: Expert, evidence_ids: tuple[str, ...]) -> Proposal:
    known = [item for item in brief.evidence if item.id in evidence_ids]
    relevant = [item for item in known if any(informs(item, option) for option in brief.options)]
    learned = brief.learned
    scores = learned.of_experts.get(expert.agent_id, {}) if learned else {}
    count = learned.findings_count if learned else 1.0
    knows = bool(relevant) or any(scores.values())
    best = favorite(standings(brief.options, relevant, brief.prior_sd, scores, count)) if knows else None
    if best is None:
        why = "what is within my skills does not tell these options apart" if relevant else NOTHING_KNOWN
        return Proposal(option=None, claim="Abstains.", abstain_reason=why)
    label = label_of(brief.options, best.option)
    for_it = sorted((item for item in relevant if item.id in best.evidence_ids), key=lambda item: item.id)
    against = [item for item in relevant if item.id not in best.evidence_ids]
    weighed = sorted(for_it or against, key=lambda item: (-relevance(expert.skills, item), item.id))
    return Proposal(
        option=best.option,
        claim=f"{label}: {_claimed(best, learned)}",
        reasoning=" ".join([*_learned_by(brief, expert), *(cite(item) + "." for item in weighed[:3])]),
        evidence_ids=tuple(item.id for item in relevant),
        confidence=round(100 * best.probability_best),
    )


def _claimed(best: Standing, learned: LearnedPanel | None) -> str:
    """What an option is worth; graded debates alone say which was right, and not by how much."""
    if learned is not None and not learned.experiments:
        return f"{best.probability_best:.0%} the best."
    return f"expected {expected(best)} against what is done today."


def _learned_by(brief: Brief, expert: Expert) -> Iterator[str]:
    """What the expert's models rest on."""
    learned = brief.learned
    if learned is not None and (held := learned.held.get(expert.agent_id)):
        right = {model.name: model.right for model in learned.models}
        known = " and ".join(f"{IN_WORDS[name]} (alone right in {right[name]:.0%})" for name in held)
        yield f"By {known} in {learned.pairs:,} earlier pairs of texts."


def _critique(brief: Brief, turns: Turns, expert: Expert, number: int) -> Critique:
    names = shown_as(brief, turns, TurnRequest(round=number, phase="critique", agent_id=expert.agent_id))
    own = position(brief, turns, expert.agent_id, number, with_vote=False)
    known = set(expert.evidence_ids)
    critiques: list[tuple[float, str, Critique]] = []
    for name, agent in names.items():
        proposal = latest_proposal(turns, agent, number)
        if proposal is not None:
            score, critique = _flaw(brief, name, proposal, known, agrees=proposal.option == own.option)
            critiques.append((-score, agent, critique))
    return min(critiques, key=lambda one: one[:2])[2] if critiques else Critique(target=None)


def _flaw(brief: Brief, name: str, proposal: Proposal, known: set[str], *, agrees: bool) -> tuple[float, Critique]:
    """How severe the worst computable flaw of a proposal is, and the critique that names it."""
    option = next(one for one in brief.options if one.id == proposal.option)
    about = [item for item in brief.evidence if informs(item, option)]
    against = [item for item in about if item.id in known and argues_against(item, option)]
    cited = [item for item in about if item.id in proposal.evidence_ids]
    agreement = 80 if agrees else 30
    if against:
        worst = min(against, key=lambda item: (item.effect / item.se, item.id))
        return -worst.effect / worst.se, _critique_of(name, "contradicted_by", worst, f"Against it: {cite(worst)}.", 15)
    if cited and all(abs(item.effect) < Z_90 * item.se for item in cited):
        return 1.0, _critique_of(
            name, "not_significant", cited[0], "Its intervals include no effect at all.", agreement
        )
    if cited and all(item.age_days > STALE_DAYS for item in cited):
        return 0.5, _critique_of(name, "stale", cited[0], "All it cites is more than a year old.", agreement)
    if not cited and not option.is_status_quo:
        return 0.8, _critique_of(name, "unsupported", None, "Nothing it cites is about this option.", agreement)
    return 0.0, _critique_of(name, "no_flaw", None, "", agreement)


def _critique_of(name: str, kind: FlawKind, item: EvidenceRef | None, weakness: str, agreement: int) -> Critique:
    return Critique(
        target=name,
        kind=kind,
        evidence_id=item.id if item else None,
        strength="" if kind == "unsupported" else "Cites findings of the warehouse.",
        weakness=weakness,
        suggestion="Test it in an experiment before relying on it." if weakness else "",
        agreement=agreement,
    )


def _vote(brief: Brief, turns: Turns, expert: Expert, number: int) -> Vote:
    held = position(brief, turns, expert.agent_id, number, with_vote=False)
    why = "keeps the position of the last round" if held.option else NOTHING_KNOWN
    return Vote(option=held.option, reason=why, evidence_ids=held.cited, confidence=held.confidence)


def favorite(ranked: Sequence[Standing]) -> Standing | None:
    """The option that is worth most; None where others are worth as much, so that neither order nor names decide."""
    best = max(ranked, key=lambda one: one.mean, default=None)
    return None if best is None or sum(one.mean > best.mean - TIE for one in ranked) > 1 else best


def expected(standing: Standing) -> str:
    """What an option is worth, with its 90 % interval."""
    low, high = standing.mean - Z_90 * standing.sd, standing.mean + Z_90 * standing.sd
    return f"{math.expm1(standing.mean):+.0%} ({math.expm1(low):+.0%} to {math.expm1(high):+.0%})"


def label_of(options: tuple[Option, ...], option_id: str) -> str:
    """What the option says."""
    return next(option.label for option in options if option.id == option_id)
