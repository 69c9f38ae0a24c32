"""The vocabulary of expertise: skills, levels, roles, and the findings that each skill earns an expert."""

from __future__ import annotations

from enum import StrEnum


class SkillTag(StrEnum):
    """A skill that a task may need and an agent may have."""

    KEYWORD_RESEARCH = "keyword_research"
    SEMANTIC_SEO = "semantic_seo"
    TECHNICAL_SEO = "technical_seo"
    PERSUASIVE_WRITING = "persuasive_writing"
    STORYTELLING = "storytelling"
    CTA_OPTIMIZATION = "cta_optimization"
    HEADLINE_WRITING = "headline_writing"
    DATA_ANALYSIS = "data_analysis"
    DATA_VISUALIZATION = "data_visualization"
    INSIGHT_GENERATION = "insight_generation"
    BEHAVIORAL_PSYCHOLOGY = "behavioral_psychology"
    COGNITIVE_BIASES = "cognitive_biases"
    EMOTIONAL_TRIGGERS = "emotional_triggers"
    VIRAL_MECHANICS = "viral_mechanics"
    SHAREABILITY = "shareability"
    TREND_ANALYSIS = "trend_analysis"
    MEME_CULTURE = "meme_culture"
    BRAND_VOICE = "brand_voice"
    TONE_CONSISTENCY = "tone_consistency"
    STYLE_GUIDELINES = "style_guidelines"
    TECHNICAL_WRITING = "technical_writing"
    DOCUMENTATION = "documentation"
    SIMPLIFICATION = "simplification"


class ExpertiseLevel(StrEnum):
    """How far a skill goes, from least to most."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    EXPERT = "expert"
    MASTER = "master"

    @property
    def value_of_level(self) -> float:
        """The level as a number in (0, 1]."""
        return {"beginner": 0.2, "intermediate": 0.4, "advanced": 0.7, "expert": 0.9, "master": 1.0}[self.value]


class AgentRole(StrEnum):
    """What an agent is in a debate."""

    SEO_EXPERT = "seo_expert"
    COPYWRITING_NINJA = "copywriting_ninja"
    DATA_STORYTELLER = "data_storyteller"
    PSYCHOLOGY_SPECIALIST = "psychology_specialist"
    VIRAL_ENGINEER = "viral_engineer"
    BRAND_GUARDIAN = "brand_guardian"
    TECHNICAL_WRITER = "technical_writer"
    CONTENT_STRATEGIST = "content_strategist"


EVERY_FINDING = ("*",)
NO_FINDING = ()

# The features of content whose findings a skill earns. A skill that stands nowhere here fails the import, by its name.
FEATURES_OF_SKILL: dict[SkillTag, tuple[str, ...]] = {
    SkillTag.KEYWORD_RESEARCH: ("hashtag_count", "topic"),
    SkillTag.SEMANTIC_SEO: ("word_count", "topic"),
    SkillTag.TECHNICAL_SEO: ("link_count",),
    SkillTag.PERSUASIVE_WRITING: ("title_words", "has_cta"),
    SkillTag.STORYTELLING: ("body_words", "word_count", "topic"),
    SkillTag.CTA_OPTIMIZATION: ("link_count", "has_cta"),
    SkillTag.HEADLINE_WRITING: ("title_words", "question_count", "number_count"),
    SkillTag.DATA_ANALYSIS: EVERY_FINDING,
    SkillTag.DATA_VISUALIZATION: ("number_count",),
    SkillTag.INSIGHT_GENERATION: EVERY_FINDING,
    SkillTag.BEHAVIORAL_PSYCHOLOGY: ("question_count",),
    SkillTag.COGNITIVE_BIASES: ("number_count",),
    SkillTag.EMOTIONAL_TRIGGERS: ("emoji_count", "exclamation_count", "capitals_share", "sentiment_score", "tone"),
    SkillTag.VIRAL_MECHANICS: ("mention_count", "media_type"),
    SkillTag.SHAREABILITY: ("hashtag_count", "mention_count", "media_type"),
    SkillTag.TREND_ANALYSIS: ("hashtag_count", "local_hour", "local_weekday", "is_weekend"),
    SkillTag.MEME_CULTURE: ("emoji_count",),
    SkillTag.BRAND_VOICE: ("emoji_count", "tone"),
    SkillTag.TONE_CONSISTENCY: ("exclamation_count", "sentiment_score", "tone"),
    SkillTag.STYLE_GUIDELINES: ("character_count", "capitals_share"),
    SkillTag.TECHNICAL_WRITING: ("readability",),
    # No feature of a post measures how well a product is documented: such an expert learns from what others cite.
    SkillTag.DOCUMENTATION: NO_FINDING,
    SkillTag.SIMPLIFICATION: ("body_words", "word_count", "character_count", "readability"),
}
SKILLS_FOR_EVERY_FINDING = frozenset(skill for skill in SkillTag if FEATURES_OF_SKILL[skill] == EVERY_FINDING)
