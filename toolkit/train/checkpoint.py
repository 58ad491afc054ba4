"""Checkpoints in a run directory: safetensors for numbers, JSON for what they mean. No pickles.

A file NAME.safetensors carries its own description in its header, so that a stop between two writes cannot pair
weights with the wrong description; NAME.json is the same text for people. Knows nothing about training itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from toolkit.errors import ConfigError, TrainingError
from toolkit.train.model import ModelSpec, SignClassifier

HEADER_KEY = "sign_toolkit.run"
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
        raw = json.loads(text)
        spec = raw["spec"]
        return cls(
            spec=ModelSpec(
                **{**spec, "item_shape": tuple(spec["item_shape"]), "features": tuple(spec["features"])}
            ),
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
    replace_file(run_dir / f"{which}.safetensors", save(contiguous, {HEADER_KEY: text}))
    replace_file(run_dir / f"{which}.json", text.encode())


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
    path = run_dir / f"{which}.safetensors"
    if not path.is_file():
        runs = ", ".join(sorted(str(found.parent) for found in run_dir.parent.glob("*/last.safetensors"))[:5])
        hint = f" Runs beside it: {runs}." if runs else ""
        raise ConfigError(
            f"there is no checkpoint {path}. A run directory is what `toolkit train` prints at its end.{hint}"
        )
    weights, resume = {}, {}
    try:
        with safe_open(path, framework="pt") as file:
            info = RunInfo.from_json((file.metadata() or {})[HEADER_KEY])
            for name in file.keys():  # noqa: SIM118 (not a mapping: it cannot be iterated)
                if name.startswith(MODEL_PREFIX):
                    weights[name.removeprefix(MODEL_PREFIX)] = file.get_tensor(name)
                else:
                    resume[name.removeprefix(RESUME_PREFIX)] = file.get_tensor(name)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            f"{path} is damaged or not a checkpoint of this package ({error!r}); train again, or copy it anew"
        ) from error
    return info, weights, resume


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that at any instant either the old or the new content is there in full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
