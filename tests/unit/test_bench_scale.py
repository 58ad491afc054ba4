"""The curves of `bench scale`: which points, what follows from them, and their way to the file and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.guide import WLASL_CLIPS
from bench.measure import Summary
from bench.report import to_markdown
from bench.results import Results
from bench.scale import Point, Sizes, axis_value, choose_points, core_counts, line_at, store_of
from bench.scale_run import Measuring, collect_scale
from bench.scale_tables import scale_failures, scale_tables
from bench.scale_worker import repeated
from toolkit.clips import Clip
from toolkit.errors import ConfigError

MACHINE = {
    "os": "Linux",
    "cpu": "a processor",
    "cores": 2,
    "cores_in_machine": 2,
    "ram_gib": 4.0,
    "python": "CPython 3.11",
    "packages": {"numpy": "2.0"},
    "load_per_core_before": 0.0,
}


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    found = []
    for number in range(10):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(bytes(1000 + 10 * number))
        found.append(Clip(str(number), f"g{number // 5}", "test", "", path))
    return found


def measured(sizes: Sizes, per_clip_s: float = 0.5) -> list[Measuring]:
    """What ideal processes say: half a second a clip in each of two workers, 8448 + 300 bytes, 1 MB and 10 KB a clip
    in training."""
    found = []
    for point in choose_points(sizes):
        if point.stage == "extract":
            workers = {"clips": 2, "workers": point.value}.get(point.axis, 1)
            figures = {
                "wall_s_per_clip": per_clip_s / workers, "cpu_s_per_clip": per_clip_s, "start_s": 2.0,
                "data_bytes_per_clip": 8448.0, "index_bytes_per_clip": 300.0, "peak_bytes": 1e8,
            }  # fmt: skip
            if workers == 1:
                figures["clip_sd_s"] = 0.1
        else:
            figures = {"wall_s_per_clip": 0.001, "cpu_s_per_step": 0.03, "cpu_s_per_clip": 0.001,
                       "peak_bytes": 1e6 + 1e4 * point.value}  # fmt: skip
        found.append(Measuring(point, [figures] * (1 if point.once else sizes.repeats), made="store"))
    return found


def test_whatever_trains_comes_after_the_extraction_whose_store_it_reads() -> None:
    for sizes in (Sizes(), Sizes.quick_ones(), Sizes.quick_ones(workers=(1,))):
        points = choose_points(sizes)
        assert len({point.name for point in points}) == len(points)
        for place, point in enumerate(points):
            needed = store_of(point, sizes)
            assert (needed is None) == (point.stage == "extract")
            assert needed is None or needed.name in [earlier.name for earlier in points[:place]]


def test_the_curves_are_those_that_were_asked_for() -> None:
    values = {axis: {point.value for point in choose_points(Sizes()) if point.axis == axis}
              for axis in ("clips", "batch size", "frames")}  # fmt: skip
    assert values["clips"] == {10, 100, 800}
    assert {1, 64} <= values["batch size"] and {8, 64} <= values["frames"]
    assert core_counts(1) == (1,) and core_counts(2) == (1, 2) and core_counts(6) == (1, 2, 4, 6)


def test_names_of_points_are_words() -> None:
    assert [axis_value("frames", 8), axis_value("workers", 1), axis_value("batch size", 4)] == [
        "8 frames",
        "1 worker",
        "batch of 4",
    ]


def test_a_straight_line_is_continued_and_noise_widens_its_range() -> None:
    assert line_at([1, 2, 4], [3, 5, 9], 100) == (pytest.approx(201), pytest.approx(0, abs=1e-9))
    value, half = line_at([1, 2, 4], [3.2, 4.8, 9.1], 100)
    assert half is not None and abs(value - 201) < half
    assert line_at([1, 2], [3, 5], 10) == (pytest.approx(21), None)


def test_all_of_wlasl_follows_from_the_curves(clips: list[Clip]) -> None:
    scale = collect_scale(Sizes(), clips, measured(Sizes()), MACHINE, [])
    found = {one.what: one for one in scale.forecasts}
    two = found["extraction, 2 processes"]
    assert two.value == pytest.approx(2 + WLASL_CLIPS * 0.25)
    assert two.low is not None and two.high is not None and two.low < two.value < two.high
    assert found["extraction, 1 process"].value == pytest.approx(2 + WLASL_CLIPS * 0.5)
    assert found["extraction, CPU time of all processes"].value == pytest.approx(WLASL_CLIPS * 0.5)
    assert found["store on disk"].value == WLASL_CLIPS * 8748
    assert found["store on disk, packed"].value == WLASL_CLIPS * (2112 + 300)
    assert found["the videos"].value == pytest.approx(WLASL_CLIPS * 1045)
    assert found["training, 50 epochs"].value == pytest.approx(50 * WLASL_CLIPS * 0.001)
    assert found["peak memory of training"].value == pytest.approx(1e6 + 1e4 * WLASL_CLIPS)


def test_noise_between_repetitions_widens_the_range(clips: list[Clip]) -> None:
    def width(rates: tuple[float, ...]) -> float:
        points = measured(Sizes())
        one = next(one for one in points if one.point.name == "extract, 100 clips")
        one.rounds = [{**one.rounds[0], "wall_s_per_clip": rate} for rate in rates]
        forecasts = collect_scale(Sizes(), clips, points, MACHINE, []).forecasts
        found = next(one for one in forecasts if one.what == "extraction, 2 processes")
        assert found.low is not None and found.high is not None
        return found.high - found.low

    assert width((0.15, 0.35)) > 2 * width((0.25, 0.25))


def test_no_forecast_is_made_of_points_that_were_not_measured(clips: list[Clip]) -> None:
    first = measured(Sizes())[:1]
    whats = {one.what for one in collect_scale(Sizes(), clips, first, MACHINE, []).forecasts}
    assert whats == {"store on disk", "store on disk, packed", "the videos"}
    assert collect_scale(Sizes(), clips, [], MACHINE, []).points == ()


def test_curves_survive_their_way_to_the_file_and_are_on_the_page(clips: list[Clip], tmp_path: Path) -> None:
    points = measured(Sizes())
    points[-1] = Measuring(points[-1].point, reason="there was not enough memory")
    scale = collect_scale(Sizes(), clips, points, MACHINE, ["a note"])
    options = {"modes": [], "num_frames": 16, "batch_size": 4, "repeats": 3}
    results = Results(options, MACHINE, {"clips": 10, "glosses": 2}, (), (), (), scale)
    results.save(tmp_path / "results.json")
    again = Results.load(tmp_path / "results.json").scale
    assert again is not None and again.points == scale.points and again.forecasts == scale.forecasts
    assert scale_tables(again) == scale_tables(scale)
    assert scale_failures(again) == ["train, 64 frames, failed: there was not enough memory"]
    page = to_markdown(Results.load(tmp_path / "results.json"))
    assert "What all of WLASL would take" in page and "scale.png" in page and "batch of 64" in page


def test_curves_of_another_version_are_refused_with_the_cure(clips: list[Clip], tmp_path: Path) -> None:
    scale = replace(collect_scale(Sizes(), clips, [], MACHINE, []), version=99)
    Results({}, MACHINE, {}, (), (), (), scale).save(tmp_path / "results.json")
    with pytest.raises(ConfigError, match="run bench scale again"):
        Results.load(tmp_path / "results.json")


def test_repeated_clips_have_ids_of_their_own_and_show_the_whole_data_set(clips: list[Clip]) -> None:
    few, many = repeated(tuple(clips), 4), repeated(tuple(clips), 25)
    assert {clip.gloss for clip in few} == {"g0", "g1"} and len(few) == 4
    assert len({clip.id for clip in many}) == 25 and {clip.path for clip in many} == {c.path for c in clips}
    assert {clip.split for clip in many} == {"train"}


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="--mode is 'video'"):
        Sizes(mode="video")
    with pytest.raises(ConfigError, match="--repeats is 0"):
        Sizes(repeats=0)


def test_a_point_has_one_name_and_a_summary_per_figure(clips: list[Clip]) -> None:
    scale = collect_scale(Sizes(), clips, measured(Sizes()), MACHINE, [])
    assert Point("workers", 2, "extract").name == "extract, 2 workers"
    assert scale.curve("frames", "train", "wall_s_per_clip")[0] == (8, Summary.of([0.001, 0.001]))
