"""A weaker PC than this one: rows are pinned to few cores and their memory is capped. Applied in a row's process.

Memory is capped by RLIMIT_DATA where there is one that counts (Linux since 4.7): private, writable memory, the heap
and anonymous mappings, as reserved. That is what a program asks for, and asking beyond the cap fails at once, as it
does on a PC without swap. RLIMIT_AS would count the code of every library and address space that is never touched
(torch alone: gigabytes). A control group would count what is really touched, but only root may make one. Elsewhere
the parent watches the row's memory in samples and ends it when it is above the cap.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Profile:
    """cores: how many a row may use; memory_mb: how much memory, in MB of 2**20 bytes."""

    cores: int
    memory_mb: int


PROFILES: Mapping[str, Profile] = {"low-end": Profile(cores=1, memory_mb=1024)}


def pin(cores: int) -> str:
    """Keep this process, its threads and its children on the first `cores` of its cores; says how, or that not."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
        return "sched_setaffinity"
    import psutil

    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):  # macOS
        return "not pinned: this operating system offers no way to"
    process.cpu_affinity(process.cpu_affinity()[:cores])
    return "cpu_affinity"


def cap_memory(megabytes: int) -> str:
    """Let this process and its children hold no more; says how."""
    if sys.platform != "linux":
        return "samples of the row's memory"
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = megabytes * MIB if hard == resource.RLIM_INFINITY else min(hard, megabytes * MIB)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    return "RLIMIT_DATA"


def says_no_memory(text: str) -> bool:
    """Whether the message of a library tells of memory that it could not get. Each says it in words of its own."""
    return re.search("alloc|memory|std::length_error|new thread", text.lower()) is not None
