"""Which evidence is about which option and which side of a problem, how much it weighs, and who earns it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.conditions import OF_WORDS, Condition
from tasks.swarm.records import EvidenceRef, Option
from tasks.swarm.skills import FEATURES_OF_SKILL, SKILLS_FOR_EVERY_FINDING, SkillTag
from tasks.swarm.wording import NO, YES, names, says, words_of

# Names of arms that say nothing of what was shown.
GENERIC = {"a", "b", "c", "d", "control", "treatment", "variant", "variation", "test", "baseline", "original"}
GENERIC |= {"new", "old", "group", "arm", "the"}
MEANINGLESS = GENERIC | YES | NO
LEAST_RELEVANT = 0.3
LARGEST_SLICE = 8

# How many times the variance of an experiment's estimate another's is believed to have. A pattern comes as the effect
# that experiments calibrated it to, whose error holds its bias (`tasks.effects`). Of a release nobody has learned what
# it is worth: of seventeen conditions of the Upworthy archive the 90 % interval of the association holds the
# experiment's effect in 65 %, which makes the error 1.76 times as large as stated. A graded debate says less: which of
# two was better, not by how much.
UNCALIBRATED = 3.1
VARIANCE_FACTOR = {"experiment": 1.0, "transfer": UNCALIBRATED, "pattern": 1.0, "debate": 4.0}
# How far an effect moves within a year, as a share of itself: on 37 real pages lifts of the last 30 % of time differ
# by .29 more from those of the first 70 % than chance explains.
YEARLY_DRIFT = 0.29
# Of today's content, how much is what a finding is about, where nobody has counted.
USUAL_SHARE = {"experiment": 0.0, "transfer": 0.5, "pattern": 0.5, "debate": 0.0}

TIMING = {"local_hour", "local_weekday", "is_weekend"}
CHANNEL = {"channel", "content_type", "media_type"}


@dataclass(frozen=True, slots=True)
class Dimension:
    """One side of a problem: the question about it, and the skills of the team that answers."""

    question: str
    skills: tuple[SkillTag, ...]


# The sides of a marketing problem that can be debated apart; a lead divides a problem along them.
DIMENSIONS = {
    "content": Dimension(
        "What should the content itself be like?",
        (
            SkillTag.PERSUASIVE_WRITING,
            SkillTag.HEADLINE_WRITING,
            SkillTag.EMOTIONAL_TRIGGERS,
            SkillTag.STORYTELLING,
        ),
    ),
    "timing": Dimension("When should it be published?", (SkillTag.TREND_ANALYSIS, SkillTag.DATA_ANALYSIS)),
    "channel": Dimension(
        "Where and in which form should it be published?",
        (SkillTag.VIRAL_MECHANICS, SkillTag.SHAREABILITY, SkillTag.SEMANTIC_SEO),
    ),
    "strategy": Dimension(
        "What of that which was tried as a whole should be kept?",
        (SkillTag.DATA_ANALYSIS, SkillTag.INSIGHT_GENERATION, SkillTag.BRAND_VOICE),
    ),
}


def dimension_of(item: EvidenceRef) -> str:
    """The side a finding is about; one without conditions, or with conditions on several sides, is about the whole."""
    sides = {_side(condition.feature) for condition in item.conditions}
    return sides.pop() if len(sides) == 1 else "strategy"


def tags_of(features: Iterable[str]) -> tuple[str, ...]:
    """The skills that earn findings about these features; whoever reads data earns every finding."""
    about = set(features)
    specialists = {skill for skill, of_skill in FEATURES_OF_SKILL.items() if about.intersection(of_skill)}
    return tuple(sorted(specialists | SKILLS_FOR_EVERY_FINDING))


def subject_of(item: EvidenceRef) -> str:
    """What the finding is about: findings with one subject estimate one effect."""
    if item.conditions:
        return "&".join(sorted(f"{c.feature}{c.op}{c.value}" for c in item.conditions))
    return "|".join(sorted(item.terms)) or item.id


def variance(item: EvidenceRef) -> float:
    """Variance of the finding as an estimate of what happens today to those who act on it."""
    drift = YEARLY_DRIFT * item.effect * min(1.0, item.age_days / 365.0)
    return VARIANCE_FACTOR[item.kind] * item.se**2 + drift**2


def share_today(items: Iterable[EvidenceRef]) -> float:
    """How much of today's content is what findings of one subject are about, 0 to 1."""
    known = [item for item in items if item.share is not None]
    if known:
        return float(min(known, key=lambda item: (item.age_days, item.id)).share or 0.0)
    return min((USUAL_SHARE[item.kind] for item in items), default=0.0)


