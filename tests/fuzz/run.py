"""Fuzz for long: `python tests/fuzz/run.py --inputs 1000000`, or `make fuzz`. Prints one JSON line per harness.

Every harness runs in processes of its own, with its memory limited and a clock over each input, so that crashes,
hangs and hunger are counted and not suffered. What was found can be repeated: --only NAME --seed S --first NUMBER
--inputs 1. Exit status 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.harnesses import HARNESSES, Harness, in_memory

SHARES = {"index": 0.42, "store": 0.06, "metadata": 0.42, "model": 0.03, "config": 0.07}  # by speed
MEMORY = 2 * 2**30  # bytes of address space on top of what a fresh harness has
INPUT_S, STUCK_S = 20, 300  # one input, by the processor time it takes; without any news, by the clock
SHOWN = 5  # findings printed per harness
STATE = struct.Struct("QQQQ")  # number in work, read, refused, peak of memory in KiB


class _Hang(BaseException):
    pass


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all harnesses together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", choices=[one.name for one in HARNESSES])
    args = parser.parse_args()
    bad = 0
    for harness in HARNESSES:
        if args.only in (None, harness.name):
            share = 1.0 if args.only else SHARES[harness.name]
            bad += _fuzz(harness, args.seed, args.first, round(args.inputs * share))
    return 1 if bad else 0


def _fuzz(kind: type[Harness], seed: int, first: int, inputs: int) -> int:
    began, found = time.monotonic(), list[str]()
    state = mmap.mmap(-1, STATE.size)
    state[:] = STATE.pack(first, 0, 0, 0)
    number = first
    while number < first + inputs:
        number, finding = _child(kind, seed, number, first + inputs, state)
        if finding:
            if len(found) < SHOWN:
                print(finding, file=sys.stderr, flush=True)
            found.append(finding)
            number += 1
    _, read, refused, peak = STATE.unpack(state[:])
    seconds = round(time.monotonic() - began, 1)
    counts = {"inputs": inputs, "read": read, "refused": refused, "findings": len(found)}
    print(json.dumps({"harness": kind.name, "seed": seed} | counts | {"peak_mib": peak >> 10, "seconds": seconds}),
          flush=True)  # fmt: skip
    return len(found)


def _child(kind: type[Harness], seed: int, first: int, end: int, state: mmap.mmap) -> tuple[int, str]:
    """Run from `first` on until the end or a finding: (number reached, what was found or "")."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            _work(kind, seed, first, end, state)
            status = 0
        except BaseException:
            os.write(writer, traceback.format_exc()[-6000:].encode("utf-8", "replace"))
        os._exit(status)
    os.close(writer)
    last, since = -1, time.monotonic()
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        time.sleep(0.05)
        now = STATE.unpack(state[:])[0]
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK_S:
            os.kill(pid, signal.SIGKILL)
    number = STATE.unpack(state[:])[0]
    with os.fdopen(reader, "rb") as file:
        text = file.read().decode()
    if number >= end:
        return end, ""
    return number, f"{kind.name} seed {seed} input {number}: {text or 'crashed or was stuck'}"


def _work(kind: type[Harness], seed: int, first: int, end: int, state: mmap.mmap) -> None:
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        harness = kind(Path(folder))
        if sys.platform == "linux":
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
        signal.signal(signal.SIGPROF, _on_alarm)
        _, read, refused, peak = STATE.unpack(state[:])
        for number in range(first, end):
            state[:] = STATE.pack(number, read, refused, peak)
            data = harness.input(seed, number)
            signal.setitimer(signal.ITIMER_PROF, INPUT_S)
            taken = harness.accepts(data)
            signal.setitimer(signal.ITIMER_PROF, 0)
            read, refused = read + taken, refused + (not taken)
            if number % 100 == 0:
                peak = max(peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        state[:] = STATE.pack(end, read, refused, peak)


def _on_alarm(*_: object) -> None:
    raise _Hang(f"an input took longer than {INPUT_S} s")


if __name__ == "__main__":
    raise SystemExit(main())
