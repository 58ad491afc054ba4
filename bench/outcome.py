"""What a row's process answers. Knows nothing about how it was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Outcome:
    """figures: name -> number, units in the names; made: the file or folder that later rows need;
    sources: figure -> the counter it was read from."""

    figures: dict[str, float]
    made: str = ""
    sources: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"figures": self.figures, "made": self.made, "sources": self.sources}


def per_clip(figures: dict[str, float], clips: int) -> dict[str, float]:
    """Times of pieces of `clips` clips each, and what follows from them per clip."""
    return figures | {
        "clips_per_s": clips / figures["wall_s"],
        "wall_s_per_clip": figures["wall_s"] / clips,
        "cpu_s_per_clip": figures["cpu_s"] / clips,
    }