def is_named_in(text: str, item: EvidenceRef) -> bool:
    """Whether a text is about what the finding is about: one of its conditions, or one of its terms in full."""
    words = set(words_of(text))
    terms = (set(words_of(term)) - GENERIC for term in item.terms)
    return any(names(text, one) for one in item.conditions) or any(term and term <= words for term in terms)


def exposure(item: EvidenceRef, option: Option) -> float | None:
    """How much of what the option would publish is what the finding is about, 0 to 1; None where nobody can say."""
    if option.is_status_quo or item.kind == "part":
        return None
    if (stated := option.exposures.get(subject_of(item))) is not None:
        return stated
    if item.conditions and all(_is_shown(condition, option) for condition in item.conditions):
        shown = option.attributes | ({"title": option.title, "body": option.body} if option.is_content else {})
        met = [condition.met_by(shown) for condition in item.conditions]
        return 0.0 if False in met else None if None in met else 1.0
    in_label = [says(option.label, words) for words in map(words_of, item.terms) if set(words) - MEANINGLESS]
    return 1.0 if True in in_label else 0.0 if False in in_label else None


def _is_shown(condition: Condition, option: Option) -> bool:
    """Whether the option's attributes, or its text, can answer a condition."""
    return condition.feature in option.attributes or (condition.op in OF_WORDS and option.is_content)


def applies_to(item: EvidenceRef, option: Option) -> bool:
    """Whether acting on the option is, at least in part, what the finding is about."""
    return (exposure(item, option) or 0.0) > 0.0


def informs(item: EvidenceRef, option: Option) -> bool:
    """Whether the finding says anything of the option: it does what the finding is about, or is said not to."""
    return applies_to(item, option) or (not option.is_status_quo and subject_of(item) in option.exposures)


def argues_against(item: EvidenceRef, option: Option) -> bool:
    """Whether the finding expects less of the option than of the opposite."""
    return informs(item, option) and (item.effect < 0) == applies_to(item, option) and item.effect != 0


def any_applies(evidence: Iterable[EvidenceRef], options: Sequence[Option]) -> bool:
    """Whether any of the findings says anything of any of the options."""
    return any(informs(item, option) for item in evidence for option in options)


def answered_by(options: Sequence[Option], experiment: Mapping[str, Any]) -> str | None:
    """The option that an experiment's winner is, if options and arms can be told apart; else None.

    Args:
        experiment: `winner`, and `arms`: description or None by name.
    """
    meant = {arm: _options_named(options, arm, text) for arm, text in experiment["arms"].items()}
    winner = meant.get(experiment["winner"], [])
    rivals = {ids[0] for arm, ids in meant.items() if arm != experiment["winner"] and len(ids) == 1}
    return winner[0] if len(winner) == 1 and rivals - {winner[0]} else None


def relevance(skills: dict[str, float], item: EvidenceRef) -> float:
    """How well an expert's skills fit a finding, 0 to 1: its best effective level among the finding's tags."""
    return max((skills.get(tag, 0.0) for tag in item.tags), default=0.0)


def slice_for(skills: dict[str, float], evidence: Sequence[EvidenceRef]) -> tuple[str, ...]:
    """The findings an expert's skills earn it, the clearest first; experts differ in what they know, not in name."""
    scored = [
        (relevance(skills, item) * clarity(item), item.id)
        for item in evidence
        if relevance(skills, item) >= LEAST_RELEVANT
    ]
    return tuple(item_id for _, item_id in sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:LARGEST_SLICE])


def clarity(item: EvidenceRef) -> float:
    """|effect| in standard errors, squashed to (0, 1)."""
    return math.tanh(abs(item.effect) / item.se / 3.0) + 1e-6


def _options_named(options: Sequence[Option], arm: str, description: str | None) -> list[str]:
    names = [set(words_of(text)) for text in (arm, description or "") if set(words_of(text)) - GENERIC]
    return [option.id for option in options if any(name <= set(words_of(option.label)) for name in names)]


def _side(feature: str) -> str:
    return "timing" if feature in TIMING else "channel" if feature in CHANNEL else "content"
