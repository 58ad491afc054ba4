"""Small real networks through export.quantize: written when good, refused when not; and the file that ships."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export import quantize
from export.cnn_basis import append_projection
from export.integer_weights import PAIR_LIMIT, pair_sums
from export.quantize import Report, refusal
from toolkit.errors import ExportError
from toolkit.extract.cnn_selfcheck import MIN_COSINE, cosines, int8_is_sound, sample_cosine
from toolkit.session import make_session
from toolkit.weights import weights_path

INT8 = "efficientnet_lite0_int8.onnx"
CHANNELS = 16


def tiny_network(shouting: float = 1.0) -> onnx.ModelProto:
    """Stem, depthwise, projection, a residual block, head, mean: the kinds of layers that the real one has.

    shouting: factor on one channel of the residual, which nobody behind it reads: with a large one, eight bits
    have nothing left for the other channels.
    """
    random = np.random.default_rng(2)
    constants = {"scale": np.array(1 / 128, np.float32), "zero": np.array(127, np.uint8)}
    constants |= {"floor": np.array(0, np.float32), "six": np.array(6, np.float32)}
    nodes = [
        helper.make_node("Transpose", ["frames"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["first", "scale", "zero"], ["pixels"]),
    ]

    def conv(source: str, name: str, shape: tuple[int, ...], stride: int, group: int, relu: bool) -> str:
        fan_in = int(np.prod(shape[1:]))
        kernel = random.normal(0, 1.5 / np.sqrt(fan_in), shape).astype(np.float32)
        if name == "project":
            kernel[0] *= shouting
        if name in ("expand", "head"):
            kernel[:, 0] = 0
        constants[f"{name}.weight"] = kernel
        constants[f"{name}.bias"] = random.normal(0, 0.3, shape[0]).astype(np.float32)
        pad = shape[-1] // 2
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"{name}.weight", f"{name}.bias"],
                [name],
                kernel_shape=shape[-2:],
                strides=[stride, stride],
                pads=[pad] * 4,
                group=group,
            )
        )
        if relu:
            nodes.append(helper.make_node("Clip", [name, "floor", "six"], [f"{name}.relu6"]))
        return f"{name}.relu6" if relu else name

    x = conv("pixels", "stem", (CHANNELS, 3, 3, 3), 4, 1, True)
    x = conv(x, "depthwise", (CHANNELS, 1, 3, 3), 2, CHANNELS, True)
    x = residual = conv(x, "project", (CHANNELS, CHANNELS, 1, 1), 1, 1, False)
    x = conv(x, "expand", (2 * CHANNELS, CHANNELS, 1, 1), 1, 1, True)
    x = conv(x, "depthwise2", (2 * CHANNELS, 1, 5, 5), 1, 2 * CHANNELS, True)
    x = conv(x, "project2", (CHANNELS, 2 * CHANNELS, 1, 1), 1, 1, False)
    nodes.append(helper.make_node("Add", [residual, x], ["sum"]))
    x = conv("sum", "head", (40, CHANNELS, 1, 1), 1, 1, True)
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["pooled"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", 40])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    append_projection(model, random.normal(0, 1, (40, 8)).astype(np.float16), embed_dim=8)
    return model


def drawn(count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Smooth pictures of random colours, 64 x 64."""
    random = np.random.default_rng(seed)
    row, column, channel = np.ogrid[:64, :64, :3]
    frames = []
    for _ in range(count):
        a, b, c, d = random.uniform(0.02, 0.3, 4)
        frames.append(
            (127 + 120 * np.sin(a * row + c * channel + 9 * d) * np.cos(b * column)).astype(np.uint8)
        )
    return frames


def faster(float_model: bytes, int8_model: bytes, frames: NDArray[np.uint8]) -> tuple[float, float]:
    return 2.0, 1.0


