"""ACE-Step's transcriber and captioner: one sort of model (Qwen2.5-Omni), two kinds, so it has a folder of its own.

Checked with a tiny model of the same classes and against a server of our own; never with the released weights.
"""
