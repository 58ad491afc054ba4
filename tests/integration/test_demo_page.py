"""The guided tour, small: it runs the real commands, and its page shows what they found and needs nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from toolkit.demo import tour as tour_module
from toolkit.demo.page import MADE_UP
from toolkit.demo.tour import StageError, Tour, held_out, run_tour, shortened

GLOSSES, SIGNERS, TEST_SIGNERS = 3, 5, 2  # two of the signs differ in their motion only


class Watcher:
    """A progress bar that remembers what it was told."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[int, int]]] = {}
        self.lines: list[str] = []

    @contextmanager
    def bar(self, name: str) -> Iterator[Callable[[int, int], None]]:
        seen = self.told.setdefault(name, [])
        yield lambda done, total: seen.append((done, total))


@pytest.fixture(scope="module")
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, watcher: Watcher) -> Iterator[Tour]:
    with pytest.MonkeyPatch.context() as patch:
        sizes = {
            "GLOSSES": GLOSSES,
            "SIGNERS": SIGNERS,
            "TAKES": 1,
            "TEST_SIGNERS": TEST_SIGNERS,
            "EPOCHS": 3,
        }
        for name, value in sizes.items():
            patch.setattr(tour_module, name, value)
        yield run_tour(tmp_path_factory.mktemp("demo"), watcher.lines.append, watcher.bar, with_bench=False)


@pytest.fixture(scope="module")
def page(tour: Tour) -> str:
    assert tour.page == tour.folder / "index.html"
    return tour.page.read_text(encoding="utf-8")


def test_every_stage_says_how_far_it_is(tour: Tour, watcher: Watcher) -> None:
    assert list(tour.seconds) == ["draw", "extract", "train", "evaluate", "export", "predict"]
    clips = GLOSSES * SIGNERS
    assert watcher.told["drawing"] == [(done, clips) for done in range(1, clips + 1)]
    assert all(watcher.told[name] == [(1, 1)] for name in ("evaluate", "export", "predict"))
    assert [line.split(":")[0] for line in watcher.lines] == [f"{number} of 7" for number in range(1, 8)]


def test_all_clips_of_the_held_out_signers_are_predicted(tour: Tour) -> None:
    index = json.loads((tour.folder / "dataset" / "WLASL_synthetic.json").read_text(encoding="utf-8"))
    signers = {item["signer_id"]: item["split"] for entry in index for item in entry["instances"]}
    assert signers == {0: "train", 1: "train", 2: "val", 3: "test", 4: "test"}
    predicted = tour.results["predict"]["predictions"]
    assert len(predicted) == tour.results["evaluate"]["n"] == GLOSSES * TEST_SIGNERS
    assert tour.results["predict"]["failed"] == {}


def test_the_page_needs_no_other_file_and_no_network(tour: Tour, page: str) -> None:
    assert "http:" not in page and "https:" not in page
    sources = re.findall(r'(?:src=|url\()"?([^")]{0,40})', page)
    assert len(sources) == GLOSSES + 2
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    links = re.findall(r"href=[\"']([^\"']+)", page)
    assert links and [link for link in links if not (tour.folder / link).is_file()] == []
    assert "prefers-color-scheme:dark" in page and 'name="viewport"' in page


def test_the_page_tells_right_from_wrong(tour: Tour, page: str) -> None:
    index = json.loads((tour.folder / "dataset" / "WLASL_synthetic.json").read_text(encoding="utf-8"))
    truth = {item["video_id"]: entry["gloss"] for entry in index for item in entry["instances"]}
    answers = tour.results["predict"]["predictions"]
    right = sum(truth[Path(one["source"]).stem] == one["gloss"] for one in answers)
    assert page.count("✓ right") == right and page.count("✗ wrong") == len(answers) - right
    assert f"recognised {right} of {len(answers)} clips" in page
    assert page.count(MADE_UP) == 2


def test_a_long_list_of_videos_is_shown_short() -> None:
    words = ["toolkit", "predict", "model.onnx", *(f"{number}.mp4" for number in range(32))]
    assert shortened(words) == ["toolkit", "predict", "model.onnx", "0.mp4", "...", "(32 videos)"]
    assert shortened(words[:5]) == words[:5]


def test_a_failing_command_ends_the_tour_and_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StageError, match=r"toolkit predict nowhere\.onnx"):
        tour_module._run(["toolkit", "predict", "nowhere.onnx", "clip.mp4"], show=False)
    assert "there is no file clip.mp4" in capfd.readouterr().err


def test_held_out_videos_exist(tour: Tour) -> None:
    from toolkit.demo.dataset import DatasetPaths

    data = tour.folder / "dataset"
    paths = DatasetPaths(
        data / "WLASL_synthetic.json", data / "videos", data / "class_list.txt", data / "joints.npz"
    )
    assert all(Path(video).is_file() for video in held_out(paths))
