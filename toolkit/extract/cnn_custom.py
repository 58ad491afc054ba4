"""Features by a network of the user's own: any ONNX file that turns one picture into one row of numbers.

    toolkit extract --mode features --model my.onnx --model_mean 0.485,0.456,0.406 --model_std 0.229,0.224,0.225

What its pixels are to look like stands in the file (metadata keys below, each a JSON value) or in flags, which win.
Before the first clip the network is run on drawn pictures, so that a wrong export is refused at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError, ModelFileError
from toolkit.extract.cnn_frames import FrameCnn
from toolkit.extract.cnn_projection import OWN_NETWORK
from toolkit.extract.model_digest import model_digest
from toolkit.extract.protocol import ExtractorSpec, Fingerprint, PixelScale
from toolkit.metadata import PREFIX
from toolkit.model_guard import check_model_file
from toolkit.session import make_session

LAYOUT_KEY, MEAN_KEY, STD_KEY = f"{PREFIX}cnn.layout", f"{PREFIX}cnn.mean", f"{PREFIX}cnn.std"
"""Metadata of a network: "NCHW" or "NHWC"; mean and std of p / 255, one number or three, red first."""
SIZE_KEY = f"{PREFIX}cnn.image_size"
"""Side of the input in pixels, for a network that takes any."""
OUTPUT = "embeddings"
"""Which output is meant where there are several."""
TYPES: dict[str, type[np.generic]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}
AXES = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}  # of channels, height, width
LARGEST = 2048  # pixels


class InputForm(NamedTuple):
    """How a network takes pictures. mean, std: () for uint8, else one number or three; sizes in pixels."""

    name: str
    dtype: type[np.generic]
    layout: str
    width: int
    height: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class OwnCnn(FrameCnn):
    """Features by `spec.model_asset` on onnxruntime.

    Raises:
        ConfigError: no such file, a setting that has no meaning for it, or one that is missing.
        ModelFileError: the network cannot be used; says why and how to export it.
    """

    def __init__(self, spec: ExtractorSpec) -> None:
        path = spec.model_asset
        assert path is not None
        if not path.is_file():
            raise ConfigError(f"there is no file {path}; give --model the .onnx file of your network")
        if spec.embed_dim is not None:
            raise ConfigError(
                f"embed_dim is {spec.embed_dim}, but a network of your own gives as many numbers as it does; "
                "leave it out"
            )
        if spec.precision == "int8":
            raise ConfigError(
                "precision int8 is for the network that ships; give your own as it is to be run"
            )
        check_model_file(path, weights_beside=True)
        self._session = make_session(path, spec.threads, device=spec.device)
        self._digest = model_digest(path)
        self._form = input_form(self._session, spec, path)
        self._output = _output_name(self._session, path)
        super().__init__(spec, self._form.width, self._form.height, self._dry_run(path))

    @property
    def fingerprint(self) -> Fingerprint:
        form = self._form
        return super().fingerprint | {
            "network": OWN_NETWORK,
            "weights": self._digest[:16],
            "layout": form.layout,
            "mean": ",".join(f"{value:g}" for value in form.mean),
            "std": ",".join(f"{value:g}" for value in form.std),
        }

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        # one at a time: the file may be exported for a batch of 1
        return np.concatenate([self._run(image).reshape(1, -1) for image in images])

    def close(self) -> None:
        super().close()
        self.__dict__.pop("_session", None)

    def _run(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        values = self._session.run([self._output], {self._form.name: prepared(image, self._form)})[0]
        return np.asarray(values, np.float32)

    def _dry_run(self, path: Path) -> int:
        """The number of values per frame, after checking what two drawn pictures give."""
        pictures = drawn_pictures(self._form.width, self._form.height)
        try:
            first, second, again = (self._run(pictures[index]) for index in (0, 1, 0))
        except Exception as error:  # onnxruntime's own exceptions share no base class below Exception
            raise ModelFileError(
                f"{path} does not run on one picture {prepared(pictures[0], self._form).shape}: {error}"
            ) from error
        if first.ndim not in (2, 4) or first.shape[0] != 1 or first.shape[2:] not in ((), (1, 1)):
            raise ModelFileError(
                f"{path}: output '{self._output}' is {first.shape} for one picture; (1, D) or (1, D, 1, 1) is "
                "needed. Export the network up to its pooled features (in torch: end with x.mean((2, 3)))"
            )
        problems = {
            "gives NaN or infinity": not (np.isfinite(first).all() and np.isfinite(second).all()),
            "gives other numbers when it sees the same picture again": not np.allclose(
                first, again, 1e-3, 1e-4
            ),
            "gives the same numbers for two different pictures": np.array_equal(first, second),
        }
        wrong = [problem for problem, found in problems.items() if found]
        if wrong:
            raise ModelFileError(
                f"{path} {wrong[0]}. Look at its weights and at --model_mean and --model_std, and export it in "
                "evaluation mode (in torch: model.eval())"
            )
        return first.size


def input_form(session: Any, spec: ExtractorSpec, path: Path) -> InputForm:
    """What the one input of `session` takes, from its shape, `spec` and the file's metadata, in that order.

    Raises:
        ConfigError: something is missing or contradicts the file.
        ModelFileError: the input is no picture.
    """
    inputs, about = session.get_inputs(), session.get_modelmeta().custom_metadata_map
    if len(inputs) != 1 or inputs[0].type not in TYPES or len(inputs[0].shape) != 4:
        found = ", ".join(f"{item.name}: {item.shape} {item.type}" for item in inputs)
        raise ModelFileError(
            f"{path} takes {found}; one input of four axes (batch, height, width and 3 channels), uint8 or "
            "float, is needed"
        )
    shape = inputs[0].shape
    if isinstance(shape[0], int) and shape[0] != 1:
        raise ModelFileError(f"{path} takes {shape[0]} pictures at once; export it for a batch of 1, or any")
    layout = spec.pixels.layout or _text(about, LAYOUT_KEY)
    if not layout:
        fitting = [name for name, (channel, *_) in AXES.items() if shape[channel] == 3]
        layout = fitting[0] if len(fitting) == 1 else ""
    if layout not in AXES:
        raise ConfigError(
            f"{path} takes {shape}: where are the channels? Give --model_layout {' or '.join(AXES)}"
            + (f" (given: '{layout}')" if layout else "")
        )
    channel, *sides = AXES[layout]
    if isinstance(shape[channel], int) and shape[channel] != 3:
        raise ConfigError(
            f"{path} takes {shape}, which as {layout} has {shape[channel]} channels, not 3 (RGB)"
        )
    height, width = (_side(shape[axis], spec.image_size, about, path) for axis in sides)
    dtype = TYPES[inputs[0].type]
    return InputForm(inputs[0].name, dtype, layout, width, height, *_scale(dtype, spec.pixels, about, path))


def prepared(image: NDArray[np.uint8], form: InputForm) -> NDArray[Any]:
    """image: (height, width, 3) uint8 RGB -> the network's input, a batch of one."""
    values: NDArray[Any] = image
    if form.mean:
        mean, std = np.array(form.mean, np.float32), np.array(form.std, np.float32)
        values = ((image.astype(np.float32) / 255 - mean) / std).astype(form.dtype)
    if form.layout == "NCHW":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[np.newaxis])


