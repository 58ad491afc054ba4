"""Clips and the index that lists them in WLASL format; people's own recordings: see recordings.py.

This module knows names and files, not pixels: whether a video decodes is found out by extraction. All that is
read here is untrusted: a WLASL id never becomes a path, it is looked up among the files that exist.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.errors import IndexFileError

SPLITS = ("train", "val", "test")
VIDEO_SUFFIXES = (
    ".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".mpg",
    ".mpeg", ".ts", ".flv", ".wmv", ".ogv", ".gif", ".3gp",
)  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """One take of one sign.

    frame_start, frame_end: 1-based, inclusive; frame_end -1 means to the end. A range that lies beyond the
    end of the file is ignored when the video is read: WLASL gives the numbers of the original upload even
    where the file at hand is already trimmed.
    """

    id: str
    gloss: str
    split: str
    signer: str
    path: Path
    frame_start: int = 1
    frame_end: int = -1


@dataclass(frozen=True)
class Coverage:
    """How much of an index is here. per_split: split -> (asked, found, missing)."""

    per_split: dict[str, tuple[int, int, int]]
    glosses_without_clips: tuple[str, ...]


@dataclass(frozen=True)
class ClipIndex:
    """clips: those whose video exists; missing: the others; notes: what a reader should know.

    left_out: clips that exist, but are more than was asked for.
    """

    clips: tuple[Clip, ...]
    missing: tuple[Clip, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[Clip, ...] = ()

    def coverage(self) -> Coverage:
        """Count asked, found and missing clips per split, and glosses that have no video at all."""
        found, missing = (
            Counter(clip.split for clip in group) for group in (self.clips + self.left_out, self.missing)
        )
        splits = sorted({*found, *missing}, key=lambda name: (*SPLITS, name).index(name))
        have = {clip.gloss for clip in self.clips + self.left_out}
        return Coverage(
            {split: (found[split] + missing[split], found[split], missing[split]) for split in splits},
            tuple(sorted({clip.gloss for clip in self.missing} - have)),
        )

    def limited(self, max_videos: int | None) -> ClipIndex:
        """The same index with the first `max_videos` clips only (None or 0 keeps all)."""
        if not max_videos or len(self.clips) <= max_videos:
            return self
        return replace(self, clips=self.clips[:max_videos], left_out=self.clips[max_videos:])


def read_wlasl(
    json_path: Path,
    video_dir: Path,
    class_list: Path | None = None,
    split: str | None = None,
    subset: Path | None = None,
) -> ClipIndex:
    """Read a WLASL-format json and find its videos.

    class_list: lines `index<TAB>gloss` or `gloss`; only these glosses are kept. subset: an `nslt_*.json`,
    whose ids alone are kept (its frame numbers are those of another re-encoding, and are not used).

    Raises:
        IndexFileError: a file is missing, is not of this format, or no video of it is in `video_dir`.
    """
    entries = _load_json(json_path)
    if not isinstance(entries, list):
        raise IndexFileError(
            f"{json_path} is not a WLASL index: expected a list of glosses, found {type(entries).__name__}. "
            "An nslt_*.json goes to --subset, beside --json_path WLASL_v0.3.json."
        )
    glosses = [_text(entry, "gloss", json_path) for entry in entries]
    kept, notes = _select_glosses(glosses, class_list)
    wanted_ids = _read_subset(subset) if subset else None
    files = _files_by_stem(video_dir)
    clips: dict[str, Clip] = {}
    listed: set[str] = set()
    for gloss, entry in zip(glosses, entries, strict=True):
        for instance in _list(entry, "instances", json_path):
            clip = _wlasl_clip(instance, gloss, video_dir, files, json_path)
            if clip.id in listed:
                raise IndexFileError(
                    f"{json_path}: video_id {clip.id!r} is listed twice; remove one of the two"
                )
            listed.add(clip.id)
            if (
                gloss in kept
                and split in (None, clip.split)
                and (wanted_ids is None or clip.id in wanted_ids)
            ):
                clips[clip.id] = clip
    if wanted_ids is not None and (unknown := wanted_ids - listed):
        notes.append(f"{subset} names {len(unknown)} ids that {json_path.name} lacks, e.g. {min(unknown)}")
    return split_found(clips.values(), notes, f"{json_path} with the videos of {video_dir}")


def read_class_list(path: Path) -> list[str]:
    """The glosses of a class list, in order: lines `index<TAB>gloss` or `gloss`."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise IndexFileError(f"the class list {path} cannot be read: {error}") from error
    glosses = [line.split("\t")[-1].strip() for line in lines if line.strip()]
    if not glosses:
        raise IndexFileError(f"the class list {path} is empty; expected lines 'index<TAB>gloss' or 'gloss'")
    return glosses


