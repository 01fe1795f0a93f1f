"""Bundled transcribers."""
