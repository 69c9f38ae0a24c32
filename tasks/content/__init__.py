"""Text and time to feature columns; the simulated sample."""
