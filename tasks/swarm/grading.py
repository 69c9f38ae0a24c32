"""How a debate turned out, and what that says of each expert: graded against outcomes, never against agreement."""

from __future__ import annotations

from tasks.errors import UnknownNameError
from tasks.swarm import store
from tasks.swarm.evidence import answered_by
from tasks.swarm.positions import position
from tasks.swarm.preparation import TASK_TYPE
from tasks.swarm.protocol import with_options
from tasks.swarm.records import Brief
from tasks.warehouse import Warehouse


def grade_decided(warehouse: Warehouse, workspace_id: str | None) -> dict[str, dict[str, float]]:
    """Grade the debates that an experiment has answered since; scores by agent, by debate id."""
    graded = {}
    for row, experiments in store.ungraded_debates(warehouse, workspace_id):
        brief = Brief.model_validate(row["brief"])
        options = with_options(brief, store.turns_of(warehouse, row["debate_id"])).options
        answers = [(one, answered_by(options, one)) for one in experiments]
        found = next(((one, option) for one, option in answers if option is not None), None)
        if found is not None:
            source = f"experiment {found[0]['experiment_id']}"
            graded[row["debate_id"]] = grade(warehouse, row["debate_id"], found[1], source)
    return graded


def grade(warehouse: Warehouse, debate_id: str, right_option: str, source: str) -> dict[str, float]:
    """Record which option turned out right; the scores of those who held one.

    Raises:
        UnknownNameError: if there is no such debate, or it has no such option.
    """
    brief = Brief.model_validate(store.load_debate(warehouse, debate_id)["brief"])
    turns = store.turns_of(warehouse, debate_id)
    settled = with_options(brief, turns)
    known = {option.id for option in settled.options}
    if right_option not in known:
        raise UnknownNameError("option", right_option, known)
    held = {e.agent_id: position(settled, turns, e.agent_id, brief.rounds).option for e in brief.experts}
    scores = {agent: float(option == right_option) for agent, option in held.items() if option is not None}
    graded = {"task_type": TASK_TYPE, "about": debate_id}
    if scores:
        store.save_scores(warehouse, [graded | {"agent_id": agent, "score": score} for agent, score in scores.items()])
    store.grade_debate(warehouse, debate_id, right_option, source)
    return scores
