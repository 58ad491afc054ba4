"""Kill an extraction of real clips again and again, continue it each time, and compare the end with a quiet run.

    python tests/benchmarks/kill_cycles.py [--cycles 200] [--clips 300]        (make kill-cycles)

Each cycle starts the same `toolkit extract` and kills it (SIGKILL) at a random instant: in every fourth one somewhere
in its start, else when a random number of clips more are done; in every second cycle its workers are killed with it,
as by a power cut, in the others they have to notice. After each kill the store has to open, and to hold every line it
held before. A store that is complete is compared and a new one begun. Status 1 unless nothing was lost, duplicated
or different. Real clips: SIGN_TOOLKIT_DATA. Needs a system with process groups (not Windows).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from toolkit.store import FeatureStore
from toolkit.store.files import decode_line

ROOT = Path(__file__).resolve().parents[2]


def index_lines(store: Path) -> list[bytes]:
    """The complete lines of a store's index."""
    index = store / "index.jsonl"
    return index.read_bytes().split(b"\n")[:-1] if index.exists() else []


def differences(one: Path, other: Path) -> int:
    """Clips that only one store has, or whose labels or values are not the same."""
    left, right = FeatureStore.open(one), FeatureStore.open(other)
    count = len(set(left.ids) ^ set(right.ids)) + len(left.failures.items() ^ right.failures.items())
    labels = [
        {r.id: (r.gloss, r.split, r.signer, r.source, r.quality) for r in store.records}
        for store in (left, right)
    ]
    for clip_id in set(left.ids) & set(right.ids):
        same = np.array_equal(left.load([clip_id]), right.load([clip_id]), equal_nan=True)
        count += not same or labels[0][clip_id] != labels[1][clip_id]
    return count


class Cycles:
    """One store after the other, extracted by a command that is killed all the time."""

    def __init__(self, words: list[str], folder: Path, seed: int) -> None:
        self.words, self.folder, self.chance = words, folder, random.Random(seed)
        self.quiet = folder / "quiet"
        self.complete = self.lost = self.duplicated = self.different = self.unreadable = self.outlived = 0
        self.kills = self.kills_at_work = 0
        self._finish(self.quiet)
        self.total = len(index_lines(self.quiet))

    def _finish(self, store: Path) -> None:
        done = subprocess.run([*self.words, str(store)], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(self.words)}: {done.stderr}")

    def _settle(self, store: Path) -> None:
        """Look a finished store over."""
        self.complete += 1
        ids = [decode_line(line)["id"] for line in index_lines(store)]
        self.duplicated += len(ids) - len(set(ids))
        self.different += differences(store, self.quiet)

    def run(self, cycles: int) -> None:
        """Kill `cycles` times, then let the last store be finished."""
        store = self.folder / "store0"
        for cycle in range(cycles):
            if len(index_lines(store)) >= self.total:
                self._settle(store)
                store = self.folder / f"store{self.complete}"
            self._cycle(store, cycle)
            if (cycle + 1) % 10 == 0:
                print(
                    f"{cycle + 1} cycles, {len(index_lines(store))} of {self.total} clips; {self}", flush=True
                )
        self._finish(store)
        self._settle(store)

    def _cycle(self, store: Path, cycle: int) -> None:
        before = index_lines(store)
        with subprocess.Popen(
            [*self.words, str(store)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            if cycle % 4 == 0:
                time.sleep(self.chance.random() * 3)
            else:
                wanted = min(len(before) + self.chance.randint(1, 6), self.total)
                while process.poll() is None and len(index_lines(store)) < wanted:
                    time.sleep(0.001)
                time.sleep(self.chance.random() * 0.1)
            alive = process.poll() is None
            workers = psutil.Process(process.pid).children(recursive=True) if alive else []
            self.kills += alive
            if cycle % 2:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
        self.outlived += len(psutil.wait_procs(workers, timeout=60)[1])
        after = index_lines(store)
        self.kills_at_work += alive and len(before) < len(after) < self.total
        self.lost += sum(line not in set(after) for line in before)
        try:
            if store.joinpath("store.json").exists():
                FeatureStore.open(store)
        except ValueError:
            self.unreadable += 1

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.kills_at_work} of them between two clips or in one, {self.complete} stores "
            f"complete, {self.lost} lost, {self.duplicated} duplicated, {self.different} different, "
            f"{self.unreadable} times unreadable, {self.outlived} workers outlived"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = Path(os.environ.get("SIGN_TOOLKIT_DATA", ROOT.parent / "shared" / "data")) / "wlasl"
    if not data.is_dir():
        print(f"no clips in {data.parent}; set SIGN_TOOLKIT_DATA", file=sys.stderr)
        return 2
    words = [sys.executable, "-m", "toolkit", "extract", "--mode", "features", "--image_size", "128"]
    words += ["--json_path", str(data / "WLASL_v0.3.json"), "--video_dir", str(data / "videos")]
    words += ["--max_videos", str(args.clips), "--num_frames", "8", "--workers", "2", "--output_dir"]
    with tempfile.TemporaryDirectory() as folder:
        cycles = Cycles(words, Path(folder), args.seed)
        cycles.run(args.cycles)
    print(cycles)
    bad = (cycles.lost, cycles.duplicated, cycles.different, cycles.unreadable, cycles.outlived)
    return int(any(bad))


if __name__ == "__main__":
    raise SystemExit(main())
