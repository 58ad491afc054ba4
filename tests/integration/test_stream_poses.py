"""Streams through the real pose networks: the drawn signer, and WLASL clips one after the other with rests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.demo.take import FPS, draw_clip
from toolkit.extract import ExtractorSpec
from toolkit.extract.blazepose import OnnxPose
from toolkit.landmarks import get_layout
from toolkit.stream import HandActivity, Segments
from toolkit.video import count_frames, sample_frames

Frames = list[NDArray[np.uint8]]
SPEC = ExtractorSpec("pose", "onnx", landmarks="body", network="lite")


def signs_in(frames: Iterable[NDArray[np.uint8]], fps: float) -> list[tuple[float, float]]:
    """(start, end) in seconds of each sign that is found."""
    extractor, segments = OnnxPose(SPEC), Segments()
    watch, found = HandActivity(get_layout(SPEC.landmarks)), []
    for number, values in enumerate(extractor.follow(frames)):
        found.append(segments.push(values, number / fps, watch.see(values, number / fps)))
    found.append(segments.finish())
    extractor.close()
    return [(one.moments[0], one.moments[-1]) for one in found if one is not None]


def with_rests(clips: list[Frames], fps: float) -> tuple[Frames, list[tuple[float, float]]]:
    """The clips one after the other, each held for half a second before and after, and when each begins and ends."""
    still, frames, times = round(fps / 2), Frames(), []
    for clip in clips:
        began = len(frames) / fps
        frames += [clip[0]] * still + clip + [clip[-1]] * still
        times.append((began, len(frames) / fps))
    return frames, times


def test_following_gives_what_extracting_gives() -> None:
    frames = list(draw_clip("wave", 0).frames[::4])
    extractor = OnnxPose(SPEC)
    expected = extractor.extract(frames).values
    np.testing.assert_array_equal(np.stack(list(extractor.follow(frames))), expected)


@pytest.mark.parametrize("signer", [0, 2])
def test_each_sign_of_the_drawn_signer_is_one_segment(signer: int) -> None:
    frames, times = with_rests(
        [list(draw_clip(gloss, signer).frames) for gloss in ("wave", "circle_outward")], FPS
    )
    found = signs_in(frames, FPS)
    assert len(found) == 2
    for (start, end), (began, over) in zip(found, times, strict=True):
        assert began <= start < end <= over and end - start > 0.5


def test_each_clip_of_wlasl_between_rests_is_one_segment(data_dir: Path) -> None:
    videos = data_dir / "wlasl" / "videos"
    paths = [videos / f"{clip}.mp4" for clip in ("64287", "65086", "40118", "66607")]
    frames, times = with_rests([list(sample_frames(path, count_frames(path))) for path in paths], 30)
    found = signs_in(frames, 30)
    assert len(found) == len(times)
    for (start, end), (began, over) in zip(found, times, strict=True):
        assert began <= (start + end) / 2 <= over
