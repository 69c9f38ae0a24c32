"""From association to effect: what doing it brings, learned from experiments on the same conditions."""
