"""The decision: a pure function of the brief and the turns, so that a replay gives it byte for byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tasks.swarm.calibration import calibrated
from tasks.swarm.consensus import Count
from tasks.swarm.counting import counted, final_ballots, merged_ids
from tasks.swarm.evidence import any_applies, clarity
from tasks.swarm.fencing import looks_like_injection, texts_in
from tasks.swarm.merging import excludes
from tasks.swarm.messages import Closing, Turns, Usage
from tasks.swarm.order_effects import order_flags
from tasks.swarm.panel import expected, favorite, label_of
from tasks.swarm.positions import changes
from tasks.swarm.posterior import Standing, options_from, standings
from tasks.swarm.protocol import results_of_parts, rounds_run, stop_reason, with_options
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, Option
from tasks.swarm.settling import in_words, settling_experiment

OPEN = ("leaning", "undecided", "insufficient_evidence")
FINDINGS_NAMED = 3
# Of the confidence of the panel, and of the vote of models: from where on a debate is decided, and from where it leans.
DECIDED_FROM, LEANING_FROM = 0.80, 0.55


def decide(brief: Brief, turns: Turns) -> dict[str, Any]:
    """The debate's outcome.

    Returns:
        `status` and `reason`: `decided` (confidence, or agreement of models, of 80 % and more; not where findings
        are for another option, or history against such votes, with less than 55 % for this one), `leaning`,
        `undecided` (then there is no option), `insufficient_evidence`, `degraded`, `budget_exhausted` or `failed`;
        `option` and `label`, among `options`; `merged`, the options that it puts together; `also`,
        what helps beside it where they do not rule each other out; `experiment` that would settle what is not
        decided (`settling`); `confidence` (probability that the option is the best, or the nearest estimate of
        it, with `confidence_basis`) and `agreement` (share of the vote), never the same number under two names;
        `undivided`, the panel's choice where it did not divide the problem; `count`, `standings`, `baseline`
        (the evidence panel's own answer), `changes`, `dissent`, `flags`, `usage`.
    """
    turns = dict(sorted(turns.items()))  # the order of arrival must not show
    settled = with_options(brief, turns)
    count = counted(settled, turns)
    cast = final_ballots(settled, turns)
    refused = tuple(one for one in merged_ids(settled) if one != count.decision)
    kept = tuple(option for option in settled.options if option.id not in refused)
    settled = settled.model_copy(update={"options": kept})
    pooled = pool(settled)
    best = leader(settled, pooled)
    option, extra = _panel_choice(settled, best) if brief.engine == "evidence_panel" else _voted(settled, turns, count)
    confidence, basis = _confidence(settled, option, pooled, count)
    status, reason = _status(settled, turns, option, confidence, basis, pooled, count)
    shares = count.shares if brief.engine == "llm" else {}
    experiment = None if status == "decided" else settling_experiment(settled, pooled, shares)
    if status in OPEN and experiment is not None:
        reason = f"{reason}; {in_words(experiment)}"
    return {
        "status": status,
        "reason": reason,
        "option": option,
        "label": label_of(settled.options, option) if option else None,
        "also": _also(settled, option, pooled),
        "merged": next((list(one.merges) for one in settled.options if one.id == option), []),
        "options": [{"id": one.id, "label": one.label} for one in settled.options],
        "confidence": confidence,
        "confidence_basis": basis,
        "experiment": experiment,
        "raw_confidence": _raw(settled, option, pooled, count),
        "agreement": _agreement(count, option),
        "undivided": _undivided(brief, turns),
        "engine": brief.engine,
        "llm_used": brief.engine == "llm",
        "rounds_run": rounds_run(turns),
        "stop_reason": stop_reason(brief, turns),
        "count": count.model_dump(mode="json"),
        "standings": [one.model_dump(mode="json") for one in pooled],
        "baseline": best
        and {"engine": "evidence_panel", "option": best.option, "confidence": _probability(settled, best)},
        "changes": [change.model_dump(mode="json") for change in changes(settled, turns)],
        "dissent": [ballot.agent for ballot in cast if option and ballot.option not in (None, option)],
        "flags": sorted(
            {flag for turn in turns.values() for flag in turn.flags} | {*extra, *_warnings(settled, turns)}
        ),
        "usage": sum((turn.usage for turn in turns.values()), Usage()).model_dump(mode="json"),
    }


def pool(brief: Brief) -> list[Standing]:
    """Standings over all unique evidence and what was learned; empty where neither is about any option."""
    known = [item for item in brief.evidence if item.kind != "part"]  # parts rest on what is counted already
    if brief.learned is not None:
        return standings(brief.options, known, brief.prior_sd, brief.learned.scores, brief.learned.findings_count)
    return standings(brief.options, known, brief.prior_sd) if any_applies(known, brief.options) else []


def leader(brief: Brief, pooled: Sequence[Standing]) -> Standing | None:
    """The option that is worth most; None where two that rule each other out are worth as much."""
    if brief.options_exclude:
        return favorite(pooled)
    return max(pooled, key=lambda one: (round(one.mean, 12), label_of(brief.options, one.option)), default=None)


def _probability(brief: Brief, standing: Standing) -> float:
    """That an option is right: the best of those that rule each other out, else better than what is done today."""
    is_change = not next(one for one in brief.options if one.id == standing.option).is_status_quo
    return standing.probability_better if is_change and not brief.options_exclude else standing.probability_best


def _undivided(brief: Brief, turns: Turns) -> str | None:
    """What the panel would have chosen of a problem that it divided, from the same findings at the same cost."""
    if brief.engine != "evidence_panel" or not results_of_parts(brief, turns):
        return None
    whole = brief.model_copy(
        update={"options": brief.options or options_from(brief.evidence, brief.prior_sd, brief.problem)}
    )
    best = leader(whole, pool(whole))
    return label_of(whole.options, best.option) if best else None


def _also(brief: Brief, option: str | None, pooled: Sequence[Standing]) -> list[dict[str, str]]:
    """What else can be done beside the option and is expected to help, worth most first.

    Of options that a caller has named, only those whose features have nothing in common with what is chosen already.
    """
    if option is None:
        return []
    options = {one.id: one for one in brief.options}
    ranked = sorted(pooled, key=lambda one: (-one.mean, one.option))
    helping = [one.option for one in ranked if one.option != option and one.probability_better >= DECIDED_FROM]
    beside: list[Option] = []
    for one in (options[name] for name in helping if name not in options[option].merges):
        if not brief.options_exclude or all(_goes_with(one, other) for other in (options[option], *beside)):
            beside.append(one)
    return [{"id": one.id, "label": one.label} for one in beside]


def _goes_with(one: Option, other: Option) -> bool:
    """Whether two options say what they are, and no feature of one is the other's too."""
    declared = [set(each.attributes) for each in (one, other)]
    return all(declared) and not declared[0] & declared[1] and not excludes([one, other])


def _panel_choice(brief: Brief, best: Standing | None) -> tuple[str | None, tuple[str, ...]]:
    """The option worth most, unless another is about as likely to be the best; worse than today is said."""
    if best is None or calibrated(_probability(brief, best), brief.calibration) < LEANING_FROM:
        return None, ()
    return best.option, ("worse_than_today",) if best.mean < 0.0 else ()


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


def _status(
    brief: Brief,
    turns: Turns,
    option: str | None,
    confidence: float | None,
    basis: str | None,
    pooled: Sequence[Standing],
    count: Count,
) -> tuple[str, str | None]:
    """How it ended, and why; a vote decides nothing that findings or history are against."""
    if brief.engine == "evidence_panel":
        if not pooled:
            return "insufficient_evidence", what_is_missing(brief)
        return _how_clear(option, confidence, _worth_of_each(brief, pooled))
    flags = {flag for turn in turns.values() for flag in turn.flags}
    lost = [f"{turn.phase} of {turn.agent_id}: {turn.excuse}" for turn in turns.values() if turn.status == "failed"]
    reasons = "; ".join(dict.fromkeys(lost)) or None
    if "budget_exhausted" in flags:
        return "budget_exhausted", reasons
    unusable = [
        f"{turn.phase} of {turn.agent_id}: {turn.excuse}"
        for turn in turns.values()
        if turn.status == "abstained" and turn.excuse
    ]
    if count.outcome == "tie" and option is None:
        return "undecided", "; ".join(dict.fromkeys([_tied(brief, count), *lost, *unusable]))
    if option is None:
        few = "fewer than half of the experts cast a valid vote"
        return "failed", reasons or "; ".join(dict.fromkeys([few, *unusable]))
    if lost or unusable:
        return "degraded", "; ".join(dict.fromkeys([*lost, *unusable])) or "the synthesis was not usable"
    shares = ", ".join(f"{label_of(brief.options, one)} {share:.0%}" for one, share in count.shares.items())
    agreement = _agreement(count, option)
    if confidence is not None and confidence < LEANING_FROM and _prefers_another(brief, option, basis, pooled):
        return "leaning", f"by what is known it is right with {confidence:.0%}, whatever the vote ({shares})"
    return _how_clear(option, agreement, f"of the vote: {shares}")


def _prefers_another(brief: Brief, option: str, basis: str | None, pooled: Sequence[Standing]) -> bool:
    """Whether what a confidence rests on is for another option, or is how such votes turned out."""
    best = leader(brief, pooled)
    return basis == "calibrated_history" or (
        basis == "evidence_posterior" and best is not None and best.option != option
    )


def _tied(brief: Brief, count: Count) -> str:
    """Which options are ahead together, and who could tell them apart."""
    tied = " and ".join(f"'{label_of(brief.options, option)}'" for option in count.tied)
    return f"the vote is tied between {tied}: a moderator, a person's vote or an experiment between them settles it"


def _how_clear(option: str | None, clarity: float | None, standing: str) -> tuple[str, str | None]:
    """Decided, leaning or undecided, and where the options stand unless it is decided."""
    if option is None or clarity is None:
        return "undecided", f"no option is clearly ahead ({standing})"
    return ("decided", None) if clarity >= DECIDED_FROM else ("leaning", f"short of 80 % ({standing})")


def _worth_of_each(brief: Brief, pooled: Sequence[Standing]) -> str:
    """What each option is expected to bring against today, and how likely it is the best, the best first."""
    options = {one.id: one for one in brief.options}
    ranked = sorted(pooled, key=lambda one: (-one.mean, one.option))
    if not brief.options_exclude:  # beside what can be done together, how often changing nothing is best says little
        ranked = [one for one in ranked if not options[one.option].is_status_quo] or ranked
    is_judged = brief.learned is not None and not brief.learned.experiments
    return "; ".join(_worth(brief, options[one.option], one, is_judged=is_judged) for one in ranked)


def _worth(brief: Brief, option: Option, standing: Standing, *, is_judged: bool) -> str:
    """One option's; of changing nothing, which brings nothing, only how likely it is the best."""
    is_compared = not brief.options_exclude and not option.is_status_quo
    likely = f"{standing.probability_better:.0%} better than today" if is_compared else ""
    brings = "" if is_judged or option.is_status_quo else f"{expected(standing)}, "
    return f"{option.label.rstrip('.')}: {brings}{likely or f'{standing.probability_best:.0%} best'}"


def _raw(brief: Brief, option: str | None, pooled: list[Standing], count: Count) -> float | None:
    """What history is compared with: the panel's posterior, or the model experts' agreement."""
    if option is None:
        return None
    if brief.engine == "llm":
        return _agreement(count, option)
    return next(_probability(brief, one) for one in pooled if one.option == option)


def _confidence(
    brief: Brief, option: str | None, pooled: list[Standing], count: Count
) -> tuple[float | None, str | None]:
    """A probability where one can be had: graded history, else the evidence, else agreement pulled to chance."""
    raw = _raw(brief, option, pooled, count)
    if raw is None:
        return None, None
    if brief.calibration:
        return calibrated(raw, brief.calibration), "calibrated_history"
    posterior = next((_probability(brief, one) for one in pooled if one.option == option), None)
    if posterior is not None:
        return posterior, "evidence_posterior"
    chance = 1.0 / len(brief.options)
    return chance + 0.5 * (max(raw, chance) - chance), "uncalibrated"


def _agreement(count: Count, option: str | None) -> float:
    tied = count.agreement if count.outcome == "tie" else 0.0
    return count.shares.get(option, 0.0) if option else tied


def what_is_missing(brief: Brief) -> str:
    """Why the panel cannot answer, and what it would take."""
    if brief.scope == "shared" and not brief.evidence:
        return (
            "no workspace is named and the warehouse holds several organizations, whose findings are private: "
            "name a workspace, or publish a private release with `raptorflow run transfer-learning`"
        )
    if brief.options:
        return f"no finding is about these {len(brief.options)} options"
    if not brief.evidence:
        return (
            "the warehouse holds no finding for these experts: run `raptorflow run pattern-learning` over ingested "
            "content, record an experiment, or name the options to choose from"
        )
    # Of what can be done again first; an arm that is the control itself says nothing.
    clearest = sorted(brief.evidence, key=lambda item: (item.is_text, not item.conditions, -clarity(item), item.id))
    known = [item for item in clearest if item.effect != 0.0][:FINDINGS_NAMED]
    return (
        "no finding is about this question; the clearest ones here are: "
        f"{'; '.join(_with_effect(item) for item in known)}. Ask about one of them, or name the options to choose from"
    )


def _with_effect(item: EvidenceRef) -> str:
    """A finding with what it showed, where its statement does not say so itself."""
    return f"{item.statement}: {math.expm1(item.effect):+.0%}" if item.kind == "experiment" else item.statement