def test_a_good_network_passes_and_computes_in_integers() -> None:
    model, report = quantize.quantize(tiny_network(), drawn(24, 0), drawn(24, 1), 2, faster)
    assert report.cosines.keys() == {"embeddings", "pooled"}
    assert all(smallest >= MIN_COSINE for smallest, _ in report.cosines.values())
    assert report.frames == 24
    inputs, names = [item.name for item in model.graph.input], [item.name for item in model.graph.output]
    assert (inputs, names) == (["frames", "embed_dim"], ["embeddings", "pooled"])
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    kernels = {
        item.name: numpy_helper.to_array(item)
        for item in model.graph.initializer
        if item.data_type == TensorProto.INT8 and len(item.dims) == 4
    }
    assert sorted(kernels) == [
        f"{name}.weight.int8" for name in ("depthwise2", "expand", "head", "project", "project2")
    ]
    assert sum(node.op_type == "Clip" for node in model.graph.node) == 2  # of the two float layers
    frames = np.stack(drawn(3, 7))
    session = make_session(model.SerializeToString())
    one_by_one = [session.run(None, {"frames": frame[None]})[0] for frame in frames]
    np.testing.assert_allclose(
        session.run(None, {"frames": frames})[0], np.concatenate(one_by_one), atol=1e-5
    )
    shorter = session.run(["embeddings"], {"frames": frames, "embed_dim": np.array([3])})[0]
    np.testing.assert_allclose(shorter, np.concatenate(one_by_one)[:, :3], atol=1e-5)


def test_the_same_frames_give_the_same_bytes() -> None:
    first, second = (
        quantize.quantize(tiny_network(), drawn(4, 0), drawn(4, 1), 2, faster)[0] for _ in range(2)
    )
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_a_network_that_eight_bits_cannot_hold_is_refused() -> None:
    with pytest.raises(
        ExportError,
        match=r"float32 stays in use: .(embeddings|pooled). turns to cosine [-0].*0\.99 is needed",
    ):
        quantize.quantize(tiny_network(shouting=3000), drawn(24, 0), drawn(24, 1), 2, faster)


def test_a_network_that_is_not_faster_is_refused() -> None:
    with pytest.raises(
        ExportError, match=r"not faster here: 1\.00 ms of CPU time per frame, float32 needs 1\.00"
    ):
        quantize.quantize(tiny_network(), drawn(4, 0), drawn(4, 1), 2, lambda *_: (1.0, 1.0))


def test_refusal() -> None:
    fine = {"embeddings": (0.99, 0.999), "pooled": (0.99, 0.999)}
    good = Report(200, fine, 2.0, 1.0)
    assert refusal(good) is None
    for name in fine:  # both have to be near
        turned = fine | {name: (0.98994, 0.999)}
        assert f"'{name}' turns to cosine 0.9899" in str(refusal(replace(good, cosines=turned)))
    nan = fine | {"pooled": (float("nan"), 0.9)}
    assert "cosine nan" in str(refusal(replace(good, cosines=nan)))
    assert "not faster" in str(refusal(replace(good, int8_ms=2.1)))
    assert "not faster" in str(refusal(replace(good, int8_ms=float("nan"))))


def test_cpu_time_is_measured() -> None:
    content = tiny_network().SerializeToString()
    assert all(
        0 <= milliseconds < 1000
        for milliseconds in quantize.cpu_milliseconds(content, content, np.stack(drawn(2, 0)))
    )


@pytest.mark.parametrize("float_layers", [0, 1, 7])
def test_float_layers_out_of_range_are_refused(float_layers: int) -> None:
    with pytest.raises(ExportError, match=rf"float_layers is {float_layers}; choose 2 to 6"):
        quantize.quantize(tiny_network(), drawn(2, 0), drawn(2, 1), float_layers, faster)


