"""A trained run -> one self-describing .onnx: gap filling, resampling, normalisation and network in one graph.

The file is made in memory, compared with torch (see export/verify), calibrated on the validation clips, quantised
if that is asked for and worth it (see export/quantize_classifier), and only then written, in one step: a refused
export leaves no file, and an older file stays as it was. Nothing of the machine it was made on is in it.
"""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from export.quantize_classifier import Comparison, compare, decide, quantized, run_in_batches
from export.samples import real_clips, validation_clips
from export.verify import verify, verify_runs
from toolkit.calibration import calibration_error, choose_threshold, fit_temperature
from toolkit.errors import ConfigError, ExportError
from toolkit.metadata import ModelMetadata
from toolkit.model_seal import sealed
from toolkit.train.checkpoint import RunInfo, load_run
from toolkit.train.model import SignClassifier
from toolkit.whole_file import write_whole

PRECISIONS = ("fp32", "int8")
OPSET, IR_VERSION = 20, 10  # GELU is one operator; onnxruntime 1.20, the oldest one we allow, reads both
_FOLDERS = re.compile(r"""(?<![\w.~/\\])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\"']+[/\\])+""")


@dataclass(frozen=True)
class ExportReport:
    """path: the file written, size_bytes its size; parameters: trained numbers in the network;
    max_difference: largest difference of the fp32 graph to torch on the logits, over `clips` real clips and
    `cases` edge cases; precision: "fp32" or "int8", as written, with the reason where int8 was asked for, and
    what both files are worth; temperature, ece, threshold: as in ModelMetadata, from `validated` clips, with
    ece_uncalibrated for a temperature of 1; None and 0 where the run has no validation clips.
    """

    path: Path
    size_bytes: int
    parameters: int
    max_difference: float
    clips: int
    cases: int
    opset: int
    precision: str = "fp32"
    reason: str = ""
    comparison: Comparison | None = None
    temperature: float | None = None
    ece: float | None = None
    ece_uncalibrated: float | None = None
    threshold: float | None = None
    validated: int = 0


def export_run(
    run_dir: Path, output: Path | None = None, store: Path | None = None, precision: str = "fp32"
) -> ExportReport:
    """Export the best checkpoint of a run and write it to `output` (default: model.onnx in the run).

    store: where the run's feature store is now, if it was moved since training; precision: "int8" writes 8-bit
    weights if validation clips lose at most MAX_DROP of top-1 and the file is smaller or faster, else fp32.

    Raises:
        TrainingError, ConfigError: the run is missing or damaged, or the precision unknown.
        StoreError: the clips to compare on cannot be read.
        ExportError: the export is not what torch computes, or the file cannot be written.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is '{precision}'; choose one of: {', '.join(PRECISIONS)}")
    path = output if output is not None else run_dir / "model.onnx"
    if path.is_dir():
        raise ExportError(f"{path} is a folder; give a file name, e.g. --output {path / 'model.onnx'}")
    if path.suffix != ".onnx":
        raise ExportError(f"--output {path}: the file's name must end in .onnx, e.g. {path.name}.onnx")
    module, info = load_run(run_dir)
    batches = real_clips(run_dir, info, store)
    metadata = metadata_of(info)
    graph = to_onnx(module, metadata)
    model = _described(graph, metadata)
    found = verify(module, model, batches, info.spec.layout)
    report = ExportReport(
        path, 0, module.num_parameters, found.max_difference, found.clips, found.cases, OPSET
    )
    clips = validation_clips(run_dir, info, store)
    if clips is None:
        reason = "the run has no validation clips to compare on" if precision == "int8" else ""
        return _finished(replace(report, reason=reason), model)
    values, labels = clips.batch(range(len(clips))), clips.labels
    metadata, report = _calibrated(metadata, report, run_in_batches(model, values), labels)
    model = _described(graph, metadata)
    if precision == "int8":
        trained = [parameter.detach().numpy() for parameter in module.parameters()]
        model, report = _smaller(graph, trained, metadata, report, values, labels)
    return _finished(report, model)


def _finished(report: ExportReport, model: bytes) -> ExportReport:
    content = sealed(model)
    _write(report.path, content)
    return replace(report, size_bytes=len(content))


def _calibrated(
    metadata: ModelMetadata, report: ExportReport, logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[ModelMetadata, ExportReport]:
    """Both with temperature, error and threshold; the temperature of the training, if it found one, stays."""
    temperature = metadata.temperature
    if temperature is None:
        temperature = round(fit_temperature(logits, labels), 4)
    threshold = choose_threshold(logits, labels, temperature)
    ece = round(calibration_error(logits, labels, temperature), 4)
    metadata = replace(metadata, temperature=temperature, ece=ece, threshold=threshold)
    before = round(calibration_error(logits, labels), 4)
    report = replace(report, temperature=temperature, ece=ece, threshold=threshold)
    return metadata, replace(report, ece_uncalibrated=before, validated=len(labels))


def _smaller(
    graph: onnx.ModelProto,
    trained: list[NDArray[np.float32]],
    metadata: ModelMetadata,
    report: ExportReport,
    values: NDArray[Any],
    labels: NDArray[np.int64],
) -> tuple[bytes, ExportReport]:
    """The file in int8, or in fp32 where that is not worth it, and the report with the reason."""
    full = _described(graph, metadata)
    small = quantized(full, trained)
    verify_runs(small, values, metadata.layout)
    figures = compare(full, small, values, labels)
    worth, reason = decide(figures.fp32, figures.int8)
    report = replace(report, comparison=figures, reason=reason, precision="int8" if worth else "fp32")
    if not worth:
        return full, report
    tested = {"top1": figures.int8.top1, "fp32_top1": figures.fp32.top1, "n": figures.clips}
    metadata = replace(metadata, metrics={**metadata.metrics, "int8": tested})
    return _described(onnx.load_from_string(small), metadata), report


def _described(graph: onnx.ModelProto, metadata: ModelMetadata) -> bytes:
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, metadata.to_properties())
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


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
        temperature=info.metrics.get("temperature"),  # none in runs without validation, and older ones
        ece=info.metrics.get("ece"),
    )


def _example(metadata: ModelMetadata) -> Any:
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
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise ExportError(
            f"{path} cannot be written: {error.strerror or error}. Give another --output"
        ) from error
