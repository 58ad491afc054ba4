"""What a run begins with where it does not begin at random: the weights of another run, all but the last layer's.

A network that has learnt to tell many signs apart describes movements in general. On a few clips of other signs it
has only to learn what these look like in its terms. The figures that features are standardised by belong to the
weights and are taken over with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from toolkit.errors import ConfigError
from toolkit.train.checkpoint import load_run
from toolkit.train.learnt_clips import KnownClip, learnt_already, learnt_clips
from toolkit.train.model import ModelSpec
from toolkit.train.same_data import SPEC_WORDS, extractor_changes, plain_value
from toolkit.train.split import counted
from toolkit.untrusted import listed

OF_THE_GLOSSES = ("head.weight", "head.bias")
"""The last layer, which has a row for each gloss: never taken over."""
MUST_FIT = SPEC_WORDS | {
    "normalization": "model.normalization",
    "embed_dim": "model.embed_dim",
    "num_heads": "model.num_heads",
    "num_layers": "model.num_layers",
    "ff_dim": "model.ff_dim",
}
"""What of a ModelSpec decides which weights there are and what they mean -> how people call it."""


@dataclass(frozen=True)
class Start:
    """weights: of a model's state dict, without the last layer; learnt: the clips they have learnt, None where
    unknown; glosses, train_clips: how many the run had; notes: for people."""

    weights: Mapping[str, Tensor]
    learnt: list[KnownClip] | None
    glosses: int
    train_clips: int
    notes: tuple[str, ...]


def read_start(
    run_dir: Path, spec: ModelSpec, extractor: Mapping[str, str | int | float], val: list[KnownClip]
) -> Start:
    """The weights that a run kept, for a model of this spec on clips of this extractor, validated on these clips.

    Raises:
        ConfigError: no such run, or its network is another one. TrainingError: it is damaged.
    """
    model, info = load_run(run_dir)
    was, now = asdict(info.spec), asdict(spec)
    if differing := [
        f"{words}: {_both(was[key], now[key])}" for key, words in MUST_FIT.items() if was[key] != now[key]
    ]:
        raise ConfigError(
            f"training.start_from: the network of {run_dir} is another one than this run's: {'; '.join(differing)}. "
            "Without --config its own settings are taken; the clips have to be extracted as its were"
        )
    changes = extractor_changes(info.extractor, extractor)
    if changes and spec.mode == "features":
        raise ConfigError(
            f"training.start_from: {run_dir} learnt features of another network, whose numbers mean something else: "
            f"{'; '.join(changes)}. Extract with that one, or start at random"
        )
    weights = {name: tensor for name, tensor in model.state_dict().items() if name not in OF_THE_GLOSSES}
    learnt, train_clips = learnt_clips(run_dir), int(info.training.get("train_clips", 0))
    notes = [
        f"starts from the weights of {run_dir}, which learnt {counted(train_clips, 'clip')} of "
        f"{len(info.glosses)} glosses"
    ]
    if changes:
        notes.append(f"the poses of {run_dir} were found in another way: {'; '.join(changes)}")
    if learnt is None and val:
        notes.append(
            f"{run_dir} does not say which clips it learnt; if validation clips are among them, the validation "
            "figures are too good"
        )
    elif again := learnt_already(val, learnt or []):
        notes.append(
            f"{run_dir} learnt {len(again)} of the {counted(len(val), 'validation clip')} already, so the validation "
            f"figures are too good: {listed(again)}"
        )
    return Start(weights, learnt, len(info.glosses), train_clips, tuple(notes))


def _both(was: object, now: object) -> str:
    """Two values that differ, of tuples of names what only one of them has."""
    if isinstance(was, tuple) and isinstance(now, tuple) and set(was) != set(now):
        was, now = [name for name in was if name not in now], [name for name in now if name not in was]
    return f"{plain_value(was) or 'none'} there, {plain_value(now) or 'none'} here"
