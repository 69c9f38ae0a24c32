"""Predictive models: drift, retraining, registry."""
