"""MediaPipe's landmarks: the file built from the published networks gives the reference landmarks.

The tests build the network file for themselves, from a wheel fetched with pip (or found in
SIGN_TOOLKIT_WHEELS); the ones that need real signers skip where the data is absent.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.errors import WeightsError
from toolkit.extract import Extractor, ExtractorSpec, make_extractor
from toolkit.extract.pose_bundle import TASK_MEMBERS, TASK_NAME, TASK_SHA256, find_wheel, pose_landmarker_task
from toolkit.video import sample_frames

pytest.importorskip("mediapipe", reason='needs pip install "sign-toolkit[mediapipe]"')

SPEC = ExtractorSpec("pose", "mediapipe")
# Small clips of different sizes and colour spaces, 16 frames each.
CLIPS = ("15038", "64281", "38994", "09949")
# On the machine that made the reference the difference is 0. Other processors round differently; another
# runtime altogether (onnxruntime) stays within 5e-4 of the image size, and 8e-6 in the mean.
MAX_DIFFERENCE, MEAN_DIFFERENCE = 5e-4, 1e-5

Frames = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel that holds the networks."""
    return find_wheel(tmp_path_factory.mktemp("wheels")).parent


@pytest.fixture(scope="module", autouse=True)
def cache(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this module's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGN_TOOLKIT_CACHE", str(folder))
        patch.setenv("SIGN_TOOLKIT_WHEELS", str(wheels))
        yield folder


@pytest.fixture(scope="module")
def extractor(cache: Path) -> Iterator[Extractor]:
    made = make_extractor(SPEC)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference(data_dir: Path) -> dict[str, NDArray[np.generic]]:
    path = data_dir.parent / "reference" / "landmarks" / "mediapipe_reference.npz"
    if not path.is_file():
        pytest.skip(f"no reference landmarks at {path}")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def opencv_frames(path: Path, wanted: NDArray[np.int64]) -> Frames:
    """The numbered frames as OpenCV decodes them, RGB."""
    import cv2

    video = cv2.VideoCapture(str(path))
    frames: dict[int, NDArray[np.uint8]] = {}
    for number in range(int(wanted.max()) + 1):
        ok, frame = video.read()
        assert ok, f"frame {number} of {path}"
        if number in wanted:
            frames[number] = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
    return [frames[int(number)] for number in wanted]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("decoder", ["opencv", "toolkit"])
def test_landmarks_are_the_reference_ones(
    clip: str, decoder: str, extractor: Extractor, data_dir: Path, reference: dict[str, NDArray[np.generic]]
) -> None:
    row = reference["ids"].tolist().index(clip)
    video = data_dir / "wlasl" / "videos" / f"{clip}.mp4"
    numbers = reference["frame_index"][row].astype(np.int64)
    frames = opencv_frames(video, numbers) if decoder == "opencv" else sample_frames(video, len(numbers))

    values, quality = extractor.extract(frames)

    expected = reference["mediapipe_1_2_2_image_full"][row].astype(np.float64)
    assert values.shape == (16, 33, 4)
    assert values.dtype == np.float32
    difference = np.abs(values - expected)
    assert float(difference.max()) <= MAX_DIFFERENCE
    assert float(difference.mean()) <= MEAN_DIFFERENCE
    assert quality["detection_rate"] == 1.0
    assert quality["mean_visibility"] == pytest.approx(expected[..., 3].mean(), abs=1e-3)


def test_frames_without_a_person_are_missing_and_leave_nothing_behind(
    extractor: Extractor, data_dir: Path
) -> None:
    [person] = sample_frames(data_dir / "wlasl" / "videos" / f"{CLIPS[0]}.mp4", 1)
    nobody = np.full_like(person, 128)
    small = np.full((48, 64, 3), 200, np.uint8)
    alone = extractor.extract([person])
    mixed = extractor.extract(iter([nobody, person, small, person]))
    assert np.isnan(mixed.values[[0, 2]]).all()
    assert np.array_equal(mixed.values[[1, 3]], np.concatenate([alone.values, alone.values]))
    assert mixed.quality["detection_rate"] == 0.5
    assert mixed.quality["mean_visibility"] == pytest.approx(alone.quality["mean_visibility"])


def test_a_clip_without_anybody_has_rate_zero(extractor: Extractor) -> None:
    values, quality = extractor.extract(np.zeros((3, 120, 160, 3), np.uint8))
    assert values.shape == (3, *extractor.item_shape)
    assert np.isnan(values).all()
    assert quality == {"detection_rate": 0.0, "mean_visibility": 0.0}


def test_the_fingerprint_names_all_that_decides_the_numbers(extractor: Extractor) -> None:
    from importlib.metadata import version

    assert extractor.fingerprint == {
        "backend": "mediapipe",
        "backend_version": ".".join(version("mediapipe").split(".")[:2]),
        "network": "pose_landmarker_full",
        "weights_sha256": TASK_SHA256[:16],
        "running_mode": "image",
        "min_confidence": 0.5,
    }


def test_an_extraction_writes_nothing_to_stderr(cache: Path, data_dir: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from toolkit.extract import ExtractorSpec, make_extractor\nfrom toolkit.video import sample_frames\n"
        "made = make_extractor(ExtractorSpec('pose', 'mediapipe'))\n"
        "print(made.extract(sample_frames(Path(sys.argv[1]), 2)).quality['detection_rate'])\nmade.close()"
    )
    video = str(data_dir / "wlasl" / "videos" / f"{CLIPS[0]}.mp4")
    done = subprocess.run([sys.executable, "-c", code, video], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.0\n", "")


def test_two_processes_may_build_at_once(wheels: Path, tmp_path: Path) -> None:
    code = "from toolkit.extract.pose_bundle import pose_landmarker_task; print(pose_landmarker_task())"
    environment = {**os.environ, "SIGN_TOOLKIT_CACHE": str(tmp_path), "SIGN_TOOLKIT_WHEELS": str(wheels)}
    builders = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [builder.communicate()[0].strip() for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    assert said == [str(tmp_path / TASK_NAME)] * 2
    assert hashlib.sha256((tmp_path / TASK_NAME).read_bytes()).hexdigest() == TASK_SHA256
    assert {path.name for path in tmp_path.iterdir()} <= {TASK_NAME, f"{TASK_NAME}.lock"}


def test_a_damaged_file_in_the_cache_is_built_again(cache: Path) -> None:
    task = pose_landmarker_task()
    whole = task.read_bytes()
    task.write_bytes(whole[:-1000])
    assert pose_landmarker_task().read_bytes() == whole


def test_the_users_own_file_is_used_and_told_apart(cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.task"
    own.write_bytes(pose_landmarker_task().read_bytes())
    with zipfile.ZipFile(own, "a") as archive:
        archive.comment = b"another file"
    made = make_extractor(ExtractorSpec("pose", "mediapipe", model_asset=own))
    made.close()
    assert made.fingerprint["network"] == "mine"
    assert made.fingerprint["weights_sha256"] == hashlib.sha256(own.read_bytes()).hexdigest()[:16]


def test_an_archive_of_rubbish_is_an_error_that_names_it(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.task"
    with zipfile.ZipFile(rubbish, "w") as archive:
        for name in TASK_MEMBERS:
            archive.writestr(name, b"no network at all" * 100)
    with pytest.raises(WeightsError, match=r"cannot open .*rubbish\.task"):
        make_extractor(ExtractorSpec("pose", "mediapipe", model_asset=rubbish))
