"""Comma-separated tags in captions: read, selected, edited with a journal, counted, audited and advised on.

Pure functions first: `captions` (tags and sentences), `edits`, `where`. `folder` applies them to songs, `journal`
writes and takes back, `statistics`, `audit` and `advice` look at what is there.
"""
