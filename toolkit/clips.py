"""Clips and the index that lists them in WLASL format; people's own recordings: see recordings.py.

This module knows names and files, not pixels: whether a video decodes is found out by extraction. All that is
read here is untrusted: a WLASL id never becomes a path, it is looked up among the files that exist.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.class_list import select_glosses
from toolkit.errors import IndexFileError
from toolkit.untrusted import LARGEST_INDEX, MOST_CLIPS, is_label, parse_json, read_bounded, shown

SPLITS = ("train", "val", "test")
HIDDEN = "."
"""What names of hidden files begin with, also those that macOS puts beside every file on a USB stick (._clip.mp4)."""
VIDEO_SUFFIXES = (
    ".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".mpg",
    ".mpeg", ".ts", ".flv", ".wmv", ".ogv", ".gif", ".3gp",
)  # fmt: skip
FRAME_NUMBERS = range(1, 2**31)  # 1-based; 2**31 frames last two years


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
    kept, notes = select_glosses(glosses, class_list)
    wanted_ids = _read_subset(subset) if subset else None
    files = _files_by_stem(video_dir)
    clips: dict[str, Clip] = {}
    listed: set[str] = set()
    for gloss, entry in zip(glosses, entries, strict=True):
        for instance in _list(entry, "instances", json_path):
            clip = _wlasl_clip(instance, gloss, video_dir, files, json_path)
            if clip.id in listed:
                raise IndexFileError(
                    f"{json_path}: video_id {shown(clip.id)} is listed twice; remove one of the two"
                )
            listed.add(clip.id)
            if len(listed) > MOST_CLIPS:
                raise IndexFileError(f"{json_path} lists more than {MOST_CLIPS} clips; divide it")
            if gloss in kept and (wanted_ids is None or clip.id in wanted_ids):
                clips[clip.id] = clip
    if wanted_ids is not None and (unknown := wanted_ids - listed):
        notes.append(f"{subset} names {len(unknown)} ids that {json_path.name} lacks, e.g. {min(unknown)}")
    return split_found(clips.values(), notes, f"{json_path} with the videos of {video_dir}", split)


def _wlasl_clip(instance: Any, gloss: str, video_dir: Path, files: dict[str, Path], source: Path) -> Clip:
    video_id = _text(instance, "video_id", source)
    split = _text(instance, "split", source)
    if split not in SPLITS:
        raise IndexFileError(
            f"{source}: video {shown(video_id)} has split {shown(split)}; it must be one of {SPLITS}"
        )
    start, end = (instance.get(key, default) for key, default in (("frame_start", 1), ("frame_end", -1)))
    if type(start) is not int or type(end) is not int or not is_frame_range(start, end):
        raise IndexFileError(
            f"{source}: video {shown(video_id)} has the frame range {shown(start)}..{shown(end)}; expected 1-based"
        )
    signer = instance.get("signer_id", "")
    signer = str(signer) if type(signer) is int and abs(signer) < 2**63 else signer
    if signer and not is_label(signer):
        raise IndexFileError(
            f"{source}: video {shown(video_id)} has the signer_id {shown(signer)}; give a number or a short text"
        )
    # A name that is no plain file name ("../x", "/x") is in no folder listing, and so stays missing.
    path = files.get(video_id, video_dir / "(not found)")
    return Clip(video_id, gloss, split, signer or "", path, start, end)


def is_frame_range(start: int, end: int) -> bool:
    """Whether these are the first and last frame of a part, 1-based; an end of -1 is the clip's own."""
    return start in FRAME_NUMBERS and (end == -1 or start <= end < FRAME_NUMBERS.stop)


def _files_by_stem(video_dir: Path) -> dict[str, Path]:
    if not video_dir.is_dir():
        raise IndexFileError(f"the video folder {video_dir} does not exist; check --video_dir")
    found: dict[str, Path] = {}
    try:
        files = sorted(Path(video_dir).iterdir())
    except OSError as error:
        raise IndexFileError(f"the video folder {video_dir} cannot be read: {error.strerror}") from error
    for path in files:
        rank = suffix_rank(path)
        if rank is not None and is_there(path):
            held = found.get(path.stem)
            order = (not path.is_file(), rank)
            if held is None or order < (not held.is_file(), suffix_rank(held) or 0):
                found[path.stem] = path
    return found


