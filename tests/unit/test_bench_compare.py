"""Two results side by side: what is worse, what is noise, and what cannot be compared."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli import main
from bench.collect import collect
from bench.compare import ALIKE, BETTER, UNCLEAR, WORSE, compare, differences, lost_rows, read_tolerance
from bench.plan import ROWS, Options
from bench.results import Results
from bench.run import Measured
from toolkit.clips import Clip
from toolkit.errors import ConfigError

ENVIRONMENT = {
    "os": "Linux", "machine": "x86_64", "cpu": "a processor", "cores": 2, "cores_in_machine": 2, "ram_gib": 4.0,
    "python": "CPython 3.11", "packages": {}, "load_per_core_before": 0.0,
}  # fmt: skip
CLIPS = [Clip("a", "yes", "train", "", Path("a.mp4")), Clip("b", "no", "train", "", Path("b.mp4"))]


def result(pose_cpu: tuple[float, ...], **given: object) -> Results:
    """Training on poses with these CPU times per clip, beside video with a steady one."""
    rows = {row.name: row for row in ROWS}
    measured = [
        Measured(rows["train pose"], [{"cpu_s_per_clip": cpu, "cold_cpu_s": 1.0} for cpu in pose_cpu]),
        Measured(rows["train video"], [{"cpu_s_per_clip": 1.0, "cold_cpu_s": 2.0}] * len(pose_cpu)),
    ]
    found = collect(Options(), CLIPS, measured, copy.deepcopy(ENVIRONMENT), [])
    return replace(found, **given)  # type: ignore[arg-type]


BEFORE = (0.10, 0.11, 0.10)


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ((0.10, 0.11, 0.10), ALIKE),
        ((0.115, 0.115, 0.115), ALIKE),  # 15 % more, within the tolerance
        ((0.13, 0.14, 0.13), WORSE),
        ((0.05, 0.05, 0.05), BETTER),
        ((0.105, 0.20, 0.18), UNCLEAR),  # one repetition was as fast as before: it may be the machine
    ],
)
def test_a_ratio_is_worse_only_beyond_the_tolerance_and_the_noise(
    after: tuple[float, ...], verdict: str
) -> None:
    changes = compare(result(BEFORE), result(after), 0.2)
    found = {(change.row, change.ratio): change.verdict for change in changes}
    assert found == {("train pose", "cpu_per_clip"): verdict, ("train pose", "cold_start"): ALIKE}


def test_the_tolerance_decides() -> None:
    after = result((0.115, 0.12, 0.115))
    assert next(change.verdict for change in compare(result(BEFORE), after, 0.05)) == WORSE


def test_ratios_to_different_rows_are_not_compared() -> None:
    rows = tuple(replace(row, compared_with="train features") for row in result(BEFORE).rows)
    assert compare(result(BEFORE), result((0.5, 0.5, 0.5), rows=rows), 0.2) == []


def test_a_row_that_fails_now_is_lost() -> None:
    rows = tuple(replace(row, status="failed", reason="no memory") for row in result(BEFORE).rows[:1])
    assert lost_rows(result(BEFORE), result(BEFORE, rows=rows)) == [
        "train pose is no longer measured: no memory",
        "train video is no longer measured: it is not in the second result",
    ]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"environment": {**ENVIRONMENT, "cpu": "another"}}, "cpu: a processor and another"),
        ({"options": {**result(BEFORE).options, "num_frames": 8}}, "--num_frames: 16 and 8"),
        ({"data": {"clips": 9, "glosses": 2, "fingerprint": "other"}}, "clips: 2 and 9, not the same ones"),
    ],
)
def test_what_makes_results_incomparable_is_told(changed: dict[str, object], told: str) -> None:
    assert differences(result(BEFORE), result(BEFORE, **changed)) == [told]
    assert differences(result(BEFORE), result(BEFORE)) == []


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), ("0.15", 0.15), (" 5 % ", 0.05), ("0", 0.0)])
def test_a_tolerance_is_a_share(text: str, share: float) -> None:
    assert read_tolerance(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "much", "-5%", "20%%", "20"])
def test_no_other_tolerance_is_taken(text: str) -> None:
    with pytest.raises(ConfigError, match="--tolerance"):
        read_tolerance(text)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """name -> results.json"""
    made = {
        "before": result(BEFORE),
        "slower": result((0.2, 0.21, 0.2)),
        "elsewhere": result(BEFORE, environment={**ENVIRONMENT, "cpu": "another"}),
    }
    for name, one in made.items():
        one.save(tmp_path / f"{name}.json")
    return {name: str(tmp_path / f"{name}.json") for name in made}


def test_the_command_ends_with_1_when_a_ratio_got_worse(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", files["before"], files["before"]]) == 0
    assert "0 worse" in capsys.readouterr().out
    assert main(["compare", files["before"], files["slower"], "--tolerance", "20%"]) == 1
    shown = capsys.readouterr().out
    assert "CPU time per clip ÷ that of train video" in shown and "+100%" in shown and "1 worse" in shown
    assert main(["compare", files["slower"], files["before"]]) == 0


def test_the_command_refuses_another_machine_unless_forced(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", files["before"], files["elsewhere"]]) == 2
    assert "cpu: a processor and another" in capsys.readouterr().err
    assert main(["compare", files["before"], files["elsewhere"], "--force"]) == 0
    assert "not alike: cpu" in capsys.readouterr().out
