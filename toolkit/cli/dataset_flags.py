"""The flags that say which clips of which data set, shared by the verbs that read one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from toolkit.cli.flags import Parser
from toolkit.clips import SPLITS, ClipIndex, read_wlasl
from toolkit.errors import ConfigError
from toolkit.recordings import read_index


def add_dataset_flags(parser: Parser) -> None:
    """Add --json_path, --video_dir, --class_list, --subset, --index, --split and --max_videos."""
    parser.flag("json_path", type=Path, metavar="FILE", help="WLASL-format index, e.g. WLASL_v0.3.json")
    parser.flag("video_dir", type=Path, metavar="DIR", help="its videos, named <video_id>.mp4 (or .mkv, ...)")
    parser.flag(
        "class_list", type=Path, metavar="FILE", help="keep only these glosses (wlasl_class_list.txt)"
    )
    parser.flag("subset", type=Path, metavar="FILE", help="keep only the ids of an nslt_100.json or the like")
    own = "your own recordings instead: a csv (path, gloss[, split, signer]) or GLOSS/[SIGNER/]clip.mp4"
    parser.flag("index", type=Path, metavar="CSV|DIR", help=own)
    parser.flag("split", choices=[*SPLITS, "all"], default="all", help="only this split (default: all)")
    parser.flag(
        "max_videos", type=int, metavar="N", help="only the first N videos that exist, for a trial run"
    )


def read_dataset(args: argparse.Namespace, kept: Mapping[str, str] | None = None) -> ClipIndex:
    """The index that the flags name. kept: see `recordings.read_index`.

    Raises:
        ConfigError: no index is given, or two.
        IndexFileError: the index cannot be used.
    """
    split = None if args.split == "all" else args.split
    if (args.json_path is None) == (args.index is None):
        raise ConfigError(
            "give the clips either as --json_path FILE with --video_dir DIR (WLASL format), "
            "or as --index CSV_OR_FOLDER (your own recordings)"
        )
    if args.index is not None:
        for name in ("video_dir", "class_list", "subset"):
            if getattr(args, name) is not None:
                raise ConfigError(
                    f"--{name} goes with --json_path, not with --index; leave one of the two out"
                )
        index = read_index(args.index, split, kept)
    elif args.video_dir is None:
        raise ConfigError("--json_path needs --video_dir, the folder with the videos it lists")
    else:
        index = read_wlasl(args.json_path, args.video_dir, args.class_list, split, args.subset)
    if args.max_videos is not None and args.max_videos < 1:
        raise ConfigError(f"--max_videos is {args.max_videos}; give 1 or more, or leave it out for all")
    return index.limited(args.max_videos)
