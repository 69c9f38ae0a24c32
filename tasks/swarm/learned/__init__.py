"""The evidence panel's learned models: what graded comparisons of texts say of the next ones."""

from tasks.swarm.learned.comparisons import comparisons_of
from tasks.swarm.learned.panel import IN_WORDS, learned_panel

__all__ = ["IN_WORDS", "comparisons_of", "learned_panel"]
