"""How loud each channel is between the frames: changes are even, attacks are sudden and at their own moment.

A frame's amplitude is the root of its mean power. Of a frame in which a note begins this tells when: the share of the
power of the next frame is the share of the frame that sounded.
"""

import numpy as np

PARTS = 8  # of a frame, between whose ends loudness is interpolated: 5 ms
NEIGHBOURS = (3, 2)  # frames before and behind that decide how a frame begins and ends
ATTACK = 1.05  # times the loudness before is where an attack begins; what rises less swells


def envelopes(amplitudes: np.ndarray) -> np.ndarray:
    """Loudness [T, PARTS + 1, C] at the ends of each part of each frame, of amplitudes [T + 5, C] with `NEIGHBOURS`."""
    sudden = np.maximum(amplitudes[1:] - ATTACK * amplitudes[:-1], 0.0)
    even = (np.diff(amplitudes, axis=0) - sudden)[2:-1, None]
    way = (np.arange(PARTS + 1) / PARTS)[:, None]
    level = amplitudes[3:-2, None] + even[:-1] * np.minimum(way - 0.5, 0) + even[1:] * np.maximum(way - 0.5, 0)
    height, moment, inside = (x[:, None] for x in _attacks(amplitudes, sudden))
    before, own, after = slice(0, -2), slice(1, -1), slice(2, None)
    # Of an attack inside a frame one part is heard in its own mean and the rest in the next.
    begun = np.where(inside[own], sudden[2:-2, None], np.where(inside[before], height[before], height[own]))
    last = np.where(inside[before], moment[before] - 1, moment[own])
    level = level - begun + np.where(inside[before], height[before], height[own]) * _done(way - last)
    return level + np.where(inside[own], 0.0, height[after]) * _done(way - 1 - moment[after])


def _done(since: np.ndarray) -> np.ndarray:
    """How much of an attack is over so much of a frame after its moment."""
    return np.clip(since * PARTS + 0.5, 0, 1)


def _attacks(amplitudes: np.ndarray, sudden: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Height, moment and whether it lies inside, of the attacks of frames -1 to T, [T + 2, C].

    Moment 0 is a frame's start and 1 its end. A rise over two steps is one attack inside the frame between them.
    """
    twice = (sudden[:-1] > 0) & (sudden[1:] > 0)
    inside = twice[1:] & ~twice[:-1]
    power = amplitudes[1:] ** 2
    share = (power[1:-1] - power[:-2]) / np.maximum(power[2:] - power[:-2], 1e-20)
    height = np.where(inside, sudden[1:-1] + sudden[2:], sudden[1:-1])
    return height, np.where(inside, 1 - np.clip(share, 0, 1), 0.0), inside
