"""The onnx pose backend beside MediaPipe's own landmarks, on real signers.

A landmark is refined in a window around the heatmap cell it lies in. Where it lies within rounding error of the
border between two cells, two runtimes may take different windows, as MediaPipe's own two releases do; such
landmarks (one of 10 000) are counted apart. test_blazepose_arithmetic.py has no such rounding.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.extract import Extraction, ExtractorSpec, make_extractor
from toolkit.landmarks import LAYOUTS
from toolkit.video import sample_frames

REFERENCES = {
    # name in the reference file -> heatmap window of that MediaPipe
    ("mediapipe_0_10_21_static", 9),
    ("mediapipe_1_2_2_image", 7),
}
HANDS = [LAYOUTS["body_hands"].parts[part] for part in ("left_hand", "right_hand")]
MEAN, MOST, ACROSS_A_CELL, MOST_CELLS = 2e-5, 1e-3, 2e-2, 1e-3  # 0.7 of 3168 expected, 0 to 2 seen

Clips = list[list[NDArray[np.uint8]]]
Reference = dict[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def reference(data_dir: Path) -> Reference:
    path = data_dir.parent / "reference" / "landmarks" / "mediapipe_reference.npz"
    if not path.is_file():
        pytest.skip(f"no reference landmarks at {path}")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def clips(reference: Reference, data_dir: Path) -> Clips:
    videos = data_dir / "wlasl" / "videos"
    return [list(sample_frames(videos / f"{name}.mp4", 16)) for name in reference["ids"]]


def extracted(clips: Clips, spec: ExtractorSpec) -> list[Extraction]:
    extractor = make_extractor(spec)
    try:
        return [extractor.extract(frames) for frames in clips]
    finally:
        extractor.close()


def values_of(extractions: list[Extraction]) -> NDArray[np.float64]:
    """(clips, T, K, 4)."""
    return np.stack([extraction.values for extraction in extractions]).astype(np.float64)


@pytest.mark.parametrize("network", ["full", "lite"])
@pytest.mark.parametrize(("release", "kernel"), sorted(REFERENCES))
def test_single_images_give_mediapipes_landmarks(
    network: str, release: str, kernel: int, clips: Clips, reference: Reference
) -> None:
    spec = ExtractorSpec("pose", "onnx", network=network, per_frame=True, refine_kernel=kernel)
    # half of the clips for each, all sizes of image among them
    chosen = slice(0 if network == "full" else 1, None, 2)
    values = values_of(extracted(clips[chosen], spec))
    expected = reference[f"{release}_{network}"][chosen].astype(np.float64)

    assert np.array_equal(np.isnan(values), np.isnan(expected))
    difference = np.abs(values - expected)
    xy = np.nanmax(difference[..., :2], axis=-1)
    assert np.nanmean(difference[..., :2]) <= MEAN
    assert (xy > MOST).mean() <= MOST_CELLS
    assert np.nanmax(xy) <= ACROSS_A_CELL
    assert np.nanmax(difference[..., 2]) <= 3e-3
    assert np.nanmax(difference[..., 3]) <= 5e-3


@pytest.mark.parametrize("network", ["full", "lite"])
def test_looking_once_per_clip_stays_close_to_single_images(
    network: str, clips: Clips, reference: Reference
) -> None:
    extractions = extracted(clips[::2], ExtractorSpec("pose", "onnx", network=network))
    values = values_of(extractions)
    expected = reference[f"mediapipe_1_2_2_image_{network}"][::2].astype(np.float64)
    visible = expected[..., 3] > 0.5
    assert not np.isnan(values[visible]).any()
    assert np.abs(values - expected)[visible][:, :2].mean() <= 6e-3
    assert all(extraction.quality["detection_rate"] == 1.0 for extraction in extractions)


def test_the_default_is_the_mediapipe_backends_refinement() -> None:
    assert ExtractorSpec("pose", "onnx").refine_kernel == dict(REFERENCES)["mediapipe_1_2_2_image"]


def test_hands_are_those_of_holistic(clips: Clips, reference: Reference) -> None:
    spec = ExtractorSpec("pose", "onnx", "body_hands", per_frame=True, refine_kernel=9)
    extractions = extracted(clips, spec)
    values = values_of(extractions)
    hands = np.stack([values[:, :, slots.start : slots.stop] for slots in HANDS], axis=2)
    expected = reference["holistic_0_10_21_static_hands"].astype(np.float64)
    found, there = ~np.isnan(hands[..., 0, 0]), ~np.isnan(expected[..., 0, 0])

    assert (found == there).mean() >= 0.99
    both = found & there
    assert np.abs(hands[both][..., :2] - expected[both][..., :2]).mean() <= 1e-3
    assert np.abs(hands[both][..., 2] - expected[both][..., 2]).mean() <= 2e-3
    scores = hands[found][..., 3]
    assert scores.min() > 0.5
    assert scores.max() <= 1.0
    rates = np.array([[e.quality["left_hand_rate"], e.quality["right_hand_rate"]] for e in extractions])
    assert np.allclose(rates, found.mean(axis=1))


def test_following_hands_finds_what_holistic_finds(clips: Clips, reference: Reference) -> None:
    values = values_of(extracted(clips, ExtractorSpec("pose", "onnx", "body_hands", refine_kernel=9)))
    hands = np.stack([values[:, :, slots.start : slots.stop] for slots in HANDS], axis=2)
    expected = reference["holistic_0_10_21_static_hands"].astype(np.float64)
    found, there = ~np.isnan(hands[..., 0, 0]), ~np.isnan(expected[..., 0, 0])
    assert (found == there).mean() >= 0.97
    both = found & there
    assert both.sum() >= 0.95 * there.sum()
    distances = np.abs(hands[both][..., :2] - expected[both][..., :2]).mean(axis=(1, 2))
    assert np.median(distances) <= 1.5e-3
    assert distances.mean() <= 2.8e-3


def test_a_mirrored_signer_has_the_hands_swapped(clips: Clips) -> None:
    layout = LAYOUTS["body_hands"]
    mirrored = [np.ascontiguousarray(frame[:, ::-1]) for frame in clips[6]]
    plain, turned = values_of(extracted([clips[6], mirrored], ExtractorSpec("pose", "onnx", layout.name)))
    turned = turned[:, list(layout.swap)]
    turned[..., 0] = 1 - turned[..., 0]
    both = ~np.isnan(plain[..., 0]) & ~np.isnan(turned[..., 0])
    same_presence = np.isnan(plain[:, [33, 54], 0]) == np.isnan(turned[:, [33, 54], 0])
    assert same_presence.mean() >= 0.9
    assert np.median(np.abs(plain - turned)[..., :2][both]) <= 0.02


def test_a_person_who_comes_moves_and_goes(clips: Clips) -> None:
    person, nobody = clips[0][0], np.full_like(clips[0][0], 128)
    far = np.roll(person, person.shape[1] // 3, axis=1)  # a third of the image to the right
    values, quality = extracted(
        [[nobody, person, person, far, nobody, person]], ExtractorSpec("pose", "onnx")
    )[0]
    assert np.isnan(values[[0, 4]]).all()
    assert not np.isnan(values[[1, 2, 3, 5]]).any()
    assert np.array_equal(values[1], values[2])
    assert np.array_equal(values[1], values[5])
    shifted = values[3, :11, 0] - values[1, :11, 0]  # the head; the arms are cut by the seam
    assert np.allclose(shifted, 1 / 3, atol=0.03)
    assert quality["detection_rate"] == pytest.approx(4 / 6)


def test_nothing_is_carried_from_clip_to_clip(clips: Clips) -> None:
    spec = ExtractorSpec("pose", "onnx", "body_hands")
    once, _, again = extracted([clips[1][:4], clips[2][:4], clips[1][:4]], spec)
    assert np.array_equal(once.values, again.values, equal_nan=True)


def test_it_runs_without_mediapipe_and_torch(data_dir: Path) -> None:
    code = (
        "import json, sys\nfrom pathlib import Path\n"
        "from toolkit.extract import EXTRACTORS, ExtractorSpec, make_extractor\n"
        "from toolkit.video import sample_frames\n"
        "backend = next(name for mode, name in EXTRACTORS if mode == 'pose')\n"
        "made = make_extractor(ExtractorSpec('pose', backend, 'body_hands'))\n"
        "rate = made.extract(sample_frames(Path(sys.argv[1]), 2)).quality['detection_rate']\n"
        "print(json.dumps([backend, rate, sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    video = str(data_dir / "wlasl" / "videos" / "15038.mp4")
    done = subprocess.run([sys.executable, "-c", code, video], capture_output=True, text=True, check=True)
    backend, rate, modules = json.loads(done.stdout)
    assert (backend, rate) == ("onnx", 1.0)
    assert not {"mediapipe", "torch", "onnx", "tensorflow"} & set(modules)
    assert done.stderr == ""
