"""Which rows are measured, on which clips, and what each is compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.plan import ROWS, Job, Options, Row, baseline, choose_clips, choose_rows, needed_stage
from bench.rows import STAGES
from toolkit.clips import Clip
from toolkit.errors import ConfigError


def clips(count: int) -> list[Clip]:
    return [
        Clip(f"c{number}", f"g{number // 3}", "train", "", Path(f"c{number}.mp4")) for number in range(count)
    ]


def row(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


def test_every_row_has_a_stage_that_is_written_and_a_name_of_its_own() -> None:
    assert {one.stage for one in ROWS} == set(STAGES)
    assert len({one.name for one in ROWS}) == len(ROWS)


def test_every_stage_that_is_needed_comes_earlier_and_is_the_default() -> None:
    for place, one in enumerate(ROWS):
        needed = needed_stage(one)
        if needed is not None:
            before = [(other.stage, other.mode) for other in ROWS[:place] if other.default]
            assert (needed, one.mode) in before, one.name


def test_quick_keeps_the_modes_comparable_and_leaves_out_what_is_slow() -> None:
    rows = choose_rows(Options.quick_ones())
    assert {(one.stage, one.mode) for one in rows} >= {
        (stage, mode) for stage in ("extract", "hold", "train") for mode in ("pose", "features", "video")
    }
    assert "export" not in {one.stage for one in rows}
    assert len(choose_rows(Options())) == len(ROWS)


def test_modes_choose_rows_and_the_floor_is_always_there() -> None:
    rows = choose_rows(Options(modes=("video",)))
    assert {one.mode for one in rows} == {"", "video"}


def test_a_row_is_compared_with_what_a_user_would_otherwise_pick() -> None:
    rows = choose_rows(Options())
    expected = {
        "extract features (onnx fp32)": "extract features (torch)",
        "extract features (onnx int8)": "extract features (torch)",
        "extract pose (onnx)": "extract pose (mediapipe)",
        "extract pose (onnx lite)": "extract pose (mediapipe)",
        "extract pose (onnx body_hands)": "extract pose (mediapipe)",
        "extract video (decode only)": "extract pose (onnx)",
        "train pose": "train video",
        "train features": "train video",
        "train pose (guide's input)": "train pose (naive loop)",
        "train features (batch of 16)": "train features",
        "hold features": "hold video",
        "infer pose (onnx)": "infer pose (torch)",
        "infer pose (onnx int8)": "infer pose (torch)",
        "export features": "export pose",
    }
    for name, other in expected.items():
        assert baseline(row(name), rows) == row(other)
    alternatives = (
        "extract pose (mediapipe)",
        "train video",
        "infer pose (torch)",
        "train pose (naive loop)",
    )
    for name in ("floor", "machine", "export pose", *alternatives):
        assert baseline(row(name), rows) is None, name


def test_without_the_alternative_it_is_the_default_backend_and_for_that_the_first_mode() -> None:
    rows = choose_rows(Options.quick_ones())  # neither MediaPipe nor torch extract
    assert baseline(row("extract pose (onnx lite)"), rows) == row("extract pose (onnx)")
    assert baseline(row("extract features (onnx int8)"), rows) == row("extract pose (onnx)")
    assert baseline(row("extract pose (onnx)"), rows) is None
    assert baseline(row("train features"), [row("train pose"), row("train features")]) == row("train pose")


def test_clips_are_spread_over_the_whole_index() -> None:
    chosen = choose_clips(clips(100), 5)
    assert [clip.id for clip in chosen] == ["c0", "c25", "c50", "c74", "c99"]
    assert len(choose_clips(clips(3), 50)) == 3


def test_one_clip_is_too_few() -> None:
    with pytest.raises(ConfigError, match="2 clips or more"):
        choose_clips(clips(1), 5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modes": ("pose", "sound")}, "sound"),
        ({"modes": ()}, "names nothing"),
        ({"batch_size": 0}, "--batch_size is 0"),
        ({"repeats": 0}, "--repeats is 0"),
        ({"clips": 1}, "--clips is 1"),
        ({"profile": "low"}, "--profile is 'low'; choose from: low-end"),
        ({"memory_mb": -1}, "--memory_mb is -1"),
    ],
)
def test_impossible_options_are_refused_by_the_name_of_their_flag(
    wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Options(**wrong)  # type: ignore[arg-type]


def test_a_job_survives_its_way_to_the_process() -> None:
    job = Job(row("train pose"), Options(), tuple(clips(2)), Path("work"), stores={"pose": Path("store")})
    assert Job.from_json(json.loads(json.dumps(job.to_json(), default=str))) == job


def test_the_guides_tip_has_rows_with_its_own_batch() -> None:
    tip = row("train pose (batch of 16)")
    assert Job(tip, Options(), (), Path()).batch_size == 16
    assert Job(row("train pose"), Options(batch_size=5), (), Path()).batch_size == 5
