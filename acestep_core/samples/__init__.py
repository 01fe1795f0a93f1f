"""Clips by which a training is heard: the same prompts and seeds without the adapter, while it trains, and with it."""