def is_there(path: Path) -> bool:
    """Whether something is there, also a pipe, a folder or a loop of links: extraction says what is wrong with it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def file_state(path: Path) -> tuple[int, int]:
    """(size in bytes, modification time in ns); (-1, -1) when the file is gone."""
    try:
        state = path.stat()
    except (OSError, ValueError):
        return -1, -1
    return state.st_size, state.st_mtime_ns


def suffix_rank(path: Path) -> int | None:
    """The place of a file's ending among those of videos, the commonest first; None for other files."""
    suffix = path.suffix.lower()
    return VIDEO_SUFFIXES.index(suffix) if suffix in VIDEO_SUFFIXES else None


def split_found(clips: Iterable[Clip], notes: list[str], what: str, split: str | None = None) -> ClipIndex:
    """An index of the clips whose video exists and those whose does not. split: take only the clips of this one.

    Raises:
        IndexFileError: there is no clip, or not one video; `what` names the source.
    """
    here: list[Clip] = []
    missing: list[Clip] = []
    others: list[Clip] = []
    for clip in clips:
        if split not in (None, clip.split):
            others.append(clip)
        else:
            (here if is_there(clip.path) else missing).append(clip)
    if not here:
        raise IndexFileError(f"{what}: {_why_none(missing, others, split)}")
    return ClipIndex(tuple(here), tuple(missing), tuple(notes))


def _why_none(missing: Sequence[Clip], others: Iterable[Clip], split: str | None) -> str:
    """Why there is no video. missing: the clips asked for; others: those of other splits."""
    counts = Counter(clip.split for clip in others if is_there(clip.path))
    there = ", ".join(f"{name} ({counts[name]})" for name in SPLITS if counts[name])
    if there:
        lacks = f"none of its {len(missing)} videos is there" if missing else "it names no clip"
        return f"split {split}: {lacks}; of other splits there are: {there}"
    if not missing:
        return "no clip matches the class list, split and subset asked for"
    first = missing[0].id
    ending = "" if suffix_rank(Path(first)) is not None else " with an ending such as .mp4"
    hint = _in_a_folder_below(missing[0].path.parent) if ending else ""
    return (
        f"none of the {len(missing)} videos asked for is there; the first would be {shown(first)}{ending}: check the "
        f"folder and the files' names{hint}"
    )


def _in_a_folder_below(folder: Path) -> str:
    """A hint at a folder that holds videos, one level down."""
    for below in folder.iterdir() if folder.is_dir() and os.access(folder, os.R_OK) else ():
        if below.is_dir() and os.access(below, os.R_OK) and any(map(_is_video_name, below.iterdir())):
            return f"; {below} holds videos: is it that one?"
    return ""


def _is_video_name(path: Path) -> bool:
    return suffix_rank(path) is not None


def _read_subset(path: Path) -> set[str]:
    if path.suffix == ".txt":
        raise IndexFileError(f"--subset {path} is no nslt_*.json; a class list goes to --class_list")
    content = _load_json(path)
    if not isinstance(content, dict):
        raise IndexFileError(f"{path} is not an nslt_*.json: expected an object keyed by video_id")
    return set(content)


def _load_json(path: Path) -> Any:
    try:
        return parse_json(read_bounded(path, LARGEST_INDEX).decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise IndexFileError(f"{path} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise IndexFileError(
            f"{path} cannot be read as json: {error}; give WLASL_v0.3.json or a file like it (docs/formats.md), or "
            "your own recordings with --index"
        ) from error


def _text(entry: Any, key: str, source: Path) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not is_label(value):
        raise IndexFileError(
            f"{source}: every entry needs a short text {key!r} without control characters; found {shown(entry, 80)}"
        )
    return value


def _list(entry: Any, key: str, source: Path) -> list[Any]:
    value = entry.get(key)
    if not isinstance(value, list):
        raise IndexFileError(f"{source}: gloss {shown(entry.get('gloss'))} needs a list {key!r}")
    return value
