"""The seven experts every registry begins with."""

from __future__ import annotations

from tasks.swarm.profiles import AgentSkill, ExpertAgentProfile
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag

Skills = dict[SkillTag, tuple[ExpertiseLevel, float]]
MASTER, EXPERT, ADVANCED = ExpertiseLevel.MASTER, ExpertiseLevel.EXPERT, ExpertiseLevel.ADVANCED


def default_experts() -> list[ExpertAgentProfile]:
    """The experts, in the order of their roles."""
    return [_expert(role, *words, skills) for role, (words, skills) in _EXPERTS.items()]


def _expert(role: AgentRole, name: str, description: str, focus: str, skills: Skills) -> ExpertAgentProfile:
    return ExpertAgentProfile(
        role=role,
        name=name,
        description=description,
        skills=[AgentSkill(tag, level, confidence) for tag, (level, confidence) in skills.items()],
        system_prompt=f"You are {name}, an expert in {description.lower()}. Judge every option by {focus}.",
        temperature=0.7,
        agent_id=role.value,
        is_default=True,
    )


_EXPERTS: dict[AgentRole, tuple[tuple[str, str, str], Skills]] = {
    AgentRole.SEO_EXPERT: (
        ("Search Strategist", "Search optimization and keyword strategy", "what people search for and can find"),
        {
            SkillTag.KEYWORD_RESEARCH: (MASTER, 0.95),
            SkillTag.SEMANTIC_SEO: (EXPERT, 0.95),
            SkillTag.TECHNICAL_SEO: (EXPERT, 0.9),
            SkillTag.DATA_ANALYSIS: (ADVANCED, 0.75),
        },
    ),
    AgentRole.COPYWRITING_NINJA: (
        ("Conversion Copywriter", "Persuasive writing and conversion", "whether the words make readers act"),
        {
            SkillTag.PERSUASIVE_WRITING: (MASTER, 0.95),
            SkillTag.STORYTELLING: (EXPERT, 0.9),
            SkillTag.CTA_OPTIMIZATION: (EXPERT, 0.95),
            SkillTag.HEADLINE_WRITING: (MASTER, 0.9),
            SkillTag.EMOTIONAL_TRIGGERS: (ADVANCED, 0.8),
        },
    ),
    AgentRole.DATA_STORYTELLER: (
        ("Data Storyteller", "Data narratives and insights", "what the numbers support, and how certain they are"),
        {
            SkillTag.DATA_ANALYSIS: (MASTER, 0.95),
            SkillTag.DATA_VISUALIZATION: (EXPERT, 0.95),
            SkillTag.INSIGHT_GENERATION: (EXPERT, 0.95),
            SkillTag.STORYTELLING: (ADVANCED, 0.8),
            SkillTag.TREND_ANALYSIS: (ADVANCED, 0.75),
        },
    ),
    AgentRole.PSYCHOLOGY_SPECIALIST: (
        ("Behavioral Psychologist", "Behavioral psychology and persuasion", "how readers perceive, feel and decide"),
        {
            SkillTag.BEHAVIORAL_PSYCHOLOGY: (MASTER, 0.95),
            SkillTag.COGNITIVE_BIASES: (EXPERT, 0.95),
            SkillTag.EMOTIONAL_TRIGGERS: (EXPERT, 0.95),
            SkillTag.PERSUASIVE_WRITING: (ADVANCED, 0.75),
        },
    ),
    AgentRole.VIRAL_ENGINEER: (
        ("Viral Content Specialist", "Viral content and shareability", "what makes people pass it on"),
        {
            SkillTag.VIRAL_MECHANICS: (MASTER, 0.9),
            SkillTag.SHAREABILITY: (EXPERT, 0.95),
            SkillTag.TREND_ANALYSIS: (EXPERT, 0.9),
            SkillTag.MEME_CULTURE: (EXPERT, 0.85),
            SkillTag.HEADLINE_WRITING: (ADVANCED, 0.75),
        },
    ),
    AgentRole.BRAND_GUARDIAN: (
        ("Brand Guardian", "Brand consistency and voice", "whether it sounds like the brand and risks nothing of it"),
        {
            SkillTag.BRAND_VOICE: (MASTER, 0.95),
            SkillTag.TONE_CONSISTENCY: (EXPERT, 0.95),
            SkillTag.STYLE_GUIDELINES: (EXPERT, 0.95),
        },
    ),
    AgentRole.TECHNICAL_WRITER: (
        ("Technical Writer", "Making technical matters plain", "whether a reader understands it at once"),
        {
            SkillTag.TECHNICAL_WRITING: (MASTER, 0.95),
            SkillTag.DOCUMENTATION: (EXPERT, 0.95),
            SkillTag.SIMPLIFICATION: (EXPERT, 0.95),
            SkillTag.SEMANTIC_SEO: (ADVANCED, 0.6),
        },
    ),
}
