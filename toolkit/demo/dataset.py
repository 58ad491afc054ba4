"""A small data set of a drawn signer, in the files of WLASL: json, class list, a folder of videos.

Signers are split as in a real signer-independent experiment: the last ones are for test, the one before for
validation, the rest for training. The true places of the joints are written beside the videos, so that what
a pose network finds can be checked.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.demo.signs import SIGNS
from toolkit.demo.skeleton import JOINT_NAMES
from toolkit.demo.take import FPS, HEIGHT, WIDTH, draw_clip
from toolkit.errors import ConfigError
from toolkit.video_writer import write_video

JSON_NAME, VIDEO_FOLDER, CLASS_LIST_NAME, JOINTS_NAME = (
    "WLASL_synthetic.json",
    "videos",
    "class_list.txt",
    "joints.npz",
)
MIN_SIGNERS = 4
"""One each for validation and test, two for training: a right-handed and a left-handed one. More for test, more."""
BOX_MARGIN = 0.05
"""How far the signer's box reaches beyond the outermost joints, as a fraction of the image width."""
CROWN_ABOVE_SHOULDERS = 1.45
"""In shoulder breadths, high hair included."""
CLIPS_WORTH_A_PROCESS = 24
"""A worker process takes about a second to start, the time of ten clips."""


class DatasetPaths(NamedTuple):
    """What `write_dataset` wrote.

    joints: .npz, per video id (T, 6, 2) float32, image fractions, ordered as skeleton.JOINT_NAMES.
    """

    json_path: Path
    video_dir: Path
    class_list: Path
    joints: Path


class _Job(NamedTuple):
    video_id: str
    gloss: str
    signer: int
    take: int
    seed: int
    video_dir: Path


def write_dataset(
    output_dir: Path,
    glosses: int = 8,
    signers: int = 6,
    takes: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
    test_signers: int = 1,
) -> DatasetPaths:
    """Draw glosses * signers * takes videos, 480 x 360 at 25 frames per second, and describe them.

    progress: called with (clips done, clips in all) after every clip; workers: processes that draw (None: one
    per core where that pays, at most 4; 1: draw in this process); test_signers: how many of the signers are kept
    for test. The same arguments give the same files.

    Raises:
        ConfigError: a number is out of range.
    """
    _check("glosses", glosses, 2, len(SIGNS))
    _check("test_signers", test_signers, 1, 97)
    _check("signers", signers, MIN_SIGNERS - 1 + test_signers, 100)
    _check("takes", takes, 1, 100)
    paths = DatasetPaths(
        output_dir / JSON_NAME,
        output_dir / VIDEO_FOLDER,
        output_dir / CLASS_LIST_NAME,
        output_dir / JOINTS_NAME,
    )
    paths.video_dir.mkdir(parents=True, exist_ok=True)
    names = list(SIGNS)[:glosses]
    wanted = [(gloss, signer, take) for gloss in names for signer in range(signers) for take in range(takes)]
    jobs = [_Job(f"{number:05d}", *which, seed, paths.video_dir) for number, which in enumerate(wanted)]
    if workers is None:
        workers = max(1, min(os.cpu_count() or 1, 4, len(jobs) // CLIPS_WORTH_A_PROCESS))

    joints: dict[str, NDArray[np.float32]] = {}
    for done, (job, found) in enumerate(zip(jobs, _drawn(jobs, workers), strict=True), start=1):
        joints[job.video_id] = found
        if progress is not None:
            progress(done, len(jobs))
    index = [
        {
            "gloss": gloss,
            "instances": [
                _instance(number, job, signers - test_signers, joints[job.video_id])
                for number, job in enumerate(job for job in jobs if job.gloss == gloss)
            ],
        }
        for gloss in names
    ]
    paths.json_path.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    lines = "".join(f"{number}\t{gloss}\n" for number, gloss in enumerate(names))
    paths.class_list.write_text(lines, encoding="utf-8", newline="\n")
    np.savez_compressed(paths.joints, **joints)  # type: ignore[arg-type]  # numpy's stub types the keyword allow_pickle
    return paths


def _drawn(jobs: list[_Job], workers: int) -> Iterator[NDArray[np.float32]]:
    if workers == 1:
        yield from map(_write_clip, jobs)
        return
    with ExitStack() as stack:
        # spawn: the start method that works on every system and beside running threads
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare_worker)
        stack.callback(pool.shutdown, cancel_futures=True)
        yield from pool.map(_write_clip, jobs, chunksize=2)


def _prepare_worker() -> None:
    cv2.setNumThreads(1)  # the clips are the parallel part
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers


def _write_clip(job: _Job) -> NDArray[np.float32]:
    """Draw and encode one clip; returns its joints."""
    take = draw_clip(job.gloss, job.signer, job.seed, job.take)
    write_video(job.video_dir / f"{job.video_id}.mp4", take.frames, FPS)
    return take.joints


def _instance(number: int, job: _Job, first_test: int, joints: NDArray[np.float32]) -> dict[str, Any]:
    """One entry of the json, with WLASL's keys in WLASL's order. first_test: the first signer kept for test."""
    split = "test" if job.signer >= first_test else "val" if job.signer == first_test - 1 else "train"
    return {
        "bbox": _signer_box(joints),
        "fps": FPS,
        "frame_end": -1,
        "frame_start": 1,
        "instance_id": number,
        "signer_id": job.signer,
        "source": "synthetic",
        "split": split,
        "url": "",
        "variation_id": 0,
        "video_id": job.video_id,
    }


def _signer_box(joints: NDArray[np.float32]) -> list[int]:
    """[left, top, right, bottom] in pixels around the whole signer, all frames, down to the lower edge."""
    places = joints.reshape(-1, 2) * (WIDTH, HEIGHT)
    shoulders = joints[:, [JOINT_NAMES.index("left_shoulder"), JOINT_NAMES.index("right_shoulder")]]
    breadth = float(np.ptp(shoulders[..., 0], axis=1).max()) * WIDTH
    crown = float(shoulders[..., 1].min()) * HEIGHT - CROWN_ABOVE_SHOULDERS * breadth
    left, top = places.min(axis=0) - BOX_MARGIN * WIDTH
    right = places[:, 0].max() + BOX_MARGIN * WIDTH
    box = np.clip([left, min(top, crown), right, HEIGHT], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    return [int(value) for value in box]


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}; the drawn data set can have {low} to {high}")
