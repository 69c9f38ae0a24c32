"""Experiments whose answers hold."""
