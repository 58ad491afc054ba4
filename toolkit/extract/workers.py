"""Worker processes that turn clips into records, each with its own extractor.

A clip that crashes a decoder or hangs costs one worker, not the run: the clip is reported and the worker is
replaced. Processes are spawned, never forked, so the same code runs on Windows and macOS. A worker whose parent
is gone finds its pipe closed and ends.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

from toolkit.clips import Clip, file_state
from toolkit.errors import ToolkitError, WorkerError
from toolkit.extract import make_extractor
from toolkit.extract.memory_limit import limit_memory
from toolkit.extract.protocol import Extraction, ExtractorSpec, Fingerprint
from toolkit.process_memory import forget_start, give_back_memory, return_large_blocks
from toolkit.video import with_frames

ONE_THREAD_EACH = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""Workers run side by side: a second BLAS thread in each spins against the others and gains nothing."""

START_TIMEOUT_S = 600.0  # building an extractor may fetch network weights first
TIDY_EVERY = 20  # clips: holes between blocks in use go back to the system before they add up
LOOK_EVERY_S = 1.0
AWAY_S = 3.0
"""A look that comes so much later than it should tells that the processes were stopped (Ctrl-Z) or the PC slept."""
LATE_S = 10.0  # after its time a worker ends itself, in case that there is no parent left to do it


class Described(NamedTuple):
    """What the workers' extractor makes."""

    item_shape: tuple[int, ...]
    layout: str
    fingerprint: Fingerprint


class Outcome(NamedTuple):
    """One clip: its extraction, or why there is none. seen: the state of its file before it was read.

    seconds: from handing it out to its answer; replaced: it cost a worker, in whose place is a new one.
    """

    clip: Clip
    extraction: Extraction | None
    error: str = ""
    seen: tuple[int, int] | None = None
    seconds: float = 0.0
    replaced: bool = False


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    clip: Clip | None = None
    deadline: float = 0.0
    seen: tuple[int, int] | None = None
    # for a while, with its clip in hand: that it is late or gone is not the clip's fault
    stopped: bool = False


