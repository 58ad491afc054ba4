"""What this machine can do at best, on one thread: multiply, move memory, decode. Runs in a row's own process.

The clock is CPU time, and of several tries the best counts: a peak is what the machine can do, not what it had time
for. Knows nothing about the rows that are put beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.measure import now
from bench.outcome import Outcome
from bench.plan import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GEMM_SIDE = 768
"""Rows and columns of the matrices: three of them (7 MB) do not fit into a core's own cache, as in real networks."""
COPY_BYTES = 2**26  # beyond any cache
TRY_S, TRIES = 0.15, 4
CALIBRATION_PRODUCTS = 20  # products of a calibration, about 0.2 s


def machine(job: Job) -> Outcome:
    """gemm_gflops, copy_gb_per_s, decode_cpu_s_per_clip (to full-size RGB), and calibration_cpu_s and
    calibration_wall_s, the same fixed piece of work on every machine."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"  # read when numpy is imported
    import numpy as np

    draw = np.random.default_rng(0)
    left, right = (draw.random((GEMM_SIDE, GEMM_SIDE), dtype=np.float32) for _ in range(2))
    product = np.empty_like(left)
    multipliers: dict[str, Callable[[], object]] = {"numpy": lambda: np.matmul(left, right, out=product)}
    by_network = _network_product(left, right)
    if by_network is not None:
        multipliers["onnxruntime"] = by_network
    flops = 2 * GEMM_SIDE**3
    peaks = {name: flops / _least_cpu_s(multiply) for name, multiply in multipliers.items()}
    best = max(peaks, key=lambda name: peaks[name])
    source, target = (np.ones(COPY_BYTES, np.uint8) for _ in range(2))
    copied = 2 * COPY_BYTES / _least_cpu_s(lambda: np.copyto(target, source))
    began = now()
    for _ in range(CALIBRATION_PRODUCTS):
        np.matmul(left, right, out=product)
    spent = now().since(began)
    figures = {
        "gemm_gflops": peaks[best] / 1e9,
        "copy_gb_per_s": copied / 1e9,
        "calibration_cpu_s": spent.cpu_s,
        "calibration_wall_s": spent.wall_s,
    }
    figures |= {"decode_cpu_s_per_clip": _decoding(job)}
    return Outcome(figures, sources={"gemm_gflops": f"float32 product by {best}"})


def _least_cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of one call, in the best of several tries."""
    work()
    least = float("inf")
    for _ in range(TRIES):
        calls, began = 0, now()
        while (spent := now().since(began)).cpu_s < TRY_S:
            work()
            calls += 1
        least = min(least, spent.cpu_s / calls)
    return least


def _network_product(left: NDArray[np.float32], right: NDArray[np.float32]) -> Callable[[], object] | None:
    """The same product by onnxruntime, which runs our networks; None without the onnx package to describe it."""
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    from toolkit.session import make_session

    shape = list(left.shape)
    left_info, product_info = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("left", "product")
    )
    node = helper.make_node("MatMul", ["left", "right"], ["product"])
    graph = helper.make_graph(
        [node], "product", [left_info], [product_info], [numpy_helper.from_array(right, "right")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = make_session(model.SerializeToString())
    return lambda: session.run(None, {"left": left})


def _decoding(job: Job) -> float:
    from toolkit.errors import VideoReadError
    from toolkit.video import sample_frames

    began = now()
    for number, clip in enumerate(job.clips):
        if number == 1:
            began = now()  # the first one loads the decoder
        try:
            for _ in sample_frames(clip.path, job.options.num_frames, clip.frame_start, clip.frame_end):
                pass
        except VideoReadError:
            continue
    return now().since(began).cpu_s / max(1, len(job.clips) - 1)
