"""Clips and the indexes that list them: WLASL json, csv, folder per gloss.

This module knows names and files, not pixels: whether a video decodes is found out by extraction. All that is
read here is untrusted: a WLASL id never becomes a path, it is looked up among the files that exist.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter, defaultdict
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
VAL_EVERY = 5  # without a split of their own, every fifth clip of a gloss is kept for validation


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
    return _split_found(clips.values(), notes, f"{json_path} with the videos of {video_dir}")


def read_index(source: Path, split: str | None = None) -> ClipIndex:
    """Read people's own recordings: a csv (path, gloss[, split, signer, ...]) or a folder per gloss.

    In a csv, paths are relative to the csv's folder. A folder holds `gloss/clip.mp4` or
    `split/gloss/clip.mp4`.
    Clips without a split are divided: every fifth clip of a gloss goes to val, the others to train.

    Raises:
        IndexFileError: the source is missing, has no usable rows, or names columns that are not known.
    """
    if source.is_dir():
        clips = _folder_clips(source)
    elif source.is_file():
        clips = _csv_clips(source)
    else:
        raise IndexFileError(f"--index {source} is neither a csv file nor a folder; check the path")
    notes: list[str] = []
    if any(not clip.split for clip in clips):
        clips = _divided(clips)
        notes.append(f"no split given: every {VAL_EVERY}th clip of a gloss goes to val, the others to train")
    chosen = [clip for clip in clips if split in (None, clip.split)]
    if not chosen:
        raise IndexFileError(f"{source} lists no clips{f' of split {split}' if split else ''}")
    return _split_found(chosen, notes, str(source))


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
        rank = _suffix_rank(path)
        if rank is not None and entry.is_file():
            held = found.get(path.stem)
            if held is None or rank < (_suffix_rank(held) or 0):
                found[path.stem] = path
    return found


def _suffix_rank(path: Path) -> int | None:
    suffix = path.suffix.lower()
    return VIDEO_SUFFIXES.index(suffix) if suffix in VIDEO_SUFFIXES else None


def _split_found(clips: Iterable[Clip], notes: list[str], what: str) -> ClipIndex:
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


CSV_COLUMNS = ("path", "gloss", "split", "signer", "id", "frame_start", "frame_end")


def _csv_clips(source: Path) -> list[Clip]:
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise IndexFileError(f"{source} cannot be read as csv: {error}") from error
    if not {"path", "gloss"} <= set(columns):
        raise IndexFileError(
            f"{source} needs the columns path and gloss (known: {CSV_COLUMNS}); it has {columns}"
        )
    clips: dict[str, Clip] = {}
    for line, row in enumerate(rows, start=2):
        path, gloss, split = (str(row.get(key) or "").strip() for key in ("path", "gloss", "split"))
        clip_id = str(row.get("id") or "").strip() or path
        if not path or not gloss:
            raise IndexFileError(f"{source} line {line}: path or gloss is empty")
        if split not in ("", *SPLITS):
            raise IndexFileError(
                f"{source} line {line}: split is {split!r}; use train, val or test, or leave it out"
            )
        if clip_id in clips:
            raise IndexFileError(
                f"{source} line {line}: {clip_id!r} is listed twice; give each row its own id"
            )
        try:
            start, end = int(row.get("frame_start") or 1), int(row.get("frame_end") or -1)
        except ValueError as error:
            raise IndexFileError(
                f"{source} line {line}: frame_start and frame_end are whole numbers"
            ) from error
        clips[clip_id] = Clip(
            clip_id, gloss, split, str(row.get("signer") or ""), source.parent / path, start, end
        )
    return list(clips.values())


def _folder_clips(root: Path) -> list[Clip]:
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    by_split = bool(folders) and all(folder.name in SPLITS for folder in folders)
    glosses = [(folder.name, sub) for folder in folders for sub in sorted(folder.iterdir()) if sub.is_dir()]
    pairs = glosses if by_split else [("", folder) for folder in folders]
    clips = [
        Clip(path.relative_to(root).as_posix(), gloss.name, split, "", path)
        for split, gloss in pairs
        for path in sorted(gloss.iterdir())
        if _suffix_rank(path) is not None and path.is_file()
    ]
    if not clips:
        raise IndexFileError(
            f"{root} holds no videos; expected {root}/GLOSS/clip.mp4 with one folder per gloss"
        )
    return clips


def _divided(clips: Sequence[Clip]) -> list[Clip]:
    seen: defaultdict[str, int] = defaultdict(int)
    result = []
    for clip in clips:
        if not clip.split:
            seen[clip.gloss] += 1
            clip = replace(clip, split="val" if seen[clip.gloss] % VAL_EVERY == 0 else "train")
        result.append(clip)
    return result


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
