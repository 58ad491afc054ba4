"""What the interpreter and the C library do about memory between two training steps: as little as possible.

Every step frees what the next one asks for again. Left alone, glibc gives large blocks back to the system at once
and the kernel fills them with zeros anew, some thousand pages per step; and Python looks for cycles among
objects that have none.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # bytes; glibc refuses more
KEPT = 256 * 2**20  # bytes of free memory above which it goes back to the system after all
_frozen = False  # whether this process has told the search to leave alone what is there


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed, for this whole process; False where there is no glibc."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD) and mallopt(M_TRIM_THRESHOLD, KEPT))


@contextmanager
def without_cycle_search() -> Iterator[None]:
    """Collect reference cycles before and not within.

    What is there at the first time (the modules of torch and its company: 166,000 objects) is not searched again:
    a tenth of a second every time, as long as ten training steps. (gc.get_freeze_count would tell whether that was
    done, but counts them one by one: 16 ms.)
    """
    global _frozen
    enabled = gc.isenabled()
    gc.collect()
    if not _frozen:
        gc.freeze()
        _frozen = True
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
