"""Signs in input that has no end: when one begins and is over, what it is, and when nobody can tell."""

from __future__ import annotations

from toolkit.stream.activity import Activity, HandActivity, PictureActivity
from toolkit.stream.following import Seen, follow
from toolkit.stream.segments import Segment, Segments
from toolkit.stream.signs import DEFAULT_THRESHOLD, SignEvent, SignStream

__all__ = [
    "DEFAULT_THRESHOLD",
    "Activity",
    "HandActivity",
    "PictureActivity",
    "Seen",
    "Segment",
    "Segments",
    "SignEvent",
    "SignStream",
    "follow",
]
