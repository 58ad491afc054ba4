"""Whether an ONNX model gives what the torch module gives: on real clips and on the clips that break exporters.

Nothing is written here, and nothing is known of metadata or files: a module, the bytes of a model and clips go
in, the largest difference or a refusal comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from toolkit.errors import ExportError
from toolkit.landmarks import get_layout
from toolkit.session import make_session

TOLERANCE = 1e-4
"""Largest difference allowed between the logits of torch and onnxruntime."""
LONG = 300  # frames: ten seconds at 30 frames per second, far beyond any trained length

Clips = NDArray[np.float32] | NDArray[np.uint8]


@dataclass(frozen=True)
class Verification:
    """max_difference: the largest over all logits; clips, cases: real clips and edge cases compared."""

    max_difference: float
    clips: int
    cases: int


def verify(module: nn.Module, model: bytes, batches: Iterable[Clips], layout: str = "") -> Verification:
    """Compare the two on real clips, and on edge cases made from the first batch of them.

    module: in eval mode; batches: arrays (N, T, *item_shape), at least one;
    layout: landmark layout of a pose model, "" otherwise.

    Raises:
        ExportError: the graph is not valid ONNX, the logits differ by more than TOLERANCE or are not finite,
            or a top-1 gloss changes.
    """
    try:
        onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported graph is not valid ONNX, nothing was written: {error}") from error
    session = make_session(model)

    def difference(name: str, clips: Clips) -> float:
        with torch.inference_mode():
            expected: NDArray[np.float32] = module(torch.from_numpy(clips)).numpy()
        return _difference(name, expected, session.run(["logits"], {"clips": clips})[0])

    largest, count, cases = 0.0, 0, 0
    for batch in batches:
        if count == 0:
            for name, clips in edge_cases(batch, layout):
                largest, cases = max(largest, difference(name, clips)), cases + 1
        largest, count = max(largest, difference("real clips", batch)), count + len(batch)
    if count == 0:
        raise ExportError("there is not one real clip to compare the export on, nothing was written")
    return Verification(largest, count, cases)


def verify_runs(model: bytes, clips: Clips, layout: str = "") -> None:
    """Check that a model that is not meant to give what torch gives takes all clips and gives finite logits.

    Raises:
        ExportError: it does not.
    """
    session = make_session(model)
    for name, case in edge_cases(clips[:7], layout):
        logits = session.run(["logits"], {"clips": case})[0]
        if len(logits) != len(case) or not np.isfinite(logits).all():
            raise ExportError(f"on {name}, the model in int8 gives no finite logits; nothing was written")


def edge_cases(batch: Clips, layout: str) -> Iterator[tuple[str, Clips]]:
    """Clips (N, T, *item_shape) of lengths, batch sizes and gaps that training never showed, with their names.

    batch: real clips; layout: landmark layout for pose clips, "" for the other modes.
    """
    seven = np.resize(batch, (7, *batch.shape[1:]))
    one = seven[:1]
    yield "a clip of one frame", one[:, :1]
    yield "a clip of two frames", one[:, :2]
    yield "a clip of three times the length", np.repeat(one, 3, axis=1)
    if batch.dtype != np.uint8:  # as many video frames would need gigabytes
        yield f"a clip of {LONG} frames", np.resize(one, (1, LONG, *batch.shape[2:]))
    for size in (1, 2, 7):
        yield f"a batch of {size}", seven[:size]
    if not layout:
        yield "clips of zeros", np.zeros_like(seven[:2])
        return
    yield "clips without any landmark", np.full_like(seven[:2], np.nan)
    every_other = seven[:2].copy()
    every_other[:, 1::2] = np.nan
    yield "clips with every other frame missing", every_other
    for name, slots in get_layout(layout).parts.items():
        lacking = seven[:2].copy()
        lacking[:, :, slots.start : slots.stop] = np.nan
        yield f"clips without {name}", lacking


def _difference(name: str, expected: NDArray[np.float32], given: NDArray[np.float32]) -> float:
    cure = "nothing was written. Use the torch and onnx releases of the train extra, or retrain"
    if expected.shape != given.shape:
        raise ExportError(f"on {name}, torch gives {expected.shape} and onnxruntime {given.shape}; {cure}")
    if not np.isfinite(expected).all() or not np.isfinite(given).all():
        raise ExportError(f"on {name}, the logits are not finite numbers; {cure}")
    largest = float(np.abs(expected - given).max())
    if largest > TOLERANCE:
        raise ExportError(
            f"on {name}, torch and onnxruntime differ by {largest:.2e} on the logits, {TOLERANCE:.0e} is "
            f"allowed; {cure}"
        )
    changed = int((expected.argmax(1) != given.argmax(1)).sum())
    if changed:
        raise ExportError(
            f"on {name}, {changed} of {len(expected)} top-1 glosses differ between torch and onnxruntime; {cure}"
        )
    return largest
