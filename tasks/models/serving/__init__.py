"""Predictions on request, and how a challenger takes them over from a champion."""
