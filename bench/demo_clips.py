"""The clips to measure with: the user's own or, for a quick look without any, the demo's drawn signer."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.cli.dataset_flags import read_dataset
from toolkit.clips import ClipIndex, read_wlasl
from toolkit.demo.dataset import write_dataset
from toolkit.errors import ConfigError

GLOSSES, SIGNERS = 4, 4  # drawn in two seconds, so they are not kept
NOTE = "measured on drawn clips, as no data set was given; real videos may take longer to decode"


@contextmanager
def clips_or_demo(
    args: argparse.Namespace, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[ClipIndex, list[str]]]:
    """The data set that the flags name or, with --quick and none named, a drawn one; and what to note about it.

    The drawn videos are gone when the context is left.

    Raises:
        ConfigError: no data set, and not --quick.
        IndexFileError: the index cannot be used.
    """
    if args.json_path is not None or args.index is not None:
        yield read_dataset(args), []
        return
    if not args.quick:
        raise ConfigError(
            "measuring needs clips: give --json_path FILE with --video_dir DIR (WLASL format), or --index "
            "CSV_OR_FOLDER (your own recordings). --quick alone measures on a small data set that it draws"
        )
    with tempfile.TemporaryDirectory(prefix="sign-bench-demo-") as folder:
        paths = write_dataset(Path(folder), GLOSSES, SIGNERS, progress=progress, workers=1)
        yield read_wlasl(paths.json_path, paths.video_dir, paths.class_list), [NOTE]
