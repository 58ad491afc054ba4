"""Compares the micro-benchmarks with a saved baseline: `make bench`, and `make bench-baseline` to renew it.

Another machine, or the same one under load, is faster or slower at everything, so no time is compared but its ratio
to fixed work in numpy, measured in the same session before every benchmark. baseline.json holds those ratios and
says nothing about the machine. Ratios still depend on the kind of processor: renew the baseline on yours first, and
compare with that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

BASELINE = Path(__file__).with_name("baseline.json")
VERSION = 1
TOLERANCE = 0.30
ROUNDS = 15
RATIOS = pytest.StashKey[dict[str, float]]()


def calibration_s() -> float:
    """CPU seconds of fixed work, the least of some rounds: products as in the networks, sorting, copies beyond the
    caches, and Python's own loops."""
    numbers = np.random.default_rng(0)
    left, values, large = numbers.random((96, 96)), numbers.random(20_000), numbers.random(1 << 18)
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(4):
            left @ left
        np.sort(values)
        large.copy()
        sum(range(20_000))
        least = min(least, time.process_time() - began)
    return least


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("baseline")
    group.addoption(
        "--baseline",
        choices=["compare", "save"],
        help="compare ratios with those of baseline.json, or write it",
    )


@pytest.fixture(autouse=True)
def ratio_to_fixed_work(request: pytest.FixtureRequest, benchmark: BenchmarkFixture) -> Iterator[None]:
    """Measure the fixed work right before and after a benchmark, and keep the ratio of the two.

    The least of all rounds counts on both sides: whatever else runs only ever makes a round slower.
    """
    if request.config.getoption("--baseline", default=None) is None:
        yield
        return
    before = calibration_s()
    yield
    if benchmark.stats is not None:
        fixed = min(before, calibration_s())
        name = request.node.nodeid.rpartition("/")[2]
        request.config.stash.setdefault(RATIOS, {})[name] = benchmark.stats.stats.min / fixed


def slower(
    found: dict[str, float], saved: dict[str, float], tolerance: float = TOLERANCE
) -> dict[str, float]:
    """Benchmarks whose ratio rose by more than the tolerance: name -> by what factor."""
    factors = {name: ratio / saved[name] for name, ratio in found.items() if name in saved}
    return {name: factor for name, factor in factors.items() if factor > 1 + tolerance}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Save, or fail the session where something got slower."""
    found, wanted = session.config.stash.get(RATIOS, {}), session.config.getoption("--baseline", default=None)
    if wanted == "save" and found and not exitstatus:
        kept = json.loads(BASELINE.read_text(encoding="utf-8"))["ratios"] if BASELINE.exists() else {}
        ratios = {name: float(f"{ratio:.3g}") for name, ratio in sorted((kept | found).items())}
        BASELINE.write_text(
            json.dumps({"version": VERSION, "ratios": ratios}, indent=1) + "\n", encoding="utf-8"
        )
    elif wanted == "compare" and not exitstatus and slower(found, _saved()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line per benchmark: its ratio now, the saved one, and the factor between them."""
    found = config.stash.get(RATIOS, {})
    if not found:
        return
    saved = _saved()
    worse = slower(found, saved)
    terminalreporter.section("CPU time as a multiple of fixed numpy work")
    for name, ratio in found.items():
        before = saved.get(name)
        beside = (
            "not in the baseline" if before is None else f"baseline {before:8.3g}, x {ratio / before:.2f}"
        )
        terminalreporter.write_line(f"{ratio:10.3g}  {beside}  {'SLOWER  ' if name in worse else ''}{name}")
    if worse and config.getoption("--baseline", default=None) == "compare":
        terminalreporter.write_line(
            f"{len(worse)} got slower by more than {TOLERANCE:.0%}. On another processor, or after a change that is "
            "meant to cost time: make bench-baseline"
        )


def _saved() -> dict[str, float]:
    """Ratios of the baseline; none where there is none of this version."""
    content = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    return dict(content["ratios"]) if content.get("version") == VERSION else {}
