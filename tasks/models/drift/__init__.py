"""Whether a champion still fits what it predicts: its losses, its outputs, its inputs."""
