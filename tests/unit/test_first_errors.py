"""The errors a newcomer meets first: each is one message that says what to do, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.cli.main import OLDEST_PYTHON, main, too_old

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that are nearly right."""
    (tmp_path / "no_videos" / "hello").mkdir(parents=True)
    (tmp_path / "no_videos" / "hello" / "notes.txt").write_text("x")
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "hello.mp4").write_bytes(b"x")
    (tmp_path / "subset.json").write_text('{"69241": {"subset": "train"}}')
    (tmp_path / "text.json").write_text("path,gloss\n")
    clips = [{"gloss": "book", "instances": [{"video_id": "69241", "split": "train"}]}]
    (tmp_path / "right.json").write_text(json.dumps(clips))
    (tmp_path / "columns.csv").write_text("file;sign\n")
    (tmp_path / "above" / "videos").mkdir(parents=True)
    (tmp_path / "above" / "videos" / "69241.mp4").write_bytes(b"x")
    (tmp_path / "model.onnx").write_bytes(b"x")
    (tmp_path / "utf16.csv").write_text("path,gloss\nhällo.mp4,hello\n", encoding="utf-16")
    (tmp_path / "header.csv").write_text("path,gloss\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("extract --index no_videos --output_dir o", ["no_videos/GLOSS/clip.mp4", ".webm"]),
        ("extract --index loose --output_dir o", ["hello.mp4", "loose/GLOSS/clip.mp4"]),
        ("extract --index columns.csv --output_dir o", ["the columns path and gloss", "commas"]),
        ("extract --index nowhere --output_dir o", ["nowhere", "check the path"]),
        ("extract --json_path subset.json --video_dir loose --output_dir o", ["--subset", "WLASL_v0.3.json"]),
        ("extract --json_path text.json --video_dir loose --output_dir o", ["WLASL_v0.3.json", "--index"]),
        ("extract --json_path right.json --video_dir loose --output_dir o", ["'69241'", ".mp4"]),
        ("extract --json_path right.json --video_dir nowhere --output_dir o", ["--video_dir"]),
        (
            "extract --json_path right.json --video_dir above --output_dir o",
            ["above/videos holds videos"],
        ),
        (
            "extract --json_path right.json --video_dir above/videos --split test --output_dir o",
            ["split test: it names no clip", "train (1)"],
        ),
        ("extract --mode features --landmarks body_hands --index loose --output_dir o", ["--mode pose"]),
        ("predict loose/hello.mp4 model.onnx", ["the model comes first: toolkit predict model.onnx"]),
        ("predict loose loose/hello.mp4", ["is a folder", "toolkit export loose"]),
        ("predict model.onnx loose/hello.mp4 --top 0", ["--top is 0"]),
        (
            "predict model.onnx loose/hello.mp4 --frame_start 10 --frame_end 5",
            ["frames 10 to 5", "--frame_start"],
        ),
        ("extract --index loose/hello.mp4 --output_dir o", ["is a video", "GLOSS/clip.mp4"]),
        ("extract --index utf16.csv --output_dir o", ["CSV UTF-8"]),
        ("extract --index header.csv --output_dir o", ["header.csv has no rows"]),
        ("extract --index empty.csv --output_dir o", ["path and gloss", "it has no line"]),
        ("extract --index above --output_dir above/store", ["lies in above", "beside it"]),
        (
            "extract --json_path right.json --video_dir above/videos --output_dir above/videos",
            ["lies in above/videos"],
        ),
        ("extract --index above --output_dir o --clip_timeout -5", ["--clip_timeout is -5"]),
        ("extract --index above --output_dir o --num_frames 20000", ["--num_frames is 20000", "1 to 1024"]),
        ("train --learning_rate 100", ["training.learning_rate", "less than or equal to 1"]),
        ("train --config signs --set training.lerning_rate=1", ["the command line: there is no key"]),
        ("train --config signs --feature_dir loose", ["--feature_dir is given", "--pose_dir"]),
        ("export run --bundle x.rar", [".rar", ".zip"]),
        ("extract --index loose --output_dir o --workers 100000", ["--workers is 100000", "1 to 256"]),
        ("train --num_threads 100000", ["training.num_threads", "256"]),
        ("predict nowhere.onnx nowhere.mp4", ["nowhere.mp4", "a video, a folder of videos"]),
        ("predict right.json loose/hello.mp4", ["toolkit export RUN"]),
        ("show nowhere.mp4", ["nowhere.mp4", "check the path"]),
        ("live nowhere.onnx", ["nowhere.onnx", "check the path"]),
        ("check nowhere", ["nowhere"]),
        ("demo --output_dir loose", ["not empty", "another --output_dir"]),
    ],
)
def test_the_message_names_the_cure(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str, says: list[str]
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    assert main(words.split()) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"toolkit {words.split()[0]}: ")
    assert [part for part in says if part not in message] == [], message
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("verb", ["train --config x.yaml", "evaluate run", "export run"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(tmp_path: Path, verb: str) -> None:
    """As after an installation without extras: their packages cannot be imported. tests/wheel_check.py does the same
    where the package runs from a wheel."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.safetensors").touch()
    for name in ("torch", "pydantic", "yaml", "safetensors", "matplotlib", "onnx", "onnxscript"):
        reason = f"No module named '{name}'"
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError({reason!r})")
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", *verb.split()],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f'pip install --editable "{ROOT}[train]"' in done.stderr and "Traceback" not in done.stderr


def test_an_old_python_is_told_the_cure() -> None:
    assert too_old(sys.version_info[:2]) == too_old(OLDEST_PYTHON) == ""
    said = too_old((3, 10))
    assert "this is Python 3.10" in said and "3.11 or newer" in said and "python3.11 -m venv" in said
    requires = next(
        line for line in (ROOT / "pyproject.toml").read_text().splitlines() if "requires-python" in line
    )
    assert f">={'.'.join(map(str, OLDEST_PYTHON))}," in requires


def test_what_runs_before_the_version_is_checked_is_read_by_an_old_python() -> None:
    """Neither syntax nor imports that Python 3.8 lacks, in the files that are loaded on the way there."""
    import ast

    for name in ("__init__", "__main__", "cli/__init__", "cli/main", "cli/flags", "errors"):
        source = (ROOT / "toolkit" / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(source, feature_version=(3, 8))
        late = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "typing"
                and {alias.name for alias in node.names} & {"Self", "Never", "assert_never"}]  # fmt: skip
        assert late == []
