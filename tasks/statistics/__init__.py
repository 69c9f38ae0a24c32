"""Numerical methods that several capabilities share."""
