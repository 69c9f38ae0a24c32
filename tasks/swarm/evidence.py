"""Which evidence is about which option and which side of a problem, how much it weighs, and who earns it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.conditions import OF_WORDS
from tasks.swarm.records import EvidenceRef, Option
from tasks.swarm.skills import FEATURES_OF_SKILL, SKILLS_FOR_EVERY_FINDING, SkillTag

# Names of arms that say nothing of what was shown.
GENERIC = {"a", "b", "c", "d", "control", "treatment", "variant", "variation", "test", "baseline", "original"}
GENERIC |= {"new", "old", "group", "arm", "the"}
# Words of features' names that say how a feature is measured, not what it is about.
MEASURES = {"count", "share", "score", "length", "local", "is", "has", "type", "in", "of"}
LEAST_RELEVANT = 0.3
LARGEST_SLICE = 8

SOURCE_DISCOUNT = {"experiment": 1.0, "transfer": 0.5, "debate": 0.25, "pattern": 0.25}
HALF_LIFE_DAYS = 180.0

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


def discount(item: EvidenceRef) -> float:
    """How much of the item's precision is believed: 1 for a fresh experiment, halved every 180 days."""
    return float(SOURCE_DISCOUNT[item.kind] * 0.5 ** (item.age_days / HALF_LIFE_DAYS))


def is_named_in(text: str, item: EvidenceRef) -> bool:
    """Whether a text names what the finding is about: one of its features, or one of its terms in full."""
    words = set(words_of(text))
    named = [condition.feature for condition in item.conditions if condition.op not in OF_WORDS]  # words are terms
    features = {word for feature in named for word in words_of(feature.replace("_", " "))}
    terms = (set(words_of(term)) - GENERIC for term in item.terms)
    return bool(words & (features - MEASURES)) or any(term and term <= words for term in terms)


def applies_to(item: EvidenceRef, option: Option) -> bool:
    """Whether the finding is about the option: its attributes meet every condition, or its label names it."""
    if option.is_status_quo or item.kind == "part":
        return False
    if item.conditions and all(c.feature in option.attributes for c in item.conditions):
        return all(c.met_by(option.attributes) for c in item.conditions)
    label = set(words_of(option.label))
    return any(term_words and set(term_words) <= label for term_words in map(words_of, item.terms))


def any_applies(evidence: Iterable[EvidenceRef], options: Sequence[Option]) -> bool:
    """Whether any of the findings is about any of the options."""
    return any(applies_to(item, option) for item in evidence for option in options)


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


def words_of(text: str) -> list[str]:
    """Lower-case words without a plural s, so that 'videos' meets 'video'."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in re.findall(r"\w+", text.lower())]


def _options_named(options: Sequence[Option], arm: str, description: str | None) -> list[str]:
    names = [set(words_of(text)) for text in (arm, description or "") if set(words_of(text)) - GENERIC]
    return [option.id for option in options if any(name <= set(words_of(option.label)) for name in names)]


def _side(feature: str) -> str:
    return "timing" if feature in TIMING else "channel" if feature in CHANNEL else "content"
