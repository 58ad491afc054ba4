"""People's own recordings as clips: a csv, or a folder per gloss. Knows names and files, not pixels."""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from toolkit.clips import (
    HIDDEN,
    SPLITS,
    VIDEO_SUFFIXES,
    Clip,
    ClipIndex,
    is_frame_range,
    is_there,
    split_found,
    suffix_rank,
)
from toolkit.errors import IndexFileError
from toolkit.untrusted import LARGEST_INDEX, MOST_CLIPS, is_label, listed, read_bounded, shown

VAL_EVERY = 5  # without a split of their own, every fifth clip of a gloss is kept for validation
CSV_COLUMNS = ("path", "gloss", "split", "signer", "id", "frame_start", "frame_end")


def read_index(source: Path, split: str | None = None, kept: Mapping[str, str] | None = None) -> ClipIndex:
    """Read people's own recordings: a csv (path, gloss[, split, signer, ...]) or a folder per gloss.

    In a csv, paths are relative to the csv's folder. A folder holds `gloss/clip.mp4`, or `gloss/signer/clip.mp4`
    to say who signs, or either of them in a folder per split (train, val, test). Clips without a split are
    divided: every fifth clip of a gloss goes to val, the others to train. kept: id -> the split that a clip was given
    before, which it keeps when others are added: who trained on it does not validate on it.

    Raises:
        IndexFileError: the source is missing, has no usable rows, or a column is nearly one that is known.
    """
    notes: list[str] = []
    if source.is_dir():
        clips = _folder_clips(source, notes)
    elif source.is_file() and suffix_rank(source) is not None:
        raise IndexFileError(
            f"--index {source} is a video; give the folder that holds GLOSS/clip.mp4, or a csv"
        )
    elif source.is_file():
        clips = _csv_clips(source)
    else:
        raise IndexFileError(f"--index {source} is neither a csv file nor a folder; check the path")
    if any(not clip.split for clip in clips):
        clips = _divided(clips, kept or {})
        notes.append(_about_split(clips))
    return split_found(clips, notes, str(source), split)


def _csv_clips(source: Path) -> list[Clip]:
    try:
        text = read_bounded(source, LARGEST_INDEX).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        if not {"path", "gloss"} <= set(columns):
            comma = (
                "; separate them with commas" if any(";" in name or "\t" in name for name in columns) else ""
            )
            raise IndexFileError(
                f"{source} needs the columns path and gloss (known: {', '.join(CSV_COLUMNS)}); it has "
                + (shown(", ".join(columns), 200) if columns else "no line")
                + comma
            )
        for name in set(columns) - set(CSV_COLUMNS):
            if meant := difflib.get_close_matches(name, set(CSV_COLUMNS) - set(columns), n=1):
                raise IndexFileError(f"{source} has a column {shown(name)}; did you mean {meant[0]}?")
        clips: dict[str, Clip] = {}
        for row in reader:
            clip = _csv_clip(row, source, reader.line_num)
            if clip.id in clips:
                raise IndexFileError(
                    f"{source} line {reader.line_num}: {shown(clip.id)} is listed twice; give each row its own id"
                )
            clips[clip.id] = clip
            if len(clips) > MOST_CLIPS:
                raise IndexFileError(f"{source} lists more than {MOST_CLIPS} clips; divide it")
    except UnicodeDecodeError as error:
        raise IndexFileError(
            f"{source} is no text in UTF-8; save it as 'CSV UTF-8' (Excel has it in the list of file types)"
        ) from error
    except (OSError, csv.Error) as error:
        raise IndexFileError(f"{source} cannot be read as csv: {error}") from error
    if not clips:
        raise IndexFileError(f"{source} has no rows; give one for each video, e.g. hello/1.mp4,hello")
    return list(clips.values())


def _csv_clip(row: dict[str, str | None], source: Path, line: int) -> Clip:
    path, gloss, split, signer = (
        str(row.get(key) or "").strip() for key in ("path", "gloss", "split", "signer")
    )
    clip_id = str(row.get("id") or "").strip() or path
    if not path or not gloss:
        raise IndexFileError(f"{source} line {line}: path or gloss is empty")
    for value in (path, gloss, clip_id, signer):
        if value and not is_label(value):
            raise IndexFileError(
                f"{source} line {line}: {shown(value)} is too long or holds control characters; shorten it"
            )
    if split not in ("", *SPLITS):
        raise IndexFileError(
            f"{source} line {line}: split is {shown(split)}; use train, val or test, or leave it out"
        )
    try:
        start, end = int(row.get("frame_start") or 1), int(row.get("frame_end") or -1)
    except ValueError as error:
        raise IndexFileError(f"{source} line {line}: frame_start and frame_end are whole numbers") from error
    if not is_frame_range(start, end):
        raise IndexFileError(
            f"{source} line {line}: the frame range is {shown(start)}..{shown(end)}; expected 1-based, -1 to the end"
        )
    return Clip(clip_id, gloss, split, signer, _in_folder(source.parent, path), start, end)


