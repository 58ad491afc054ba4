"""What embedding a clip of 16 frames costs: CPU time on one thread, relative to torch eager, all in turns.

    python tests/benchmarks/cnn_cost.py [ROUNDS]

"eager": the network as published, its BatchNorm not folded, float32, the clip as one batch of 16; this is what
people write. "folded": the torch backend's network, whose BatchNorm is folded. Drawn frames: times do not depend on
what is in a picture. Needs the dev extra.

torch's 16 frames at once need buffers of up to 77 MB, which the C library maps anew for most layers. What that costs
is in the column "system": up to half of the time, next to nothing where it happens to keep the pages.
"""

from __future__ import annotations

import resource
import statistics
import sys
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from export.cnn import BATCHNORM_EPS, source_file
from toolkit.extract.cnn_projection import WEIGHTS_FILE
from toolkit.extract.cnn_torch import EfficientNetLite0, SameConv, load_network
from toolkit.session import make_session
from toolkit.weights import weights_path

FRAMES = 16
INT8_FILE = "efficientnet_lite0_int8.onnx"


def published_network() -> EfficientNetLite0:
    """The torch network with a BatchNorm behind every convolution, and the published weights."""
    network = EfficientNetLite0()
    for name, conv in list(network.named_modules()):
        if isinstance(conv, SameConv):
            bare = SameConv(
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size,
                conv.stride,
                groups=conv.groups,
                bias=False,
            )
            parent, _, last = name.rpartition(".")
            norm = nn.BatchNorm2d(conv.out_channels, eps=BATCHNORM_EPS)
            setattr(network.get_submodule(parent), last, nn.Sequential(bare, norm))
    source = torch.load(source_file(), map_location="cpu", weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), source.values(), strict=False)))
    return network.eval()


def main(rounds: int) -> dict[str, float]:
    """Prints a table; returns CPU seconds per clip of every way, medians."""
    torch.set_num_threads(1)
    frames = np.random.default_rng(0).integers(0, 256, (FRAMES, 224, 224, 3), dtype=np.uint8)
    published, folded = published_network(), load_network(weights_path(WEIGHTS_FILE))
    float32, int8 = (make_session(weights_path(name), arena=True) for name in (WEIGHTS_FILE, INT8_FILE))

    def in_torch(network: nn.Module, batch: int) -> Callable[[], None]:
        def run() -> None:
            with torch.inference_mode():
                for first in range(0, FRAMES, batch):
                    network(torch.from_numpy(frames[first : first + batch]))

        return run

    def in_onnx(session: object, batch: int) -> Callable[[], None]:
        def run() -> None:
            for first in range(0, FRAMES, batch):
                session.run(["embeddings"], {"frames": frames[first : first + batch]})  # type: ignore[attr-defined]

        return run

    ways = {
        "torch eager, 16 at once": in_torch(published, 16),
        "torch eager, one by one": in_torch(published, 1),
        "torch folded, 16 at once": in_torch(folded, 16),
        "torch folded, one by one": in_torch(folded, 1),
        "onnx fp32, one by one": in_onnx(float32, 1),
        "onnx fp32, two at once": in_onnx(float32, 2),
        "onnx int8, one by one": in_onnx(int8, 1),
        "onnx int8, two at once": in_onnx(int8, 2),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    system: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, run in ways.items():
            began = resource.getrusage(resource.RUSAGE_SELF)
            run()
            ended = resource.getrusage(resource.RUSAGE_SELF)
            system[name].append(ended.ru_stime - began.ru_stime)
            spent[name].append(ended.ru_utime - began.ru_utime + system[name][-1])
    medians = {name: statistics.median(times[1:]) for name, times in spent.items()}
    first, *others = list(medians)[:4]
    print(
        f"{'':26}{'ms per clip':>12}{'system':>8}{'to eager':>10}"
        + "".join(f"{name[6:]:>22}" for name in others)
    )
    for name, seconds in medians.items():
        ratios = "".join(f"{seconds / medians[other]:22.3f}" for other in others)
        kernel = 1000 * statistics.median(system[name][1:])
        print(f"{name:26}{1000 * seconds:12.1f}{kernel:8.1f}{seconds / medians[first]:10.3f}{ratios}")
    return medians


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