def drawn_pictures(width: int, height: int) -> NDArray[np.uint8]:
    """(2, height, width, 3) uint8: a soft slope of colours, and a bright disc on dark stripes."""
    row, column, channel = np.ogrid[:height, :width, :3]
    slope = (200 * row // height + 55 * column // width) * (3 - channel) // 3
    disc = 4 * (row - height // 2) ** 2 + 4 * (column - width // 3) ** 2 < min(width, height) ** 2 // 2
    stripes = np.where(disc, 240 - 30 * channel, 60 * ((column // 8 + channel) % 2))
    return np.stack([slope, stripes]).astype(np.uint8)


def _side(size: Any, wanted: int | None, about: Mapping[str, str], path: Path) -> int:
    if isinstance(size, int):
        if wanted not in (None, size):
            raise ConfigError(f"--image_size is {wanted}, but {path} takes {size} pixels; leave it out")
        return size
    side = wanted if wanted is not None else _json(about, SIZE_KEY)
    if not isinstance(side, int) or not 1 <= side <= LARGEST:
        raise ConfigError(
            f"{path} takes pictures of any size: give --image_size, in pixels from 1 to {LARGEST}"
            + ("" if side is None else f" (given: {side})")
        )
    return side


def _scale(
    dtype: type[np.generic], pixels: PixelScale, about: Mapping[str, str], path: Path
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if dtype is np.uint8:
        if pixels.mean or pixels.std:
            raise ConfigError(
                f"{path} takes uint8, pixels as they are; leave out --model_mean and --model_std"
            )
        return (), ()
    found = []
    for given, key, flag in ((pixels.mean, MEAN_KEY, "mean"), (pixels.std, STD_KEY, "std")):
        values = given or _numbers(_json(about, key))
        if len(values) not in (1, 3) or not np.isfinite(values).all() or (flag == "std" and min(values) <= 0):
            raise ConfigError(
                f"{path} takes {np.dtype(dtype).name} and a --model_{flag} is needed that says how pixels are "
                f"scaled: one number or three, red first, of p / 255 (ImageNet: --model_mean 0.485,0.456,0.406 "
                f"--model_std 0.229,0.224,0.225); given: {values or 'none'}"
            )
        found.append(tuple(float(value) for value in values))
    return found[0], found[1]


def _output_name(session: Any, path: Path) -> str:
    names = [node.name for node in session.get_outputs()]
    if len(names) > 1 and OUTPUT not in names:
        raise ModelFileError(
            f"{path} has the outputs {', '.join(names)}; export one only, or name the one to take '{OUTPUT}'"
        )
    return OUTPUT if OUTPUT in names else str(names[0])


def _json(about: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(about[key]) if key in about else None
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"the network's metadata key {key} is no JSON value: {about[key]!r:.60}"
        ) from error


def _text(about: Mapping[str, str], key: str) -> str:
    value = _json(about, key)
    return "" if value is None else str(value)


def _numbers(value: Any) -> tuple[float, ...]:
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(item for item in listed if isinstance(item, int | float) and not isinstance(item, bool))
