"""Runs the rows, each in a fresh process, round after round.

Rounds, not row by row: whatever slows the machine down for a while then slows all rows, and the ratios of one
round stay true. Knows nothing about what a row does.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.measure import sampled_memory
from bench.plan import MADE, Job, Options, Row, choose_clips, choose_rows, needed_stage
from bench.profile import MIB, says_no_memory
from toolkit.clips import Clip
from toolkit.video import sample_frames

SAMPLE_EVERY_S = 0.02


@dataclass
class Measured:
    """A row and what its processes said so far. made: by the last one; reason: why it failed, "" if it did not."""

    row: Row
    rounds: list[dict[str, float]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    made: str = ""
    reason: str = ""


def usable_clips(clips: Sequence[Clip], count: int) -> tuple[tuple[Clip, ...], list[str]]:
    """The clips to measure with, and notes on those that cannot be read.

    Every file is read once, so that no row pays for a cold disk and a later one does not.
    """
    chosen, notes, unreadable = choose_clips(clips, count), [], []
    if len(chosen) < count:
        notes.append(f"the data set has {len(chosen)} clips, fewer than the {count} asked for")
    for clip in chosen:
        try:
            with clip.path.open("rb") as file:
                while file.read(1 << 20):
                    pass
            next(iter(sample_frames(clip.path, 1, clip.frame_start, clip.frame_end)))
        except OSError:  # a VideoReadError is one, too
            unreadable.append(clip)
    if unreadable:
        notes.append(
            f"clips that cannot be read and were left out: {len(unreadable)}, e.g. {unreadable[0].path.name}"
        )
    return choose_clips([clip for clip in chosen if clip not in unreadable], count), notes


def measure_rows(
    options: Options, clips: tuple[Clip, ...], measured: list[Measured], progress: Callable[[int, int], None]
) -> None:
    """Fill `measured`, in place, so that what is finished outlives a KeyboardInterrupt."""
    measured += [Measured(row) for row in choose_rows(options)]
    total = sum(1 if one.row.once else options.repeats for one in measured)
    finished = 0
    with tempfile.TemporaryDirectory(prefix="sign-bench-") as folder:
        for number in range(options.repeats):
            for place, one in enumerate(measured):
                if number and one.row.once:
                    continue
                if not one.reason:
                    _measure(one, measured, Job(one.row, options, clips, Path(folder) / f"{number}-{place}"))
                finished += 1
                progress(finished, total)


def _measure(one: Measured, all_rows: Sequence[Measured], job: Job) -> None:
    needed = needed_stage(one.row)
    for other in all_rows:
        alike = other.row.default and other.row.mode == one.row.mode
        if alike and other.row.stage == needed and other.reason:
            one.reason = f"needs the row '{other.row.name}', which failed"
            return
    made: dict[str, Any] = {
        name: {
            m.row.mode: Path(m.made) for m in all_rows if m.row.stage == stage and m.row.default and m.made
        }
        for stage, name in MADE.items()
    }
    if job.options.store:
        made["stores"] = {job.row.mode: Path(job.options.store)}
    answer = run_job(replace(job, **made))
    if "error" in answer:
        one.reason = str(answer["error"])
        return
    one.rounds.append(answer["figures"])
    one.sources.update(answer["sources"])
    one.made = answer["made"]


def run_job(job: Job, worker: str = "bench.worker") -> dict[str, Any]:
    """What the fresh process of one row says: {"figures", "made", "sources"}, or {"error"}. worker: its module."""
    job_file = job.work_dir.with_suffix(".json")
    job_file.write_text(json.dumps(job.to_json(), default=str), encoding="utf-8")
    command = [sys.executable, "-m", worker, str(job_file)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        errors="replace",
    )  # fmt: skip
    peak, cap = 0, job.options.memory_mb
    try:
        while True:
            try:
                output, log = process.communicate(timeout=SAMPLE_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                if sys.platform != "linux":  # there the process reads its own exact peak
                    peak = max(peak, sampled_memory(process.pid))
                    if cap and peak > cap * MIB:
                        process.kill()
                        process.communicate()
                        return {"error": f"does not fit into {cap} MB: it held {peak / MIB:.0f} MB"}
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        return {"error": _ending(process.returncode, log, cap)}
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    if peak and "figures" in answer:
        answer["figures"].setdefault("peak_bytes", peak)
        answer["sources"].setdefault("peak_bytes", f"psutil RSS every {SAMPLE_EVERY_S * 1000:.0f} ms")
    return answer


def _ending(code: int, log: str, memory_mb: int) -> str:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "it said nothing")
    # C++ without room for an exception aborts, C without a look at what malloc gave crashes
    if memory_mb and (says_no_memory(last) or -code in (signal.SIGABRT, signal.SIGSEGV)):
        return f"does not fit into {memory_mb} MB: {last}"
    if code == -getattr(signal, "SIGKILL", 9):
        return "its process was killed, most likely because memory ran out"
    capped = f", with memory capped at {memory_mb} MB" if memory_mb else ""
    return f"its process ended with exit code {code}{capped}: {last}"
