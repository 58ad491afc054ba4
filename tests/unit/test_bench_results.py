"""A result on disk, and the tables drawn from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.collect import collect
from bench.plan import ROWS, Options
from bench.report import to_markdown
from bench.results import Results
from bench.run import Measured
from bench.written import number, size
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
CLIPS = [Clip("a", "yes", "train", "", Path("a.mp4")), Clip("b", "no", "train", "", Path("b.mp4"))]


def measured(name: str, *rounds: dict[str, float], reason: str = "") -> Measured:
    row = next(row for row in ROWS if row.name == name)
    return Measured(row, list(rounds), {"peak_bytes": "VmHWM"}, reason=reason)


def machine(gflops: float, calibration_s: float) -> dict[str, float]:
    return {
        "gemm_gflops": gflops,
        "copy_gb_per_s": 10.0,
        "decode_cpu_s_per_clip": 0.03,
        "calibration_cpu_s": calibration_s,
        "calibration_wall_s": 2 * calibration_s,
    }


@pytest.fixture
def results() -> Results:
    rows = [
        measured("floor", *({"import_s": 0.1, "peak_bytes": peak} for peak in (30e6, 31e6))),
        measured("machine", *(machine(gflops, cpu) for gflops, cpu in ((100.0, 0.1), (200.0, 0.4)))),
        measured("extract pose (mediapipe)", reason="mediapipe is not installed"),
        measured("hold features", {"held_bytes_per_batch": 33_000.0}),
        measured("train features", *({"clips_per_s": 100.0, "cpu_s_per_clip": cpu} for cpu in (0.01, 0.02))),
        measured(
            "train video",
            *({"clips_per_s": 4.0, "cpu_s_per_clip": cpu, "peak_bytes": 600e6} for cpu in (0.1, 0.4)),
        ),
        measured("export pose", {"multiply_adds_per_clip": 100e6}),
        measured("infer pose (onnx)", *[{"cpu_s_per_clip": 0.004}] * 2),
    ]
    return collect(Options(), CLIPS, rows, MACHINE, ["a note"])


def test_a_saved_result_reads_back_equal(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.save(path)
    assert Results.load(path).rows == results.rows
    assert Results.load(path).claims == results.claims
    assert to_markdown(Results.load(path)) == to_markdown(results)


def test_ratios_are_taken_round_by_round(results: Results) -> None:
    features = results.find("train", "features")
    assert features is not None and features.compared_with == "train video"
    assert features.ratios["cpu_per_clip"].values == pytest.approx((0.1, 0.05))
    assert features.ratios["cpu_to_machine"].values == pytest.approx(
        (0.1, 0.05)
    )  # calibrations of 0.1 and 0.4 s


def test_memory_is_told_over_the_floor_of_the_same_round(results: Results) -> None:
    video = results.find("train", "video")
    assert video is not None
    assert video.figures["over_floor_bytes"].values == pytest.approx((570e6, 569e6))


def test_what_the_machine_could_do_at_best_stands_beside_what_was_done(results: Results) -> None:
    row = results.find("infer", "pose")
    assert row is not None
    # 2 x 100 million multiply-adds at 100 and 200 GFLOP/s, and 2 x 8448 bytes at 10 GB/s, of 4 ms
    at_best = [0.002 + 16896 / 10e9, 0.001 + 16896 / 10e9]
    assert row.figures["limit_cpu_s_per_clip"].values == pytest.approx(at_best)
    assert row.figures["reached"].values == pytest.approx([best / 0.004 for best in at_best])


def test_others_work_during_the_run_is_noticed(results: Results) -> None:
    assert any("plain arithmetic took 2.0 times its CPU time" in note for note in results.notes)


def test_a_noisy_row_is_named(results: Results) -> None:
    assert any(note.startswith("noisy") and "train video" in note for note in results.notes)


def test_a_failed_row_keeps_its_reason_and_is_no_figure(results: Results) -> None:
    assert results.find("extract", "pose") is None
    page = to_markdown(results)
    assert "extract pose (mediapipe) failed: mediapipe is not installed" in page


def test_claims_use_what_was_measured_at_the_guides_own_sizes_only(results: Results) -> None:
    def held(options: Options) -> object:
        rows = [measured("hold features", {"held_bytes_per_batch": 33_000.0})]
        found = collect(options, CLIPS, rows, MACHINE, []).claims
        return next(claim.measured for claim in found if claim.mode == "features" and "batch" in claim.claim)

    assert held(Options()) == 33_000.0
    assert held(Options(batch_size=8)) is None


def test_the_path_of_the_users_network_is_not_written_down(tmp_path: Path) -> None:
    found = collect(Options(model_asset=str(tmp_path / "own.task")), CLIPS, [], MACHINE, [])
    found.save(tmp_path / "results.json")
    assert "own.task" not in (tmp_path / "results.json").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("[]", "schema version None"),
        ('{"version": 99}', "schema version 99"),
        ('{"version": 1}', "schema version 1, this bench reads 2"),
        ('{"version": 2}', "damaged"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Results.load(path)


@pytest.mark.parametrize(
    ("byte_count", "text"),
    [(None, "–"), (500, "500 B"), (8448, "8.25 KB"), (2**21, "2.00 MB"), (178e9, "166 GB")],
)
def test_sizes_are_written_in_the_unit_that_suits_them(byte_count: float | None, text: str) -> None:
    assert size(byte_count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (0.00123, "0.0012"), (0.123, "0.12"), (12.34, "12.3"), (12345.6, "12,346")],
)
def test_numbers_show_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text
