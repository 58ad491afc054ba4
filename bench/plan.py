"""What is measured: the rows, the order they run in, and what each is compared with. Runs nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.profile import PROFILES
from toolkit.clips import Clip
from toolkit.errors import ConfigError

MODES = ("pose", "features", "video")


@dataclass(frozen=True)
class Row:
    """One line of the result: a stage of the pipeline in one mode with one backend.

    stage: a key of bench.rows.STAGES; backend: "onnx", "torch", ..., with the network, layout or precision
    behind it where there are several; default: what a user gets without choosing a backend;
    once: too slow, and too steady, to be repeated; quick: part of --quick.
    """

    stage: str
    mode: str = ""
    backend: str = ""
    default: bool = True
    once: bool = False
    quick: bool = True

    @property
    def name(self) -> str:
        words = " ".join(word for word in (self.stage, self.mode) if word)
        return f"{words} ({self.backend})" if self.backend else words


MACHINE = "machine"
"""Stage of the row that finds what this machine can do at best; every other row is compared with it, too."""
LITERAL, NAIVE = "guide's input", "naive loop"
"""Backends of training rows: our loop on the guide's raw coordinates, without augmentation; and the loop as one
writes it first, on the same."""
TIP, TIP_BATCH = "batch of 16", 16
"""Backend of training rows at the guide's tip, "larger batch sizes (8-16) with pre-extracted features"."""

# In the order in which each needs the ones before: training and holding read the store that extraction made.
ROWS = (
    Row("floor"),
    Row(MACHINE),
    Row("extract", "pose", "onnx"),
    Row("extract", "pose", "onnx lite", default=False, quick=False),
    Row("extract", "pose", "onnx body_hands", default=False, quick=False),
    Row("extract", "pose", "onnx packed", default=False, quick=False),
    Row("extract", "pose", "mediapipe", default=False, quick=False),
    Row("extract", "features", "onnx int8"),
    Row("extract", "features", "onnx fp32", default=False, quick=False),
    Row("extract", "features", "torch", default=False, quick=False),
    Row("extract", "video", "decode only"),
    *(Row("hold", mode) for mode in MODES),
    *(Row("train", mode) for mode in MODES),
    *(Row("train", mode, TIP, default=False, quick=False) for mode in ("pose", "features")),
    Row("train", "pose", LITERAL, default=False, quick=False),
    Row("train", "pose", NAIVE, default=False, quick=False),
    *(Row("export", mode, once=True, quick=False) for mode in MODES),
    *(Row("infer", mode, "onnx", quick=False) for mode in MODES),
    *(Row("infer", mode, "onnx int8", default=False, quick=False) for mode in MODES),
    *(Row("infer", mode, "torch", default=False, quick=False) for mode in MODES),
)
"""All rows. `floor` is the interpreter with numpy: what any row costs before it does anything."""

OTHERWISE = {"onnx": {"pose": "mediapipe", "features": "torch"}}
"""Backend of extraction -> mode -> what a user without this toolkit would otherwise extract with."""


