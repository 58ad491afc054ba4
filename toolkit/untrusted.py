"""Reading what strangers wrote: files are bounded before they are read, and no value can break a message.

Every reader of files that travel (indexes, class lists, configs, stores, models) begins here. This module knows
no format and raises builtin errors only: its callers say which file it was and what to do.
"""

from __future__ import annotations

import errno
import json
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MIB = 2**20
LARGEST_INDEX = 64 * MIB  # bytes; WLASL's own json of 21 083 clips has 12 MB
MOST_CLIPS = 1_000_000  # of one index
LONGEST_LABEL = 4096  # characters of an id, path, gloss, split or signer
_NOT_TEXT = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
)  # would steer a terminal, or cannot be written as UTF-8


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes; a larger one is not read.

    Raises:
        OSError: it cannot be read, is larger, or is no regular file (a pipe would wait for ever).
    """
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if state.st_size <= limit:
        with path.open("rb") as file:
            # not read(limit + 1): that many bytes would be reserved first, which a PC with little memory refuses
            content = file.read(state.st_size + 1)
            while len(content) <= limit and (more := file.read(MIB)):  # it has grown since
                content += more
        if len(content) <= limit:
            return content
    raise OSError(errno.EFBIG, f"it is larger than {limit / MIB:g} MiB, the most that is read here")


def parse_json(text: str) -> Any:
    """Like json.loads, but every refusal is a ValueError, of text nested too deeply as well."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def is_label(value: object) -> bool:
    """Whether a value can be an id, path or label: a text of 1..LONGEST_LABEL characters, none of them a control
    character or half a surrogate pair."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_LABEL and not _NOT_TEXT.search(value)


def printable(error: BaseException) -> str:
    """The text of another library's error, which may quote a file: without what would steer a terminal."""
    return _NOT_TEXT.sub("?", str(error))[:2000]


def shown(value: object, limit: int = 60) -> str:
    """A value as an error message shows it, in at most `limit` characters, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4300 digits; nested too deeply
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def listed(names: Iterable[str], most: int = 10) -> str:
    """Names for a message, at most `most` of them and then how many more there are."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(name if name.isprintable() else shown(name) for name in found[:most]) + more
