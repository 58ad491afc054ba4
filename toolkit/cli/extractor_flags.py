"""The flags that say how landmarks or features are made, shared by the verbs that make them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.flags import Parser
from toolkit.landmarks import LAYOUTS

if TYPE_CHECKING:
    from toolkit.extract import ExtractorSpec


def add_extractor_flags(parser: Parser) -> None:
    """Add --mode, --backend, --landmarks, --network, --per_frame, --embed_dim, --model_asset and --device."""
    explained = {
        "mode": "pose: landmarks of every frame; features: one CNN embedding a frame (default: pose)",
        "backend": "pose: onnx (default) or mediapipe, which sends usage metrics to Google (docs/privacy.md); "
        "features: onnx (default) or torch",
        "landmarks": "pose: body, the guide's 33 points (default), or body_hands, 75 points: recognises far more",
        "network": "pose, onnx: lite is faster and less exact (default: full)",
        "per_frame": "pose, onnx: look for the person anew in every frame, as MediaPipe does for single images",
        "embed_dim": "features: numbers per frame, 1 to 1280 (default: 128)",
        "model_asset": "pose, mediapipe: your own pose_landmarker.task",
        "device": "where networks run (default: cpu)",
    }
    parser.flag("mode", choices=["pose", "features"], default="pose", help=explained["mode"])
    parser.flag("backend", choices=["onnx", "mediapipe", "torch"], help=explained["backend"])
    parser.flag("landmarks", choices=list(LAYOUTS), default="body", help=explained["landmarks"])
    parser.flag("network", choices=["full", "lite"], default="full", help=explained["network"])
    parser.flag("per_frame", action="store_true", help=explained["per_frame"])
    parser.flag("embed_dim", type=int, default=128, metavar="D", help=explained["embed_dim"])
    parser.flag("model_asset", type=Path, metavar="FILE", help=explained["model_asset"])
    parser.flag("device", default="cpu", help=explained["device"])


def read_extractor(args: argparse.Namespace) -> ExtractorSpec:
    """The extractor that the flags name.

    Raises:
        ConfigError: a flag has no meaning for that mode and backend.
    """
    from toolkit.errors import ConfigError
    from toolkit.extract import EXTRACTORS, ExtractorSpec

    backend = args.backend or next(name for mode, name in EXTRACTORS if mode == args.mode)
    if (args.mode, backend) != ("pose", "onnx") and (args.network != "full" or args.per_frame):
        raise ConfigError(
            f"--network and --per_frame are for --mode pose --backend onnx, not for {args.mode}/{backend}; "
            "leave them out"
        )
    return ExtractorSpec(
        args.mode,
        backend,
        args.landmarks,
        args.embed_dim,
        args.device,
        args.model_asset,
        network=args.network,
        per_frame=args.per_frame,
    )
