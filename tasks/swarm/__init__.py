"""Expert agents and their debates."""

from tasks.swarm.agent_debate_orchestrator import AgentDebateOrchestrator
from tasks.swarm.expert_agent_registry import ExpertAgentRegistry
from tasks.swarm.limits import Limits
from tasks.swarm.llm import Endpoint
from tasks.swarm.profiles import AgentSkill, ExpertAgentProfile, TaskRequirements
from tasks.swarm.question import Part
from tasks.swarm.records import ConsensusStrategy
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag

__all__ = [
    "AgentDebateOrchestrator",
    "AgentRole",
    "AgentSkill",
    "ConsensusStrategy",
    "Endpoint",
    "ExpertAgentProfile",
    "ExpertAgentRegistry",
    "ExpertiseLevel",
    "Limits",
    "Part",
    "SkillTag",
    "TaskRequirements",
]
