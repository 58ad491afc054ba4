"""Draw the README's picture: frames of the synthetic signer with the skeleton that the networks find.

python docs/make_picture.py        (writes docs/images/skeleton.jpg)
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from toolkit.demo.take import draw_clip
from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.landmarks import get_layout
from toolkit.overlay import draw_landmarks, picture_strip

ROWS = (("wave", 0), ("circle_outward", 1), ("gather", 4))  # (gloss, signer)
FRAMES, HEIGHT = 6, 210  # per row; of one frame in pixels


def main() -> None:
    extractor = make_extractor(ExtractorSpec("pose", "onnx", "body_hands"))
    layout, drawn = get_layout("body_hands"), []
    for gloss, signer in ROWS:
        frames, _ = draw_clip(gloss, signer, 0)
        moments = np.linspace(0.12, 0.88, FRAMES) * (len(frames) - 1)
        chosen = [frames[round(moment)] for moment in moments]
        found = extractor.extract(chosen).values
        drawn += [draw_landmarks(frame, points, layout) for frame, points in zip(chosen, found, strict=True)]
    target = Path(__file__).parent / "images" / "skeleton.jpg"
    picture = cv2.cvtColor(picture_strip(drawn, HEIGHT, FRAMES), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(target), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    extractor.close()
    print(f"wrote {target.relative_to(Path(__file__).parent.parent)}")


if __name__ == "__main__":
    main()
