"""Networks of the user's own: what is read from the file or from flags, what they give, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from tiny_cnn import CHANNELS, SIDE, write_cnn

from toolkit.errors import ConfigError, InputError, ModelFileError
from toolkit.extract import Extractor, ExtractorSpec, make_extractor
from toolkit.extract.cnn_custom import drawn_pictures
from toolkit.extract.model_digest import external_files, model_digest
from toolkit.extract.protocol import PixelScale

IMAGENET = PixelScale("", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
IN_FILE = {
    "sign_toolkit.cnn.layout": '"NCHW"',
    "sign_toolkit.cnn.mean": "[0.485,0.456,0.406]",
    "sign_toolkit.cnn.std": "[0.229,0.224,0.225]",
}


def own(path: Path, pixels: PixelScale = IMAGENET, **settings: Any) -> Extractor:
    return make_extractor(ExtractorSpec("features", "onnx", model_asset=path, pixels=pixels, **settings))


def expected(path: Path, frames: NDArray[np.uint8], pixels: PixelScale) -> NDArray[np.float64]:
    """The same sums in numpy: scale, correlate with the kernel in steps of its size, average."""
    kernel = next(item for item in onnx.load(path).graph.initializer if item.name == "kernel")
    weights = numpy_helper.to_array(kernel).astype(np.float64)
    values = frames.astype(np.float64)
    if pixels.mean:
        values = (values / 255 - np.array(pixels.mean)) / np.array(pixels.std)
    tiles = values.reshape(len(frames), SIDE // 4, 4, SIDE // 4, 4, 3)
    return np.asarray(np.einsum("nyixjc,dcij->nd", tiles, weights) / (SIDE // 4) ** 2)


@pytest.mark.parametrize(
    ("shape", "element", "pixels"),
    [
        (("batch", 3, SIDE, SIDE), TensorProto.FLOAT, IMAGENET),
        ((1, 3, SIDE, SIDE), TensorProto.FLOAT, PixelScale("", (0.5,), (0.25,))),
        (("batch", SIDE, SIDE, 3), TensorProto.FLOAT, IMAGENET),
        (("batch", SIDE, SIDE, 3), TensorProto.UINT8, PixelScale()),
        ((1, 3, SIDE, SIDE), TensorProto.UINT8, PixelScale()),
    ],
    ids=["NCHW", "batch of one", "NHWC", "uint8", "uint8 NCHW"],
)
@pytest.mark.parametrize("tail", ["pooled", "kept"])
def test_features_are_those_of_the_network(
    tmp_path: Path, shape: tuple[int | str, ...], element: int, pixels: PixelScale, tail: str
) -> None:
    path = write_cnn(tmp_path / "my.onnx", shape, element, tail)
    extractor = own(path, pixels)
    assert (extractor.item_shape, extractor.frame_size) == ((CHANNELS,), (SIDE, SIDE))
    frames = drawn_pictures(SIDE, SIDE)
    values = extractor.extract(iter(frames)).values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected(path, frames, pixels), rtol=1e-3, atol=1e-3)


def test_half_precision_input(tmp_path: Path) -> None:
    path = write_cnn(tmp_path / "my.onnx", element=TensorProto.FLOAT16)
    frames = drawn_pictures(SIDE, SIDE)
    values = own(path).extract(frames).values
    np.testing.assert_allclose(values, expected(path, frames, IMAGENET), rtol=1e-2, atol=1e-2)


def test_what_the_file_says_counts_and_flags_win(tmp_path: Path) -> None:
    path = write_cnn(tmp_path / "my.onnx", metadata=IN_FILE)
    frames = drawn_pictures(SIDE, SIDE)
    read = own(path, PixelScale()).extract(frames).values
    np.testing.assert_allclose(read, expected(path, frames, IMAGENET), rtol=1e-3, atol=1e-3)
    flags = PixelScale("NCHW", (0.0,), (1.0,))
    given = own(path, flags).extract(frames).values
    np.testing.assert_allclose(given, expected(path, frames, flags), rtol=1e-3, atol=1e-3)


def test_a_network_of_any_size_needs_one(tmp_path: Path) -> None:
    path = write_cnn(tmp_path / "my.onnx", ("batch", 3, "height", "width"))
    with pytest.raises(ConfigError, match="any size: give --image_size"):
        own(path)
    assert own(path, image_size=64).frame_size == (64, 64)
    sized = write_cnn(
        tmp_path / "sized.onnx",
        ("batch", 3, "height", "width"),
        metadata={**IN_FILE, "sign_toolkit.cnn.image_size": "48"},
    )
    assert own(sized, PixelScale()).frame_size == (48, 48)
    oblong = write_cnn(tmp_path / "oblong.onnx", ("batch", 3, 32, 64))
    assert own(oblong).frame_size == (64, 32)
    assert own(oblong).fingerprint["input_size"] == "64x32"


def test_fingerprint_holds_all_that_decides_the_numbers(tmp_path: Path) -> None:
    path = write_cnn(tmp_path / "my.onnx")
    assert own(path).fingerprint == {
        "network": "own",
        "weights": model_digest(path)[:16],
        "input_size": SIDE,
        "crop": "none",
        "layout": "NCHW",
        "mean": "0.485,0.456,0.406",
        "std": "0.229,0.224,0.225",
        "embed_dim": CHANNELS,
    }


def test_weights_in_a_second_file_are_part_of_the_hash(tmp_path: Path) -> None:
    path = write_cnn(tmp_path / "my.onnx", external=True)
    assert external_files(path.read_bytes()) == {"my.onnx.data"}
    before = model_digest(path)
    frames = drawn_pictures(SIDE, SIDE)
    together = write_cnn(tmp_path / "together.onnx")
    np.testing.assert_array_equal(own(path).extract(frames).values, own(together).extract(frames).values)
    beside = tmp_path / "my.onnx.data"
    content = bytearray(beside.read_bytes())
    content[7] ^= 1
    beside.write_bytes(content)
    assert model_digest(path) != before
    beside.unlink()
    with pytest.raises(ModelFileError, match=r"my\.onnx"):
        own(path)
    with pytest.raises(ModelFileError, match=r"weights in my\.onnx\.data, which cannot be read"):
        model_digest(path)


def test_a_weight_file_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    path = write_cnn(tmp_path / "inside" / "a.onnx", external=True)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../a.onnx.data"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="outside of its folder"):
        model_digest(path)


@pytest.mark.parametrize(
    ("made", "pixels", "message"),
    [
        ({"tail": "map"}, IMAGENET, r"'map' is \(1, 8, 8, 8\).*\(1, D\) or \(1, D, 1, 1\)"),
        ({"tail": "nan"}, IMAGENET, "gives NaN or infinity"),
        ({"tail": "constant"}, IMAGENET, "same numbers for two different pictures"),
        ({"tail": "dropout"}, IMAGENET, "other numbers when it sees the same picture again.*model.eval"),
        ({"tail": "two"}, IMAGENET, "outputs pooled, kept; export one only"),
        ({"shape": (4, 3, SIDE, SIDE)}, IMAGENET, "takes 4 pictures at once"),
        ({"shape": ("batch", 5, SIDE, SIDE)}, IMAGENET, "where are the channels.*--model_layout NCHW or NHWC"),
        ({"shape": ("batch", 5, SIDE, SIDE)}, PixelScale("NCHW", (0.5,), (0.5,)), "has 5 channels, not 3"),
        ({"element": TensorProto.INT32}, IMAGENET, "tensor.int32.; one input of four axes"),
        ({}, PixelScale(), "--model_mean is needed.*given: none"),
        ({}, PixelScale("", (0.5,)), "--model_std is needed"),
        ({}, PixelScale("", (0.5,), (0.0,)), r"--model_std is needed.*given: \(0.0,\)"),
        ({}, PixelScale("", (0.5, 0.5), (1.0,)), "one number or three"),
        ({"element": TensorProto.UINT8}, IMAGENET, "takes uint8, pixels as they are; leave out"),
        ({"metadata": {"sign_toolkit.cnn.mean": "half"}}, PixelScale(), "no JSON value: 'half'"),
    ],
    ids=[
        "map", "nan", "constant", "dropout", "two outputs", "batch of 4", "channels", "5 channels", "int32",
        "no mean", "no std", "std 0", "two means", "uint8 scaled", "not json",
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_used_is_refused(
    tmp_path: Path, made: dict[str, Any], pixels: PixelScale, message: str
) -> None:
    with pytest.raises((ConfigError, ModelFileError), match=message):
        own(write_cnn(tmp_path / "my.onnx", **made), pixels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embed_dim": 64}, "embed_dim is 64"),
        ({"image_size": 64}, "--image_size is 64.*takes 32 pixels"),
        ({"precision": "int8"}, "int8 is for the network that ships"),
        ({"crop": "hand"}, "crop is 'hand'"),
    ],
)
def test_settings_that_have_no_meaning_for_it_are_refused(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    path = write_cnn(tmp_path / "my.onnx")
    with pytest.raises(ConfigError, match=message):
        own(path, **settings)


def test_no_file_and_no_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*missing\.onnx"):
        own(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelFileError, match="cannot be opened as an ONNX model"):
        own(tmp_path / "text.onnx")


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    extractor = own(write_cnn(tmp_path / "my.onnx"))
    with pytest.raises(InputError, match=r"\(32, 32, 3\) uint8 RGB: decode to"):
        extractor.extract(np.zeros((1, 16, 32, 3), np.uint8))
