"""The class list of a data set: which glosses are wanted. It knows neither clips nor videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.errors import IndexFileError
from toolkit.untrusted import MIB, read_bounded, shown

LARGEST_CLASS_LIST = MIB  # bytes; WLASL's own, of 2000 glosses, has 27 KB
SHOWN = 10  # notes on single glosses before "and N more"


def read_class_list(path: Path) -> list[str]:
    """The glosses of a class list, in order: lines `index<TAB>gloss` or `gloss`."""
    try:
        lines = read_bounded(path, LARGEST_CLASS_LIST).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise IndexFileError(f"the class list {path} cannot be read: {error}") from error
    glosses = [line.split("\t")[-1].strip() for line in lines if line.strip()]
    if not glosses:
        raise IndexFileError(f"the class list {path} is empty; expected lines 'index<TAB>gloss' or 'gloss'")
    return glosses


def select_glosses(glosses: Sequence[str], class_list: Path | None) -> tuple[set[str], list[str]]:
    """The glosses to keep, and notes on names on which the class list and the json disagree."""
    if class_list is None:
        return set(glosses), []
    if class_list.suffix == ".json":
        raise IndexFileError(
            f"--class_list {class_list} is a json, but a class list has a gloss per line; an nslt_*.json goes to "
            "--subset"
        )
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
            notes.append(f"{class_list.name} line {position + 1}: {shown(name)} is not in the json")
    if len(notes) > SHOWN:
        notes[SHOWN:] = [
            f"... and {len(notes) - SHOWN} more lines of {class_list.name} are not as in the json"
        ]
    if not kept & known:
        raise IndexFileError(
            f"no gloss of {class_list} is in the json; is it the class list of another data set?"
        )
    return kept & known, notes
