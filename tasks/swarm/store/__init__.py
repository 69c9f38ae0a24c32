"""The swarm's SQL: experts and their scores, debates turn by turn, and the findings of all rooms."""

from tasks.swarm.store.debates import (
    RUNNING,
    UNFINISHED,
    begin_debate,
    conclude_debate,
    grade_debate,
    graded_debates,
    list_debates,
    load_debate,
    ungraded_debates,
)
from tasks.swarm.store.experts import experts, save_expert, save_scores, scores_by_agent, seed_experts
from tasks.swarm.store.findings import result_rows, workspaces
from tasks.swarm.store.turns import Exchange, exchanges_of, keep, save_turns, turns_of

__all__ = [
    "RUNNING",
    "UNFINISHED",
    "Exchange",
    "begin_debate",
    "conclude_debate",
    "exchanges_of",
    "experts",
    "grade_debate",
    "graded_debates",
    "keep",
    "list_debates",
    "load_debate",
    "result_rows",
    "save_expert",
    "save_scores",
    "save_turns",
    "scores_by_agent",
    "seed_experts",
    "turns_of",
    "ungraded_debates",
    "workspaces",
]
