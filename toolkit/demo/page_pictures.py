"""The pictures of the tour's page: signers with the skeletons that were found, and curves that follow the theme."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.landmarks import get_layout
from toolkit.overlay import draw_landmarks, picture_strip
from toolkit.store import FeatureStore
from toolkit.video import sample_frames

FRAME_HEIGHT, STRIP_HEIGHT = 240, 180  # pixels
COLUMNS = 8  # of a sprite; the style counts on them, and on two rows
QUALITY = 78  # of WebP, 0..100: a moving sign is some 100 KB
PLOT_WIDTH, PLOT_HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34
"""Margins of a plot, in its own units."""


def with_skeletons(store: FeatureStore, clip_id: str, video: Path) -> list[NDArray[np.uint8]]:
    """The frames of a clip that were looked at, (H, W, 3) uint8 RGB, with what was found in each."""
    layout = get_layout(store.spec.layout)
    frames = sample_frames(video, store.spec.num_frames)
    return [
        draw_landmarks(frame, points, layout) for frame, points in zip(frames, store[clip_id], strict=True)
    ]


def sprite(frames: Sequence[NDArray[np.uint8]]) -> str:
    """All frames in rows of COLUMNS, as an address that holds the picture itself."""
    return as_address(picture_strip(frames, FRAME_HEIGHT, COLUMNS))


def strip(frames: Sequence[NDArray[np.uint8]]) -> str:
    """Every other frame, side by side, as an address that holds the picture itself."""
    return as_address(picture_strip(frames[:: max(1, len(frames) // COLUMNS)], STRIP_HEIGHT, COLUMNS))


def as_address(picture: NDArray[np.uint8]) -> str:
    """(H, W, 3) uint8 RGB -> data:image/webp;base64,..."""
    _, encoded = cv2.imencode(
        ".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
    )
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def line_plot(title: str, series: dict[str, list[float]], top: float, unit: str = "") -> str:
    """An inline SVG of values over epochs 1, 2, ...; series: name -> values in 0..top, at most two."""
    epochs = max(len(values) for values in series.values())

    def place(epoch: int, value: float) -> tuple[float, float]:
        x = LEFT + (epoch - 1) / max(1, epochs - 1) * (PLOT_WIDTH - LEFT - RIGHT)
        return x, TOP + (1 - min(value, top) / top) * (PLOT_HEIGHT - TOP - BOTTOM)

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(1, share * top)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{PLOT_WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{share * top:.3g}{unit}</text>')
    for epoch in sorted({1, round(epochs / 2), epochs}):
        x, _ = place(epoch, 0)
        parts.append(f'<text x="{x:.1f}" y="{PLOT_HEIGHT - 12}" text-anchor="middle">{epoch}</text>')
    for number, values in enumerate(series.values(), start=1):
        points = " ".join("{:.1f},{:.1f}".format(*place(at, one)) for at, one in enumerate(values, start=1))
        parts.append(f'<polyline class="c{number}" points="{points}"/>')
    key = "".join(f'<span><i class="b{n}"></i>{name}</span>' for n, name in enumerate(series, start=1))
    return (
        f'<figure class="box"><figcaption>{title}</figcaption><svg viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}" '
        f'role="img" aria-label="{title} over epochs">{"".join(parts)}</svg><div class="key">{key}'
        "<span>across: epochs</span></div></figure>"
    )
