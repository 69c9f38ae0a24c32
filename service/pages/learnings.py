"""What one workspace has learned: the newest, or what answers a question best; and whether it still holds."""

from __future__ import annotations

from typing import Any

from service.pages.names import known_workspace
from tasks.learnings import LearningService
from tasks.warehouse import Warehouse

NEWEST_SHOWN, RECALLED_SHOWN = 50, 20


def learnings_context(warehouse: Warehouse, workspace_id: str, question: str) -> dict[str, Any]:
    """What the page shows; a blank question is none.

    Raises:
        ProblemError: 404 if there is no such workspace.
    """
    workspace = known_workspace(warehouse, workspace_id)
    service, words = LearningService(warehouse), question.strip()
    learned = (
        service.recall(words, workspace_id, RECALLED_SHOWN) if words else service.newest(workspace_id, NEWEST_SHOWN)
    )
    return {"learned": learned, "most": NEWEST_SHOWN, "question": words, "workspace": workspace}