def _select_glosses(glosses: Sequence[str], class_list: Path | None) -> tuple[set[str], list[str]]:
    """The glosses to keep, and notes on names on which the class list and the json disagree."""
    if class_list is None:
        return set(glosses), []
    named, notes = read_class_list(class_list), []
    known, kept = set(glosses), set(named)
    for position, name in enumerate(named):
        if name in known:
            continue
        # WLASL's own list misspells one gloss; both files are in the same order, so the place tells which.
        if position < len(glosses) and glosses[position] not in kept and len(named) == len(glosses):
            kept.add(glosses[position])
            notes.append(
                f"{class_list.name} line {position + 1}: {name!r} is {glosses[position]!r} in the json"
            )
        else:
            notes.append(f"{class_list.name} line {position + 1}: {name!r} is not in the json")
    if not kept & known:
        raise IndexFileError(
            f"no gloss of {class_list} is in the json; is it the class list of another data set?"
        )
    return kept & known, notes


def _wlasl_clip(instance: Any, gloss: str, video_dir: Path, files: dict[str, Path], source: Path) -> Clip:
    video_id = _text(instance, "video_id", source)
    split = _text(instance, "split", source)
    if split not in SPLITS:
        raise IndexFileError(f"{source}: video {video_id!r} has split {split!r}; it must be one of {SPLITS}")
    start, end = (instance.get(key, default) for key, default in (("frame_start", 1), ("frame_end", -1)))
    if not (type(start) is int and type(end) is int and start >= 1 and (end == -1 or end >= start)):
        raise IndexFileError(
            f"{source}: video {video_id!r} has the frame range {start!r}..{end!r}; expected 1-based"
        )
    # A name that is no plain file name ("../x", "/x") is in no folder listing, and so stays missing.
    path = files.get(video_id, video_dir / "(not found)")
    return Clip(video_id, gloss, split, str(instance.get("signer_id", "")), path, start, end)


def _files_by_stem(video_dir: Path) -> dict[str, Path]:
    if not video_dir.is_dir():
        raise IndexFileError(f"the video folder {video_dir} does not exist; check --video_dir")
    found: dict[str, Path] = {}
    for entry in sorted(os.scandir(video_dir), key=lambda item: item.name):
        path = Path(entry.path)
        rank = suffix_rank(path)
        if rank is not None and entry.is_file():
            held = found.get(path.stem)
            if held is None or rank < (suffix_rank(held) or 0):
                found[path.stem] = path
    return found


def suffix_rank(path: Path) -> int | None:
    """The place of a file's ending among those of videos, the commonest first; None for other files."""
    suffix = path.suffix.lower()
    return VIDEO_SUFFIXES.index(suffix) if suffix in VIDEO_SUFFIXES else None


def split_found(clips: Iterable[Clip], notes: list[str], what: str) -> ClipIndex:
    """An index of the clips whose video exists and those whose does not.

    Raises:
        IndexFileError: there is no clip, or not one video; `what` names the source.
    """
    here: list[Clip] = []
    missing: list[Clip] = []
    for clip in clips:
        (here if clip.path.is_file() else missing).append(clip)
    if not here and not missing:
        raise IndexFileError(f"{what}: no clip matches the class list, split and subset asked for")
    if not here:
        raise IndexFileError(
            f"{what}: none of the {len(missing)} videos asked for is there; check the video folder"
        )
    return ClipIndex(tuple(here), tuple(missing), tuple(notes))


def _read_subset(path: Path) -> set[str]:
    content = _load_json(path)
    if not isinstance(content, dict):
        raise IndexFileError(f"{path} is not an nslt_*.json: expected an object keyed by video_id")
    return set(content)


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise IndexFileError(f"{path} does not exist; check the path") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise IndexFileError(f"{path} cannot be read as json: {error}") from error


def _text(entry: Any, key: str, source: Path) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value or "\0" in value:
        raise IndexFileError(f"{source}: every entry needs a text {key!r}; found {str(entry)[:80]!r}")
    return value


def _list(entry: Any, key: str, source: Path) -> list[Any]:
    value = entry.get(key)
    if not isinstance(value, list):
        raise IndexFileError(f"{source}: gloss {entry.get('gloss')!r} needs a list {key!r}")
    return value
