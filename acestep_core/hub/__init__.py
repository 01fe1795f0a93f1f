"""Getting models: what there is, where it comes from, and files that arrive whole or not at all."""
