"""How cost grows with the work: the points that are measured, what they say, and what follows for all of WLASL.

Four curves, one quantity of the work each, the others as usual: clips, worker processes, batch size, frames per
clip. Runs nothing itself (bench.scale_run) and draws nothing (bench.scale_tables, bench.scale_picture).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.measure import Summary
from toolkit.errors import ConfigError

VERSION = 1
MODES = ("pose", "features")
"""Video is stored nowhere, so there is nothing to extract before starting."""
EXTRACT, TRAIN = "extract", "train"
CLIPS, WORKERS, BATCH, FRAMES = "clips", "workers", "batch size", "frames"
STUDENT_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Two-sided 95 % of Student's t for 1, 2, ... degrees of freedom; 1.96 to 2.2 beyond, of which 2.2 is taken."""


@dataclass(frozen=True)
class Point:
    """One process. axis: what grows; value: how much of it; stage: "extract" or "train"; once: not repeated."""

    axis: str
    value: int
    stage: str
    once: bool = False

    @property
    def name(self) -> str:
        return f"{self.stage}, {axis_value(self.axis, self.value)}"


@dataclass(frozen=True)
class Sizes:
    """What is measured. clips, workers, batches, frames: the values on each curve; usual_*: where they are not what
    grows; worker_clips: clips on the curve of workers; frame_clips: on that of frames; steps: of training."""

    mode: str = "pose"
    clips: tuple[int, ...] = (10, 100, 800)
    workers: tuple[int, ...] = (1, 2)
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    frames: tuple[int, ...] = (8, 16, 32, 64)
    usual_frames: int = 16
    usual_batch: int = 32
    worker_clips: int = 48
    frame_clips: int = 8
    steps: int = 40
    repeats: int = 2
    quick: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"--mode is '{self.mode}'; choose from: {', '.join(MODES)}")
        if self.repeats < 1:
            raise ConfigError(f"--repeats is {self.repeats}; give 1 or more")

    @classmethod
    def quick_ones(cls, **given: Any) -> Sizes:
        """About a minute on two cores."""
        small = {
            "clips": (4, 16), "batches": (1, 4, 16, 64), "frames": (8, 16, 32), "worker_clips": 12, "frame_clips": 4,
            "steps": 15, "repeats": 1,
        }  # fmt: skip
        return cls(**{**small, **given, "quick": True})


@dataclass(frozen=True)
class Measurement:
    """What the processes of a point said. reason: why it failed, "" if it did not."""

    axis: str
    value: int
    stage: str
    reason: str = ""
    figures: dict[str, Summary] = field(default_factory=dict)


@dataclass(frozen=True)
class Forecast:
    """A cost of the whole data set. unit: "s" or "bytes"; low, high: where it lies with 95 % certainty, None where
    too little was measured to say; basis: what it was worked out from."""

    what: str
    unit: str
    value: float
    low: float | None
    high: float | None
    basis: str


@dataclass(frozen=True)
class Scale:
    """options: the sizes; environment: see bench.environment; data: distinct clips; forecasts: for `whole` clips."""

    options: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    points: tuple[Measurement, ...]
    whole: int
    forecasts: tuple[Forecast, ...]
    notes: tuple[str, ...] = ()
    version: int = VERSION

    def curve(self, axis: str, stage: str, figure: str) -> list[tuple[int, Summary]]:
        """(value, figure) of the points that have it, by value."""
        found = [
            (point.value, point.figures[figure])
            for point in self.points
            if (point.axis, point.stage) == (axis, stage) and figure in point.figures
        ]
        return sorted(found, key=lambda pair: pair[0])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Scale:
        """Raises ConfigError for another version, KeyError or TypeError for what is damaged."""
        if raw["version"] != VERSION:
            raise ConfigError(
                f"the curves are of version {raw['version']!r}, this bench reads {VERSION}; run bench scale again"
            )
        points = tuple(
            Measurement(**{**point, "figures": {key: _summary(one) for key, one in point["figures"].items()}})
            for point in raw["points"]
        )
        forecasts = tuple(Forecast(**one) for one in raw["forecasts"])
        return cls(**{**raw, "points": points, "forecasts": forecasts, "notes": tuple(raw["notes"])})


def axis_value(axis: str, value: int) -> str:
    """'8 frames', 'batch of 4'."""
    return (
        f"batch of {value}" if axis == BATCH else f"{value} {axis if value > 1 else axis.removesuffix('s')}"
    )


def core_counts(cores: int) -> tuple[int, ...]:
    """1, 2, 4, ... and all cores."""
    return tuple(sorted({2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}))


def choose_points(sizes: Sizes) -> list[Point]:
    """All points in running order: whatever trains comes after the extraction whose store it reads."""
    most = max(sizes.clips)
    points = [
        Point(CLIPS, count, stage, once=count == most and not sizes.quick)
        for count in sizes.clips
        for stage in (EXTRACT, TRAIN)
    ]
    points += [Point(WORKERS, count, EXTRACT) for count in sizes.workers]
    points += [Point(BATCH, size, TRAIN) for size in sizes.batches]
    points += [Point(FRAMES, count, stage) for count in sizes.frames for stage in (EXTRACT, TRAIN)]
    return points


def store_of(point: Point, sizes: Sizes) -> Point | None:
    """The extraction whose store a training reads; None for an extraction."""
    if point.stage == EXTRACT:
        return None
    if point.axis == BATCH:
        return Point(CLIPS, sorted(sizes.clips)[-2:][0], EXTRACT)
    return Point(point.axis, point.value, EXTRACT)


def line_at(places: Sequence[float], values: Sequence[float], at: float) -> tuple[float, float | None]:
    """The straight line through measured values, continued to `at`, and the half width of its 95 % prediction
    interval (None with fewer than three values). At least two different places are needed."""
    centre, level = statistics.fmean(places), statistics.fmean(values)
    spread = sum((place - centre) ** 2 for place in places)
    slope = (
        sum((x - centre) * (y - level) for x, y in zip(places, values, strict=True)) / spread
    )  # least squares
    value = level + slope * (at - centre)
    freedom = len(values) - 2
    if freedom < 1:
        return value, None
    left = sum((y - level - slope * (x - centre)) ** 2 for x, y in zip(places, values, strict=True))
    off = math.sqrt(left / freedom * (1 + 1 / len(values) + (at - centre) ** 2 / spread))
    return value, student_t(freedom) * off


def student_t(freedom: int) -> float:
    """95 %, two-sided, for 1 or more degrees of freedom."""
    return STUDENT_T[freedom - 1] if freedom <= len(STUDENT_T) else 2.2


def _summary(raw: dict[str, Any]) -> Summary:
    return Summary(**{**raw, "values": tuple(raw["values"])})
