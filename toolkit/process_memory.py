"""What a process of ours holds in memory, kept small. For programs, not for libraries: it is about the whole process.

Linux with the C library of GNU only; elsewhere nothing is done, and nothing is needed to be right.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

LARGE_BYTES = 2 << 20
"""Half of a frame of 1920 x 1080 and more: rare enough that getting new pages for each costs nothing to speak of."""
KEPT_BYTES = 8 << 20
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_DONTNEED = 4  # MADV_DONTNEED of sys/mman.h, in all of Linux
_MAPS = Path("/proc/self/maps")


def return_large_blocks() -> None:
    """Give blocks of LARGE_BYTES back as soon as they are freed: 8 to 13 MB less while videos are read.

    By default the C library raises that limit with each block that is freed, up to 32 MB, and holes are left where
    the frames of the last video were. KEPT_BYTES at the end of the heap stay, for the frames of small videos.
    """
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)


def give_back_memory() -> None:
    """Return to the system what was freed: 40 MB after loading two networks of 6 MB, 10 MB after a clip.

    The C library of Linux keeps it otherwise; those of Windows, macOS and musl do not offer or need this.
    """
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def forget_start() -> None:
    """Let go of the libraries' machine code, most of which only ran while they started: of 40 MB of onnxruntime's and
    the decoders' 20 stay away, of torch's 70.

    What runs again comes back page by page out of the system's file cache, in less than a millisecond for all. Only
    read-only code is let go of, which nothing can have changed.
    """
    madvise = _c_function("madvise")
    if madvise is None:
        return
    try:
        maps = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in maps:
        addresses, access, _, _, inode, *_ = line.split()
        if access == "r-xp" and inode != "0":
            start, end = (int(address, 16) for address in addresses.split("-"))
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)


def _c_function(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
