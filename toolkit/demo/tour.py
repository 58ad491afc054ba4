"""The guided tour: the whole pipeline on a drawn signer, by the very commands a user would type.

Every stage is a process of its own that hands a file to the next one, exactly as in real use; the tour only
shows the command, passes its output on, and keeps the JSON that the command ends with.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.demo.dataset import DatasetPaths, write_dataset
from toolkit.errors import ToolkitError

GLOSSES, SIGNERS, TAKES = 8, 6, 2
EPOCHS = 60
SHOWN = 6  # held-out clips that the tour predicts before the eyes of the user


class StageError(ToolkitError, RuntimeError):
    """A command of the tour failed; its own message stands above."""


@dataclass
class Tour:
    """What the tour made, for the closing summary. results: stage -> the JSON its command printed."""

    folder: Path
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run_tour(
    folder: Path,
    say: Callable[[str], None],
    drawing: Callable[[int, int], None],
    seed: int = 0,
    with_bench: bool = True,
) -> Tour:
    """Draw, extract, train, evaluate, export, predict, measure.

    folder: where everything is written, to be looked through afterwards; say: shows one line to the user;
    drawing: told (clips drawn, clips in all); seed: of the drawn signers and of the training.

    Raises:
        StageError: a command failed.
    """
    tour = Tour(folder)
    began = time.monotonic()
    say(f"drawing {GLOSSES * SIGNERS * TAKES} videos of a synthetic signer into {folder / 'dataset'}")
    paths = write_dataset(folder / "dataset", GLOSSES, SIGNERS, TAKES, seed, drawing)
    tour.seconds["draw"] = time.monotonic() - began
    model = folder / "model.onnx"
    for stage, command in stages(folder, paths, seed, with_bench).items():
        began = time.monotonic()
        tour.results[stage] = _run(command, say)
        tour.seconds[stage] = time.monotonic() - began
    assert model.exists()
    return tour


def stages(folder: Path, paths: DatasetPaths, seed: int, with_bench: bool) -> dict[str, list[str]]:
    """The commands of the tour, in order."""
    data = ["--json_path", str(paths.json_path), "--video_dir", str(paths.video_dir)]
    poses, run, model = str(folder / "poses"), str(folder / "run"), str(folder / "model.onnx")
    commands = {
        "extract": ["toolkit", "extract", "--mode", "pose", *data, "--class_list", str(paths.class_list),
                    "--output_dir", poses, "--num_frames", "16"],
        "train": ["toolkit", "train", "--input_type", "pose", "--pose_dir", poses, "--epochs", str(EPOCHS),
                  "--seed", str(seed), "--output_dir", run],
        "evaluate": ["toolkit", "evaluate", run, "--split", "test"],
        "export": ["toolkit", "export", run, "--output", model],
        "predict": ["toolkit", "predict", model, *held_out(paths)],
    }  # fmt: skip
    if with_bench:
        commands["bench"] = ["bench", "run", "--quick", *data, "--output_dir", str(folder / "results")]
    return commands


def held_out(paths: DatasetPaths) -> list[str]:
    """Videos of the test signer, one of each of the first glosses."""
    index = json.loads(paths.json_path.read_text(encoding="utf-8"))
    videos = []
    for entry in index[:SHOWN]:
        instance = next(item for item in entry["instances"] if item["split"] == "test")
        videos.append(str(paths.video_dir / f"{instance['video_id']}.mp4"))
    return videos


def _run(command: list[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Run one command, its output passed on as it comes, and return the JSON of its last line."""
    say("$ " + shlex.join(command))
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--json"], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    answer = ""
    for line in process.stdout:
        if line.startswith("{"):
            answer = line
        else:
            sys.stdout.write(line)
            sys.stdout.flush()
    if process.wait() != 0:
        raise StageError(f"'{shlex.join(command)}' failed with status {process.returncode}; see above")
    return dict(json.loads(answer))
