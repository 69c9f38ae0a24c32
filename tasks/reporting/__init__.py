"""How results look: artifacts, charts, events."""
