"""Text and time to feature columns; the simulated sample."""

from tasks.content.catalogue import BY_NAME, CATALOGUE, DERIVED, Feature
from tasks.content.features import with_features
from tasks.content.media import normal_media_type

__all__ = ["BY_NAME", "CATALOGUE", "DERIVED", "Feature", "normal_media_type", "with_features"]
