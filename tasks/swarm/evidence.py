"""Which evidence speaks about which option, and which expert is at home with it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.conditions import Condition
from tasks.swarm.records import EvidenceRef, Option
from tasks.swarm.skills import SkillTag as Tag

# Names of arms that say nothing of what was shown.
GENERIC = {"a", "b", "c", "d", "control", "treatment", "variant", "variation", "test", "baseline", "original"}
GENERIC |= {"new", "old", "group", "arm", "the"}
# Words of features' names that say how a feature is measured, not what it is about.
MEASURES = {"count", "share", "score", "length", "local", "is", "has", "type", "in", "of"}
LEAST_RELEVANT = 0.3
LARGEST_SLICE = 8

_TAGS: dict[str, tuple[Tag, ...]] = {
    "title_words": (Tag.HEADLINE_WRITING, Tag.PERSUASIVE_WRITING),
    "body_words": (Tag.STORYTELLING, Tag.SIMPLIFICATION),
    "word_count": (Tag.STORYTELLING, Tag.SIMPLIFICATION, Tag.SEMANTIC_SEO),
    "character_count": (Tag.SIMPLIFICATION, Tag.STYLE_GUIDELINES),
    "emoji_count": (Tag.EMOTIONAL_TRIGGERS, Tag.MEME_CULTURE, Tag.BRAND_VOICE),
    "hashtag_count": (Tag.SHAREABILITY, Tag.KEYWORD_RESEARCH, Tag.TREND_ANALYSIS),
    "mention_count": (Tag.SHAREABILITY, Tag.VIRAL_MECHANICS),
    "link_count": (Tag.TECHNICAL_SEO, Tag.CTA_OPTIMIZATION),
    "exclamation_count": (Tag.EMOTIONAL_TRIGGERS, Tag.TONE_CONSISTENCY),
    "question_count": (Tag.HEADLINE_WRITING, Tag.BEHAVIORAL_PSYCHOLOGY),
    "number_count": (Tag.HEADLINE_WRITING, Tag.COGNITIVE_BIASES, Tag.DATA_VISUALIZATION),
    "capitals_share": (Tag.STYLE_GUIDELINES, Tag.EMOTIONAL_TRIGGERS),
    "has_cta": (Tag.CTA_OPTIMIZATION, Tag.PERSUASIVE_WRITING),
    "readability": (Tag.SIMPLIFICATION, Tag.TECHNICAL_WRITING),
    "sentiment_score": (Tag.EMOTIONAL_TRIGGERS, Tag.TONE_CONSISTENCY),
    "tone": (Tag.TONE_CONSISTENCY, Tag.BRAND_VOICE, Tag.EMOTIONAL_TRIGGERS),
    "local_hour": (Tag.TREND_ANALYSIS,),
    "local_weekday": (Tag.TREND_ANALYSIS,),
    "is_weekend": (Tag.TREND_ANALYSIS,),
    "media_type": (Tag.VIRAL_MECHANICS, Tag.SHAREABILITY),
    "topic": (Tag.KEYWORD_RESEARCH, Tag.SEMANTIC_SEO, Tag.STORYTELLING),
}
EVERY_FINDING = (Tag.DATA_ANALYSIS, Tag.INSIGHT_GENERATION)


def tags_of(features: Iterable[str]) -> tuple[str, ...]:
    """Skills at home with findings about these features; whoever reads data reads every finding."""
    tags = {tag for feature in features for tag in _TAGS.get(feature, ())}
    return tuple(sorted(tags | set(EVERY_FINDING)))


def subject_of(item: EvidenceRef) -> str:
    """What the finding is about: findings with one subject estimate one effect."""
    if item.conditions:
        return "&".join(sorted(f"{c.feature}{c.op}{c.value}" for c in item.conditions))
    return "|".join(sorted(item.terms)) or item.id


def is_named_in(text: str, item: EvidenceRef) -> bool:
    """Whether a text speaks of what the finding is about: one of its features, or one of its terms in full."""
    said = set(words_of(text))
    features = {word for condition in item.conditions for word in words_of(condition.feature.replace("_", " "))}
    terms = (set(words_of(term)) - GENERIC for term in item.terms)
    return bool(said & (features - MEASURES)) or any(words and words <= said for words in terms)


def applies_to(item: EvidenceRef, option: Option) -> bool:
    """Whether the finding speaks about the option: its attributes meet every condition, or its label names it."""
    if option.is_status_quo or item.kind == "part":
        return False
    if item.conditions and all(c.feature in option.attributes for c in item.conditions):
        return all(Condition(c.feature, c.op, c.value).met_by(option.attributes) for c in item.conditions)
    label = set(words_of(option.label))
    return any(term_words and set(term_words) <= label for term_words in map(words_of, item.terms))


def speaks(evidence: Iterable[EvidenceRef], options: Sequence[Option]) -> bool:
    """Whether any of the findings speaks about any of the options."""
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


def _options_named(options: Sequence[Option], arm: str, description: str | None) -> list[str]:
    names = [set(words_of(text)) for text in (arm, description or "") if set(words_of(text)) - GENERIC]
    return [option.id for option in options if any(name <= set(words_of(option.label)) for name in names)]


def relevance(skills: dict[str, float], item: EvidenceRef) -> float:
    """How much at home an expert is with a finding, 0 to 1: its best effective level among the finding's tags."""
    return max((skills.get(tag, 0.0) for tag in item.tags), default=0.0)


def slice_for(skills: dict[str, float], evidence: Sequence[EvidenceRef]) -> tuple[str, ...]:
    """The findings an expert's skills earn it, most telling first; experts differ in what they know, not in name."""
    scored = [(relevance(skills, item) * telling(item), item.id) for item in evidence if _is_home(skills, item)]
    return tuple(item_id for _, item_id in sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:LARGEST_SLICE])


def telling(item: EvidenceRef) -> float:
    """|effect| in standard errors, squashed to (0, 1)."""
    return math.tanh(abs(item.effect) / item.se / 3.0) + 1e-6


def words_of(text: str) -> list[str]:
    """Lower-case words without a plural s, so that 'videos' meets 'video'."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in re.findall(r"\w+", text.lower())]


def _is_home(skills: dict[str, float], item: EvidenceRef) -> bool:
    return relevance(skills, item) >= LEAST_RELEVANT
