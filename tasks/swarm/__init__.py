"""Expert agents and their debates."""
