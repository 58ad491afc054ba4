"""How the memory of an extraction grows with the clips it has done: least squares over the resident set.

    python tests/benchmarks/memory_slope.py [--clips 2000] [--mode features|pose] [--num_frames 4]

Real clips (SIGN_TOOLKIT_DATA), few of them again and again, one worker, a real store. The first fifth is left out:
until then buffers grow to the largest clip. Prints the slope of the worker and of the process that writes the store
(which knows every clip it has done) in bytes per clip. Status 1 if the worker's is above 1 KB.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from toolkit.clips import Clip, ClipIndex
from toolkit.extract import ExtractorSpec
from toolkit.extract.run import Plan, extract
from toolkit.extract.workers import TIDY_EVERY

DIFFERENT, LIMIT = 25, 1024.0
ROOT = Path(__file__).resolve().parents[2]


def slope(values: list[int]) -> float:
    """Bytes per clip over the last four fifths, of the least held within every TIDY_EVERY clips.

    Workers give back what is free that often; what they hold in between depends on the clips, not on their number.
    """
    settled = values[len(values) // 5 :]
    least = [min(settled[place : place + TIDY_EVERY]) for place in range(0, len(settled), TIDY_EVERY)]
    return float(np.polyfit(np.arange(len(least)), least, 1)[0]) / TIDY_EVERY


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--mode", choices=["features", "pose"], default="features")
    parser.add_argument("--num_frames", type=int, default=4)
    args = parser.parse_args()
    data = Path(os.environ.get("SIGN_TOOLKIT_DATA", ROOT.parent / "shared" / "data"))
    videos = sorted((data / "wlasl" / "videos").glob("*.mp4"))[::7][:DIFFERENT]
    if not videos:
        print(f"no clips in {data}; set SIGN_TOOLKIT_DATA", file=sys.stderr)
        return 2
    first = Clip("", "book", "train", "1", videos[0])
    clips = [replace(first, id=str(n), path=videos[n % len(videos)]) for n in range(args.clips)]
    spec = ExtractorSpec(args.mode, "onnx")
    spec = replace(spec, network="lite") if args.mode == "pose" else replace(spec, image_size=128)
    me = psutil.Process()
    sizes: tuple[list[int], list[int], list[int]] = ([], [], [])

    def note(finished: int, _: int) -> None:
        workers = [child for child in me.children() if "spawn_main" in " ".join(child.cmdline())]
        held = [worker.memory_info() for worker in workers]
        sizes[0].append(sum(size.rss for size in held))
        sizes[1].append(sum(size.rss - getattr(size, "shared", 0) for size in held))
        sizes[2].append(me.memory_info().rss)
        if finished % max(args.clips // 10, 1) == 0:
            worker, private, writer = (f"{values[-1] / 2**20:.1f}" for values in sizes)
            print(
                f"{finished} clips: worker {worker} MiB ({private} without files), writer {writer} MiB",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(spec, Path(folder) / "store", num_frames=args.num_frames)
        report = extract(ClipIndex(tuple(clips), ()), plan, note)
    worker, private, writer = map(slope, sizes)
    print(f"{args.mode}: {report.done} clips done, {len(report.failed)} failed; bytes per clip: worker {worker:+.0f} "
          f"({private:+.0f} without files), writer {writer:+.0f}")  # fmt: skip
    return int(worker > LIMIT or report.done != args.clips)


if __name__ == "__main__":
    raise SystemExit(main())
