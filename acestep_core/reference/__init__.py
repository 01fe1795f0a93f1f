"""Preprocessed songs as the reference's trainers and Side-Step keep them: .pt files of five tensors each."""
