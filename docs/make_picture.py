"""Draw the README's picture: frames of the synthetic signer with the skeleton that the real network finds.

python docs/make_picture.py        (needs the mediapipe extra; writes docs/images/skeleton.jpg)
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.demo.take import draw_clip
from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.landmarks import Layout, get_layout

ROWS = (("wave", 0), ("circle_outward", 1), ("gather", 4))  # (gloss, signer)
FRAMES, WIDTH, HEIGHT = 6, 280, 210  # per row; of one frame in pixels
LINE, DOT = (255, 214, 10), (0, 122, 255)  # RGB


def draw_skeleton(frame: NDArray[np.uint8], points: NDArray[np.float32], layout: Layout) -> None:
    """Draw landmarks (K, 4) in image fractions onto a frame (H, W, 3) RGB, in place."""
    height, width = frame.shape[:2]
    places = [
        tuple(int(v) for v in (x * width, y * height)) if np.isfinite(x) else None for x, y, *_ in points
    ]
    for start, end in layout.edges:
        if (one := places[start]) and (other := places[end]):
            cv2.line(frame, one, other, LINE, 2, cv2.LINE_AA)
    for place in places:
        if place:
            cv2.circle(frame, place, 3, DOT, -1, cv2.LINE_AA)


def main() -> None:
    extractor = make_extractor(ExtractorSpec("pose", "mediapipe"))
    layout, rows = get_layout("body"), []
    for gloss, signer in ROWS:
        frames, _ = draw_clip(gloss, signer, 0)
        moments = np.linspace(0.12, 0.88, FRAMES) * (len(frames) - 1)
        chosen = [frames[round(moment)].copy() for moment in moments]
        for frame, points in zip(chosen, extractor.extract(chosen).values, strict=True):
            draw_skeleton(frame, points, layout)
        rows.append(np.hstack([cv2.resize(f, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for f in chosen]))
    target = Path(__file__).parent / "images" / "skeleton.jpg"
    picture = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(target), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    extractor.close()
    print(f"wrote {target.relative_to(Path(__file__).parent.parent)}")


if __name__ == "__main__":
    main()
