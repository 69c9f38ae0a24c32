"""The experiments' statistics: pure functions of arms' sums, each after its paper."""
