"""What people call and the house itself may not: the one list of it, each entry with its reason.

A checker holds it both ways: what is neither used nor listed here is dead, and what is listed here exists.
"""

from __future__ import annotations

GUIDE = "the guide shows it to its users"
README = "the README or docs/ tell people of it"

FACES: dict[str, str] = {
    "PerformanceAnalyzer": "tasks.patterns.performance_analyzer",
    "TransferLearner": "tasks.transfer.transfer_learner",
    "TransferPublisher": "tasks.transfer.transfer_publisher",
    "ModelUpdater": "tasks.models.model_updater",
    "ExperimentEngine": "tasks.experiments.experiment_engine",
    "ExpertAgentRegistry": "tasks.swarm.expert_agent_registry",
    "AgentDebateOrchestrator": "tasks.swarm.agent_debate_orchestrator",
}

# Where something is awaited that is no service of ours: a debate's turns wait for an endpoint.
WAITS_FOR_AN_ENDPOINT = {
    "tasks.swarm.llm",
    "tasks.swarm.llm_deliberator",
    "tasks.swarm.deliberators",
    "tasks.swarm.debate_runner",
}

PUBLIC: dict[str, str] = {
    "PerformanceAnalyzer": GUIDE,
    "PerformanceAnalyzer.analyze_patterns": GUIDE,
    "PerformanceAnalyzer.get_pattern_recommendations": GUIDE,
    "PerformanceAnalyzer.explain": "beside a recommendation: which pattern it is and what it rests on",
    "TransferLearner": GUIDE,
    "TransferLearner.get_transfer_insights": GUIDE,
    "TransferLearner.compute_workspace_similarity": GUIDE,
    "TransferLearner.find_similar_workspaces": "beside the guide's similarity of two: the nearest of an organization",
    "TransferPublisher": README,
    "TransferPublisher.contribute": "what the flow does for one workspace, for those who run it themselves",
    "TransferPublisher.release": "what the flow does once a period, for those who run it themselves",
    "Benefit.ranking": "what `follow` of an answer's `benefit` means, for who ranks drafts by it",
    "ModelUpdater": GUIDE,
    "ModelUpdater.check_and_update_models": GUIDE,
    "ModelUpdater.detect_drift": GUIDE,
    "ModelUpdater.schedule_updates": GUIDE,
    "ModelUpdater.rollback_model": GUIDE,
    "ModelUpdater.predict": "what the models are for",
    "ModelUpdater.promote_model": "a person's promotion, as the flow model-promotion does it",
    "ModelUpdater.pin_version": "a person's word against automatic promotion",
    "ModelUpdater.delete_old_versions": "what housekeeping does, for those who run it themselves",
    "ModelUpdater.challenger": "what a promotion would promote, before it is asked for",
    "ModelUpdater.rollback_target": "where a rollback would lead, before it is asked for",
    "ExperimentEngine": GUIDE,
    "ExperimentEngine.create_experiment": GUIDE,
    "ExperimentEngine.start_experiment": GUIDE,
    "ExperimentEngine.assign_variant": GUIDE,
    "ExperimentEngine.record_outcome": GUIDE,
    "ExperimentEngine.analyze_experiment": GUIDE,
    "ExperimentEngine.check_significance": GUIDE,
    "ExperimentEngine.complete_experiment": GUIDE,
    "ExperimentEngine.plan_experiment": "the guide's practice: calculate the required sample size before starting",
    "ExperimentEngine.recommend_variant": "what a web site serves once a contextual experiment has a proven policy",
    "ExperimentEngine.evaluate_policy": "what another policy would have earned on somebody's own log, before it serves",
    "ExperimentEngine.assign_variants": "assign_variant for many units at once",
    "ExperimentEngine.assigned_variants": "which variant units have, without assigning any",
    "ExperimentEngine.record_outcomes": "record_outcome for many units at once",
    "ExperimentEngine.set_weights": "staged traffic, which the guide's allocation strategies leave to a person",
    "ExperimentEngine.switch_off": "an arm that does harm goes, and the experiment goes on",
    "ExperimentEngine.set_traffic_share": "a ramp: more units take part, nobody is moved",
    "ExperimentEngine.current_defaults": "the guide's third workflow: what won becomes the default strategy",
    "ExperimentEngine.get_experiment": "the record that create_experiment gave, later",
    "ExperimentEngine.list_experiments": "the experiments that there are",
    "ExperimentEngine.decisions": "the guide's practice: document results; the log of one experiment",
    "ExperimentEngine.looks": "the guide's practice: document results; the interim analyses of one experiment",
    "ExperimentEngine.running_experiments": "the experiments that run, by workspace",
    "ExperimentEngine.complete_if_decided": "end an experiment only where its analysis decided",
    "ExperimentEngine.analyze_aggregated": "experiments that were ingested as aggregated arms",
    "ExpertAgentRegistry": GUIDE,
    "ExpertAgentRegistry.get_agent": GUIDE,
    "ExpertAgentRegistry.find_agents_by_skill": GUIDE,
    "ExpertAgentRegistry.assemble_team": GUIDE,
    "ExpertAgentRegistry.update_performance": GUIDE,
    "ExpertAgentRegistry.register_agent": GUIDE,
    "ExpertAgentRegistry.skill_history": "what graded work has made of an agent's declared levels, and when",
    "ExpertAgentRegistry.list_agents": "the agents that there are",
    "ExpertAgentRegistry.performance": "what update_performance has made of an agent",
    "ExpertAgentProfile": GUIDE,
    "AgentDebateOrchestrator": GUIDE,
    "AgentDebateOrchestrator.orchestrate_debate": GUIDE,
    "AgentDebateOrchestrator.replay": "the guide's practice: preserve transcripts; a stored debate, once more",
    "AgentDebateOrchestrator.list_debates": "the debates that there were",
    "AgentDebateOrchestrator.grade_debate": "what a debate's decision turned out to be worth",
    "AgentDebateOrchestrator.grade_decided": "the same for all whose experiments have ended",
}
