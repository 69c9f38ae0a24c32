"""The memory of the platform: what was learned by patterns, experiments, debates and models, found again by words."""

from tasks.learnings.records import RecalledLearning
from tasks.learnings.service import LearningService

__all__ = ["LearningService", "RecalledLearning"]
