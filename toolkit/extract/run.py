"""One extraction: what is still to be done, the workers that do it, and the report.

This module knows neither networks nor file formats: it joins an index, a pool of workers and a store.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from toolkit.clips import ClipIndex
from toolkit.extract.devices import settle
from toolkit.extract.protocol import ExtractorSpec
from toolkit.extract.workers import WorkerPool
from toolkit.run_log import EventLog
from toolkit.store import StoreSpec, StoreWriter

Progress = Callable[[int, int], None]
"""Called with (clips finished, clips to do)."""


@dataclass(frozen=True)
class Plan:
    """How to extract. num_frames: T per clip; dtype: of the stored numbers; clip_timeout_s: per clip."""

    extractor: ExtractorSpec
    output_dir: Path
    num_frames: int = 16
    workers: int = 1
    dtype: str = "float32"
    clip_timeout_s: float = 120.0
    retry_failed: bool = False


@dataclass
class Report:
    """What became of the clips asked for.

    asked = found + missing (no video file); left_out: found, but beyond max_videos; done: made now; skipped:
    were in the store already; failed: id -> reason; nobody: ids of clips made now without any person; unlisted: ids
    that were in the store already and that the index does not name.
    """

    asked: int
    found: int
    left_out: int
    missing: int
    done: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    nobody: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    seconds: float = 0.0


def extract(
    index: ClipIndex, plan: Plan, progress: Progress | None = None, log: EventLog | None = None
) -> Report:
    """Extract the clips of an index that the store does not hold yet.

    Stopped at any instant, the same call continues. A clip that cannot be read is noted in the store with the
    reason, and is tried again when its file changes or with `retry_failed`. log: gets every event.

    Raises:
        ToolkitError: the extractor cannot be built, or the store is another command's, locked or full.
    """
    log = log or EventLog(None, "", {})
    taken, left_out, missing = len(index.clips), len(index.left_out), len(index.missing)
    report = Report(taken + left_out + missing, taken + left_out, left_out, missing)
    extractor = settle(plan.extractor).spec  # once, here: all workers do the same
    with WorkerPool(extractor, plan.num_frames, plan.workers, plan.clip_timeout_s) as pool:
        shape, layout, fingerprint = pool.described
        spec = StoreSpec(plan.extractor.mode, shape, plan.num_frames, layout, fingerprint, plan.dtype)
        with StoreWriter(plan.output_dir, spec) as store:
            if plan.retry_failed:
                store.forget_failures()
            todo = [clip for clip in index.clips if not store.holds(clip)]
            asked = {clip.id for clip in index.clips}
            listed = {clip.id for clip in (*index.clips, *index.left_out, *index.missing)}
            report.unlisted = sorted(store.ids - listed)
            report.failed = {key: text for key, text in store.failures.items() if key in asked}
            report.skipped = len(index.clips) - len(todo) - len(report.failed.keys() - {c.id for c in todo})
            log("store opened", store=plan.output_dir, spec=asdict(spec), clips=len(index.clips), to_do=len(todo),
                there=report.skipped, failed_before=len(report.failed))  # fmt: skip
            began = time.monotonic()
            for finished, outcome in enumerate(pool.run(todo), start=1):
                facts = {"id": outcome.clip.id, "seconds": round(outcome.seconds, 3)}
                if outcome.replaced:
                    log("worker replaced", id=outcome.clip.id, reason=outcome.error)
                if outcome.extraction is None:
                    log("clip failed", **facts, file=outcome.clip.path, error=outcome.error)
                    store.fail(outcome.clip, outcome.error, outcome.seen)
                    report.failed[outcome.clip.id] = outcome.error
                else:
                    values, quality = outcome.extraction
                    store.append(outcome.clip, values, quality, outcome.seen)
                    log("clip done", **facts, quality=quality)
                    report.failed.pop(outcome.clip.id, None)
                    report.done += 1
                    if quality.get("detection_rate") == 0.0:
                        report.nobody.append(outcome.clip.id)
                if progress:
                    progress(finished, len(todo))
            report.seconds = time.monotonic() - began
    log("finished", **asdict(report))
    return report
