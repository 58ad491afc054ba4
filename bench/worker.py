"""The fresh process of one row: `python -m bench.worker JOB.json`; the last line of stdout is its result as JSON.

Fresh, because memory that one library took is never given back, and because a library loaded for one row would
come free to the next. So nothing is imported here but the description of the job.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.measure import peak_memory
from bench.plan import Job
from bench.rows import STAGES
from toolkit.errors import ToolkitError


def main(job_file: Path) -> int:
    """Run the job and print {"figures", "made", "sources"}, or {"error"} with what went wrong."""
    answer: dict[str, Any]
    job = Job.from_json(json.loads(job_file.read_text(encoding="utf-8")))
    job.work_dir.mkdir(parents=True)
    try:
        outcome = STAGES[job.row.stage](job)
    except (ToolkitError, ImportError) as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "there was not enough memory"}
    else:
        answer = outcome.to_json()
        peak = peak_memory()
        if peak is not None:
            answer["figures"]["peak_bytes"] = peak.byte_count
            answer["sources"]["peak_bytes"] = peak.source
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
