"""The vocabulary of expertise: skills, levels, roles."""

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
