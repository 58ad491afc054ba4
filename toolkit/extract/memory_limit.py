"""What one clip may take of a worker's memory: a file can claim more than the computer has. Linux only."""

from __future__ import annotations

import re
from pathlib import Path

CLIP_BYTES = 2 << 30
"""On top of what a worker holds with its networks loaded. Frames of 8K are 50 MB; H.264 keeps up to 16 of them."""

_STATUS = Path("/proc/self/status")


def limit_memory(more: int = CLIP_BYTES) -> bool:
    """Let this process allocate `more` bytes than it has by now; beyond that, allocating fails as if there were none.

    Returns whether there is a limit now. Elsewhere than on Linux nothing accounts for what is allocated.
    """
    try:
        import resource

        held = re.search(r"^VmData:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
        if held is None:
            return False
        wanted = 1024 * int(held[1]) + more
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(
            resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most)
        )
    except (ImportError, OSError, ValueError):
        return False
    return True
