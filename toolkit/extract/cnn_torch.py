"""Frame embeddings with torch: EfficientNet-Lite0 spelled out, reading the weights of the shipped ONNX file.

Both backends run the same numbers by construction, and no pickle is read. The network here has its
BatchNorm folded into the convolutions; `export/cnn.py` does the folding and exports this very module.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError, WeightsError, require
from toolkit.extract.cnn_projection import BASIS, BASIS_DIM, POOLED_DIM, ProjectedCnn
from toolkit.extract.protocol import ExtractorSpec

require("torch", "train")  # a machine without torch gets the pip line, not a bare ImportError
import torch  # noqa: E402 - only after the check above
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402 - the name that torch's own documentation uses


class Stage(NamedTuple):
    """Blocks that share a resolution; the stride applies to the first of them."""

    blocks: int
    expansion: int
    channels: int
    kernel: int
    stride: int


STAGES = (
    Stage(blocks=1, expansion=1, channels=16, kernel=3, stride=1),
    Stage(blocks=2, expansion=6, channels=24, kernel=3, stride=2),
    Stage(blocks=2, expansion=6, channels=40, kernel=5, stride=2),
    Stage(blocks=3, expansion=6, channels=80, kernel=3, stride=2),
    Stage(blocks=3, expansion=6, channels=112, kernel=5, stride=1),
    Stage(blocks=4, expansion=6, channels=192, kernel=5, stride=2),
    Stage(blocks=1, expansion=6, channels=320, kernel=3, stride=1),
)
"""EfficientNet-B0's table (arXiv:1905.11946, table 1); the Lite variant drops squeeze-and-excite, uses
ReLU6 and keeps stem and head unscaled (tensorflow/tpu, efficientnet/lite/efficientnet_lite_builder.py)."""
STEM_CHANNELS = 32
INPUT_MEAN, INPUT_SCALE = 127.0, 128.0
"""Pixels p enter as (p - 127) / 128: MEAN_RGB and STDDEV_RGB of the same builder."""


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's 'SAME' padding: where it is odd, the extra pixel is right and below."""

    def forward(self, input: Tensor) -> Tensor:  # torch's name for the argument
        pads = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, kernel, stride in zip(input.shape[-2:], self.kernel_size, self.stride, strict=True)
        ]
        top, left = pads[0] // 2, pads[1] // 2
        padded = F.pad(input, [left, pads[1] - left, top, pads[0] - top])
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """Inverted residual: widen (1x1), filter each channel (k x k), narrow (1x1), add the input if it fits."""

    def __init__(self, channels_in: int, channels_out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = SameConv(channels_in, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = SameConv(wide, channels_out, 1)
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else F.relu6(self.expand(x))
        narrow: Tensor = self.project(F.relu6(self.depthwise(wide)))
        return x + narrow if self.residual else narrow


class EfficientNetLite0(nn.Module):
    """Frames (N, S, S, 3) uint8 RGB, S usually 224 -> pooled embeddings (N, 1280) float32 in 0..6."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        blocks, channels = [], STEM_CHANNELS
        for stage in STAGES:
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(Block(channels, stage.channels, stage.expansion, stage.kernel, stride))
                channels = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv(channels, POOLED_DIM, 1)

    def forward(self, frames: Tensor) -> Tensor:
        x = (frames.permute(0, 3, 1, 2).float() - INPUT_MEAN) / INPUT_SCALE
        x = self.blocks(F.relu6(self.stem(x)))
        return F.relu6(self.head(x)).mean((2, 3))


def load_network(weights: Path) -> EfficientNetLite0:
    """The network in eval mode with the weights stored in an ONNX file that `export/cnn.py` wrote.

    Raises:
        WeightsError: the file does not hold exactly this network's weights.
        MissingDependencyError: the onnx package is not installed.
    """
    network = EfficientNetLite0()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(_stored(weights, shapes))
    return network.eval()


def load_projection(weights: Path, embed_dim: int) -> Tensor:
    """(1280, embed_dim) float32 from the same file: what its pooled numbers are multiplied with.

    Raises like `load_network`.
    """
    return _stored(weights, {BASIS: (POOLED_DIM, BASIS_DIM)})[BASIS][:, :embed_dim].contiguous()


def _stored(weights: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The constants of these names and shapes, as float32."""
    require("onnx", "train")
    import onnx
    from onnx import numpy_helper

    stored = {item.name: item for item in onnx.load(weights).graph.initializer}
    found = {}
    for name, expected in shapes.items():
        shape = tuple(stored[name].dims) if name in stored else "absent"
        if shape != expected:
            raise WeightsError(
                f"{weights}: weight '{name}' is {shape}, {expected} was expected. "
                "Write the file again with: python -m export.cnn --output FILE"
            )
        found[name] = torch.from_numpy(numpy_helper.to_array(stored[name]).astype(np.float32))
    return found


class TorchCnn(ProjectedCnn):
    """Features by torch: on a GPU, or on the CPU with `spec.threads` threads, there to compare with.

    Raises:
        ConfigError: precision int8, or torch cannot use the device.
    """

    backend = "torch"

    def __init__(self, spec: ExtractorSpec) -> None:
        if spec.precision != "fp32":
            raise ConfigError(f"precision {spec.precision} needs --backend onnx; torch runs fp32")
        if spec.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                f"device is 'cuda', but this torch ({torch.__version__}) finds none: use --device cpu, or install "
                "torch for CUDA, from https://pytorch.org"
            )
        super().__init__(spec)
        self._network = load_network(self.weights).to(spec.device)
        self._projection = None
        if self.dim != POOLED_DIM:
            self._projection = load_projection(self.weights, self.dim).to(spec.device)
        self._device = spec.device
        self._threads = spec.threads

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        before = torch.get_num_threads()  # a setting of the whole process: put back what the caller had
        torch.set_num_threads(self._threads)
        try:
            # TF32 would round to 10 bits: a GPU has to give the CPU's numbers
            with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
                pooled = self._network(torch.from_numpy(images).to(self._device))
                found = pooled if self._projection is None else pooled @ self._projection
                rows: NDArray[np.float32] = found.cpu().numpy()
        finally:
            torch.set_num_threads(before)
        return rows

    def close(self) -> None:
        super().close()
        self.__dict__.pop("_network", None)
        self.__dict__.pop("_projection", None)
