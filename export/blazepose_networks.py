"""The six networks: what goes in, which outputs stay and what they mean, how far they may differ from LiteRT.

Meanings are those of MediaPipe's graphs (modules/pose_detection, pose_landmark, holistic_landmark, hand_landmark
of release 0.10.21), which read the outputs by their number. This module converts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from export.blazepose_sources import DETECTOR, HAND_FULL, HAND_LITE, HAND_RECROP, POSE_FULL, POSE_LITE, Source

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Output:
    """number: of the output in the original network; shape: behind the batch; tolerance: largest difference to
    LiteRT allowed, in the output's own unit, for all numbers or for each of the last axis.

    Tolerances are about three times the largest difference that `python -m export.blazepose` and the tests
    measured: rounding, of which the depths, numbers in the hundreds, have most.
    """

    number: int
    shape: Shape
    meaning: str
    tolerance: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """One network. size: height and width of its input in pixels; low, high: what 0 and 255 become."""

    title: str
    source: Source
    size: int
    low: float
    high: float
    outputs: dict[str, Output]

    @property
    def input_meaning(self) -> str:
        """The input in one line, for the file's metadata."""
        return f"float32 NCHW RGB, {self.size}x{self.size}, pixel 0..255 as {self.low:g}..{self.high:g}"


def _pose(title: str, source: Source) -> Plan:
    outputs = {
        "landmarks": Output(
            0,
            (39, 5),
            "x, y, z in pixels of the input, visibility logit, presence logit; 0-32 body, 33-34 region of the "
            "next frame (centre, point on the circle), 35-38 not read",
            (1e-2, 1e-2, 5e-2, 6e-3, 6e-3),
        ),
        "presence": Output(1, (), "probability 0..1 that a person is in the image", (1e-4,)),
        "heatmap": Output(3, (39, 64, 64), "logits, landmark x row x column", (5e-3,)),
    }
    return Plan(title, source, 256, 0.0, 1.0, outputs)


def _hand(title: str, source: Source) -> Plan:
    outputs = {
        "landmarks": Output(0, (21, 3), "x, y, z in pixels of the input", (2e-3,)),
        "presence": Output(1, (), "probability 0..1 that a hand is in the image", (1e-4,)),
        "handedness": Output(
            2,
            (),
            "probability 0..1 that it is a right hand, in an image that is not mirrored",
            (1e-4,),
        ),
    }
    return Plan(title, source, 224, 0.0, 1.0, outputs)


PLANS: dict[str, Plan] = {
    "pose_detector.onnx": Plan(
        "BlazePose detector",
        DETECTOR,
        224,
        -1.0,
        1.0,
        {
            "boxes": Output(
                0,
                (2254, 12),
                "pixels of the input, from the anchor's centre: centre x, y, width, height, then x, y of four "
                "points: middle of the hips, body circle, middle of the shoulders, upper body circle",
                (5e-3,),
            ),
            "scores": Output(1, (2254,), "logits that a person is at the anchor", (5e-3,)),
        },
    ),
    "pose_landmarks_full.onnx": _pose("BlazePose landmarks, full", POSE_FULL),
    "pose_landmarks_lite.onnx": _pose("BlazePose landmarks, lite", POSE_LITE),
    "hand_recrop.onnx": Plan(
        "hand re-crop",
        HAND_RECROP,
        256,
        0.0,
        1.0,
        {
            "points": Output(
                0,
                (2, 2),
                "x, y in pixels of the input: centre of the hand's region, and the point that gives its "
                "direction and half its size",
                (1e-3,),
            )
        },
    ),
    "hand_landmarks_full.onnx": _hand("hand landmarks, full", HAND_FULL),
    "hand_landmarks_lite.onnx": _hand("hand landmarks, lite", HAND_LITE),
}
"""File name -> plan."""
