"""The float32 CNN -> the int8 file in toolkit/weights, if it deserves it.

    python -m export.quantize --output toolkit/weights/efficientnet_lite0_int8.onnx \\
        --json_path WLASL_v0.3.json --video_dir videos

Ranges come from frames of the train split; the file is judged on frames of the val split; test clips are never
read. It is written only if no embedding of a judged frame, and no row of pooled numbers that it is made of, turns
further than cosine 0.99 away from its float32 one, and if it is faster on this machine; otherwise the reason is
printed, nothing is written, and float32 stays in use.
Same packages, processor and videos: same bytes. Of the videos, the file keeps smallest, largest and mean values.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from export.float_network import FloatNetwork
from export.network_file import check_output, run_command, write_network
from export.qdq import IntegerNetwork
from toolkit.clips import Clip, read_wlasl
from toolkit.errors import ExportError, VideoReadError
from toolkit.extract.cnn_projection import INPUT_SIZE, POOLED, WEIGHTS_FILE
from toolkit.extract.cnn_selfcheck import MIN_COSINE, SAMPLE_KEY, cosines, encode_embeddings, sample_images
from toolkit.session import make_session
from toolkit.video import sample_frames
from toolkit.weights import weights_path

FLOAT_LAYERS = 3
"""First convolutions that stay float32, chosen by measurement: see toolkit/weights/README.md."""
CALIBRATION = (64, 2)  # clips, frames of each
JUDGED = (120, 2)
TIMED_FRAMES, ROUNDS = 8, 9

Frames = NDArray[np.uint8]
Cost = Callable[[bytes, bytes, Frames], tuple[float, float]]


@dataclass(frozen=True)
class Report:
    """frames: judged; cosines: output -> (smallest, mean) between int8 and float32; CPU milliseconds per frame."""

    frames: int
    cosines: dict[str, tuple[float, float]]
    float_ms: float
    int8_ms: float


def refusal(report: Report) -> str | None:
    """Why an int8 network must not be used; None if it may."""
    for name, (smallest, _) in report.cosines.items():
        if not smallest >= MIN_COSINE:  # NaN refuses as well
            return (
                f"'{name}' turns to cosine {smallest:.4f} of its float32 one (smallest of {report.frames} "
                f"frames); {MIN_COSINE} is needed. More --float_layers keep more of it"
            )
    if not report.int8_ms < report.float_ms:
        return (
            f"it is not faster here: {report.int8_ms:.2f} ms of CPU time per frame, float32 needs "
            f"{report.float_ms:.2f} ms"
        )
    return None


def cpu_milliseconds(float_model: bytes, int8_model: bytes, frames: Frames) -> tuple[float, float]:
    """CPU time per frame of both, in turns on one thread, median of the rounds; frames: (N, H, W, 3)."""
    sessions = [make_session(model) for model in (float_model, int8_model)]
    spent: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for session, times in zip(sessions, spent, strict=True):
            began = time.process_time()
            for frame in frames[:TIMED_FRAMES]:
                session.run(None, {session.get_inputs()[0].name: frame[np.newaxis]})
            times.append(1000 * (time.process_time() - began) / min(len(frames), TIMED_FRAMES))
    first, second = (statistics.median(times[1:]) for times in spent)
    return first, second


def quantize(
    model: onnx.ModelProto,
    calibration: Sequence[Frames],
    judged: Sequence[Frames],
    float_layers: int = FLOAT_LAYERS,
    cost: Cost = cpu_milliseconds,
) -> tuple[onnx.ModelProto, Report]:
    """The int8 form of a float32 network, and how it did.

    model: input uint8 images, channels last, outputs of rows, one called "pooled"; calibration, judged: frames
    (H, W, 3) uint8 RGB, none of them in both; float_layers: how many convolutions stay float32, from the front.

    Raises:
        ExportError: the int8 network was refused; the message says why.
    """
    integer = IntegerNetwork(FloatNetwork(model), float_layers, calibration).model()
    properties = {item.key: item.value for item in model.metadata_props}
    samples = outputs_of(model.SerializeToString(), sample_images())[POOLED]
    properties |= {
        "sign_toolkit.cnn.precision": f"int8; the first {float_layers} convolutions float32",
        "sign_toolkit.cnn.calibration": f"{len(calibration)} frames",
        SAMPLE_KEY: encode_embeddings(samples),
    }
    helper.set_model_props(integer, properties)
    integer.producer_name = "sign-toolkit export.quantize"
    onnx.checker.check_model(integer, full_check=True)
    contents = [item.SerializeToString(deterministic=True) for item in (model, integer)]
    images = np.stack(judged)
    expected, found = (outputs_of(content, images) for content in contents)
    angles = {name: cosines(rows, found[name]) for name, rows in expected.items()}
    extremes = {name: (float(angle.min()), float(angle.mean())) for name, angle in angles.items()}
    report = Report(len(judged), extremes, *cost(contents[0], contents[1], images))
    if (reason := refusal(report)) is not None:
        raise ExportError(f"no int8 file was written, float32 stays in use: {reason}")
    return integer, report


def outputs_of(model: bytes, images: Frames) -> dict[str, NDArray[np.float32]]:
    """images: (N, H, W, 3) uint8 RGB -> name of an output -> (N, D) float32, one image at a time."""
    session = make_session(model)
    name = session.get_inputs()[0].name
    rows = zip(*(session.run(None, {name: image[np.newaxis]}) for image in images), strict=True)
    return {item.name: np.concatenate(parts) for item, parts in zip(session.get_outputs(), rows, strict=True)}


def frames_of(clips: Sequence[Clip], count: int, each: int) -> list[Frames]:
    """`each` frames of `count` clips spread evenly over the list; clips that do not decode are left out."""

    frames: list[Frames] = []
    for clip in clips[:: max(1, len(clips) // count)][:count]:
        try:
            frames += sample_frames(
                clip.path, each, clip.frame_start, clip.frame_end, (INPUT_SIZE, INPUT_SIZE)
            )
        except VideoReadError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not frames:
        raise ExportError("not one frame could be read; give --json_path and --video_dir of the real clips")
    return frames


def write_int8(
    source: Path, output: Path, json_path: Path, video_dir: Path, float_layers: int = FLOAT_LAYERS
) -> Report:
    """Write the int8 form of `source` to `output`.

    Raises:
        ExportError: it was refused, or --output has no folder; nothing was written.
        IndexFileError: the clips cannot be found.
    """
    check_output(output)
    calibration, judged = (
        frames_of(read_wlasl(json_path, video_dir, split=split).clips, *amount)
        for split, amount in (("train", CALIBRATION), ("val", JUDGED))
    )
    model, report = quantize(onnx.load(source), calibration, judged, float_layers)
    write_network(model, output)
    return report


def main() -> int:
    """The command line; returns the exit status (2: the user can fix it)."""
    parser = argparse.ArgumentParser("python -m export.quantize", description="Write the CNN as int8.")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument("--json_path", type=Path, required=True, help="index of the clips, WLASL format")
    parser.add_argument("--video_dir", type=Path, required=True, help="folder of its videos")
    parser.add_argument("--source", type=Path, help="float32 file (default: the one that ships)")
    parser.add_argument(
        "--float_layers", type=int, default=FLOAT_LAYERS, help="convolutions left in float32 (%(default)s)"
    )
    args = parser.parse_args()

    def write() -> str:
        source = args.source or weights_path(WEIGHTS_FILE)
        report = write_int8(source, args.output, args.json_path, args.video_dir, args.float_layers)
        angles = "; ".join(
            f"{name}: smallest {smallest:.4f}, mean {mean:.4f}"
            for name, (smallest, mean) in report.cosines.items()
        )
        return (
            f"cosine to float32 on {report.frames} frames that were not calibrated on: {angles}; CPU time "
            f"{report.int8_ms / report.float_ms:.2f}x of float32 ({report.int8_ms:.2f} ms per frame)"
        )

    return run_command("export.quantize", args.output, write)


if __name__ == "__main__":
    raise SystemExit(main())
