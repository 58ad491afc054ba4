"""The fresh process of one row: `python -m bench.worker JOB.json`; the last line of stdout is its result as JSON.

Fresh, because memory that one library took is never given back, and because a library loaded for one row would
come free to the next. So nothing is imported here but the description of the job.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.measure import Laps, peak_memory, private_memory
from bench.plan import Job
from bench.profile import PROFILES, cap_memory, pin, says_no_memory
from bench.rows import STAGES
from toolkit.errors import ToolkitError

SLOWED = "SIGN_BENCH_SLOWED"
"""Environment variable `ROW NAME=SECONDS`: that row sleeps so long in every piece of work. For tests of
`bench compare`, which has to notice."""


def main(job_file: Path) -> int:
    """Run the job and print {"figures", "made", "sources"}, or {"error"} with what went wrong."""
    answer: dict[str, Any]
    job = Job.from_json(json.loads(job_file.read_text(encoding="utf-8")))
    job.work_dir.mkdir(parents=True)
    slowed, _, seconds = os.environ.get(SLOWED, "").rpartition("=")
    if slowed == job.row.name:
        Laps.pause_s = float(seconds)
    ways = {}
    if job.options.profile:
        ways["pinned"] = pin(PROFILES[job.options.profile].cores)
    began = private_memory()
    if job.options.memory_mb:
        ways["memory cap"] = cap_memory(job.options.memory_mb)
    try:
        outcome = STAGES[job.row.stage](job)
    except (ToolkitError, ImportError) as error:
        answer = {"error": _with_cap(str(error), job.options.memory_mb)}
    except MemoryError as error:
        answer = {"error": _with_cap(f"there was not enough memory. {error}", job.options.memory_mb)}
    except Exception as error:  # torch and onnxruntime have no exception of their own for this
        if not says_no_memory(str(error)):
            raise
        answer = {"error": _with_cap(str(error), job.options.memory_mb)}
    else:
        answer = outcome.to_json()
        figures, sources = answer["figures"], answer["sources"] | ways
        if "private_bytes" in figures:
            figures["grown_bytes"] = figures.pop("private_bytes") - began.byte_count
            sources["grown_bytes"] = began.source
        peak = peak_memory()
        if peak is not None:
            figures["peak_bytes"] = peak.byte_count
            sources["peak_bytes"] = peak.source
        answer["sources"] = sources
    print(json.dumps(answer), flush=True)
    return 0


def _with_cap(reason: str, memory_mb: int) -> str:
    """The reason in one line; where it tells of memory, with the cap that it failed at."""
    line = " ".join(reason.split())
    return f"does not fit into {memory_mb} MB: {line}" if memory_mb and says_no_memory(line) else line


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
