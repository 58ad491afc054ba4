"""The pose and hand networks that ship are MediaPipe's own: LiteRT gives the same, and a rebuild the same bytes.

The packages they are built from come from SIGN_TOOLKIT_WHEELS or are fetched; without either these tests skip.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from export.blazepose import Built, build, convert, export_networks
from export.blazepose_check import check_images, differences, reference, square, to_input, verify
from export.blazepose_networks import PLANS
from export.blazepose_sources import HAND_RECROP, NPM_NAME, Source, read_sources
from export.tflite_reader import read_network
from toolkit.errors import ExportError, WeightsError
from toolkit.extract.pose_bundle import WHEEL_NAME
from toolkit.session import make_session
from toolkit.video import sample_frames
from toolkit.weights import weights_path

NAMES = tuple(PLANS)


@pytest.fixture(scope="module")
def sources() -> dict[Source, bytes]:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (extra: dev)")
    try:
        return read_sources()
    except WeightsError as error:
        pytest.skip(f"the packages with the original networks cannot be had: {error}")


@pytest.fixture(scope="module")
def built(sources: dict[Source, bytes]) -> dict[str, Built]:
    return build(sources)


@pytest.mark.parametrize("name", NAMES)
def test_a_rebuild_gives_the_committed_bytes(name: str, built: dict[str, Built]) -> None:
    assert weights_path(name).read_bytes() == built[name].content


def assert_like_litert(name: str, sources: dict[Source, bytes], images: NDArray[np.uint8]) -> None:
    plan = PLANS[name]
    inputs = to_input(plan, images)
    expected = reference(plan, sources[plan.source], inputs)
    assert all(np.ptp(values, axis=0).max() > 0.05 for values in expected.values()), "the images look alike"
    found = differences(plan, weights_path(name).read_bytes(), inputs, expected)
    for output, entry in plan.outputs.items():
        assert np.all(np.array(found[output]) <= entry.tolerance), (output, found[output])


@pytest.mark.parametrize("name", NAMES)
def test_every_output_is_litert_s_on_noise_and_a_drawn_signer(
    name: str, sources: dict[Source, bytes]
) -> None:
    assert_like_litert(name, sources, check_images(PLANS[name].size, seed=3))


@pytest.mark.parametrize("name", NAMES)
def test_every_output_is_litert_s_on_real_frames(
    name: str, sources: dict[Source, bytes], data_dir: Path
) -> None:
    videos = sorted((data_dir / "wlasl" / "videos").glob("*.mp4"))[::90]
    images = []
    for video in videos[:4]:
        for frame in sample_frames(video, 2):
            height, width = frame.shape[:2]
            places = [(0.5, 0.5, 1.0), (0.5, 0.7, 0.4)]  # all of the signer, and where hands are
            for x, y, side in places:
                images.append(square(frame, x * width, y * height, side * height, PLANS[name].size))
    assert_like_litert(name, sources, np.stack(images))


@pytest.mark.parametrize("name", NAMES)
def test_weights_stored_as_float16_are_exact(name: str, sources: dict[Source, bytes]) -> None:
    plan = PLANS[name]
    content = sources[plan.source]
    image = {"image": to_input(plan, check_images(plan.size)[-1:])}
    in_float32 = make_session(convert(plan, content, half=False).SerializeToString())
    shipped = make_session(weights_path(name))
    for output in plan.outputs:
        np.testing.assert_array_equal(shipped.run([output], image), in_float32.run([output], image))

    stored = {numpy_helper.to_array(item).dtype for item in onnx.load(weights_path(name)).graph.initializer}
    originals = read_network(content)
    if plan.source == HAND_RECROP:
        assert not originals.float16
    else:
        assert originals.float16
        assert np.dtype(np.float16) in stored


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_what_it_is_and_nothing_of_the_machine(name: str) -> None:
    model, plan = onnx.load(weights_path(name)), PLANS[name]
    said = {item.key: item.value for item in model.metadata_props}
    assert said["sign_toolkit.blazepose.licence"] == "Apache-2.0"
    assert said["sign_toolkit.blazepose.source_sha256"] == plan.source.sha256
    assert {f"sign_toolkit.blazepose.output.{output}" for output in plan.outputs} <= set(said)
    assert model.opset_import[0].version >= 17
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "image": ["N", 3, plan.size, plan.size],
        **{output: ["N", *entry.shape] for output, entry in plan.outputs.items()},
    }
    del model.graph.initializer[:]
    content = model.SerializeToString()
    for folder in (Path.home(), Path.cwd(), sys.prefix, tempfile.gettempdir()):
        assert f"{folder}{os.sep}".encode() not in content


def test_a_network_with_one_wrong_weight_is_refused(sources: dict[Source, bytes]) -> None:
    plan = PLANS["hand_landmarks_lite.onnx"]
    model = convert(plan, sources[plan.source])
    kernel = next(item for item in model.graph.initializer if item.name.endswith("kernel.float16"))
    values = numpy_helper.to_array(kernel).copy()
    values.flat[np.abs(values).argmax()] *= -1
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    with pytest.raises(ExportError, match="differs from LiteRT"):
        verify(plan, sources[plan.source], model)


def test_wrong_packages_write_nothing(tmp_path: Path) -> None:
    packages, output = tmp_path / "packages", tmp_path / "output"
    packages.mkdir()
    output.mkdir()
    with pytest.raises(WeightsError, match=WHEEL_NAME):
        export_networks(output, packages)
    (packages / WHEEL_NAME).write_bytes(b"another wheel")
    (packages / NPM_NAME).write_bytes(b"another tarball")
    command = [sys.executable, "-m", "export.blazepose", "--output", output, "--packages", packages]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "is not the pinned file" in result.stderr
    assert not list(output.iterdir())
