"""The work: one capability a folder."""
