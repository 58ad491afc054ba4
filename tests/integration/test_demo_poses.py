"""The drawn signer is found by the real pose network; and many processes draw what one draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from toolkit.demo.dataset import write_dataset
from toolkit.demo.skeleton import JOINT_NAMES
from toolkit.demo.take import HEIGHT, WIDTH, draw_clip
from toolkit.errors import WeightsError
from toolkit.extract import Extractor, ExtractorSpec, make_extractor
from toolkit.landmarks import get_layout

WRISTS = [JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("right_wrist")]
FRAMES_PER_CLIP = 4


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    pytest.importorskip("mediapipe", reason='needs pip install "sign-toolkit[mediapipe]"')
    try:
        made = make_extractor(ExtractorSpec("pose", "mediapipe"))
    except WeightsError as error:
        pytest.skip(f"no pose networks: {error}")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("gloss", "signer"),
    [("wave", 0), ("circle_inward", 1), ("lower", 2), ("touch_head", 3), ("push", 4), ("spread", 5)],
)
def test_joints_are_found_where_they_were_drawn(extractor: Extractor, gloss: str, signer: int) -> None:
    take = draw_clip(gloss, signer)
    picked = np.linspace(0, len(take.frames) - 1, FRAMES_PER_CLIP).round().astype(int)
    found = extractor.extract(take.frames[picked]).values[:, get_layout("body").slots(*JOINT_NAMES), :2]
    assert not np.isnan(found).any(), "no person found"
    # in units of the image width
    distance = np.linalg.norm((found - take.joints[picked]) * (1, HEIGHT / WIDTH), axis=2)
    assert distance[:, WRISTS].max() < 0.05
    assert np.median(distance) < 0.02


def test_processes_write_the_same_files(tmp_path: Path) -> None:
    sizes = {"glosses": 2, "signers": 4}
    alone = write_dataset(tmp_path / "alone", **sizes, workers=1)
    shared = write_dataset(tmp_path / "shared", **sizes, workers=2)
    assert alone.json_path.read_bytes() == shared.json_path.read_bytes()
    videos = sorted(path.name for path in alone.video_dir.iterdir())
    assert len(videos) == 8
    for name in videos:
        pair = [np.frombuffer((paths.video_dir / name).read_bytes(), np.uint8) for paths in (alone, shared)]
        assert np.array_equal(*pair), f"{name} differs"
    with np.load(alone.joints) as a, np.load(shared.joints) as b:
        assert all(np.array_equal(a[key], b[key]) for key in a.files)
