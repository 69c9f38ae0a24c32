"""A debate as a report people read: the answer, what each option would bring, who argued what, and the price.

As Markdown for pages, or as text for a terminal: the same sections, and what people and models wrote is quoted as the
one or the other shows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.plain_text import code, markdown, visible
from tasks.swarm.learned import IN_WORDS
from tasks.swarm.merging import FEWEST_MERGED, SEPARATOR
from tasks.swarm.panel import Z_90, measured, who_decided
from tasks.swarm.records import EvidenceRef, LearnedPanel
from tasks.swarm.settling import can_be_run, duration_in_words

Result = Mapping[str, Any]
Escape = Callable[[object], str]
LONGEST_QUOTE = 600
FIRST_TAKER = "takes_first_option:"
MODERATOR = ("moderate", "moderate_reversed")
PRICES = "RAPTORFLOW_LLM_PROMPT_PRICE and RAPTORFLOW_LLM_COMPLETION_PRICE"
SKILLS_NOT_MEASURED = "Whether experts of several skills decide better than one who is asked as often was not measured."
NOT_MEASURED = "Whether dividing helps language models at the same cost was not measured; it does not help the panel."


def story(result: Result) -> str:
    """The result of a debate as Markdown; what people and models wrote is quoted, never markup."""
    return Story(result, markdown, code).text()


def story_for_terminal(result: Result) -> str:
    """The same, to be printed."""
    return Story(result, visible, visible).text()


def learned_in(result: Result) -> LearnedPanel | None:
    """What a debate's experts had learned; None where they chose between no texts, or had learned nothing."""
    learned = result["transcript"]["brief"].get("learned")
    return LearnedPanel.model_validate(learned) if learned else None


def headline(result: Result) -> str:
    """The debate in one line."""
    chosen = result["label"] or "no decision"
    confidence = "" if result["confidence"] is None else f", confidence {result['confidence']:.0%}"
    return f"{result['status'].replace('_', ' ')}: {chosen}{confidence}"


