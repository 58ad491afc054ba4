"""Clocks, memory readings, and what repeated figures come to. Knows nothing about what is measured.

Standard library only, so that a row's process is not made heavier by the measuring. Wall time says how long one
waits, CPU time how much work was done, by all threads of the process and by its finished children: on a machine
that does other things as well, CPU time is the steadier of the two.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple


class Moment(NamedTuple):
    """Or the time between two moments. wall_s, cpu_s: seconds."""

    wall_s: float
    cpu_s: float

    def since(self, earlier: Moment) -> Moment:
        return Moment(self.wall_s - earlier.wall_s, self.cpu_s - earlier.cpu_s)


def now() -> Moment:
    """Wall clock, and the CPU time of this process and of its children that have ended."""
    return Moment(time.perf_counter(), time.process_time() + _children_cpu_s())


def _children_cpu_s() -> float:
    if sys.platform == "win32":
        return 0.0  # Windows keeps no account of children
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Laps:
    """Times of a row of like pieces of work. The first is kept apart: it pays for what later ones find ready."""

    pause_s: ClassVar[float] = 0.0
    """A sleep within every lap: the test hook with which a row is slowed on purpose, see bench.worker."""

    def __init__(self) -> None:
        self._moments = [now()]

    def lap(self) -> None:
        """One piece of work is over."""
        if self.pause_s:
            time.sleep(self.pause_s)
        self._moments.append(now())

    def cold_start(self, began: Moment) -> float:
        """CPU seconds from `began` to the end of the first piece: import, load and first together."""
        return self._moments[1].since(began).cpu_s

    def figures(self, warm_up: int = 1) -> dict[str, float]:
        """first_ms (wall), and of those after `warm_up` pieces: wall_s and cpu_s (means), p50_ms, p95_ms (wall).

        With no more pieces than that, all of them count.
        """
        laps = [
            later.since(earlier) for earlier, later in zip(self._moments, self._moments[1:], strict=False)
        ]
        if not laps:
            raise ValueError("nothing was timed")
        steady = laps[warm_up:] or laps
        walls = [lap.wall_s for lap in steady]
        return {
            "first_ms": 1000 * laps[0].wall_s,
            "wall_s": statistics.fmean(walls),
            "cpu_s": statistics.fmean(lap.cpu_s for lap in steady),
            "p50_ms": 1000 * percentile(walls, 50),
            "p95_ms": 1000 * percentile(walls, 95),
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True)
class Summary:
    """One figure over the repetitions: median, smallest, largest, and all of them in order."""

    median: float
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values), tuple(values))

    @property
    def spread(self) -> float:
        """(largest - smallest) / median, as a fraction; 0 for a single value."""
        return (self.high - self.low) / self.median if self.median else 0.0


class Memory(NamedTuple):
    """byte_count, and the name of the counter it is from."""

    byte_count: int
    source: str


def private_memory() -> Memory:
    """What this process holds for itself, without files mapped into memory and shared libraries.

    Linux: RssAnon; elsewhere: psutil's USS (unique set size).
    """
    anonymous = _status_bytes("RssAnon")
    if anonymous is not None:
        return Memory(anonymous, "RssAnon")
    import psutil

    return Memory(int(psutil.Process().memory_full_info().uss), "USS")


def peak_memory() -> Memory | None:
    """The most this process has held, shared libraries and mapped files included; None where unknown.

    Linux only: VmHWM, which belongs to this process alone. (getrusage's ru_maxrss is inherited over exec: a small
    process started by a large one shows the large one's peak.)
    """
    peak = _status_bytes("VmHWM")
    return None if peak is None else Memory(peak, "VmHWM")


def sampled_memory(pid: int) -> int:
    """What another process holds right now, in bytes; 0 when it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _status_bytes(key: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None
