"""MediaPipe's pose and hand networks (TensorFlow Lite) -> the six ONNX files in toolkit/weights.

    python -m export.blazepose --output toolkit/weights [--packages FOLDER]

Each file: input "image", float32 (N, 3, size, size) RGB, any N; named outputs (see export/blazepose_networks.py);
outputs that nobody reads left out; weights stored as float16, and without their zeros, where that loses nothing;
its origin, hash and licence in its metadata. Every network is compared with LiteRT first; all six are written, or
none. The same packages give the same bytes again. This module knows neither regions nor landmarks.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.blazepose_check import verify
from export.blazepose_networks import PLANS, Plan
from export.blazepose_sources import Source, read_sources
from export.graph_rewrites import make_fast
from export.onnx_graph import is_sparse_half, to_model
from export.prelu_rewrites import fold_channel_scales, split_prelu
from export.tflite_ops import Converter
from export.tflite_reader import read_network
from toolkit.errors import ExportError, ToolkitError

FORMAT_VERSION = 1
INPUT = "image"
LICENCE = "Apache-2.0"
CHANGES = (
    "converted to ONNX, channels first, any batch size; outputs left out; padding, activations, resizing and "
    "shuffles of channels joined with convolutions; float16 weights kept as float16"
)
SPARSE_CHANGES = ", the large ones that are mostly zeros as what is not zero and the gaps between it"


@dataclass(frozen=True)
class Built:
    """content: the bytes of the .onnx file; differences: to LiteRT, see export.blazepose_check.differences."""

    content: bytes
    differences: dict[str, tuple[float, ...]]


def convert(plan: Plan, content: bytes, half: bool = True) -> onnx.ModelProto:
    """The .tflite network as an ONNX model, not yet compared with anything.

    half: store as float16 the weights that are float16 values; the results are the same bits either way.

    Raises:
        ExportError: the network holds something the converter does not know.
    """
    network = read_network(content)
    if network.shapes[network.inputs[0]] != (1, plan.size, plan.size, 3):
        raise ExportError(
            f"{plan.title}: the input is {network.shapes[network.inputs[0]]}, not {plan.size} squared"
        )
    converter = Converter(network, INPUT)
    graph = converter.convert()
    for name, output in plan.outputs.items():
        tensor = converter.name(network.outputs[output.number])
        if tensor in graph.channels and len(output.shape) == 3:
            graph.rename(tensor, name)
        else:
            shape = graph.constant(f"{name}.shape", [-1, *output.shape], np.int64)
            graph.nodes.append(graph.node("Reshape", [tensor, shape], name))
    graph.keep(list(plan.outputs))
    fold_channel_scales(graph)
    split_prelu(graph)
    make_fast(graph)
    graph.keep(list(plan.outputs))
    shapes = {name: output.shape for name, output in plan.outputs.items()}
    inputs = {INPUT: (3, plan.size, plan.size)}
    sparse = half and any(map(is_sparse_half, graph.constants.values()))
    changes = CHANGES + SPARSE_CHANGES * sparse
    model = to_model(graph, plan.title, inputs, shapes, properties(plan, changes), half)
    model.producer_name, model.producer_version = "sign-toolkit export.blazepose", str(FORMAT_VERSION)
    return model


def properties(plan: Plan, changes: str) -> dict[str, str]:
    """What the file says about itself, for its metadata_props."""
    described = {
        "format_version": str(FORMAT_VERSION),
        "network": plan.title,
        "input": plan.input_meaning,
        **{f"output.{name}": output.meaning for name, output in plan.outputs.items()},
        "licence": LICENCE,
        "source": plan.source.project,
        "source_file": plan.source.member,
        "source_sha256": plan.source.sha256,
        "changes": changes,
    }
    return {f"sign_toolkit.blazepose.{key}": value for key, value in described.items()}


def build(sources: Mapping[Source, bytes]) -> dict[str, Built]:
    """File name -> network, each compared with LiteRT; sources: see export.blazepose_sources.read_sources.

    Raises:
        ExportError: a network cannot be converted, or differs from the original.
        MissingDependencyError: LiteRT is not installed.
    """
    built = {}
    for name, plan in PLANS.items():
        model = convert(plan, sources[plan.source])
        found = verify(plan, sources[plan.source], model)
        built[name] = Built(model.SerializeToString(deterministic=True), found)
    return built


def export_networks(output: Path, packages: Path | None = None) -> dict[str, Built]:
    """Write the six files to the folder `output`, all of them or, after any error, none.

    packages: a folder with both packages, see export.blazepose_sources.read_sources.

    Raises:
        ExportError: an export was refused, or the folder does not exist or cannot be written.
        WeightsError: a package cannot be had or is not the pinned one.
        MissingDependencyError: LiteRT is not installed.
    """
    if not output.is_dir():
        raise ExportError(f"the folder {output} does not exist; create it or choose another --output")
    built = build(read_sources(packages))
    parts = {name: output / f".{name}.{os.getpid()}.part" for name in built}
    try:
        for name, part in parts.items():
            part.write_bytes(built[name].content)
        for name, part in parts.items():
            part.replace(output / name)
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror}. Give another --output") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return built


def main() -> int:
    """The command line; returns the exit status (2: the user can fix it)."""
    parser = argparse.ArgumentParser(
        "python -m export.blazepose", description="Write the pose and hand networks."
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write the six .onnx files to")
    parser.add_argument("--packages", type=Path, help="folder with both packages, instead of fetching them")
    args = parser.parse_args()
    try:
        built = export_networks(args.output, args.packages)
    except ToolkitError as error:
        print(f"export.blazepose: {error}", file=sys.stderr)
        return 2
    for name, network in built.items():
        found = ", ".join(f"{output} {max(values):.1e}" for output, values in network.differences.items())
        print(f"{name}: {len(network.content)} bytes; largest differences to LiteRT: {found}")
    print("For toolkit/weights/__init__.py:")
    for name, network in built.items():
        print(f'    "{name}": "{hashlib.sha256(network.content).hexdigest()}",')
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
