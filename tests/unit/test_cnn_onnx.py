"""The shipped EfficientNet-Lite0 under onnxruntime: its numbers, its projection, its guard against damage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.errors import ConfigError, InputError, WeightsError
from toolkit.extract import ExtractorSpec, make_extractor
from toolkit.extract.cnn_onnx import OnnxCnn
from toolkit.extract.cnn_projection import NUMBERS, POOLED_DIM, PROJECTION, WEIGHTS_FILE
from toolkit.extract.protocol import PixelScale
from toolkit.session import make_session
from toolkit.weights import weights_path

# The unfolded network, with its original float32 weights and BatchNorm, gives these for `drawn_frame`.
CHANNELS = [113, 154, 310, 332, 761, 848, 1111, 1163]
EXPECTED = [5.8470, 2.8935, 2.6397, 2.7420, 3.1309, 2.9434, 2.9523, 2.7019]
EXPECTED_NORM = 18.4158


def drawn_frame() -> NDArray[np.uint8]:
    """A disc on curved stripes; no symmetry, so that a flip, a channel swap or a shifted pad would show."""
    row, column, channel = np.ogrid[:224, :224, :3]
    stripes = (row * row // 16 + 3 * column + 80 * channel) % 256
    disc = (row - 90) ** 2 + (column - 130) ** 2 < 60**2
    return np.where(disc, 230 - 40 * channel, stripes).astype(np.uint8)


def noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def cnn() -> OnnxCnn:
    return OnnxCnn(ExtractorSpec("features", "onnx"))


@pytest.fixture(scope="module")
def everything() -> OnnxCnn:
    return OnnxCnn(ExtractorSpec("features", "onnx", embed_dim=POOLED_DIM))


def test_pooled_embedding_is_that_of_the_original_network(everything: OnnxCnn) -> None:
    pooled = everything.embed(drawn_frame()[np.newaxis])
    assert pooled.shape == (1, POOLED_DIM)
    assert pooled.dtype == np.float32
    # kernels are rounded to float16: 0.008 was the largest difference of all 1280 numbers
    np.testing.assert_allclose(pooled[0, CHANNELS], EXPECTED, atol=0.02)
    assert np.linalg.norm(pooled) == pytest.approx(EXPECTED_NORM, abs=0.02)


def test_a_smaller_embed_dim_gives_the_first_numbers_of_a_larger_one(cnn: OnnxCnn) -> None:
    frames = [drawn_frame(), *noise(2)]
    extraction = cnn.extract(iter(frames))
    assert extraction.values.shape == (3, 128)
    assert extraction.values.dtype == np.float32
    assert extraction.quality == {}
    for dim in (1, 64, 256):
        other = OnnxCnn(ExtractorSpec("features", "onnx", embed_dim=dim)).extract(frames).values
        assert other.shape == (3, dim)
        np.testing.assert_array_equal(other[:, :128], extraction.values[:, :dim])


def test_a_frame_gives_the_same_numbers_alone_and_in_any_batch(cnn: OnnxCnn) -> None:
    images = np.concatenate([drawn_frame()[np.newaxis], noise(4)])
    batched = cnn.embed(images)
    alone = np.concatenate([cnn.embed(image[np.newaxis]) for image in images])
    np.testing.assert_allclose(batched, alone, atol=2e-5)
    np.testing.assert_allclose(cnn.embed(images[::-1].copy())[::-1], batched, atol=2e-5)
    assert not np.allclose(batched[0], batched[1], atol=0.1)  # and different frames different ones


def test_the_file_alone_gives_embeddings(cnn: OnnxCnn) -> None:
    """As any other program would run it: frames in, the number of components left to its default."""
    session, images = make_session(weights_path(WEIGHTS_FILE)), noise(2)
    assert [item.name for item in session.get_inputs()] == ["frames"]
    assert [item.name for item in session.get_overridable_initializers()] == ["embed_dim"]
    embeddings, pooled = session.run(["embeddings", "pooled"], {"frames": images})
    np.testing.assert_allclose(embeddings, cnn.embed(images), atol=2e-5)
    assert pooled.shape == (2, POOLED_DIM)


def test_extraction_is_deterministic_and_keeps_no_state(cnn: OnnxCnn) -> None:
    frames = [drawn_frame(), *noise(1)]
    first = cnn.extract(frames).values
    cnn.extract(noise(2))
    np.testing.assert_array_equal(cnn.extract(frames).values, first)
    again = OnnxCnn(ExtractorSpec("features", "onnx"))
    np.testing.assert_array_equal(again.extract(frames).values, first)


def test_interface(cnn: OnnxCnn) -> None:
    assert type(make_extractor(ExtractorSpec("features", "onnx"))) is OnnxCnn
    assert (cnn.item_shape, cnn.frame_size, cnn.layout) == ((128,), (224, 224), "")
    assert cnn.fingerprint == {
        "network": "efficientnet_lite0",
        "precision": "fp32",
        "weights": NUMBERS[WEIGHTS_FILE],
        "input_size": 224,
        "crop": "none",
        "projection": PROJECTION,
        "embed_dim": 128,
    }
    assert cnn.extract([]).values.shape == (0, 128)


@pytest.mark.parametrize(
    "frame",
    [np.zeros((224, 200, 3), np.uint8), np.zeros((224, 224, 3), np.float32), np.zeros((224, 224), np.uint8)],
    ids=["size", "type", "grey"],
)
def test_a_frame_of_another_kind_is_refused(cnn: OnnxCnn, frame: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"\(224, 224, 3\) uint8 RGB: decode to"):
        cnn.extract([frame])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ExtractorSpec("features", "onnx", embed_dim=0), "embed_dim is 0.*1 to 256.*or 1280"),
        (ExtractorSpec("features", "onnx", embed_dim=257), "embed_dim is 257.*1 to 256.*or 1280"),
        (ExtractorSpec("features", "onnx", image_size=192), "image_size is 192.*224, 160, 128"),
        (ExtractorSpec("features", "onnx", crop="face"), "crop is 'face'.*none, person"),
        (
            ExtractorSpec("features", "onnx", pixels=PixelScale(mean=(0.5,))),
            "model_mean.*network of your own",
        ),
    ],
    ids=["too small", "too large", "image size", "crop", "scaling"],
)
def test_a_spec_it_cannot_honour_is_refused(spec: ExtractorSpec, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OnnxCnn(spec)


def test_1280_numbers_are_those_of_the_network(everything: OnnxCnn) -> None:
    frames = [drawn_frame(), *noise(1)]
    session = make_session(weights_path(WEIGHTS_FILE))
    alone = np.concatenate([session.run(["pooled"], {"frames": frame[np.newaxis]})[0] for frame in frames])
    np.testing.assert_array_equal(everything.extract(frames).values, alone)
    assert everything.fingerprint["projection"] == "none"


@pytest.mark.parametrize("side", [160, 128])
def test_smaller_frames(side: int) -> None:
    small = OnnxCnn(ExtractorSpec("features", "onnx", image_size=side))
    assert (small.frame_size, small.fingerprint["input_size"]) == ((side, side), side)
    values = small.extract([np.ascontiguousarray(drawn_frame()[:side, :side])]).values
    assert values.shape == (1, 128) and np.isfinite(values).all()
    with pytest.raises(InputError, match=rf"\({side}, {side}, 3\)"):
        small.extract([drawn_frame()])


def test_the_file_describes_itself_and_nothing_of_the_machine_that_made_it() -> None:
    path = weights_path(WEIGHTS_FILE)
    about = make_session(path).get_modelmeta().custom_metadata_map
    assert about["sign_toolkit.cnn.network"] == "efficientnet_lite0"
    assert about["sign_toolkit.cnn.licence"] == "Apache-2.0"
    assert len(about["sign_toolkit.cnn.source_sha256"]) == 64
    content = path.read_bytes()
    for trace in (b"stack_trace", b".py", b"site-packages", b"/home/", b"pkg.torch"):
        assert trace not in content


def test_one_flipped_bit_is_found(tmp_path: Path) -> None:
    content = bytearray(weights_path(WEIGHTS_FILE).read_bytes())
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    assert weights_path(WEIGHTS_FILE, tmp_path) == tmp_path / WEIGHTS_FILE
    content[len(content) // 2] ^= 1
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"(?s){WEIGHTS_FILE} is damaged.*copy it again"):
        weights_path(WEIGHTS_FILE, tmp_path)


def test_a_missing_or_unknown_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"{WEIGHTS_FILE} cannot be read.*copy it again"):
        weights_path(WEIGHTS_FILE, tmp_path)
    with pytest.raises(WeightsError, match=r"no network 'resnet.onnx'.*there is: efficientnet_lite0.onnx"):
        weights_path("resnet.onnx")


def test_the_onnx_backend_needs_neither_torch_nor_onnx() -> None:
    code = "import sys, toolkit.extract.cnn_onnx; print([m for m in ('torch', 'onnx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
