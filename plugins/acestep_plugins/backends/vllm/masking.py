"""Leaves one token of a row of logits, the one that a speaker draws. Runs inside the server."""

from collections.abc import Sequence

import torch

from acestep_plugins.backends.vllm.speaker import Speaker


def rule(row: torch.Tensor, speaker: Speaker, said: Sequence[int]) -> None:
    """Change the logits [vocabulary] in place. What a sequence says after its end, or against it, is the client's."""
    allowed = speaker.allowed(said)
    if allowed is None:
        return
    first, last = int(allowed.ids[0]), int(allowed.ids[-1])
    if last - first + 1 == len(allowed.ids):
        scores = row[first : last + 1]
    else:
        scores = row[torch.from_numpy(allowed.ids).to(row.device)]
    token = speaker.choose(scores.float().cpu().numpy(), allowed)
    row.fill_(float("-inf"))
    row[token] = 0.0
