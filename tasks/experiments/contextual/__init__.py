"""Experiments whose arms follow the context: what is known of a unit, which arm suits it, what that is worth."""
