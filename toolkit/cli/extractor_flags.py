"""The flags that say how landmarks or features are made, shared by the verbs that make them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.flags import Parser
from toolkit.landmarks import LAYOUTS

if TYPE_CHECKING:
    from toolkit.extract import ExtractorSpec


def add_extractor_flags(parser: Parser) -> None:
    """Add --mode, --backend and what goes with them."""
    explained = {
        "mode": "pose: landmarks of every frame; features: one CNN embedding a frame (default: pose)",
        "backend": "pose: onnx (default) or mediapipe, which sends usage metrics to Google (docs/privacy.md); "
        "features: onnx (default) or torch",
        "landmarks": "pose: body, the guide's 33 points (default), or body_hands, 75 points: recognises far more",
        "network": "pose, onnx: lite is faster and less exact (default: full)",
        "per_frame": "pose, onnx: look for the person anew in every frame, as MediaPipe does for single images",
        "embed_dim": "features: numbers per frame, 1 to 256, or 1280 for all there are (default: 128)",
        "precision": "features: int8 takes half the time of fp32 (default: auto, int8 where it is sound)",
        "image_size": "features: side of the network's input in pixels: 224 (default), 160 or 128, faster and "
        "less exact",
        "crop": "features: person cuts frames down to the signer (default: none; docs/features.md)",
        "model": "features: your own network, an .onnx file that turns a picture into a row of numbers",
        "model_mean": "its pixels p in 0..255 enter as (p / 255 - mean) / std: one number or three, red first",
        "model_std": "see --model_mean; both may stand in the file instead (docs/features.md)",
        "model_layout": "where its input has the channels, if its shape does not show it",
        "model_asset": "pose, mediapipe: your own pose_landmarker.task",
        "device": "features: where the network runs (default: auto, a GPU if there is one)",
    }
    parser.flag("mode", choices=["pose", "features"], default="pose", help=explained["mode"])
    parser.flag("backend", choices=["onnx", "mediapipe", "torch"], help=explained["backend"])
    parser.flag("landmarks", choices=list(LAYOUTS), default="body", help=explained["landmarks"])
    parser.flag("network", choices=["full", "lite"], default="full", help=explained["network"])
    parser.flag("per_frame", action="store_true", help=explained["per_frame"])
    parser.flag("embed_dim", type=int, metavar="D", help=explained["embed_dim"])
    parser.flag("precision", choices=["auto", "fp32", "int8"], help=explained["precision"])
    parser.flag("image_size", type=int, metavar="PIXELS", help=explained["image_size"])
    parser.flag("crop", choices=["none", "person"], help=explained["crop"])
    parser.flag("model", type=Path, metavar="FILE", help=explained["model"])
    parser.flag("model_mean", type=_numbers, metavar="R,G,B", help=explained["model_mean"])
    parser.flag("model_std", type=_numbers, metavar="R,G,B", help=explained["model_std"])
    parser.flag("model_layout", choices=["NCHW", "NHWC"], help=explained["model_layout"])
    parser.flag("model_asset", type=Path, metavar="FILE", help=explained["model_asset"])
    parser.flag("device", choices=["auto", "cpu", "cuda"], default="auto", help=explained["device"])


ONLY_FOR = {
    "pose": ("landmarks", "network", "per_frame", "model_asset"),
    "features": ("embed_dim", "precision", "image_size", "crop", "model", "model_mean", "model_std",
                 "model_layout"),
}  # fmt: skip
"""mode -> flags that mean nothing in the other one."""


def read_extractor(args: argparse.Namespace) -> ExtractorSpec:
    """The extractor that the flags name, its device and precision settled; says on stderr what was not to be had.

    Raises:
        ConfigError: a flag has no meaning for that mode and backend, or cannot be honoured on this machine.
    """
    from toolkit.errors import ConfigError
    from toolkit.extract import EXTRACTORS, ExtractorSpec
    from toolkit.extract.devices import settle
    from toolkit.extract.protocol import PixelScale

    backend = args.backend or ""
    usual = next(name for mode, name in EXTRACTORS if mode == args.mode)
    if (args.mode, backend or usual) != ("pose", "onnx") and (args.network != "full" or args.per_frame):
        raise ConfigError(
            "--network and --per_frame are for --mode pose --backend onnx, not for "
            f"{args.mode}/{backend or usual}; leave them out"
        )
    for mode, flags in ONLY_FOR.items():
        given = [f"--{name}" for name in flags if getattr(args, name) not in (None, False, "full", "body")]
        if mode != args.mode and given:
            raise ConfigError(f"{given[0]} is for --mode {mode}, not for {args.mode}; leave it out")
    settled = settle(
        ExtractorSpec(
            args.mode,
            backend,
            args.landmarks,
            args.embed_dim,
            args.device,
            args.model_asset or args.model,
            network=args.network,
            per_frame=args.per_frame,
            precision=args.precision or "auto",
            image_size=args.image_size,
            crop=args.crop or "none",
            pixels=PixelScale(args.model_layout or "", args.model_mean or (), args.model_std or ()),
        )
    )
    for note in settled.notes:
        print(f"note: {note}", file=sys.stderr)
    return settled.spec


def _numbers(text: str) -> tuple[float, ...]:
    """'0.485,0.456,0.406' -> numbers."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a number, or three with commas between them"
        ) from None