@dataclass(frozen=True, slots=True)
class Story:
    """The sections of a report.

    Attributes:
        result: of a debate.
        escape: makes a text harmless where it is shown.
        name: the same for an id.
    """

    result: Result
    escape: Escape
    name: Escape

    def text(self) -> str:
        """All sections, the answer first."""
        answer = (self._head, self._worth, self._decision, self._settling, self._parts)
        sections = (*answer, self._positions, self._minds, self._critiques, self._evidence, self._memory, self._price)
        return "\n\n".join(text for section in sections for text in section())

    def _head(self) -> Iterator[str]:
        result = self.result
        yield "# Debate"
        yield self._quote(result["transcript"]["brief"]["problem"])
        if not result["llm_used"]:
            yield "*Evidence panel: a statistical procedure. No language model was used.*"
        yield f"**{self._plain(headline(result))}**"
        if result["reason"]:
            yield f"Reason: {self._plain(result['reason'])}."
        if "worse_than_today" in result["flags"]:
            yield "It is expected to do worse than what is done today, and the least so of these options."
        if "suspected_injection" in result["flags"]:
            warning = "⚠ A text in this debate holds the markup of chats with models, which no reader is shown."
            yield f"{warning} It changed no vote; please check it."

    def _worth(self) -> Iterator[str]:
        """The options, and what each is expected to bring where anything is known."""
        worth = {one["option"]: one for one in self.result["standings"]}
        if self.result["options"]:
            yield "## Options"
            yield "\n".join(self._option(option, worth.get(option["id"])) for option in self.result["options"])

    def _option(self, option: Mapping[str, Any], worth: Mapping[str, Any] | None) -> str:
        line = f"- **{self._plain(option['id'])}** {self._plain(option['label'])}"
        if worth is None or not worth["sd"] > 0.0:
            return line
        learned = learned_in(self.result)
        if learned is not None and not learned.experiments:  # debates say which was right, and not by how much
            return f"{line}: {worth['probability_best']:.0%} the best"
        low, high = (math.expm1(worth["mean"] + side * Z_90 * worth["sd"]) for side in (-1.0, 1.0))
        known = "" if worth["evidence_ids"] or learned is not None else "; nothing is known of it"
        return (
            f"{line}: expected {math.expm1(worth['mean']):+.0%} against today (90 %: {low:+.0%} to {high:+.0%}){known}"
        )

    def _decision(self) -> Iterator[str]:
        result = self.result
        yield "## Decision"
        if result["decision"]:
            yield self._quote(result["decision"], longest=None)
        if result["llm_used"]:
            yield self._vote()
            yield from self._merged()
        else:
            learned = learned_in(self.result)
            yield who_decided(learned) if result["option"] or learned else "Nothing was decided."
            yield from self._models(learned) if learned else ()
        if result["confidence"] is not None:
            basis = result["confidence_basis"].replace("_", " ")
            agreed = f"; agreement {result['agreement']:.0%} of the vote" if result["llm_used"] else ""
            yield f"Confidence {result['confidence']:.0%} ({basis}){agreed}."
        yield from self._order()
        for reason in self._moderator():
            yield f"The moderator: {reason}"
        if result["dissent"]:
            yield f"Dissent: {', '.join(self._expert(agent) for agent in result['dissent'])}."
        baseline = result["baseline"]
        if baseline and result["llm_used"]:
            yield f"The evidence panel alone chooses {self._plain(baseline['option'])} ({baseline['confidence']:.0%})."
        if result["llm_used"] and result["option"]:
            yield SKILLS_NOT_MEASURED

    def _merged(self) -> Iterator[str]:
        """What was put together of the options, and how everybody then voted."""
        turns = self.result["transcript"]["turns"]
        closing = (t["message"] for t in turns if t["phase"] in ("merge", "synthesis") and t["message"])
        merged = next((one["parts"] for one in closing if len(one.get("parts", ())) >= FEWEST_MERGED), ())
        parts = " and ".join(self._plain(part) for part in merged)
        again = [turn["message"]["option"] for turn in turns if turn["phase"] == "ratify" and turn["message"]]
        behind = sum(1 for option in again if option and SEPARATOR in option)
        if again:
            outcome = "it was decided" if self.result.get("merged") else "what was ahead alone stands"
            yield f"Merged from {parts}, and voted on again: {behind} of {len(again)} for it; {outcome}."

    def _models(self, learned: LearnedPanel) -> Iterator[str]:
        """What each model counts for, how good it is alone, and who holds it."""
        lines = []
        for model in sorted(learned.models, key=lambda one: (-one.share, one.name)):
            holders = [self._expert(agent) for agent, held in learned.held.items() if model.name in held]
            who = f", held by {', '.join(holders)}" if holders else ""
            lines.append(f"- {IN_WORDS[model.name]}: counts {model.share:.0%}, alone right in {model.right:.1%}{who}")
        yield "\n".join(lines)

    def _vote(self) -> str:
        count = self.result["count"]
        shares = " · ".join(f"{self._plain(option)} {share:.0%}" for option, share in count["shares"].items())
        notes = "".join(f"; {self._plain(note)}" for note in count["notes"])
        return f"Vote ({count['method']}): {shares or 'no valid vote'} — {count['outcome'].replace('_', ' ')}{notes}."

    def _order(self) -> Iterator[str]:
        """Who has chosen by the order of the options."""
        for flag in self.result["flags"]:
            if flag.startswith(FIRST_TAKER):
                who = self._expert(flag.removeprefix(FIRST_TAKER))
                yield f"{who} named whatever stood first in its list each time: its vote says little."
        if "choices_follow_order" in self.result["flags"]:
            yield "Each expert named what stood first in its own list: the vote says little."

    def _moderator(self) -> Iterator[str]:
        """What the moderator gave as reasons, once where both orders gave the same."""
        turns = (turn for turn in self.result["transcript"]["turns"] if turn["phase"] in MODERATOR)
        texts = (turn["message"].get("text") for turn in turns if turn["message"])
        yield from dict.fromkeys(self._plain(text) for text in texts if text)

    def _settling(self) -> Iterator[str]:
        design = self.result.get("experiment")
        if design is None:
            return
        yield "## The experiment that would settle it"
        arms = "; ".join(f"{one['name']}: {self._plain(one['description']).rstrip('.')}" for one in design["variants"])
        yield (
            f"{arms}. About {design['units_per_arm']:,} exposures an arm would see a difference of "
            f"{design['effect']:.0%} (assumed: a base rate of {design['base_rate']:.0%}; power .8)"
            f"{duration_in_words(design)}.{' Create it:' * can_be_run(design)}"
        )
        if can_be_run(design):
            yield f"    {visible(design['command'])}"

    def _parts(self) -> Iterator[str]:
        if self.result["parts"]:
            yield "## Parts"
            yield "\n".join(
                f"- *{self._plain(part['problem'])}* {self._part_answer(part)} · {self.name(part['debate_id'])}"
                for part in self.result["parts"]
            )
            if undivided := self.result.get("undivided"):
                same = undivided == self.result["label"]
                yield (
                    "Dividing it changed nothing: the same findings, undivided, choose the same."
                    if same
                    else f"Undivided, the same findings choose: {self._plain(undivided)}."
                )
            elif self.result["llm_used"]:
                yield NOT_MEASURED

    def _part_answer(self, part: Mapping[str, Any]) -> str:
        if part["label"] is None:
            return f"No decision ({self._plain(part['reason'] or part['status'])})"
        return f"**{self._plain(part['label']).rstrip('.')}**, confidence {part['confidence'] or 0.0:.0%}"

    def _positions(self) -> Iterator[str]:
        """Everybody's last position; those with the same option and reason are quoted once."""
        result = self.result
        yield "## Positions"
        labels = {option["id"]: option["label"] for option in result["options"]}
        latest = {proposal["agent_id"]: proposal for proposal in result["proposals"]}
        first = {proposal["agent_id"]: proposal for proposal in reversed(result["proposals"])}
        experts: dict[tuple[str, str], list[str]] = {}
        for agent, proposal in latest.items():
            began, held = first[agent]["option"], proposal["option"]
            moved = f" (began with {self._plain(began)})" if began not in (held, None) else ""
            claim = proposal["proposal"].removeprefix(f"{labels.get(held)}: ")
            who = experts.setdefault((held or "abstaining", f"{claim} {proposal['reasoning']}".strip()), [])
            who.append(f"**{self._plain(proposal['agent_name'])}**{moved}")
        for (held, argued), names in experts.items():
            yield f"{', '.join(names)} — {self._plain(held)}"
            yield self._quote(argued)

    def _minds(self) -> Iterator[str]:
        if not self.result["changes"]:
            return
        yield "## Changes of mind"
        lines = []
        for change in self.result["changes"]:
            evidence = ", ".join(self.name(item) for item in change["because_evidence_ids"])
            unheard = "by its argument" if change["because"] == "argument" else "citing nothing new: **not counted**"
            because = f"by {evidence}" if evidence else unheard
            moved = f"{self._plain(change['from_option'])} → {self._plain(change['to_option'])}"
            lines.append(f"- {self._expert(change['agent_id'])}: {moved}, {because}")
        yield "\n".join(lines)

    def _critiques(self) -> Iterator[str]:
        critiques = [one for one in self.result["critiques"] if one["weaknesses"]]
        if critiques:
            yield "## Critiques"
            yield "\n".join(self._critique(one) for one in critiques)

    def _critique(self, critique: Mapping[str, Any]) -> str:
        of = self._expert(str(critique["target_proposal_id"]).rpartition(":")[2])
        kind, weaknesses = critique["kind"].replace("_", " "), self._plain(" ".join(critique["weaknesses"]))
        return f"- {self._plain(critique['critic_name'])} on {of}, {kind}: {weaknesses}"

    def _evidence(self) -> Iterator[str]:
        """The findings that somebody cited, by the ids they are cited with."""
        messages = (*self.result["proposals"], *self.result["votes"])
        cited = {item for message in messages for item in message["evidence_ids"]}
        known = [EvidenceRef.model_validate(one) for one in self.result["transcript"]["brief"]["evidence"]]
        used = [item for item in known if item.id in cited]
        if used:
            yield "## Evidence cited"
            yield "\n".join(f"- {self.name(item.id)} {self._plain(measured(item))}" for item in used)

    def _memory(self) -> Iterator[str]:
        """What was learned before about the question, and whether it still holds."""
        recalled = self.result["transcript"]["brief"].get("recalled") or ()
        if recalled:
            yield "## Learned before"
            yield "Shown to the experts, counted by nobody: what of it is evidence stands above."
            yield "\n".join(
                f"- {self._plain(one['statement'])} — still true? {self._plain(one['still_true'])}" for one in recalled
            )

    def _price(self) -> Iterator[str]:
        result, usage = self.result, self.result["usage"]
        tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        blind = f", {usage['unmeasured_calls']} of them unmeasured" if usage["unmeasured_calls"] else ""
        rounds = f"{result['rounds_run']} round{'s' if result['rounds_run'] != 1 else ''}"
        ended = f"{rounds}, ended by {result['stop_reason'].replace('_', ' ')}"
        yield "## Price"
        calls = f"{usage['calls']} call{'s' * (usage['calls'] != 1)}{blind} · {tokens:,} tokens, {self._cost(usage)}"
        yield f"{ended} · {calls} · {self.name(result['debate_id'])}"

    def _cost(self, usage: Mapping[str, Any]) -> str:
        """What the endpoint was paid, in the currency of the settings' prices."""
        tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        if not usage["calls"] or not (tokens or usage["unmeasured_calls"]):  # calls that got no reply are not paid
            return "no cost"
        if usage["cost"] is None:
            is_blind = usage["unmeasured_calls"] == usage["calls"]
            return "cost unknown" if is_blind else f"cost unknown: set {self._plain(PRICES)}"
        return f"cost {'at least ' if usage['unmeasured_calls'] else ''}{usage['cost']:.4f}"

    def _expert(self, agent_id: str) -> str:
        names = {one["agent_id"]: one["name"] for one in self.result["transcript"]["brief"]["experts"]}
        return self._plain(names.get(agent_id, agent_id))

    def _quote(self, text: str, longest: int | None = LONGEST_QUOTE) -> str:
        return f"> {self._plain(text, longest)}"

    def _plain(self, text: object, longest: int | None = LONGEST_QUOTE) -> str:
        """On one line, escaped, and not too long."""
        flat = " ".join(str(text).split())
        return self.escape(flat if longest is None or len(flat) <= longest else flat[:longest] + "…")
