"""The guide's figures beside what its own arithmetic gives."""

from __future__ import annotations

import pytest

from bench.guide import KIB, MIB, clip_bytes, size_claims, speed_claim, verdict
from bench.measure import Summary


def once(figures: dict[str, float]) -> dict[str, Summary]:
    """Figures of a single repetition."""
    return {mode: Summary.of([figure]) for mode, figure in figures.items()}


@pytest.mark.parametrize(("mode", "expected"), [("pose", 8448), ("features", 8192), ("video", 2_408_448)])
def test_clip_bytes_are_what_the_guides_sums_give(mode: str, expected: int) -> None:
    assert clip_bytes(mode) == expected


def test_clip_bytes_grow_with_the_number_of_frames() -> None:
    assert clip_bytes("pose", 32) == 2 * clip_bytes("pose", 16)


@pytest.mark.parametrize(
    ("guide", "true", "expected"),
    [
        (2 * KIB, 8448, "wrong: 4.1x too low"),
        (32 * KIB, 4 * 8448, "holds"),
        (128 * KIB, 4 * 8192, "wrong: 4.0x too high"),
        (12 * MIB, 4 * 2_408_448, "holds"),
        (1000, 10, "wrong: 100x too high"),
        (5, 0, "cannot be judged"),
    ],
)
def test_a_round_figure_holds_within_a_factor_and_is_wrong_beyond(
    guide: float, true: float, expected: str
) -> None:
    assert verdict(guide, true) == expected


def test_disk_is_judged_by_what_was_stored_and_by_arithmetic_where_nothing_was() -> None:
    def disk(stored: dict[str, float]) -> str:
        claims = size_claims(["pose"], {}, once(stored))
        return next(claim.verdict for claim in claims if claim.claim.startswith("disk"))

    assert disk({}) == "wrong: 60x too high"  # 21083 clips of 8448 bytes
    assert disk({"pose": 509_286}) == "holds"  # 10 GB / 21083


def test_a_measurement_that_contradicts_the_arithmetic_shows_in_the_verdict() -> None:
    def batch(held: dict[str, float]) -> str:
        claims = size_claims(["pose"], once(held), {})
        return next(claim.verdict for claim in claims if claim.claim.startswith("a batch"))

    assert batch({"pose": 34_000}) == "holds"
    assert batch({"pose": 340_000}) == "holds; as measured: wrong: 10x too low"


def test_video_has_no_disk_figure_to_judge() -> None:
    claims = size_claims(["video"], {}, once({"video": 80_000}))
    assert claims[-1].guide == "original videos"
    assert claims[-1].measured == 80_000 * 21083
    assert claims[-1].verdict == "no figure given"


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ({"pose": 300, "features": 200, "video": 4}, "holds"),
        ({"pose": 200, "features": 201, "video": 4}, "holds in part: pose and features are level"),
        ({"pose": 100, "features": 300, "video": 4}, "wrong: features is 3.0x as fast as pose"),
        (
            {"pose": 10, "video": 40},
            "wrong: video is 4.0x as fast as pose",
        ),
    ],
)
def test_the_ranking_of_speeds_is_compared_pair_by_pair(speeds: dict[str, float], expected: str) -> None:
    claim = speed_claim(once(speeds))
    assert claim is not None
    assert claim.verdict == expected


def test_one_mode_alone_cannot_be_ranked() -> None:
    assert speed_claim(once({"pose": 100})) is None


def test_speeds_whose_repetitions_overlap_are_level() -> None:
    claim = speed_claim({"pose": Summary.of([100, 200, 150]), "features": Summary.of([190, 210, 200])})
    assert claim is not None
    assert claim.verdict == "holds in part: pose and features are level"
