"""Compares a converted network with the original one, run by LiteRT, before anything is written.

Images: noise, smooth colours, and the drawn signer, whole and each hand, so that networks see what they know.
Every image goes in alone and in batches of two and three. Knows neither the conversion nor the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import onnx
from numpy.typing import NDArray

from export.blazepose_networks import Plan
from toolkit.demo.skeleton import JOINT_NAMES
from toolkit.demo.take import Take, draw_clip
from toolkit.errors import ExportError, require
from toolkit.session import make_session

Images = NDArray[np.uint8]
HAND_SIDE = 0.4
"""Side of the square around a drawn wrist, in image heights."""


def check_images(size: int, seed: int = 0) -> Images:
    """(9, size, size, 3) uint8 RGB; another seed draws other noise and another signer."""
    random = np.random.default_rng(seed)
    images = list(random.integers(0, 256, (2, size, size, 3), dtype=np.uint8))
    row, column = random.uniform(0.01, 0.1, 2)
    angle = row * np.arange(size)[:, None, None] + column * np.arange(size)[None, :, None]
    images.append(np.round(127.5 + 127.5 * np.sin(angle + np.arange(3))).astype(np.uint8))
    frames, joints = _drawn_signer(seed)
    for index in (len(frames) // 3, len(frames) // 2):
        height, width = frames.shape[1:3]
        squares = [(0.5 * width, 0.5 * height, float(height))]
        for name in ("left_wrist", "right_wrist"):
            x, y = joints[index, JOINT_NAMES.index(name)]
            squares.append((x * width, y * height, HAND_SIDE * height))
        images += [square(frames[index], *place, size) for place in squares]
    return np.stack(images)


@lru_cache(maxsize=2)  # drawing takes as long as comparing a network, and all of them see the same signer
def _drawn_signer(seed: int) -> Take:
    return draw_clip("wave", signer=seed, seed=seed)


def square(frame: Images, x: float, y: float, side: float, size: int) -> Images:
    """The square of `side` pixels around (x, y), as size x size; the frame's edge is repeated outside of it."""
    steps = (np.arange(size) + 0.5) / size * side - side / 2
    rows = np.clip(np.floor(y + steps), 0, frame.shape[0] - 1).astype(int)
    columns = np.clip(np.floor(x + steps), 0, frame.shape[1] - 1).astype(int)
    cut: Images = frame[rows[:, None], columns]
    return cut


def to_input(plan: Plan, images: Images) -> NDArray[np.float32]:
    """uint8 (N, H, W, 3) as the network takes it: float32 (N, 3, H, W), low..high."""
    scaled = images.astype(np.float32) * np.float32((plan.high - plan.low) / 255) + np.float32(plan.low)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def reference(plan: Plan, content: bytes, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """What LiteRT makes of float32 (N, 3, H, W) with the original network: output name -> (N, *shape)."""
    litert = require("ai_edge_litert.interpreter", "dev")
    interpreter = litert.Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    details = interpreter.get_output_details()
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in plan.outputs}
    for image in images:
        interpreter.set_tensor(place, image.transpose(1, 2, 0)[np.newaxis])
        interpreter.invoke()
        for name, output in plan.outputs.items():
            values = interpreter.get_tensor(details[output.number]["index"])[0]
            channels_last = values.ndim == len(output.shape) == 3
            found[name].append((values.transpose(2, 0, 1) if channels_last else values).reshape(output.shape))
    return {name: np.stack(values) for name, values in found.items()}


def differences(
    plan: Plan,
    model: bytes,
    inputs: NDArray[np.float32],
    expected: dict[str, NDArray[np.float32]],
    batches: Iterable[int] = (1, 2, 3),
) -> dict[str, tuple[float, ...]]:
    """Largest differences over all images, run in batches of each of the given sizes; a NaN stays one.

    Returns output name -> one number for each number of its tolerance.

    Raises:
        ExportError: an output has another shape than the plan says.
    """
    session = make_session(model)
    names = list(plan.outputs)
    worst = {name: np.zeros(len(output.tolerance)) for name, output in plan.outputs.items()}
    for batch in batches:
        for start in range(0, len(inputs), batch):
            part = slice(start, start + batch)
            for name, values in zip(names, session.run(names, {"image": inputs[part]}), strict=True):
                if values.shape != expected[name][part].shape:
                    raise ExportError(
                        f"'{name}' is {values.shape}; {expected[name][part].shape} was expected"
                    )
                difference = np.abs(values - expected[name][part]).reshape(-1, len(worst[name]))
                worst[name] = np.maximum(worst[name], difference.max(axis=0))
    return {name: tuple(values.tolist()) for name, values in worst.items()}


def verify(plan: Plan, content: bytes, model: onnx.ModelProto) -> dict[str, tuple[float, ...]]:
    """Compare a converted network with the original; returns what `differences` does.

    Raises:
        ExportError: the model is not valid ONNX, or an output differs by more than its tolerance.
        MissingDependencyError: LiteRT is not installed.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{plan.title}: the converted graph is not valid ONNX: {error}") from error
    inputs = to_input(plan, check_images(plan.size))
    expected = reference(plan, content, inputs)
    found = differences(plan, model.SerializeToString(deterministic=True), inputs, expected)
    for name, values in found.items():
        for difference, allowed in zip(values, plan.outputs[name].tolerance, strict=True):
            if not difference <= allowed:  # NaN has to be refused too
                raise ExportError(
                    f"{plan.title}: '{name}' differs from LiteRT by {difference:.1e}; {allowed:.0e} is allowed"
                )
    return found
