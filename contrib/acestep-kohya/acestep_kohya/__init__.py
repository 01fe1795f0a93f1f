"""Starts Kohya's trainers from one TOML."""
