"""Text and time to feature columns; the simulated sample."""

from tasks.content.catalogue import BY_NAME, CATALOGUE, DERIVED, Feature
from tasks.content.features import with_features

__all__ = ["BY_NAME", "CATALOGUE", "DERIVED", "Feature", "with_features"]
