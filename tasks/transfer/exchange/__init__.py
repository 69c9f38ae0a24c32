"""Releases that installations hand to each other as signed files: noisy sums, never rows."""
