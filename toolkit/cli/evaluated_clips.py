"""The clips that `toolkit evaluate` measures on, and what a run or a model file says about them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from toolkit.clips import Clip
    from toolkit.store import Record
    from toolkit.train.dataset import LabelledClips

ONNX_BATCH = 16
ADVISED = ("test", "val", "train")  # splits in the order in which they say most about new clips


def with_onnx(args: argparse.Namespace) -> tuple[LabelledClips, NDArray[np.float32], float]:
    """The clips, their logits, and the temperature that the model divides them by."""
    import numpy as np

    from toolkit.errors import ConfigError
    from toolkit.recognizer import Recognizer
    from toolkit.train.dataset import StoreClips, open_store

    with Recognizer.load(args.model, override=args.override) as recognizer:
        metadata = recognizer.metadata
        clips: LabelledClips
        splits, validated = _asked_for(args, metadata.training)
        if metadata.mode == "video":
            clips = _videos(_index_of(args), args, metadata.num_frames, metadata.glosses, splits, validated)
        else:
            path = _store_flag(args, metadata.mode)
            if path is None:
                flag = "--pose_dir" if metadata.mode == "pose" else "--feature_dir"
                raise ConfigError(f"{args.model} does not know where clips are: give their store with {flag}")
            store = open_store(path, metadata.mode)
            recognizer.check_extractor(store.spec.extractor)
            _check_split(store.records, args, splits, validated)
            clips = StoreClips(store, splits, metadata.num_frames, metadata.glosses, of_signer=_chosen(args))
        chunks = [range(at, min(at + ONNX_BATCH, len(clips))) for at in range(0, len(clips), ONNX_BATCH)]
        logits = np.concatenate([recognizer.logits(clips.batch(chunk)) for chunk in chunks])
        return clips, logits, metadata.temperature or 1.0


def with_run(args: argparse.Namespace) -> tuple[LabelledClips, NDArray[np.float32], float]:
    from toolkit.config import load_settings
    from toolkit.errors import StoreMismatchError
    from toolkit.train.checkpoint import load_run
    from toolkit.train.dataset import StoreClips, open_store
    from toolkit.train.prepare import indexed_clips
    from toolkit.train.same_data import extractor_changes
    from toolkit.train.validate import compute_logits

    model, info = load_run(args.model, args.checkpoint)
    settings, spec = load_settings(args.model / "config.yaml"), info.spec
    clips: LabelledClips
    splits, validated = _asked_for(args, info.training)
    if spec.mode == "video":
        named = args.json_path is not None or args.index is not None
        found = _index_of(args) if named else indexed_clips(settings)
        clips = _videos(found, args, spec.num_frames, info.glosses, splits, validated)
    else:
        path = _store_flag(args, spec.mode) or settings.store_dir
        store = open_store(path, spec.mode)
        if store.spec.extractor != info.extractor and not args.override:
            raise StoreMismatchError(
                f"{path} was made by another extractor than the clips that {args.model} was trained on: "
                f"{'; '.join(extractor_changes(info.extractor, store.spec.extractor))}. Name the right store, or add "
                "--override"
            )
        _check_split(store.records, args, splits, validated)
        clips = StoreClips(store, splits, spec.num_frames, info.glosses, of_signer=_chosen(args))
    return clips, compute_logits(model, clips), info.metrics.get("temperature", 1.0)


def _asked_for(args: argparse.Namespace, training: Mapping[str, Any]) -> tuple[list[str], dict[str, int]]:
    """The splits to look for clips in, and what the validation split has beside the clips called so.

    training: what a checkpoint or a model says about its training. Where signers were kept out of it, it was
    validated on all clips of theirs, whatever the index calls them, and trained on the others of that split: then
    args.signers becomes these signers, unless some are named.
    """
    held_out = training.get("val_signers") or []
    if not held_out or args.signers is not None:
        return [args.split], {}
    splits = str(training["val_split"]).split(", ")  # that of the settings is the last one
    if args.split == splits[-1]:
        args.signers = held_out
        return splits, {}
    return [args.split], {splits[-1]: training["val_clips"]}


def _store_flag(args: argparse.Namespace, mode: str) -> Path | None:
    """The store that a flag names, or None; a flag of the other mode is an error."""
    from toolkit.errors import ConfigError

    right, wrong = ("pose_dir", "feature_dir") if mode == "pose" else ("feature_dir", "pose_dir")
    if getattr(args, wrong) is not None:
        raise ConfigError(f"--{wrong} is given, but {args.model} works on {mode}: give --{right}")
    path: Path | None = getattr(args, right)
    return path


def _index_of(args: argparse.Namespace) -> Any:
    from toolkit.clips import read_wlasl
    from toolkit.errors import ConfigError
    from toolkit.recordings import read_index

    if args.index is not None:
        return read_index(args.index).clips
    if args.json_path is None or args.video_dir is None:
        raise ConfigError(f"{args.model} works on videos: give --json_path and --video_dir, or --index")
    return read_wlasl(args.json_path, args.video_dir).clips


def _videos(
    found: Sequence[Clip],
    args: argparse.Namespace,
    num_frames: int,
    glosses: tuple[str, ...],
    splits: list[str],
    validated: Mapping[str, int],
) -> LabelledClips:
    from toolkit.train.dataset import VideoClips

    _check_split(found, args, splits, validated)
    of_signer = _chosen(args)
    chosen = [clip for clip in found if clip.split in splits and of_signer(clip.signer)]
    return VideoClips(chosen, num_frames, glosses)


def _chosen(args: argparse.Namespace) -> Callable[[str], bool]:
    """Whether --signers asks for a signer's clips; without it, all are asked for."""
    return lambda signer: args.signers is None or signer in args.signers


def stores(args: argparse.Namespace) -> dict[str, str]:
    """Settings that flags replace: where the clips are now."""
    keys = {"pose_dir": "efficiency.pose_dir", "feature_dir": "efficiency.feature_dir"}
    keys |= {"json_path": "data.json_path", "video_dir": "data.video_dir", "index": "data.index"}
    return {key: str(getattr(args, flag)) for flag, key in keys.items() if getattr(args, flag) is not None}


def _check_split(
    there: Sequence[Clip | Record], args: argparse.Namespace, splits: Sequence[str], more: Mapping[str, int]
) -> None:
    """Make sure that there is a clip to measure on. more: split -> clips that it has beside those called so.

    Raises:
        ConfigError: there is none in these splits, or none of a signer; names those that there are.
    """
    from toolkit.errors import ConfigError
    from toolkit.train.split import check_signers

    check_signers(args.signers or [], there, "--signers")
    of_signer = _chosen(args)
    counts = Counter(clip.split for clip in there if of_signer(clip.signer))
    if any(counts[split] for split in splits):
        return
    counts |= Counter(more)
    who = f" of {', '.join(args.signers)}" if args.signers else ""
    order = sorted(counts, key=lambda split: (split not in ADVISED, *map(split.__ne__, ADVISED), split))
    known = ", ".join(f"{split} ({counts[split]})" for split in order)
    cure = f"Give --split {order[0]}, or extract" if order else "Extract"
    raise ConfigError(
        f"there are no clips{who} of split '{args.split}'; the splits that there are, with their numbers of clips: "
        f"{known or 'none'}. {cure} clips of split '{args.split}' first"
    )
