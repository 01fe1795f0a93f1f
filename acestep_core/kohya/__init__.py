"""Datasets as Kohya's trainers describe them: `N_name` folders, dataset TOML, metadata JSON and JSONL."""
