"""A trained run -> one self-describing .onnx: gap filling, resampling, normalisation and network in one graph.

The file is made in memory, compared with torch (see export/verify) and only then written, in one step: a refused
export leaves no file, and an older file stays as it was. Nothing of the machine it was made on is in it.
"""

from __future__ import annotations

import logging
import math
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch

from export.samples import real_clips
from export.verify import verify
from toolkit.errors import ExportError
from toolkit.metadata import ModelMetadata
from toolkit.train.checkpoint import RunInfo, load_run
from toolkit.train.model import SignClassifier

OPSET, IR_VERSION = 18, 10  # what onnxruntime 1.20, the oldest one we allow, reads
_FOLDERS = re.compile(r"""(?<![\w.~/\\])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\"']+[/\\])+""")


@dataclass(frozen=True)
class ExportReport:
    """path: the file written, size_bytes its size; parameters: trained numbers in the network;
    max_difference: largest difference to torch on the logits, over `clips` real clips and `cases` edge cases."""

    path: Path
    size_bytes: int
    parameters: int
    max_difference: float
    clips: int
    cases: int
    opset: int


def export_run(run_dir: Path, output: Path | None = None, store: Path | None = None) -> ExportReport:
    """Export the best checkpoint of a run and write it to `output` (default: model.onnx in the run).

    store: where the run's feature store is now, if it was moved since training.

    Raises:
        TrainingError, ConfigError: the run is missing or damaged.
        StoreError: the clips to compare on cannot be read.
        ExportError: the export is not what torch computes, or the file cannot be written.
    """
    path = output if output is not None else run_dir / "model.onnx"
    if path.is_dir():
        raise ExportError(f"{path} is a folder; give a file name, e.g. --output {path / 'model.onnx'}")
    module, info = load_run(run_dir)
    batches = real_clips(run_dir, info, store)
    model = to_onnx(module, metadata_of(info)).SerializeToString(deterministic=True)
    found = verify(module, model, batches, info.spec.layout)
    _write(path, model)
    return ExportReport(
        path, len(model), module.num_parameters, found.max_difference, found.clips, found.cases, OPSET
    )


def to_onnx(module: SignClassifier, metadata: ModelMetadata) -> onnx.ModelProto:
    """The module as a graph "clips" -> "logits" with dynamic batch and time, and the metadata inside.

    The exporter's stack traces, which hold the paths of this machine, are removed.
    """
    clips = torch.from_numpy(_example(metadata))
    with _quiet():
        program = torch.onnx.export(
            module.eval(),
            (clips,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["clips"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch", 1: "time"},),
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export gave no program; use the torch release of the train extra")
    model: onnx.ModelProto = program.model_proto
    graph = model.graph
    described: list[Any] = [model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer]
    for item in [*described, *model.functions]:
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    del graph.value_info[:]
    graph.name, model.ir_version = "sign_classifier", IR_VERSION
    model.producer_name, model.producer_version = "sign-toolkit", version("sign-toolkit")
    onnx.helper.set_model_props(model, metadata.to_properties())
    return model


def metadata_of(info: RunInfo) -> ModelMetadata:
    """What the file will say about itself, without any folder of this machine."""
    return ModelMetadata(
        glosses=tuple(info.glosses),
        mode=info.spec.mode,
        layout=info.spec.layout,
        num_frames=info.spec.num_frames,
        item_shape=tuple(info.spec.item_shape),
        extractor=_portable(info.extractor),
        training={**_portable(info.training), "epoch": info.epoch},
        metrics=_portable(info.metrics),
        versions={name: version(name) for name in ("sign-toolkit", "torch", "onnx", "onnxruntime")},
    )


def _example(metadata: ModelMetadata) -> Any:
    import numpy as np

    # Neither 1 nor the trained length: the exporter takes equal sizes for the same one and 1 for a constant.
    return np.zeros((2, metadata.num_frames + 3, *metadata.item_shape), metadata.dtype)


def _portable(value: Any) -> Any:
    """The value as JSON: folders cut off paths, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): _portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str | Path):
        return _FOLDERS.sub("", str(value))
    return value


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on packages we do not use and on its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ExportError(
            f"{path} cannot be written: {error.strerror or error}. Give another --output"
        ) from error
    finally:
        part.unlink(missing_ok=True)
