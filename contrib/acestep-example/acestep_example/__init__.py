"""Example plugins for acestep-core."""
