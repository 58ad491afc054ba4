"""What a model file says about itself: glosses, mode, layout, trained length, extractor, training, metrics.

The text lives in the ONNX file's metadata_props, one compact JSON value per key, so that any runtime can read
it. This module knows no ONNX library: it turns a ModelMetadata into a mapping of strings and back.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

from toolkit.errors import ModelFileError
from toolkit.landmarks import LAYOUTS
from toolkit.untrusted import MIB, is_label, shown

PREFIX = "sign_toolkit."
FORMAT_VERSION = 1
"""Raised when a reader of the old format would misread a new file; added keys do not raise it."""
LARGEST_CLIP = 1024 * MIB  # bytes of one clip's values; 64 frames of video in full HD have 380 MiB
_RANK = {"pose": 2, "features": 1, "video": 3}  # axes of one frame's values


@dataclass(frozen=True)
class ModelMetadata:
    """Everything a runtime needs besides the graph. All values are checked when the object is made.

    glosses: class names in the order of the logits, distinct; mode: "pose", "features" or "video";
    layout: landmark layout name for pose, "" otherwise; num_frames: the trained length in frames;
    item_shape: one frame's values: pose (K, 4), features (D,), video (H, W, 3);
    extractor: fingerprint of the extractor whose output the model was trained on, {} for video;
    training, metrics: JSON values about the data, settings and measured accuracy (with n and interval);
    versions: package name -> version that made the file;
    temperature: logits are divided by it before the softmax, so that a score says how often an answer of that
    score was right on the validation clips; None or 1 leaves them as they are;
    ece: expected calibration error of these scores there, 0..1; threshold: the score, 0..1, below which an
    answer is not to be trusted. None, as in older files: nobody measured it, and no key is written.

    Raises:
        ModelFileError: a value has the wrong type or contradicts another.
    """

    glosses: tuple[str, ...]
    mode: str
    layout: str
    num_frames: int
    item_shape: tuple[int, ...]
    extractor: dict[str, str | int | float]
    training: dict[str, Any]
    metrics: dict[str, Any]
    versions: dict[str, str]
    temperature: float | None = None
    ece: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem is not None:
            raise ModelFileError(f"the model's metadata cannot be right: {problem}. {_CURE}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a clip's values: uint8 for mode video, float32 otherwise."""
        return np.dtype(np.uint8 if self.mode == "video" else np.float32)

    def to_properties(self) -> dict[str, str]:
        """String properties for ONNX metadata_props; every key starts with "sign_toolkit.".

        Raises:
            ModelFileError: a value is not JSON (NaN and infinity are not).
        """
        properties = {f"{PREFIX}format": str(FORMAT_VERSION)}
        for field in fields(self):
            if field.default is None and getattr(self, field.name) is None:
                continue
            try:
                text = json.dumps(
                    getattr(self, field.name), separators=(",", ":"), ensure_ascii=False, allow_nan=False
                )
            except (TypeError, ValueError) as error:
                raise ModelFileError(
                    f"the model's '{field.name}' cannot be written as JSON ({error}). "
                    "Give numbers, strings, lists and dicts only, and null instead of NaN."
                ) from error
            properties[PREFIX + field.name] = text
        return properties

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> ModelMetadata:
        """Read what `to_properties` wrote; keys of others, and keys added later, are ignored.

        Raises:
            ModelFileError: not one of our files, a newer format, or values that cannot be right.
        """
        _check_format(properties)
        absent = [field for field in fields(cls) if PREFIX + field.name not in properties]
        missing = [field.name for field in absent if field.default is MISSING]
        if missing:
            raise ModelFileError(
                f"the model's metadata lacks {', '.join(PREFIX + name for name in missing)}. {_CURE}"
            )
        values: dict[str, Any] = {}
        for field in fields(cls):
            if field in absent:
                continue
            text = properties[PREFIX + field.name]
            try:
                value = json.loads(text, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                raise ModelFileError(
                    f"the model's metadata key {PREFIX}{field.name} is not valid JSON ({error}): "
                    f"{text[:60]!r}. {_CURE}"
                ) from error
            values[field.name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


_CURE = "The file is damaged or was edited: export it again with: toolkit export RUN --output model.onnx"


def _check_format(properties: Mapping[str, str]) -> None:
    found = properties.get(f"{PREFIX}format")
    if found is None:
        raise ModelFileError(
            f"the model has no {PREFIX}format in its metadata, so it was not made by this toolkit. "
            "Give a file written by: toolkit export RUN --output model.onnx"
        )
    if not (found.isascii() and found.isdigit() and len(found) < 10) or int(found) < 1:
        raise ModelFileError(
            f"the model's {PREFIX}format is {shown(found)}, not a whole number from 1. {_CURE}"
        )
    if int(found) > FORMAT_VERSION:
        raise ModelFileError(
            f"the model has metadata format {found}; this toolkit reads up to format {FORMAT_VERSION}. "
            "Update it with: pip install --upgrade sign-toolkit"
        )


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _problem(metadata: ModelMetadata) -> str | None:
    """What is wrong with the values, or None."""
    glosses, mode, layout, shape = metadata.glosses, metadata.mode, metadata.layout, metadata.item_shape
    if not isinstance(glosses, tuple) or not all(isinstance(gloss, str) and gloss for gloss in glosses):
        return f"glosses must be a list of words, not {shown(glosses)}"
    if not glosses:
        return "there are no glosses"
    if len(set(glosses)) != len(glosses):
        twice = sorted(gloss for gloss, times in Counter(glosses).items() if times > 1)
        return f"these glosses occur twice: {shown(', '.join(twice[:5]), 200)[1:-1]}"
    unfit = [gloss for gloss in glosses if not is_label(gloss)]
    if unfit:
        return f"a gloss is too long or holds control characters: {shown(unfit[0])}"
    if not isinstance(mode, str) or mode not in _RANK:
        return f"mode must be one of {', '.join(_RANK)}, not {shown(mode)}"
    if not _is_size(metadata.num_frames):
        return f"num_frames must be a whole number from 1, not {shown(metadata.num_frames)}"
    if not isinstance(shape, tuple) or not all(_is_size(size) for size in shape) or len(shape) != _RANK[mode]:
        return f"item_shape of mode {mode} must be {_RANK[mode]} whole numbers from 1, not {shown(shape)}"
    if mode == "video" and shape[-1] != 3:
        return f"item_shape of mode video must end in 3 (RGB), not {shown(shape)}"
    if metadata.num_frames * math.prod(shape) * metadata.dtype.itemsize > LARGEST_CLIP:
        size = f"{shown(metadata.num_frames)} frames of {shown(shape)}"
        return f"a clip of {size} would be larger than {LARGEST_CLIP / MIB:g} MiB"
    if mode == "pose" and (not isinstance(layout, str) or layout not in LAYOUTS):
        return f"layout must be one of {', '.join(LAYOUTS)}, not {shown(layout)}"
    if mode == "pose" and shape != LAYOUTS[layout].item_shape:
        return f"item_shape of layout {layout} is {LAYOUTS[layout].item_shape}, not {shown(shape)}"
    if mode != "pose" and layout != "":
        return f"layout must be empty for mode {mode}, not {shown(layout)}"
    for name, allowed in (("extractor", (str, int, float)), ("versions", (str,)), ("training", (object,)),
                          ("metrics", (object,))):  # fmt: skip
        value = getattr(metadata, name)
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            return f"{name} must be a JSON object, not {shown(value)}"
        wrong = [key for key, item in value.items() if not isinstance(item, allowed)]
        if wrong:
            kinds = " or ".join(kind.__name__ for kind in allowed)
            return f"{name}['{wrong[0]}'] must be {kinds}, not {shown(value[wrong[0]])}"
    if metadata.temperature is not None and not (
        _is_number(metadata.temperature) and metadata.temperature > 0
    ):
        return f"temperature must be a number above 0, not {shown(metadata.temperature)}"
    for name in ("ece", "threshold"):
        part = getattr(metadata, name)
        if part is not None and not (_is_number(part) and 0 <= part <= 1):
            return f"{name} must be a number in 0..1, not {shown(part)}"
    return None


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
