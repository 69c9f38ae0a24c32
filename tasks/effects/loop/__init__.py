"""The loop: from what is known to the next experiment, and from decided experiments to what is done by default."""
