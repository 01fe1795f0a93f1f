"""Bundled annotators."""