class WorkerPool:
    """Extract clips with up to `workers` processes. Use as a context manager."""

    def __init__(self, spec: ExtractorSpec, num_frames: int, workers: int, clip_timeout_s: float) -> None:
        """Start one process and wait until it has its extractor; the others start when there is work.

        Raises:
            ToolkitError: what building the extractor raised in the worker (missing package, weights, ...).
        """
        self._job = (spec, num_frames, clip_timeout_s)
        self._clip_timeout_s = clip_timeout_s
        self._most = workers
        self._workers = [self._start()]
        try:
            # Whatever the extractor needs is fetched and checked once, before the other processes start.
            self.described = self._greet(self._workers[0])
        except BaseException:
            self.close()
            raise

    def _grow(self, workers: int) -> None:
        fresh = [self._start() for _ in range(workers - len(self._workers))]
        self._workers += fresh
        for worker in fresh:
            self._greet(worker)

    def _start(self) -> _Worker:
        for (
            name
        ) in ONE_THREAD_EACH:  # read when the new process loads numpy, before any code of ours could say so
            os.environ.setdefault(name, "1")
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, *self._job), daemon=True)
        with _undisturbed():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _greet(self, worker: _Worker) -> Described:
        try:
            answer = worker.pipe.recv() if worker.pipe.poll(START_TIMEOUT_S) else None
        except EOFError:
            answer = None
        if isinstance(answer, Described):
            return answer
        if isinstance(answer, Exception):
            raise answer
        worker.process.join(5)
        raise WorkerError(
            f"a worker process ended before it was ready (exit code {worker.process.exitcode}); "
            "try --workers 1, and look above for what it printed"
        )

    def run(self, clips: Sequence[Clip]) -> Iterator[Outcome]:
        """Yield the outcome of every clip, in the order in which they are finished."""
        self._grow(min(self._most, len(clips)))
        waiting = deque(clips)
        for worker in self._workers:
            self._hand_out(worker, waiting)
        again: set[str] = set()  # handed out twice: once more would be once too often
        looked = time.monotonic()
        while busy := [worker for worker in self._workers if worker.clip is not None]:
            left = min(worker.deadline for worker in busy) - time.monotonic()
            ready = wait([worker.pipe for worker in busy], timeout=min(LOOK_EVERY_S, max(0.0, left)))
            away, looked = time.monotonic() - looked - LOOK_EVERY_S, time.monotonic()
            for worker in busy if away > AWAY_S else ():
                worker.deadline += away
                worker.stopped = True
            for worker in busy:
                if worker.pipe in ready:
                    outcome = self._collect(worker)
                elif time.monotonic() > worker.deadline:
                    late = f"took longer than {self._clip_timeout_s:g} s (--clip_timeout)"
                    outcome = self._replace(worker, late)
                else:
                    continue
                looked = time.monotonic()  # to start a new worker takes its time
                if outcome.replaced and worker.stopped and outcome.clip.id not in again:
                    again.add(outcome.clip.id)
                    waiting.appendleft(outcome.clip)
                else:
                    yield outcome
                self._hand_out(worker, waiting)

    def _hand_out(self, worker: _Worker, waiting: deque[Clip]) -> None:
        worker.clip, worker.stopped = waiting.popleft() if waiting else None, False
        if worker.clip is not None:
            worker.deadline = time.monotonic() + self._clip_timeout_s
            worker.seen = file_state(worker.clip.path)
            try:
                worker.pipe.send(worker.clip)
            except OSError:
                return  # the worker died in between; its closed pipe is noticed when its answer is read

    def _collect(self, worker: _Worker) -> Outcome:
        assert worker.clip is not None
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            return self._replace(worker, f"crashed its worker process (exit code {worker.process.exitcode})")
        if isinstance(answer, Extraction):
            return Outcome(worker.clip, answer, "", worker.seen, self._seconds(worker))
        return Outcome(worker.clip, None, str(answer), worker.seen, self._seconds(worker))

    def _seconds(self, worker: _Worker) -> float:
        return time.monotonic() - (worker.deadline - self._clip_timeout_s)

    def _replace(self, worker: _Worker, error: str) -> Outcome:
        assert worker.clip is not None
        clip, seconds = worker.clip, self._seconds(worker)
        _end(worker)
        fresh = self._start()
        worker.process, worker.pipe, worker.clip = fresh.process, fresh.pipe, None
        self._greet(worker)
        return Outcome(clip, None, f"{clip.path}: {error}", worker.seen, seconds, replaced=True)

    def close(self) -> None:
        """End all processes, also those in the middle of a clip."""
        for worker in self._workers:
            _end(worker)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join(5)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started meanwhile is deaf to Ctrl-C from its first instant; ours comes when this is over."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # comes with the first process, and would make it hear again
    # The mask is this thread's own, and what is started inherits it; other threads, such as OpenBLAS's, still take
    # the signal, so it is noted, too, and raised when this is over.
    came: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    usual = signal.signal(signal.SIGINT, lambda number, _: came.append(number)) if in_main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if in_main:
            signal.signal(signal.SIGINT, signal.SIG_DFL if usual is None else usual)
        if came:
            signal.raise_signal(signal.SIGINT)


def _end_with_parent() -> None:
    """A worker in the middle of a clip does not look at its pipe: this thread ends it when the parent is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _work(pipe: Connection, spec: ExtractorSpec, num_frames: int, clip_timeout_s: float) -> None:
    """The worker process: answer every clip with an Extraction or the text of an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    return_large_blocks()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    try:
        extractor = make_extractor(spec)
    except ToolkitError as error:
        pipe.send(error)
        return
    if spec.device != "cuda":  # a GPU's driver maps memory as it likes
        limit_memory()
    forget_start()
    pipe.send(Described(extractor.item_shape, extractor.layout, extractor.fingerprint))
    for done in count(1):
        try:
            clip: Clip = pipe.recv()
        except (EOFError, OSError):
            break
        # Needs no interpreter lock, so it ends also what hangs inside a library.
        faulthandler.dump_traceback_later(clip_timeout_s + LATE_S, exit=True, file=nowhere)
        try:
            answer: Extraction | str = with_frames(
                extractor.extract,
                clip.path,
                num_frames,
                clip.frame_start,
                clip.frame_end,
                extractor.frame_size,
            )
        except ToolkitError as error:
            answer = str(error)
        except MemoryError:
            answer = (
                f"{clip.path}: needs more memory than a clip may take; scale the video down or cut it shorter"
            )
        except Exception as error:  # whatever a decoder or network throws at one clip must not end the run
            answer = f"{clip.path}: {type(error).__name__}: {error}"
        faulthandler.cancel_dump_traceback_later()
        pipe.send(answer)
        if done % TIDY_EVERY == 0:
            give_back_memory()
    extractor.close()
