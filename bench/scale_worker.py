"""The fresh process of one point: `python -m bench.scale_worker JOB.json`; the last line of stdout is its result.

Extraction is `toolkit extract` itself, worker processes included; training is the row `train` of bench.rows.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from bench.measure import now, peak_memory, sampled_memory
from bench.plan import Job, choose_clips
from bench.rows import STAGES
from bench.scale import EXTRACT
from toolkit.clips import Clip, ClipIndex
from toolkit.errors import ToolkitError


@dataclass(frozen=True)
class ScaleJob(Job):
    """clips: may be fewer than `count`: they are taken round and round, under new ids."""

    workers: int = 1
    count: int = 0


def repeated(clips: tuple[Clip, ...], count: int) -> tuple[Clip, ...]:
    """`count` clips for training, every one with an id of its own: spread over the data set, or all in turns."""
    chosen = choose_clips(clips, count) if count > 1 else clips
    return tuple(
        replace(chosen[place % len(chosen)], id=f"{place:05d}", split="train") for place in range(count)
    )


def extract_many(job: ScaleJob) -> dict[str, Any]:
    """`count` clips through the real extraction with `workers` processes.

    start_s: until the first clip is stored; wall_s_per_clip: from then on; clip_sd_s: of single clips, with one
    worker; cpu_s_per_clip: everything, start included; peak_bytes: of all processes together, the pages that they
    share counted in each.
    """
    began = now()
    from toolkit.extract import ExtractorSpec
    from toolkit.extract.run import Plan, extract

    finished: list[float] = []
    peaks = [0]

    def on_clip(done: int, total: int) -> None:
        finished.append(time.perf_counter())
        if done == total:  # the workers are still there, and have held all that they ever will
            peaks[0] = sum(map(_peak, _children()))

    folder = job.work_dir / "store"
    clips = repeated(job.clips, job.count)
    plan = Plan(ExtractorSpec(job.row.mode, ""), folder, job.options.num_frames, job.workers)
    report = extract(ClipIndex(clips, ()), plan, on_clip)
    spent = now().since(began)
    own = peak_memory()
    laps = [later - earlier for earlier, later in pairwise(finished)]
    stored = report.done
    figures = {
        "start_s": finished[0] - began.wall_s,
        "total_s": spent.wall_s,
        "wall_s_per_clip": statistics.fmean(laps) if laps else finished[0] - began.wall_s,
        "cpu_s_per_clip": spent.cpu_s / job.count,
        "failed_clips": len(report.failed),
        "peak_bytes": peaks[0] + (own.byte_count if own else sampled_memory(os.getpid())),
        "data_bytes_per_clip": (folder / "data.bin").stat().st_size / max(1, stored),
        "index_bytes_per_clip": (folder / "index.jsonl").stat().st_size / job.count,
    }
    if job.workers == 1 and len(laps) > 1:
        figures["clip_sd_s"] = statistics.stdev(laps)
    return {"figures": figures, "made": str(folder), "sources": {}}


def _children() -> list[int]:
    import psutil

    return [process.pid for process in psutil.Process().children(recursive=True)]


def _peak(pid: int) -> int:
    """The most that another process has held; where that is not known, what it holds now."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return sampled_memory(pid)


def main(job_file: Path) -> int:
    """Run the job and print {"figures", "made", "sources"}, or {"error"} with what went wrong."""
    raw = json.loads(job_file.read_text(encoding="utf-8"))
    job = replace(cast(ScaleJob, ScaleJob.from_json(raw)), workers=raw["workers"], count=raw["count"])
    job.work_dir.mkdir(parents=True)
    answer: dict[str, Any]
    try:
        if job.row.stage == EXTRACT:
            answer = extract_many(job)
        else:
            answer = STAGES[job.row.stage](job).to_json()
            peak = peak_memory()
            if peak is not None:
                answer["figures"]["peak_bytes"] = peak.byte_count
    except (ToolkitError, ImportError) as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "there was not enough memory"}
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
