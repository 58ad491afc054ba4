"""What the window shows: the picture with the skeleton, and beside it what the signer says, in bars.

Knows how things look; it does not know where they come from.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.landmarks import Layout
from toolkit.live.text import BOLD, Colour, Image, fitted, width_of, write
from toolkit.overlay import draw_landmarks
from toolkit.stream import SignEvent

HEIGHT, SIDE, MARGIN = 600, 380, 28  # pixels: of the window, of the column beside the picture
BACKGROUND, TRACK, FAINT, WHITE = (24, 26, 32), (46, 50, 60), (150, 156, 170), (240, 242, 248)
SURE, UNSURE, RESTING = (64, 200, 130), (240, 180, 60), (96, 102, 116)
UNKNOWN = "I don't know"
HISTORY = 3  # signs before the last one that stay readable
NARROWEST, WIDEST = 0.5, 16 / 9  # of a picture's width to its height; others get a border


@dataclass(frozen=True)
class Status:
    """signing: whether a sign is being made; fps: pictures looked at per second; latency_ms: from a picture's
    arrival to now; dropped: pictures left out so far."""

    signing: bool
    fps: float
    latency_ms: float
    dropped: int


class Panel:
    """Draws one window after the other. Give it every event of the stream."""

    def __init__(self, layout: Layout | None, threshold: float, mirror: bool = False) -> None:
        """layout: of the landmarks, None to draw no skeleton; threshold: of an answer, marked in the bars;
        mirror: show the picture as a mirror would."""
        self._layout, self._threshold, self._mirror = layout, threshold, mirror
        self._event: SignEvent | None = None
        self._said: deque[str] = deque(maxlen=HISTORY + 1)

    def tell(self, event: SignEvent) -> None:
        """Take a guess or an answer, to be shown from now on."""
        self._event = event
        if event.final:
            self._said.append(event.gloss or UNKNOWN)

    def draw(self, image: Image, values: NDArray[np.float32] | None, status: Status) -> Image:
        """image: (H, W, 3) uint8 RGB; values: (K, 4) its landmarks. Returns (HEIGHT, any, 3) uint8 RGB."""
        picture = self._picture(image, values)
        side = np.empty((HEIGHT, SIDE, 3), np.uint8)
        side[:] = BACKGROUND
        self._draw_state(side, status)
        self._draw_answer(side)
        self._draw_bars(side)
        self._draw_history(side)
        figures = f"{status.fps:.0f} pictures/s     {status.latency_ms:.0f} ms behind"
        write(side, figures, (MARGIN, HEIGHT - 50), 18, FAINT)
        write(side, f"{status.dropped} dropped     q: quit", (MARGIN, HEIGHT - 24), 18, FAINT)
        return np.hstack([picture, side])

    def _picture(self, image: Image, values: NDArray[np.float32] | None) -> Image:
        aspect = min(max(image.shape[1] / image.shape[0], NARROWEST), WIDEST)
        width = round(HEIGHT * aspect)
        scale = min(width / image.shape[1], HEIGHT / image.shape[0])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        shrinks = scale < 1
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        if self._layout is not None and values is not None:
            small = draw_landmarks(np.asarray(small, np.uint8), values, self._layout)
        if self._mirror:
            small = cv2.flip(small, 1)
        canvas = np.empty((HEIGHT, width, 3), np.uint8)
        canvas[:] = BACKGROUND
        top, left = (HEIGHT - size[1]) // 2, (width - size[0]) // 2
        canvas[top : top + size[1], left : left + size[0]] = small
        return canvas

    def _draw_state(self, side: Image, status: Status) -> None:
        colour = SURE if status.signing else RESTING
        cv2.circle(side, (MARGIN + 7, 42), 8, colour, -1, cv2.LINE_AA)
        write(side, "signing" if status.signing else "waiting for hands", (MARGIN + 28, 49), 20, FAINT)

    def _draw_answer(self, side: Image) -> None:
        event = self._event
        if event is None:
            write(side, "...", (MARGIN, 118), 46, TRACK, BOLD)
            return
        words = (event.gloss or UNKNOWN) if event.final else f"{event.top[0][0]}?"
        size = 46
        while size > 26 and width_of(words, size, BOLD) > SIDE - 2 * MARGIN:
            size -= 4
        words = fitted(words, size, SIDE - 2 * MARGIN, BOLD)
        write(side, words, (MARGIN, 118), size, WHITE if event.final else FAINT, BOLD)

    def _draw_bars(self, side: Image) -> None:
        room = SIDE - 2 * MARGIN
        for place, (gloss, score) in enumerate([] if self._event is None else self._event.top[:3]):
            y = 178 + 74 * place
            percent = f"{100 * score:.0f} %"
            left = room - width_of("100 %", 22) - 10
            write(side, fitted(gloss, 22, left), (MARGIN, y), 22, WHITE if place == 0 else FAINT)
            write(side, percent, (SIDE - MARGIN - width_of(percent, 22), y), 22, FAINT)
            colour: Colour = RESTING
            if place == 0:
                colour = SURE if score >= self._threshold else UNSURE
            _bar(side, (MARGIN, y + 14), room, 1.0, TRACK)
            if round(100 * score):
                _bar(side, (MARGIN, y + 14), room, score, colour)
            mark = MARGIN + round(room * self._threshold)
            if place == 0:
                cv2.line(side, (mark, y + 10), (mark, y + 30), WHITE, 2, cv2.LINE_AA)

    def _draw_history(self, side: Image) -> None:
        before = list(self._said)
        if self._event is not None and self._event.final:
            before = before[:-1]
        if not before:
            return
        write(side, "before", (MARGIN, 424), 18, RESTING)
        for line, gloss in enumerate(reversed(before[-HISTORY:])):
            write(side, fitted(gloss, 22, SIDE - 2 * MARGIN), (MARGIN, 454 + 27 * line), 22, FAINT)


def _bar(side: Image, at: tuple[int, int], room: int, part: float, colour: Colour) -> None:
    """A bar with round ends, `part` of the room wide."""
    x, y = at
    end = x + max(12, round(room * part))
    cv2.line(side, (x + 6, y + 6), (end - 6, y + 6), colour, 12, cv2.LINE_AA)
