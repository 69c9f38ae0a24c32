"""What `raptorflow recall` prints: what was learned that answers a question, and whether it still holds."""

from __future__ import annotations

import uuid
from typing import Any

from flows.workspace_names import workspaces_to_name
from tasks.errors import InputError
from tasks.learnings import LearningService, RecalledLearning
from tasks.warehouse import open_warehouse
from tasks.warehouse.scope import scope_of, workspace_owners


def recall(words: str, workspace_id: str | None, limit: int) -> list[RecalledLearning]:
    """What was learned until now, the best answer first; what no flow has kept yet is kept first.

    Raises:
        InputError: if the words are blank, or no workspace is named where there are several organizations.
        UnknownNameError: if there is no such workspace.
    """
    if not words.strip():
        raise InputError('nothing to look for; say it in words: raptorflow recall "emojis in subject lines"')
    warehouse = open_warehouse()
    if workspace_id is None and (others := workspaces_to_name(warehouse)):
        raise InputError(f"name one workspace with --workspace: {others}")
    service = LearningService(warehouse)
    scope = scope_of(workspace_owners(warehouse, workspace_id), workspace_id)
    run_id = f"recall-{uuid.uuid4().hex}"
    service.remember(scope.workspace_ids, run_id)
    service.remember_unowned(run_id)
    return service.recall(words, workspace_id, limit)


def as_rows(learnings: list[RecalledLearning]) -> list[dict[str, Any]]:
    """As people read them."""
    return [
        {
            "learned": f"{one.learned_at:%Y-%m-%d}",
            "from": f"{one.kind.replace('_', ' ')} ({one.basis})",
            "what": one.statement,
            "effect": one.effect_in_words,
            "still true?": one.still_true,
        }
        for one in learnings
    ]
