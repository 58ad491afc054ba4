"""Words drawn onto a picture: with OpenCV's own TrueType font where it has one, else with its pen strokes.

OpenCV 5 brings a font with Latin, Cyrillic, Arabic and Chinese letters; OpenCV 4 only has strokes for ASCII.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
REGULAR, BOLD = 400, 700
_STROKE_HEIGHT = 30.0  # of the stroke font at scale 1, in pixels, from its own point of view
_FONT: Any = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def write(
    image: Image, words: str, at: tuple[int, int], size: int, colour: Colour, weight: int = REGULAR
) -> None:
    """Draw in place. at: (x, y) of the left end of the base line; size: in pixels; colour: RGB."""
    words = readable(words)
    if _FONT is not None:
        cv2.putText(image, words, at, colour, _FONT, size, weight)
    else:
        thick = max(1, round(size / (10 if weight > REGULAR else 16)))
        cv2.putText(
            image, words, at, cv2.FONT_HERSHEY_SIMPLEX, size / _STROKE_HEIGHT, colour, thick, cv2.LINE_AA
        )


def width_of(words: str, size: int, weight: int = REGULAR) -> int:
    """How many pixels `write` needs from left to right."""
    words = readable(words)
    if _FONT is not None:
        _, _, width, _ = cv2.getTextSize((0, 0), words, (0, 0), _FONT, size, weight)
        return int(width)
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size / _STROKE_HEIGHT, 1)
    return int(width)


def fitted(words: str, size: int, room: int, weight: int = REGULAR) -> str:
    """The words, cut with dots where they are wider than `room` pixels."""
    if width_of(words, size, weight) <= room:
        return words
    while words and width_of(words + "...", size, weight) > room:
        words = words[:-1]
    return words + "..."


def readable(words: str, font: Any = _FONT) -> str:
    """What the font can draw: from the right to the left turned round; without a font, letters near to it."""
    if font is None:
        plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
        return plain if plain.strip() or not words.strip() else "?" * min(len(words), 3)
    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in words):
        return words[::-1]  # the font draws letters in the order in which they are given
    return words
