"""The swarm's SQL: experts and their scores, debates turn by turn, and the findings of all capabilities."""

from tasks.swarm.store.debates import (
    UNFINISHED,
    Exchange,
    begin_debate,
    conclude_debate,
    end_lease,
    exchanges_of,
    grade_debate,
    is_of,
    list_debates,
    load_debate,
    record_exchanges,
    resume_debate,
    save_turns,
    take_lease,
    turns_of,
    ungraded_debates,
)
from tasks.swarm.store.experts import experts, grades_by_agent, save_expert, save_scores, scores_by_agent, seed_experts
from tasks.swarm.store.findings import decided_arms, result_rows

__all__ = [
    "UNFINISHED",
    "Exchange",
    "begin_debate",
    "conclude_debate",
    "decided_arms",
    "end_lease",
    "exchanges_of",
    "experts",
    "grade_debate",
    "grades_by_agent",
    "is_of",
    "list_debates",
    "load_debate",
    "record_exchanges",
    "result_rows",
    "resume_debate",
    "save_expert",
    "save_scores",
    "save_turns",
    "scores_by_agent",
    "seed_experts",
    "take_lease",
    "turns_of",
    "ungraded_debates",
]