@dataclass(frozen=True)
class Options:
    """How much is measured. clips: how many of the data set; repeats: processes per row;
    steps: mode -> training steps that are timed; hold_bytes: held at once by the `hold` rows; profile: a key of
    bench.profile.PROFILES or "" for the machine as it is; memory_mb: the cap on each row's memory, 0 for none;
    store: a finished one to train on, instead of extracting."""

    modes: tuple[str, ...] = MODES
    quick: bool = False
    num_frames: int = 16
    batch_size: int = 4
    clips: int = 48
    repeats: int = 3
    steps: Mapping[str, int] = field(default_factory=lambda: {"pose": 150, "features": 150, "video": 20})
    hold_bytes: int = 128 * 2**20
    model_asset: str = ""
    profile: str = ""
    memory_mb: int = 0
    store: str = ""

    def __post_init__(self) -> None:
        if self.profile and self.profile not in PROFILES:
            raise ConfigError(f"--profile is '{self.profile}'; choose from: {', '.join(PROFILES)}")
        if self.profile and not self.memory_mb:
            object.__setattr__(self, "memory_mb", PROFILES[self.profile].memory_mb)
        if self.memory_mb < 0:
            raise ConfigError(f"--memory_mb is {self.memory_mb}; give 1 or more")
        unknown = [mode for mode in self.modes if mode not in MODES]
        if unknown or not self.modes:
            raise ConfigError(
                f"--modes names {', '.join(unknown) or 'nothing'}; choose from: {', '.join(MODES)}"
            )
        for name, least in (("num_frames", 1), ("batch_size", 1), ("clips", 2), ("repeats", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"--{name} is {getattr(self, name)}; give {least} or more")

    @classmethod
    def quick_ones(cls, **given: Any) -> Options:
        """About a minute on two cores."""
        small = {
            "clips": 8,
            "repeats": 2,
            "steps": {"pose": 40, "features": 40, "video": 5},
            "hold_bytes": 2**25,
        }
        return cls(**{**small, **given, "quick": True})


@dataclass(frozen=True)
class Job:
    """Everything that the fresh process of one row needs. Travels as JSON.

    work_dir: a folder of this row and repetition; stores, runs, models: mode -> what earlier rows made.
    """

    row: Row
    options: Options
    clips: tuple[Clip, ...]
    work_dir: Path
    stores: Mapping[str, Path] = field(default_factory=dict)
    runs: Mapping[str, Path] = field(default_factory=dict)
    models: Mapping[str, Path] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def batch_size(self) -> int:
        """Clips per training step."""
        return TIP_BATCH if self.row.backend == TIP else self.options.batch_size

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Job:
        options = {**raw["options"], "modes": tuple(raw["options"]["modes"])}
        made = {name: {mode: Path(path) for mode, path in raw[name].items()} for name in MADE.values()}
        clips = tuple(Clip(**{**clip, "path": Path(clip["path"])}) for clip in raw["clips"])
        return cls(Row(**raw["row"]), Options(**options), clips, Path(raw["work_dir"]), **made)


VARIANTS: dict[str, dict[str, Any]] = {
    "lite": {"network": "lite"},
    "body_hands": {"landmarks": "body_hands"},
    "int8": {"precision": "int8"},
    "fp32": {"precision": "fp32"},
}
"""Word behind a backend -> what it changes in the ExtractorSpec; "packed" changes how its store holds numbers."""
MADE = {"extract": "stores", "train": "runs", "export": "models"}
"""stage -> the field of Job in which later rows find what it made."""
NEEDS = {"hold": "extract", "train": "extract", "export": "train", "infer": "export"}
"""stage -> the stage that must have succeeded in the same mode. Videos need no extraction to be held or trained
on; the torch model of `infer` needs the training run only."""


def needed_stage(row: Row) -> str | None:
    """The stage whose product, in the same mode, this row cannot do without."""
    if row.mode == "video" and row.stage in ("hold", "train"):
        return None
    if row.stage == "infer" and row.backend == "torch":
        return "train"
    return NEEDS.get(row.stage)


def choose_rows(options: Options) -> list[Row]:
    """The rows of these modes, in running order."""
    return [
        row
        for row in ROWS
        if (not row.mode or row.mode in options.modes)
        and (row.quick or not options.quick)
        and not (options.store and row.stage == "extract")
    ]


def choose_clips(clips: Sequence[Clip], count: int) -> tuple[Clip, ...]:
    """`count` clips spread evenly over the index, so that they show many glosses and signers.

    Raises:
        ConfigError: fewer than two clips.
    """
    if len(clips) < 2:
        raise ConfigError(f"there is {len(clips)} clip to measure with; give a data set of 2 clips or more")
    count = min(count, len(clips))
    places = [round(place * (len(clips) - 1) / (count - 1)) for place in range(count)]
    return tuple(clips[place] for place in places)


def baseline(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row that a user would otherwise pick: MediaPipe or torch to extract with, the naive loop to train with,
    torch to run a model with, and video for what poses and features spare.

    Where that one was not measured: the default backend of the mode, and for that the first mode measured.
    None for what is itself the alternative.
    """
    if _is_alternative(row) or row.stage == MACHINE or not row.mode:
        return None
    wanted = _otherwise(row)
    for other in rows:
        if other != row and wanted == (other.stage, other.mode, other.backend):
            return other
    alike = [other for other in rows if other.stage == row.stage and other.default]
    if not row.default:
        alike = [other for other in alike if other.mode == row.mode]
    return alike[0] if alike and alike[0] != row else None


def _otherwise(row: Row) -> tuple[str, str, str]:
    """Stage, mode and backend of the alternative to a row."""
    if row.backend == LITERAL:  # the same work, done naively
        return row.stage, row.mode, NAIVE
    if row.backend == TIP:
        return row.stage, row.mode, ""
    if row.stage in ("train", "hold"):
        return row.stage, "video", ""
    if row.stage == "infer":
        return row.stage, row.mode, "torch"
    return row.stage, row.mode, OTHERWISE.get(row.backend.partition(" ")[0], {}).get(row.mode, "")


def _is_alternative(row: Row) -> bool:
    videos = row.mode == "video" and row.stage in ("train", "hold")
    return videos or row.backend in ("mediapipe", "torch", NAIVE)
