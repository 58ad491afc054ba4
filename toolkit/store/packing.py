"""Landmarks in four bytes each: 10 bits for x, y and z, 2 for visibility. 16 frames of 33 points are 2112 bytes.

Poses are noisy anyway: two takes of the same frame differ by more than what is lost here. Codes are spread over
the range of a value by straight lines between the knots below, close together where signing happens and far apart
where landmarks are only guessed, as legs below the picture are. Knows nothing about files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VALUES = 4  # of a landmark: x, y, z, visibility
PLACE_KNOTS = ((-1.0, 1), (0.0, 63), (1.0, 863), (3.0, 1023))
"""x and y -> code. Inside the image (0..1) half a step is 1/1600; left of or above it 1/124, right or below 1/160.
Beyond the ends values are clamped: on 938 real clips x is in -0.03..1.02 and y in -0.07..2.9 (feet)."""
DEPTH_KNOTS = ((-3.0, 1), (-0.25, 401), (0.25, 801), (2.0, 1023))
"""z -> code. Half a step is 1/1600 in -0.25..0.25, where hands are (they are seen from their own wrist), 0.0035
in front of that and 0.004 behind it. On the same clips z is in -2.3..1.4."""
VISIBILITY_LEVELS = 3
"""0, 1/3, 2/3, 1: at most 1/6 off, and on the same side of 0.5 as before."""
MISSING = 0
"""The word of a landmark that was not found. No other landmark has it: x has no code 0."""
BITS = 10
MASK = (1 << BITS) - 1


def pack(landmarks: NDArray[np.floating]) -> NDArray[np.uint32]:
    """(..., 4) x, y, z, visibility -> (...) little-endian words: visibility in the upper two bits, then z, y, x.

    A landmark of which any value is not finite is missing as a whole. Values beyond the ends are clamped.
    """
    found = np.isfinite(landmarks).all(-1)
    values = np.where(found[..., None], landmarks, 0).astype(np.float64)
    words = np.rint(values[..., 3].clip(0, 1) * VISIBILITY_LEVELS).astype(np.uint32)
    for place, knots in ((2, DEPTH_KNOTS), (1, PLACE_KNOTS), (0, PLACE_KNOTS)):
        ends, codes = zip(*knots, strict=True)
        words = words << BITS | np.rint(np.interp(values[..., place], ends, codes)).astype(np.uint32)
    return np.where(found, words, MISSING).astype("<u4")


def unpack(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """(...) words -> (..., 4) float32, NaN in all four where the landmark is missing."""
    landmarks = np.empty((*words.shape, VALUES), np.float32)
    for place, table in enumerate((_PLACES, _PLACES, _DEPTHS, _SCORES)):
        landmarks[..., place] = table[words >> (BITS * place) & MASK]
    landmarks[words == MISSING] = np.nan
    return landmarks


def _decoded(knots: tuple[tuple[float, int], ...]) -> NDArray[np.float32]:
    """Code -> value."""
    ends, codes = zip(*knots, strict=True)
    return np.asarray(np.interp(np.arange(MASK + 1), codes, ends), np.float32)


_PLACES, _DEPTHS = _decoded(PLACE_KNOTS), _decoded(DEPTH_KNOTS)
_SCORES = (np.arange(VISIBILITY_LEVELS + 1) / VISIBILITY_LEVELS).astype(np.float32)
