"""Registered models in MLflow, the protocol that moves champions, and retention."""
