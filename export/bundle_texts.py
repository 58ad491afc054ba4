"""The files of a bundle that speak to its user: README.md, NOTICE and requirements.txt, filled in for one model."""

from __future__ import annotations

import re
import string
import textwrap
from importlib import metadata as installed
from pathlib import Path

from toolkit.landmarks import LAYOUTS
from toolkit.metadata import ModelMetadata

TEXTS = Path(__file__).parent / "bundle_files"
REQUIREMENTS = ("numpy", "onnxruntime", "opencv-python", "av")
"""What a bundle may ask pip for; the versions are those that this package asks for itself."""


def written_for(metadata: ModelMetadata, networks: list[str]) -> dict[str, bytes]:
    """Name in the bundle -> content. networks: names of the networks that the bundle holds."""
    texts = {
        "README.md": _readme(metadata, networks),
        "NOTICE": _notice(metadata, networks),
        "requirements.txt": "\n".join(requirements()) + "\n",
    }
    return {name: text.encode() for name, text in texts.items()}


def requirements() -> list[str]:
    """The lines of requirements.txt: what this package's own metadata asks for, of the packages in REQUIREMENTS."""
    asked = {
        re.split(r"[^\w.-]", line, maxsplit=1)[0]: line for line in installed.requires("sign-toolkit") or ()
    }
    return [asked[name] for name in REQUIREMENTS]


def _notice(metadata: ModelMetadata, networks: list[str]) -> str:
    text = "sign-toolkit\n\nThis product is licensed under the Apache License, Version 2.0 (see LICENSE).\n"
    if not networks:
        return text
    return f"{text}\nIt contains:\n\n{(TEXTS / f'notice_{metadata.mode}.txt').read_text(encoding='utf-8')}"


def _readme(metadata: ModelMetadata, networks: list[str]) -> str:
    about = installed.metadata("sign-toolkit")
    lines = {
        "python": _pythons(about["Requires-Python"]),
        "version": about["Version"],
        "known": f"{len(metadata.glosses)} signs: {', '.join(metadata.glosses)}.",
        "accuracy": _accuracy(metadata),
        "input": _input(metadata),
    }
    filled = {name: textwrap.fill(text, 110, break_long_words=False) for name, text in lines.items()}
    filled["networks"] = f";\n{' ' * 24}in toolkit/weights: {', '.join(networks)}" if networks else ""
    return string.Template((TEXTS / "README.md").read_text(encoding="utf-8")).substitute(filled)


def _pythons(bounds: str) -> str:
    """The bounds >=3.11,<3.14 in any order -> 3.11 or newer (below 3.14)."""
    lowest, above = re.search(r">=([\d.]+)", bounds), re.search(r"<([\d.]+)", bounds)
    text = f"{lowest[1]} or newer" if lowest else "3"
    return f"{text} (below {above[1]})" if above else text


def _accuracy(metadata: ModelMetadata) -> str:
    top1, count = metadata.metrics.get("val_top1"), metadata.metrics.get("n_val")
    if not isinstance(top1, float | int) or not count:
        text = "How often it is right was not measured."
    else:
        text = (
            f"On {count} clips that were kept out of training, its first answer was right in {100 * top1:.1f} % "
            "of cases; with other people, cameras and rooms, expect less."
        )
    if metadata.threshold is None:
        return text
    return f"{text} Trust no answer with a score below {metadata.threshold:.2f}."


def _input(metadata: ModelMetadata) -> str:
    shape = ", ".join(map(str, metadata.item_shape))
    given = f"A .npy file is one clip (T, {shape}) {metadata.dtype}, any T"
    if metadata.mode != "pose":
        return f"{given}."
    parts = ", ".join(
        f"{len(range(s.start, s.stop))} {part}" for part, s in LAYOUTS[metadata.layout].parts.items()
    )
    return f"{given}: landmarks ({parts}) as x, y, z, score in fractions of the image, NaN where nothing was found."
