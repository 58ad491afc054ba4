"""The clips to measure with: the user's own or, for a quick look without any, the demo's drawn signer."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.cli.dataset_flags import read_dataset
from toolkit.clips import Clip, ClipIndex, read_wlasl
from toolkit.demo.dataset import write_dataset
from toolkit.errors import ConfigError
from toolkit.store import FeatureStore

GLOSSES, SIGNERS = 4, 4  # drawn in two seconds, so they are not kept
NOTE = "measured on drawn clips, as no data set was given; real videos may take longer to decode"


@contextmanager
def clips_or_demo(
    args: argparse.Namespace, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[ClipIndex, list[str]]]:
    """The data set or store that the flags name or, with --quick and none named, a drawn one; and notes about it.

    The drawn videos are gone when the context is left.

    Raises:
        ConfigError: no data set, and not --quick.
        IndexFileError: the index cannot be used.
    """
    store = getattr(args, "store", None)
    if store is not None:
        if args.json_path is not None or args.index is not None:
            raise ConfigError("--store measures what is extracted already; leave --json_path and --index out")
        yield _stored(store)
        return
    if args.json_path is not None or args.index is not None:
        yield read_dataset(args), []
        return
    if not args.quick:
        raise ConfigError(
            "measuring needs clips: give --json_path FILE with --video_dir DIR (WLASL format), or --index "
            "CSV_OR_FOLDER (your own recordings), or a finished store as --store DIR. --quick alone measures "
            "on a small data set that it draws"
        )
    with tempfile.TemporaryDirectory(prefix="sign-bench-demo-") as folder:
        paths = write_dataset(Path(folder), GLOSSES, SIGNERS, progress=progress, workers=1)
        yield read_wlasl(paths.json_path, paths.video_dir, paths.class_list), [NOTE]


def _stored(folder: Path) -> tuple[ClipIndex, list[str]]:
    """The clips of a store, whose videos may be gone, and what they take on the disk."""
    store = FeatureStore.open(folder)
    if not len(store):
        raise ConfigError(f"the store {folder} holds no usable clip; give another one")
    clips = tuple(Clip(one.id, one.gloss, one.split, one.signer, Path(one.source)) for one in store.records)
    whole = sum(file.stat().st_size for file in folder.iterdir() if not file.name.startswith("writer.lock"))
    note = (
        f"the store: records of {store.spec.record_bytes} bytes ({store.spec.dtype}), {whole / len(store):.0f} "
        "bytes per clip with everything else in it"
    )
    return ClipIndex(clips, ()), [note]