@pytest.fixture
def command(tmp_path: Path, video: Callable[..., Path]) -> list[str]:
    """The command line for a tiny network and four small videos in a WLASL index."""
    (tmp_path / "videos").mkdir()
    instances = []
    for number, split in enumerate(("train", "train", "val", "val")):
        video(f"videos/{number}.mp4", count=12)
        instances.append(
            {"video_id": str(number), "split": split, "signer_id": 1, "frame_start": 1, "frame_end": -1}
        )
    (tmp_path / "index.json").write_text(json.dumps([{"gloss": "a", "instances": instances}]))
    onnx.save(tiny_network(), tmp_path / "tiny.onnx")
    arguments = {
        "source": "tiny.onnx",
        "output": "int8.onnx",
        "json_path": "index.json",
        "video_dir": "videos",
    }
    return [part for key, name in arguments.items() for part in (f"--{key}", str(tmp_path / name))]


def test_the_command_writes_the_file_it_judged(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quantize.quantize, "__defaults__", (quantize.FLOAT_LAYERS, faster))
    monkeypatch.setattr(sys, "argv", ["export.quantize", *command])
    assert quantize.main() == 0
    assert "on 4 frames that were not calibrated on: embeddings: smallest " in capsys.readouterr().out
    assert int8_is_sound(tmp_path / "int8.onnx", tmp_path)[0]


def test_a_refused_command_leaves_no_file(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quantize.quantize, "__defaults__", (quantize.FLOAT_LAYERS, lambda *_: (1.0, 2.0)))
    monkeypatch.setattr(sys, "argv", ["export.quantize", *command])
    before = sorted(tmp_path.iterdir())
    assert quantize.main() == 2
    assert "no int8 file was written, float32 stays in use: it is not faster here" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_no_shipped_kernel_can_overflow_sixteen_bits() -> None:
    model = onnx.load(weights_path(INT8))
    groups = {
        node.input[1].removesuffix(".float"): next(item.i for item in node.attribute if item.name == "group")
        for node in model.graph.node
        if node.op_type == "Conv"
    }
    dense = [
        numpy_helper.to_array(item)
        for item in model.graph.initializer
        if item.data_type == TensorProto.INT8 and len(item.dims) == 4 and groups[item.name] == 1
    ]
    assert len(dense) == 31
    assert max(pair_sums(kernel).max() for kernel in dense) == PAIR_LIMIT
    about = {item.key: item.value for item in model.metadata_props}
    assert about["sign_toolkit.cnn.licence"] == "Apache-2.0"
    assert about["sign_toolkit.cnn.precision"].startswith("int8")


def test_shipped_embeddings_on_real_frames(data_dir: Path) -> None:
    from toolkit.clips import read_wlasl

    wlasl = data_dir / "wlasl"
    clips = read_wlasl(wlasl / "WLASL_v0.3.json", wlasl / "videos", split="val").clips
    images = np.stack(quantize.frames_of(clips, 50, 4))
    assert len(images) == 200
    float32, int8 = (
        quantize.outputs_of(weights_path(name).read_bytes(), images)
        for name in ("efficientnet_lite0.onnx", INT8)
    )
    assert float32["embeddings"].shape == (200, 128)
    assert all(cosines(rows, int8[name]).min() >= MIN_COSINE for name, rows in float32.items())


def test_a_processor_without_vnni_gives_the_same_numbers(tmp_path: Path) -> None:
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("needs qemu-x86_64 7.2 or later (package qemu-user) on an x86-64 Linux")
    code = (
        "import sys; from pathlib import Path; from toolkit.extract.cnn_selfcheck import sample_cosine; "
        "print(sample_cosine(Path(sys.argv[1])))"
    )
    # AVX2, the first generation that multiplies pairs of bytes 32 at a time, and no VNNI
    line = [
        emulator,
        "-cpu",
        "Haswell-noTSX",
        str(Path(sys.executable).resolve()),
        "-c",
        code,
        str(weights_path(INT8)),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True, timeout=300)
    assert float(done.stdout) == pytest.approx(sample_cosine(weights_path(INT8)), abs=1e-6)
