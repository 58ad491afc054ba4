"""Every command of the README is run, in the README's order, on drawn clips in an empty folder.

The texts are the README's own. What is appended only makes them small (`TINY`) or puts a file in the camera's
place; a text that is cut short by dots gets what the line above it in the README says (`DOTS`).
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import bench.cli
import toolkit.cli.main
from toolkit.demo.dataset import write_dataset

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS: dict[str, Callable[[Sequence[str]], int]] = {
    "toolkit": toolkit.cli.main.main,
    "bench": bench.cli.main,
}
INDEX = "--json_path dataset/WLASL_v0.3.json --video_dir dataset/videos"
DOTS = {
    "toolkit extract --mode features": INDEX,
    "bench run --json_path": "dataset/WLASL_v0.3.json",
    "--video_dir": "dataset/videos",
}
"""Text before the dots -> what stands for them."""
PLACEHOLDERS = {"RUN": "runs/pose", "FILE": "configs/signs.yaml", "COMMAND": "train"}
TINY = {
    "toolkit extract": "--num_frames 4 --workers 1",
    "toolkit show": "--num_frames 4",
    "toolkit train": "--epochs 2 --set model.num_layers=1 --set model.both_ways=false",
    "toolkit live": "--source clip.mp4 --headless --every_frame --max_seconds 1",
    "bench run": "--quick --clips 2 --repeats 1 --modes pose",
}
SETS_UP = {
    "make demo": "sets up an environment; the demo is run by make demo itself and, small, by test_demo_page.py",
    "make test": "sets up an environment and runs this very test",
    "py -m venv .venv": "Windows",
    r".venv\Scripts\pip install": "Windows",
    r".venv\Scripts\toolkit demo": "Windows; see make demo",
    r".venv\Scripts\python -m pytest": "Windows; see make test",
    "make fuzz": "takes as long as it is told to; tests/fuzz/test_fuzz.py runs the same, small",
    "make bench": "measures; tests/benchmarks has it",
    "pip install": "sets up an environment; tests/wheel_check.py runs in one that was made so",
}
"""Beginnings of lines that are not run here, and why."""


def blocks(*languages: str) -> list[str]:
    """Lines of the README's code blocks in these languages, without comments."""
    found = re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", README, re.M | re.S)
    lines = [line.partition(" # ")[0].strip() for block in found for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def commands() -> list[str]:
    """What stands in `...` or in a line of its own and begins with one of our programs; mentions are left out."""
    without_blocks = re.sub(r"^```.*?^```", lambda match: "\n" + match[0].replace("`", " ") + "\n", README,
                            flags=re.M | re.S)  # fmt: skip
    spans = re.findall(r"`((?:toolkit|bench) [^`]+)`|^((?:toolkit|bench) [a-z]+ .*)$", without_blocks, re.M)
    texts = [" ".join((span or line).partition(" # ")[0].split()) for span, line in spans]
    alone = [f"{program} {verb}" for program, verb in map(str.split, ("toolkit doctor",))]
    return [text for text in texts if len(text.split()) > 2 or text in alone]


def once() -> list[str]:
    """`commands` without those that, made small, are one given before: flags with the same last values."""
    seen: list[dict[str, list[str]]] = []
    kept = []
    for text in commands():
        told: dict[str, list[str]] = {"": []}
        flag = ""
        for word in filled(text):
            if word.startswith("--"):
                flag = word
                told[flag] = []
            else:
                told[flag].append(word)
        if told not in seen:
            seen.append(told)
            kept.append(text)
    return kept


def filled(text: str) -> list[str]:
    """The command as it is run: dots and placeholders filled in, made small."""
    while "…" in text:
        before, _, after = text.partition("…")
        said = next(value for key, value in DOTS.items() if before.strip().endswith(key))
        text = f"{before.strip()} {said} {after.strip()}"
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(text)]
    if "--help" in words:
        return words
    return words + shlex.split(TINY.get(" ".join(words[:2]), ""))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's reader has: a WLASL-format data set, own recordings, two clips, the configs."""
    folder = tmp_path_factory.mktemp("reader")
    paths = write_dataset(folder / "dataset", glosses=2, signers=5, workers=1)
    paths.json_path.rename(folder / "dataset" / "WLASL_v0.3.json")
    paths.class_list.rename(folder / "dataset" / "wlasl_class_list.txt")
    videos = sorted(paths.video_dir.iterdir())
    signers = ("anna", "ben", "cleo", "dan", "eve")
    for gloss, own in (("hello", videos[:5]), ("thanks", videos[5:])):
        for signer, video in zip(signers, own, strict=True):
            (folder / "my_recordings" / gloss / signer).mkdir(parents=True)
            shutil.copy(video, folder / "my_recordings" / gloss / signer / "1.mp4")
    for name in ("clip.mp4", "new_clip.mp4"):
        shutil.copy(videos[0], folder / name)
    shutil.copytree(ROOT / "configs", folder / "configs")
    return folder


@pytest.mark.parametrize("text", once())
def test_the_command_works(workspace: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(workspace)
    words = filled(text)
    try:
        status = PROGRAMS[words[0]](words[1:])
    except SystemExit as stopped:  # --help
        status = int(str(stopped.code))
    assert status == 0


def test_the_python_of_the_readme_works(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    programs = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    assert programs
    for program in programs:
        exec(compile(program, "README.md", "exec"), {})
    assert capsys.readouterr().out.split()[0] in ("hello", "thanks")


def test_every_line_of_every_block_is_run_or_said_why_not() -> None:
    run = set(commands())
    lines = blocks("bash", "powershell")
    assert len(lines) > 10
    left = [line for line in lines if line not in run and not line.startswith(tuple(SETS_UP))]
    assert left == []


def test_own_videos_come_before_the_guide_and_end_at_the_camera() -> None:
    block = [line for line in blocks("bash") if "my_" in line and "check" not in line]
    assert [line.split()[1] for line in block] == [
        "extract", "show", "train", "evaluate", "export", "predict", "live",
    ]  # fmt: skip
