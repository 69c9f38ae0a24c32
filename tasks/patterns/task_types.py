"""Which kinds of work a pattern can serve: the one map from an agent's task types to content types."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.errors import UnknownNameError

# Task types of agents, and the content types whose results speak about them. An empty tuple means any content.
TASK_TYPES: dict[str, tuple[str, ...]] = {
    "social_media_post": ("social",),
    "blog_writing": ("blog",),
    "email_campaign": ("email",),
    "ad_copy": ("ad",),
    "campaign_strategy": (),
    "content_planning": (),
}


def require_task_type(task_type: str) -> str:
    """The task type, if it is a known one.

    Raises:
        UnknownNameError: if it is not, with the nearest one.
    """
    if task_type not in TASK_TYPES:
        raise UnknownNameError("task type", task_type, TASK_TYPES)
    return task_type


def known_content_types() -> set[str]:
    """Content types that some task type is about."""
    return {content_type for served in TASK_TYPES.values() for content_type in served}


def tasks_served(content_types: Iterable[str]) -> tuple[str, ...]:
    """Task types that patterns of these content types serve."""
    held = set(content_types)
    return tuple(name for name, served in TASK_TYPES.items() if not served or held & set(served))
