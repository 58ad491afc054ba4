"""`toolkit predict` on tiny real models: tables, JSON, and what happens to sources that cannot be read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from toolkit.cli.main import main

DATA = Path(__file__).parent.parent / "data"
POSE, VIDEO = str(DATA / "tiny_pose.onnx"), str(DATA / "tiny_video.onnx")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with a red and a blue clip, one of them in a subfolder, and a text file."""
    for name, colour in (("red.mp4", (255, 0, 0)), ("deeper/blue.mkv", (0, 0, 255))):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
            for _ in range(5):
                frame = av.VideoFrame.from_ndarray(np.full((16, 24, 3), colour, np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    (tmp_path / "videos" / "notes.txt").write_text("not a video")
    return tmp_path / "videos"


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_one_source_gives_one_object(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = videos / "red.mp4"
    assert main(["predict", VIDEO, str(path), "--top", "2", "--json"]) == 0
    answer = last_json(capsys)
    assert (answer["source"], answer["gloss"]) == (str(path), "red")
    assert answer["top"][0] == ["red", answer["score"]]
    assert len(answer["top"]) == 2


def test_a_folder_gives_all_its_videos(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", VIDEO, str(videos), "--json"]) == 0
    answer = last_json(capsys)
    assert [Path(one["source"]).name for one in answer["predictions"]] == ["blue.mkv", "red.mp4"]
    assert [one["gloss"] for one in answer["predictions"]] == ["blue", "red"]
    assert answer["failed"] == {}


def test_without_json_stdout_is_the_table(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", VIDEO, str(videos)]) == 0
    printed = capsys.readouterr()
    row = next(line for line in printed.out.splitlines() if "red.mp4" in line)
    assert str(videos / "red.mp4") in row  # not cut into lines where there is no terminal
    assert "red" in row and "next best" in printed.out
    assert printed.err == ""


def test_an_answer_below_the_threshold_is_marked(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(VIDEO)
    thresholds = {"low.onnx": "0.0", "high.onnx": "1.0"}
    for name, threshold in thresholds.items():
        kept = [item for item in model.metadata_props if item.key != "sign_toolkit.threshold"]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
        model.metadata_props.add(key="sign_toolkit.threshold", value=threshold)
        onnx.save(model, tmp_path / name)
        assert main(["predict", str(tmp_path / name), str(videos), "--json"]) == 0
        printed = capsys.readouterr()
        answers = json.loads(printed.out.splitlines()[-1])["predictions"]
        doubtful = [one for one in answers if one["score"] < float(threshold)]
        assert [one["sure"] for one in answers] == [one not in doubtful for one in answers]
        assert printed.out.count(" ?") == len(doubtful)
        assert (f"{len(doubtful)} of 2 answers" in printed.err) == bool(doubtful)
    assert doubtful, "no softmax of these scores reaches 1"


def test_a_broken_video_is_reported_and_the_rest_goes_on(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = videos / "broken.mp4"
    broken.write_bytes(b"\0" * 100)
    gone = videos / "gone.mp4"
    assert main(["predict", VIDEO, str(broken), str(gone), str(videos / "red.mp4"), "--json"]) == 1
    printed = capsys.readouterr()
    answer = json.loads(printed.out.splitlines()[-1])
    assert [one["gloss"] for one in answer["predictions"]] == ["red"]
    assert list(answer["failed"]) == [str(broken), str(gone)]
    assert "broken.mp4" in printed.err and "gone.mp4 does not exist" in printed.err
    assert "2 of 3 sources" in printed.err


def test_a_part_that_the_clip_has_not_is_said(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in (["--frame_start", "1000"], ["--frame_end", "1000"]):
        assert main(["predict", VIDEO, str(videos / "red.mp4"), *part, "--json"]) == 1
        assert "frames; there is no part from" in last_json(capsys)["error"]
    assert main(["predict", VIDEO, str(videos / "red.mp4"), "--frame_start", "2", "--json"]) == 0
    assert last_json(capsys)["gloss"] == "red"


def test_a_single_broken_source_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"")
    assert main(["predict", VIDEO, str(broken), "--json"]) == 1
    answer = last_json(capsys)
    assert answer["source"] == str(broken)
    assert "broken.mp4" in answer["error"]


def test_saved_landmarks_are_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, wrong, pickled = tmp_path / "good.npy", tmp_path / "wrong.npy", tmp_path / "pickled.npy"
    np.save(good, np.full((6, 33, 4), 0.1, np.float32))
    np.save(wrong, np.zeros((6, 33, 3), np.float32))
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert main(["predict", POSE, str(good), str(wrong), str(pickled), "--json"]) == 1
    answer = last_json(capsys)
    assert [one["gloss"] for one in answer["predictions"]] == ["up"]
    assert "(6, 33, 3) float32" in answer["failed"][str(wrong)]
    assert "numpy.save" in answer["failed"][str(pickled)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([VIDEO, "no such clip.mp4"], "no such clip.mp4"),
        (["no such model.onnx", POSE], "no such model.onnx"),
        ([VIDEO, str(DATA)], "holds no videos"),
        ([VIDEO, POSE, "--top", "0"], "--top is 0"),
    ],
)
def test_what_the_user_can_fix_is_status_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *words]) == 2
    assert told in capsys.readouterr().err


def test_csv_has_a_line_per_source_with_the_reasons_of_failures(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = videos / "broken.mp4"
    broken.write_bytes(b"")
    assert main(["predict", VIDEO, str(broken), str(videos / "red.mp4"), "--csv", "--top", "2"]) == 1
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["gloss"] for row in rows] == ["red", ""]
    assert float(rows[0]["score"]) > float(rows[0]["score2"]) > 0 and rows[0]["error"] == ""
    assert "broken.mp4" in rows[1]["error"] and rows[1]["source"] == str(broken)
    assert main(["predict", VIDEO, str(videos), "--csv", "--json"]) == 2
    assert "choose one" in capsys.readouterr().err


def test_timing_says_what_each_step_took(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", VIDEO, str(videos / "red.mp4"), "--timing", "--json"]) == 0
    timing = last_json(capsys)["timing"]
    assert list(timing) == ["load_ms", "decode_ms", "extract_ms", "model_ms"]
    assert timing["decode_ms"] > 0 and timing["model_ms"] > 0 and timing["extract_ms"] == 0
    assert main(["predict", VIDEO, str(videos), "--timing"]) == 0
    assert "decode ms" in capsys.readouterr().out
    clip = tmp_path / "clip.npy"
    np.save(clip, np.full((6, 33, 4), 0.1, np.float32))
    assert main(["predict", POSE, str(clip), "--json"]) == 0
    assert "timing" not in last_json(capsys)
