"""Landmark layouts: which point sits in which slot, which slots swap in a mirror, which lines join them.

An array of landmarks never travels without the name of its layout. All layouts store (x, y, z, score) per
point: x and y as fractions of the image's width and height, z on the scale of x (smaller is nearer), score
in 0..1 (visibility for body points, presence for hand points), and NaN in all four where nothing was found.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.errors import ConfigError

VALUES_PER_POINT = 4

# MediaPipe Pose topology (BlazePose GHUM), in its own order.
BODY_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
# MediaPipe Hands topology.
HAND_NAMES = ("wrist", *(f"{finger}_{joint}" for finger in ("thumb", "index", "middle", "ring", "pinky")
                         for joint in ("1", "2", "3", "tip")))  # fmt: skip
BODY_EDGES = (
    (0, 2), (2, 7), (0, 5), (5, 8), (9, 10), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16), (15, 17), (15, 19),
    (15, 21), (16, 18), (16, 20), (16, 22), (11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (24, 26), (26, 28),
)  # fmt: skip
HAND_EDGES = tuple(
    edge
    for finger in range(5)
    for edge in ((0, 4 * finger + 1), *((4 * finger + j, 4 * finger + j + 1) for j in (1, 2, 3)))
)


@dataclass(frozen=True)
class Layout:
    """One arrangement of K points.

    swap: for every slot, the slot it takes in a mirror image (an involution);
    edges: pairs of slots joined in a drawing; parts: name -> range of slots found or lost together.
    """

    name: str
    points: tuple[str, ...]
    swap: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    parts: dict[str, range]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def item_shape(self) -> tuple[int, int]:
        """(K, 4): the shape of one frame's landmarks."""
        return (len(self.points), VALUES_PER_POINT)

    def slots(self, *names: str) -> list[int]:
        """The slots of the named points."""
        return [self.points.index(name) for name in names]


def _mirrored(points: tuple[str, ...]) -> tuple[int, ...]:
    def other(name: str) -> str:
        trade = {"left": "right", "right": "left"}
        return "_".join(trade.get(word, word) for word in name.split("_"))

    return tuple(points.index(other(name)) for name in points)


def _shift(edges: tuple[tuple[int, int], ...], by: int) -> tuple[tuple[int, int], ...]:
    return tuple((a + by, b + by) for a, b in edges)


_BODY_HANDS = (
    *BODY_NAMES,
    *(f"left_hand_{name}" for name in HAND_NAMES),
    *(f"right_hand_{name}" for name in HAND_NAMES),
)

LAYOUTS = {
    "body": Layout("body", BODY_NAMES, _mirrored(BODY_NAMES), BODY_EDGES, {"body": range(33)}),
    "body_hands": Layout(
        "body_hands",
        _BODY_HANDS,
        _mirrored(_BODY_HANDS),
        BODY_EDGES + _shift(HAND_EDGES, 33) + _shift(HAND_EDGES, 54),
        {"body": range(33), "left_hand": range(33, 54), "right_hand": range(54, 75)},
    ),
}


def get_layout(name: str) -> Layout:
    """The layout of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"there is no landmark layout '{name}'; choose one of: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
