"""Which clips a run learns, written into its folder: a later run that starts from its weights can tell by it whether
it is validated on what these have learnt already. Knows nothing about networks.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from toolkit.errors import TrainingError
from toolkit.train.dataset import StoreClips, VideoClips
from toolkit.untrusted import LARGEST_INDEX, read_bounded
from toolkit.whole_file import write_whole

CLIPS_FILE = "clips.csv"


class KnownClip(NamedTuple):
    """One line of clips.csv. part: "train", "val", or "before": learnt by the run that this one started from;
    content: a hash that only clips of equal content share, "" where nothing was found in the clip."""

    part: str
    id: str
    gloss: str
    content: str


def known_clips(part: str, clips: StoreClips | VideoClips) -> list[KnownClip]:
    """The clips of a data set, as lines of clips.csv."""
    contents = clips.contents()
    found = []
    for name, label in zip(clips.ids, clips.labels, strict=True):
        content = hashlib.sha256(contents[name].encode()).hexdigest()[:16] if name in contents else ""
        found.append(KnownClip(part, name, clips.glosses[label], content))
    return found


def write_clips(run_dir: Path, clips: Iterable[KnownClip]) -> None:
    """Write clips.csv."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(KnownClip._fields)
    writer.writerows(clips)
    write_whole(run_dir / CLIPS_FILE, text.getvalue().encode("utf-8", "backslashreplace"))


def learnt_clips(run_dir: Path) -> list[KnownClip] | None:
    """What the weights of a run have learnt, those of the run that it started from included; None where it does not
    say (older runs).

    Raises:
        TrainingError: clips.csv is there and no such list.
    """
    path = run_dir / CLIPS_FILE
    if not path.exists():
        return None
    try:
        rows = list(csv.reader(io.StringIO(read_bounded(path, LARGEST_INDEX).decode(), newline="")))
        if not rows or tuple(rows[0]) != KnownClip._fields:
            raise ValueError(f"its first line is not {','.join(KnownClip._fields)}")
        clips = [KnownClip(*row) for row in rows[1:]]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise TrainingError(
            f"{path} is no list of the clips of a run ({error}): copy it anew, or delete it; then nobody can tell "
            "whether the run has learnt clips that others are validated on"
        ) from error
    return [clip._replace(part="before") for clip in clips if clip.part != "val"]


def learnt_already(clips: Iterable[KnownClip], before: Iterable[KnownClip]) -> list[str]:
    """The ids of clips that were learnt before: of the same content, or of the same name and gloss."""
    before = list(before)
    contents = {clip.content for clip in before} - {""}
    names = {(clip.id, clip.gloss) for clip in before}
    return [clip.id for clip in clips if clip.content in contents or (clip.id, clip.gloss) in names]
