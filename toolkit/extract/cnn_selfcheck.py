"""Whether this machine computes the int8 network correctly: checked once, remembered in the user's cache folder.

On processors without VNNI onnxruntime multiplies 8-bit numbers in pairs and adds each pair in 16 bits, which can
overflow silently. The shipped file keeps its weights small enough that it cannot (export/quantize.py), but another
release of onnxruntime, another processor family or an emulator may still go wrong, and nobody would notice: so a
drawn picture is embedded and compared with the embedding that the float32 network gave where the file was made.

How a backend uses it:

    sound, cosine = int8_is_sound(path)   # path of an int8 file that export.quantize wrote
    if not sound: ...                     # run the fp32 file instead, and say so on stderr
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from toolkit.errors import ModelFileError
from toolkit.extract.cache_folder import cache_folder
from toolkit.extract.cnn_projection import POOLED
from toolkit.extract.model_digest import model_digest
from toolkit.session import make_session

MIN_COSINE = 0.99
"""Smallest cosine between int8 and float32 embeddings that counts as sound; the limit of the export as well."""
SAMPLE_KEY = "sign_toolkit.cnn.sample_embedding"
"""Metadata key of an int8 file: base64 of what the float32 network makes of `sample_images`, float16: its pooled
numbers, which integers turn further than the embeddings made of them."""
CACHE_FILE = "int8_checks.json"
SAMPLES = 2


def int8_is_sound(model: Path, cache: Path | None = None) -> tuple[bool, float]:
    """(sound, cosine): cosine is the smallest one over the sample images, -1..1; sound: it is >= MIN_COSINE.

    model: an int8 file that export/quantize.py wrote. The first call on a machine embeds the samples (about
    0.1 s); later ones read the answer from `cache` (default: the user's cache folder), where it is kept per
    processor model, onnxruntime release and file. A cache that cannot be read or written costs the time again
    and nothing else. Safe to call from many processes at once.

    Raises:
        ModelFileError: the file cannot be opened, or holds no sample embedding to compare with.
    """
    folder = cache_folder() if cache is None else cache
    key = f"{processor_name()} | onnxruntime {onnxruntime.__version__} | {model_digest(model)}"
    known = _read(folder).get(key)
    if known is None:
        known = sample_cosine(model)
        _remember(folder, key, known)
    return known >= MIN_COSINE, known


def sample_cosine(model: Path) -> float:
    """The smallest cosine, over the sample images, between what `model` gives here and what it holds.

    NaN counts as -1: a network that gives NaN is not sound.

    Raises:
        ModelFileError: the file cannot be opened, or holds no sample embedding to compare with.
    """
    session = make_session(model)
    stored = session.get_modelmeta().custom_metadata_map.get(SAMPLE_KEY)
    if stored is None:
        raise ModelFileError(
            f"{model} holds no '{SAMPLE_KEY}' to check int8 with; write it with: python -m export.quantize"
        )
    expected = decode_embeddings(stored)
    images = sample_images()
    name = session.get_inputs()[0].name
    rows = [session.run([POOLED], {name: image[np.newaxis]})[0] for image in images]
    smallest = float(np.min(cosines(np.concatenate(rows), expected)))
    return smallest if np.isfinite(smallest) else -1.0


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """one, other: (N, D) -> (N,) cosines of the angles between their rows, -1..1; NaN where a row is zero."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: NDArray[np.float64] = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return result


def sample_images() -> NDArray[np.uint8]:
    """(2, 224, 224, 3) uint8 RGB, drawn in integers and so the same everywhere: soft shapes, and hard edges of
    black and white, whose large sums would overflow first."""
    row, column, channel = np.ogrid[:224, :224, :3]
    shade = (row * 3 + column * 2) // 7 + 40 * channel
    head = (row - 70) ** 2 + (column - 112) ** 2 < 34**2
    body = (row > 110) & (abs(column - 112) < 30 + (row - 110) // 3)
    soft = np.where(head, 205 - 25 * channel, np.where(body, 60 + 45 * channel + column // 4, shade))
    ring = (row - 100) ** 2 + (column - 120) ** 2
    hard = 255 * ((ring // 700 + (column > 112) + channel * (row > 150)) % 2)
    return np.stack([np.clip(soft, 0, 255), np.broadcast_to(hard, soft.shape)]).astype(np.uint8)


def encode_embeddings(embeddings: NDArray[np.float32]) -> str:
    """(2, D) -> text for the metadata of an int8 file."""
    return base64.b64encode(embeddings.astype("<f2").tobytes()).decode("ascii")


def decode_embeddings(text: str) -> NDArray[np.float32]:
    """The inverse of `encode_embeddings`, to float16 precision: (2, D) float32."""
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32).reshape(SAMPLES, -1)


def processor_name() -> str:
    """The processor's model as the system names it; names the instruction set alone where it does not."""
    if sys.platform == "linux":
        try:
            text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        for line in text.splitlines():
            if line.startswith(("model name", "CPU part", "Hardware")):
                flags = next((other for other in text.splitlines() if other.startswith("flags")), "")
                digest = hashlib.sha256(flags.encode()).hexdigest()[:8]  # a hypervisor may hide instructions
                return f"{line.partition(':')[2].strip()} ({digest})"
    return f"{platform.processor() or platform.machine()} on {platform.machine()}"


def _read(folder: Path) -> dict[str, float]:
    try:
        content = json.loads((folder / CACHE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, float)}


def _remember(folder: Path, key: str, cosine: float) -> None:
    # written beside and moved: another process reads the old file or the new one, never half of one
    partial = folder / f"{CACHE_FILE}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({**_read(folder), key: cosine}, indent=1), encoding="utf-8")
        partial.replace(folder / CACHE_FILE)
    except OSError:
        return  # a read-only home: check again next time
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
