"""Clocks and memory readings, on real work and real memory."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from bench.measure import Laps, Summary, now, peak_memory, percentile, sampled_memory


def spin(cpu_s: float) -> None:
    """Work for so much CPU time."""
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass


def test_cpu_time_counts_work_and_not_waiting() -> None:
    began = now()
    time.sleep(0.2)
    waited = now().since(began)
    spin(0.05)
    worked = now().since(began)
    assert waited.wall_s >= 0.2
    assert waited.cpu_s < 0.15
    assert worked.cpu_s >= 0.05


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no account of children's CPU time")
def test_cpu_time_counts_children_that_have_ended() -> None:
    began = now()
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert now().since(began).cpu_s >= 0.3


def test_the_first_lap_and_the_warm_up_are_kept_out_of_the_steady_figures() -> None:
    laps = Laps()
    for pause in (0.2, 0.1, 0.0, 0.0):
        time.sleep(pause)
        laps.lap()
    figures = laps.figures(warm_up=2)
    assert figures["first_ms"] >= 200
    assert figures["wall_s"] < 0.1
    assert figures["p50_ms"] <= figures["p95_ms"] < 100


def test_a_single_lap_stands_for_all() -> None:
    laps = Laps()
    time.sleep(0.01)
    laps.lap()
    figures = laps.figures()
    assert figures["first_ms"] == pytest.approx(1000 * figures["wall_s"])


def test_no_lap_has_no_figures() -> None:
    with pytest.raises(ValueError, match="nothing was timed"):
        Laps().figures()


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 5), (95, 10), (100, 10)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([10, 1, 2, 3, 4, 5, 6, 7, 8, 9], percent) == expected


def test_a_summary_holds_the_range_and_every_value() -> None:
    summary = Summary.of([2.0, 1.0, 4.0])
    assert (summary.median, summary.low, summary.high) == (2.0, 1.0, 4.0)
    assert summary.spread == 1.5
    assert summary.values == (2.0, 1.0, 4.0)
    assert Summary.of([0.0, 0.0]).spread == 0.0


def test_private_memory_grows_by_what_is_held() -> None:
    """In a fresh process: a long-lived one may take the array from memory that it had before."""
    script = (
        "import numpy as np; from bench.measure import private_memory; before = private_memory();"
        "held = np.ones(2**23, np.uint8); print(private_memory().byte_count - before.byte_count)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 2**23 * 0.95 < int(done.stdout) < 2**23 * 1.25


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_the_peak_outlives_the_memory_and_a_sample_does_not_exceed_it() -> None:
    held = np.ones(2**25, np.uint8)
    size = held.nbytes
    del held
    peak = peak_memory()
    assert peak is not None and peak.source == "VmHWM"
    assert peak.byte_count >= size
    import os

    assert 0 < sampled_memory(os.getpid()) <= peak.byte_count


def test_a_process_that_is_gone_holds_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert sampled_memory(process.pid) == 0
