"""Which settings and which folder a run of `toolkit train` gets: from flags, or from the run that it continues."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.config import Settings

SETTING_OF = {
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "learning_rate": "training.learning_rate",
    "seed": "training.seed",
    "num_threads": "training.num_threads",
    "num_frames": "data.num_frames",
    "pose_dir": "efficiency.pose_dir",
    "feature_dir": "efficiency.feature_dir",
    "json_path": "data.json_path",
    "video_dir": "data.video_dir",
    "class_list": "data.class_list",
    "index": "data.index",
    "val_signers": "data.val_signers",
    "split_by": "data.split_by",
    "start_from": "training.start_from",
}
"""Flag -> the setting that it changes."""
MAY_CHANGE = ("training.epochs", "training.num_threads", "data.decode_workers", "data.cache_mib",
              "efficiency.pose_dir", "efficiency.feature_dir")  # fmt: skip
"""What a resumed run may have different: none of it changes what was learnt so far."""
OF_ANY_CLIPS = ("model", "features", "training", "augmentation")
"""Sections that do not say which clips are learnt."""


def overrides_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the flags change, setting -> value; --set comes last and wins."""
    from toolkit.config import parse_override

    overrides: dict[str, Any] = {}
    if args.input_type is not None:
        overrides["model.input_type"] = args.input_type
        overrides["efficiency.use_pre_extracted"] = args.input_type != "video"
        overrides["efficiency.use_pose"] = args.input_type == "pose"
    overrides |= {
        key: getattr(args, flag) for flag, key in SETTING_OF.items() if getattr(args, flag) is not None
    }
    if args.index is not None:  # instead of what a config names
        overrides = {"data.json_path": None, "data.video_dir": None, "data.class_list": None} | overrides
    elif args.json_path is not None:
        overrides = {"data.index": None} | overrides
    return overrides | dict(parse_override(text) for text in args.set)


def settings_of_new(args: argparse.Namespace, overrides: dict[str, Any]) -> Settings:
    """Those of --config and the flags; without --config those of the run that is started from, but for its clips."""
    from toolkit.config import load_settings

    start = overrides.get("training.start_from")
    if args.config is None and isinstance(start, str) and (own := Path(start) / "config.yaml").is_file():
        return load_settings(own, overrides, sections=OF_ANY_CLIPS)
    return load_settings(args.config, overrides)


def settings_of_resumed(args: argparse.Namespace, overrides: dict[str, Any]) -> tuple[Path, Settings]:
    """(folder, settings) of the run that --resume continues.

    Raises:
        ConfigError: there is none, or a setting that shaped what it learnt so far is to change.
    """
    from toolkit.config import load_settings
    from toolkit.errors import ConfigError

    if args.output_dir is None:
        runs = sorted(str(path.parent) for path in Path("runs").glob("*/last.safetensors"))
        known = f"; in runs/ there is: {', '.join(runs)}" if runs else ""
        raise ConfigError(f"--resume needs --output_dir, the folder of the run{known}")
    old_path = args.output_dir / "config.yaml"
    if not (args.output_dir / "last.safetensors").is_file() or not old_path.is_file():
        raise ConfigError(f"{args.output_dir} holds no run to continue; leave --resume out to start one")
    old = load_settings(old_path)
    kept = {"training.min_steps": old.training.min_steps}  # --epochs alone would switch it off
    settings = load_settings(args.config or old_path, kept | overrides)
    before, now = _flat(old.model_dump()), _flat(settings.model_dump())
    changed = [key for key in now if now[key] != before[key] and key not in MAY_CHANGE]
    if changed:
        what = "; ".join(f"{key} was {_plain(before[key])}, is now {_plain(now[key])}" for key in changed)
        raise ConfigError(
            f"a resumed run keeps its settings: {what}. Leave that out to continue the run; for other settings leave "
            "--resume out and give another --output_dir"
        )
    return args.output_dir, settings


def free_run_dir(args: argparse.Namespace, mode: str) -> Path:
    """The folder for a run that starts anew.

    Raises:
        ConfigError: --output_dir holds a run already, or is a feature store.
    """
    from toolkit.errors import ConfigError
    from toolkit.train.run_files import new_run, refuse_taken

    run_dir: Path = args.output_dir or new_run(mode)
    if (run_dir / "store.json").exists():
        raise ConfigError(f"{run_dir} is a feature store; give the run another --output_dir")
    refuse_taken(run_dir)
    return run_dir


def refuse_other_store(args: argparse.Namespace, mode: str) -> None:
    """Raise ConfigError where a store is named for another mode than the one that is trained."""
    from toolkit.errors import ConfigError

    for flag, of in (("pose_dir", "pose"), ("feature_dir", "features")):
        if getattr(args, flag) is not None and of != mode:
            right = {"pose": "--pose_dir", "features": "--feature_dir", "video": "--video_dir or --index"}[
                mode
            ]
            raise ConfigError(
                f"--{flag} is given, but these settings train on {mode}: give {right}, or --input_type {of}"
            )


def _plain(value: object) -> str:
    """A setting's value as one would write it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "not set" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


def _flat(nested: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}.{key}": value for name, section in nested.items() for key, value in section.items()}
