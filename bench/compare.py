"""Two results side by side: which ratios got worse. Knows nothing about how they were measured.

Ratios, since they are what two runs on one machine agree about: a ratio divides two rows of one round, so what slows
the machine for a while slows both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.measure import Summary
from bench.plan import MACHINE
from bench.results import Results, RowResult
from bench.written import Table, number, with_spread
from toolkit.errors import ConfigError

SAME_MACHINE = ("cpu", "machine", "cores", "ram_gib", "os")
SAME_WORK = ("num_frames", "batch_size", "clips", "profile", "memory_mb", "quick")
WORSE, BETTER, UNCLEAR, ALIKE = "worse", "better", "unclear: the repetitions overlap", "alike"
WORDS = {
    "cpu_per_clip": "CPU time per clip",
    "wall_per_clip": "wall time per clip",
    "memory": "memory over the floor",
    "cold_start": "cold start",
    "bytes": "memory per batch",
    "cpu_to_machine": "CPU time per clip",
    "wall_to_machine": "wall time per clip",
}
"""ratio -> what is divided."""


@dataclass(frozen=True)
class Change:
    """One ratio in both results. For all of them less is better; verdict: WORSE, BETTER, UNCLEAR or ALIKE."""

    row: str
    ratio: str
    compared_with: str
    before: Summary
    after: Summary
    verdict: str

    @property
    def factor(self) -> float:
        """After divided by before."""
        return self.after.median / self.before.median


def read_tolerance(text: str) -> float:
    """ "20%" or "0.2" -> 0.2.

    Raises:
        ConfigError: anything else, or more than 100 % ("20" means 20 %, and is asked for as such).
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text)
    if not found:
        raise ConfigError(f"--tolerance is '{text}'; give a share such as 20% or 0.2")
    share = float(found[1]) / (100 if found[2] else 1)
    if share > 1:
        raise ConfigError(f"--tolerance is '{text}', more than all of it; did you mean {found[1]}%?")
    return share


def differences(before: Results, after: Results) -> list[str]:
    """What makes the two incomparable, one line each."""
    lines = [
        f"{name}: {before.environment.get(name)} and {after.environment.get(name)}"
        for name in SAME_MACHINE
        if before.environment.get(name) != after.environment.get(name)
    ]
    lines += [
        f"--{name}: {before.options.get(name)} and {after.options.get(name)}"
        for name in SAME_WORK
        if before.options.get(name) != after.options.get(name)
    ]
    if before.data.get("fingerprint") != after.data.get("fingerprint"):
        lines.append(f"clips: {before.data['clips']} and {after.data['clips']}, not the same ones")
    return lines


def compare(before: Results, after: Results, tolerance: float) -> list[Change]:
    """Every ratio that both results have, the largest rise first. Judged worse or better: one that moved by more
    than `tolerance`, so far that no repetition of the one reaches into those of the other. Wall times may move as
    much more as other programs stretched them, see `stretched`."""
    changes, stretch = [], stretched(before) * stretched(after)
    ours = {row.name: row for row in after.rows}
    for row in before.rows:
        other = ours.get(row.name)
        if other is None or "failed" in (row.status, other.status):
            continue
        for ratio, old in row.ratios.items():
            to_machine = ratio.endswith("_to_machine")
            new = other.ratios.get(ratio)
            if new is None or not (to_machine or row.compared_with == other.compared_with):
                continue
            beside = "machine" if to_machine else row.compared_with
            allowed = (1 + tolerance) * (stretch if ratio.startswith("wall") else 1.0)
            changes.append(Change(row.name, ratio, beside, old, new, _verdict(old, new, allowed)))
    return sorted(changes, key=lambda change: -change.factor)


def lost_rows(before: Results, after: Results) -> list[str]:
    """Rows that were measured before and are not now, each with the reason."""
    ours = {row.name: row for row in after.rows}
    return [
        f"{row.name} is no longer measured: {_reason(ours.get(row.name))}"
        for row in before.rows
        if row.status == "ok" and (row.name not in ours or ours[row.name].status != "ok")
    ]


def changed_table(changes: list[Change], tolerance: float) -> Table:
    """The ratios that moved by more than the tolerance."""
    moved = [change for change in changes if change.verdict != ALIKE]
    lines = tuple(
        (
            change.row,
            f"{WORDS[change.ratio]} ÷ that of {change.compared_with}",
            with_spread(change.before),
            with_spread(change.after),
            f"{100 * (change.factor - 1):+.0f}%",
            change.verdict,
        )
        for change in moved
    )
    columns = ("row", "ratio", "before", "after", "change", "verdict")
    return Table(f"Ratios that moved by more than {number(100 * tolerance)} %", columns, lines)


def stretched(results: Results) -> float:
    """How many times its CPU time plain arithmetic took in the row "machine", 1 on a machine left alone."""
    own = next((row for row in results.rows if row.stage == MACHINE and row.status == "ok"), None)
    wall, cpu = (own.figures.get(f"calibration_{clock}_s") if own else None for clock in ("wall", "cpu"))
    return max(1.0, wall.median / cpu.median) if wall and cpu and cpu.median else 1.0


def _verdict(old: Summary, new: Summary, allowed: float) -> str:
    factor = new.median / old.median
    if 1 / allowed <= factor <= allowed:
        return ALIKE
    if new.low <= old.high and old.low <= new.high:
        return UNCLEAR
    return WORSE if factor > 1 else BETTER


def _reason(row: RowResult | None) -> str:
    return "it is not in the second result" if row is None else row.reason