def _in_folder(folder: Path, name: str) -> Path:
    """The file that a csv names, also where it was written with the backslashes of Windows."""
    path, other = folder / name, folder / name.replace("\\", "/")
    return other if "\\" in name and not is_there(path) and is_there(other) else path


def _folder_clips(root: Path, notes: list[str]) -> list[Clip]:
    try:
        folders = _folders_in(root)
        splits = [folder for folder in folders if folder.name in SPLITS]
        others = [folder for folder in folders if folder.name not in SPLITS]
        if len(splits) > 1 and others:
            beside, ours = (listed(folder.name for folder in some) for some in (others, splits))
            if not any(_holds_videos(folder) for folder in others):
                notes.append(f"left out: {beside}, beside {ours} and without videos")
                folders, others = splits, []
            else:
                notes.append(
                    f"{ours} are taken for glosses, because there are other folders with videos beside them: "
                    f"{beside}; move those away if they are splits"
                )
        by_split = bool(folders) and not others
        pairs = [
            (split.name if by_split else "", gloss)
            for split in (folders if by_split else [root])
            for gloss in _folders_in(split)
        ]
        takes = [
            (split, gloss.name, signer, path)
            for split, gloss in pairs
            for signer, path in [
                *(("", path) for path in _videos_in(gloss)),
                *((folder.name, path) for folder in _folders_in(gloss) for path in _videos_in(folder)),
            ]
        ]
        loose = [
            path for folder in {root, *(gloss.parent for _, gloss in pairs)} for path in _videos_in(folder)
        ]
    except OSError as error:
        raise IndexFileError(
            f"the folder {error.filename or root} cannot be read: {error.strerror}"
        ) from error
    clips = [
        Clip(path.relative_to(root).as_posix(), gloss, split, signer, path)
        for split, gloss, signer, path in takes
        if is_label(path.relative_to(root).as_posix())
    ]
    if len(clips) < len(takes):
        notes.append(
            f"{len(takes) - len(clips)} videos are left out: their names hold control characters or are no UTF-8"
        )
    if not clips:
        where = f"only beside its folders, such as {shown(loose[0].name)}" if loose else "at all"
        raise IndexFileError(
            f"{root} holds no videos in folders ({where}); expected {root}/GLOSS/clip.mp4 with one folder per gloss, "
            f"and files that end in one of: {', '.join(VIDEO_SUFFIXES)}"
        )
    if loose:
        notes.append(
            f"left out: {listed(path.name for path in loose)}, not in the folder of a gloss; move each into GLOSS/"
        )
    empty = sorted({gloss.name for _, gloss in pairs} - {clip.gloss for clip in clips})
    if empty:
        notes.append(f"no videos in the folders of: {listed(empty)}")
    return clips


def _holds_videos(folder: Path) -> bool:
    inside = _folders_in(folder)
    places = [folder, *inside, *(deeper for one in inside for deeper in _folders_in(one))]
    return any(_videos_in(place) for place in places)


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(HIDDEN))


def _videos_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if suffix_rank(path) is not None and is_there(path) and not path.name.startswith(HIDDEN)
    )


def _about_split(clips: Sequence[Clip]) -> str:
    takes = Counter(clip.gloss for clip in clips)
    few = [gloss for gloss, count in takes.items() if count < VAL_EVERY]
    text = f"no split given: every {VAL_EVERY}th clip of a gloss goes to val, the others to train. "
    if few:
        text += f"With fewer than {VAL_EVERY} clips, these have none in val: {listed(few)}. "
    if all(clip.signer for clip in clips):
        return f"{text}toolkit train --split_by signer validates on people that training does not see"
    return (
        f"{text}Say who signs (folders GLOSS/SIGNER/clip.mp4, or a csv with a column signer), and toolkit train "
        "--split_by signer can validate on people that training does not see"
    )


def _divided(clips: Sequence[Clip], kept: Mapping[str, str]) -> list[Clip]:
    given = {clip.id: clip.split or kept.get(clip.id, "") for clip in clips}
    takes = Counter(clip.gloss for clip in clips if given[clip.id] and not clip.split)
    in_val = Counter(clip.gloss for clip in clips if given[clip.id] == "val" and not clip.split)
    for clip in clips:
        if not given[clip.id]:
            takes[clip.gloss] += 1
            is_val = takes[clip.gloss] // VAL_EVERY > in_val[clip.gloss]
            in_val[clip.gloss] += is_val
            given[clip.id] = "val" if is_val else "train"
    return [replace(clip, split=given[clip.id]) for clip in clips]
