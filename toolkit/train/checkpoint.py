"""Checkpoints in a run directory: safetensors for numbers, JSON for what they mean. No pickles.

A file NAME.safetensors carries its own description in its header, so that a stop between two writes cannot pair
weights with the wrong description; NAME.json is the same text for people. A hash of the whole file stands in the
header, so that no changed byte goes unseen. Knows nothing about training itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from toolkit.errors import ConfigError, TrainingError
from toolkit.train.model import ModelSpec, SignClassifier
from toolkit.train.run_files import checkpoint_file
from toolkit.untrusted import MIB, parse_json, read_bounded, shown
from toolkit.whole_file import write_whole

HEADER_KEY = "sign_toolkit.run"
HASH_KEY = "sign_toolkit.blake2b"
_HASH = re.compile(b'"sign_toolkit.blake2b":"([0-9a-f]{32})"')
_NO_HASH = "0" * 32  # stands in the header while the file is hashed
LARGEST_CHECKPOINT = 4096 * MIB  # bytes; those of the configs that ship have 2 to 20 MiB
LARGEST_LAYER, MOST_WEIGHTS = 2**16, 2**28  # that a description may ask for; the shipped configs' have 2**20
MODEL_PREFIX = "model."
RESUME_PREFIX = "resume."


@dataclass(frozen=True)
class RunInfo:
    """What a checkpoint is: enough to rebuild the model, export it and say how good it is.

    glosses: gloss of each logit; extractor: fingerprint of the store's extractor, {} for video;
    training: clips, splits, settings and times; metrics: validation figures of this epoch (fractions);
    epoch: 1-based.
    """

    spec: ModelSpec
    glosses: tuple[str, ...]
    extractor: dict[str, str | int | float]
    training: dict[str, Any]
    metrics: dict[str, Any]
    epoch: int

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> RunInfo:
        """Read what to_json wrote; raises KeyError, TypeError or ValueError for anything else."""
        raw = parse_json(text)
        spec = raw["spec"]
        spec |= {"item_shape": tuple(spec["item_shape"]), "features": tuple(spec["features"])}
        _check_sizes(spec)
        return cls(
            spec=ModelSpec(**spec),
            glosses=tuple(raw["glosses"]),
            extractor=raw["extractor"],
            training=raw["training"],
            metrics=raw["metrics"],
            epoch=int(raw["epoch"]),
        )


def save_checkpoint(
    run_dir: Path,
    which: str,
    weights: Mapping[str, Tensor],
    info: RunInfo,
    resume: Mapping[str, Tensor] | None = None,
) -> None:
    """Write WHICH.safetensors and WHICH.json; each replaces the old one in one step.

    weights: the model's state dict; resume: further tensors that an interrupted run continues from.
    """
    tensors = {MODEL_PREFIX + name: tensor for name, tensor in weights.items()}
    tensors |= {RESUME_PREFIX + name: tensor for name, tensor in (resume or {}).items()}
    text = info.to_json()
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    content = save(contiguous, {HEADER_KEY: text, HASH_KEY: _NO_HASH})
    start = _hash_place(content)
    hashed = hashlib.blake2b(content, digest_size=16).hexdigest().encode()
    content = content[:start] + hashed + content[start + len(hashed) :]
    write_whole(run_dir / f"{which}.safetensors", content)
    write_whole(run_dir / f"{which}.json", text.encode())


def load_run(run_dir: Path, which: str = "best") -> tuple[SignClassifier, RunInfo]:
    """The model of a run in eval mode, and what it is. which: "best" (by validation) or "last".

    Raises:
        ConfigError: no such run or checkpoint.
        TrainingError: the checkpoint is damaged or was written by another version.
    """
    info, weights, _ = read_checkpoint(run_dir, which)
    model = SignClassifier(info.spec)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainingError(
            f"{run_dir}/{which}.safetensors does not fit its own description, so it was written by another "
            f"version of this package; train again. ({error})"
        ) from error
    return model.eval(), info


def read_checkpoint(run_dir: Path, which: str) -> tuple[RunInfo, dict[str, Tensor], dict[str, Tensor]]:
    """(info, model weights, resume tensors) of one checkpoint file; raises like load_run."""
    path = checkpoint_file(run_dir, which)
    weights, resume = {}, {}
    try:
        _check_hash(read_bounded(path, LARGEST_CHECKPOINT))
        with safe_open(path, framework="pt") as file:
            info = RunInfo.from_json((file.metadata() or {})[HEADER_KEY])
            for name in file.keys():  # noqa: SIM118 (not a mapping: it cannot be iterated)
                if name.startswith(MODEL_PREFIX):
                    weights[name.removeprefix(MODEL_PREFIX)] = file.get_tensor(name)
                else:
                    resume[name.removeprefix(RESUME_PREFIX)] = file.get_tensor(name)
    except ConfigError as error:
        raise TrainingError(f"{path}: {error}") from error
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise TrainingError(
            f"{path} is damaged or not a checkpoint of this package ({error}); copy it anew, or train again"
        ) from error
    return info, weights, resume


def _hash_place(content: bytes) -> int:
    """Where the hash stands in the header, or ValueError."""
    header = content[: 8 + int.from_bytes(content[:8], "little")]
    found = list(_HASH.finditer(header))
    if len(found) != 1:
        raise ValueError("its header names no single hash")
    return found[0].start(1)


def _check_hash(content: bytes) -> None:
    """Raise ValueError unless the file has the hash that its header names; files of older versions have none."""
    size = int.from_bytes(content[:8], "little")
    facts = parse_json(content[8 : 8 + size].decode()).get("__metadata__", {})
    if set(facts) == {HEADER_KEY}:
        return
    start = _hash_place(content)
    end = start + len(_NO_HASH)
    found = hashlib.blake2b(content[:start], digest_size=16)
    found.update(_NO_HASH.encode())
    found.update(memoryview(content)[end:])
    if found.hexdigest().encode() != content[start:end]:
        raise ValueError("its checksum differs")


def _check_sizes(spec: dict[str, Any]) -> None:
    """Raise ValueError where a description would take more memory than any model of ours."""
    names = ("num_frames", "num_classes", "embed_dim", "num_heads", "num_layers", "ff_dim")
    sizes = [spec[name] for name in names] + list(spec["item_shape"])
    if 0 <= spec["dropout"] < 1 and all(type(size) is int and 1 <= size <= LARGEST_LAYER for size in sizes):
        _, classes, width, _, layers, inner = sizes[: len(names)]
        values = math.prod(spec["item_shape"]) if len(spec["item_shape"]) < 3 else 1
        if width * (layers * (4 * width + 2 * inner) + values + classes) <= MOST_WEIGHTS:
            return
    raise ValueError(f"its description asks for impossible sizes: {shown(spec, 200)}")
