"""The guided tour: the whole pipeline on a drawn signer, by the very commands a user would type.

Every stage is a process of its own that hands a file to the next one, exactly as in real use; the tour only
shows the command, passes its output on, and keeps the JSON that the command ends with. Then it writes a page.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.demo.dataset import DatasetPaths, write_dataset
from toolkit.errors import ToolkitError

GLOSSES, SIGNERS, TAKES = 8, 7, 2
TEST_SIGNERS = 2  # nobody trains or chooses on them; one more is for validation
EPOCHS = 60
MADE = ("dataset", "poses", "run", "model.onnx", "results", "index.html")
"""All that a tour writes into its folder."""
SILENT = ("evaluate", "export", "predict")
"""Stages whose commands show no progress of their own."""

Bar = Callable[[int, int], None]
"""Told (steps over, steps in all)."""


class StageError(ToolkitError, RuntimeError):
    """A command of the tour failed; its own message stands above."""


@dataclass
class Tour:
    """What the tour made, for the closing summary. results: stage -> the JSON its command printed; page: to open."""

    folder: Path
    page: Path | None = None
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run_tour(
    folder: Path,
    say: Callable[[str], None],
    bar: Callable[[str], AbstractContextManager[Bar]],
    seed: int = 0,
    with_bench: bool = True,
) -> Tour:
    """Draw, extract, train, evaluate, export, predict, measure; then write the page.

    folder: where everything is written, to be looked through afterwards; say: shows one line to the user;
    bar: makes a progress bar of that name; seed: of the drawn signers and of the training.

    Raises:
        StageError: a command failed.
    """
    from toolkit.demo.page import write_page

    tour = Tour(folder)
    last = 7 + with_bench
    began = time.monotonic()
    say(
        f"1 of {last}: drawing {GLOSSES * SIGNERS * TAKES} videos of a synthetic signer into {folder / 'dataset'}"
    )
    with bar("drawing") as drawing:
        paths = write_dataset(
            folder / "dataset", GLOSSES, SIGNERS, TAKES, seed, drawing, test_signers=TEST_SIGNERS
        )
    tour.seconds["draw"] = time.monotonic() - began
    for number, (stage, command) in enumerate(stages(folder, paths, seed, with_bench).items(), start=2):
        began = time.monotonic()
        say(f"{number} of {last}: {shlex.join(shortened(command))}")
        if stage in SILENT:
            with bar(stage) as waiting:
                tour.results[stage], shown = _run(command, show=False)
                waiting(1, 1)
            sys.stdout.write(shown)
        else:
            tour.results[stage], _ = _run(command, show=True)
        tour.seconds[stage] = time.monotonic() - began
    say(f"{last} of {last}: writing the page")
    with bar("drawing pictures") as waiting:
        tour.page = write_page(tour, paths)
        waiting(1, 1)
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
    """All videos of the test signers."""
    index = json.loads(paths.json_path.read_text(encoding="utf-8"))
    return [
        str(paths.video_dir / f"{item['video_id']}.mp4")
        for entry in index
        for item in entry["instances"]
        if item["split"] == "test"
    ]


def shortened(command: list[str], most: int = 14) -> list[str]:
    """The command as it is shown: of a long list of files, the first and the number."""
    if len(command) <= most or command[1] != "predict":
        return command
    return [*command[:4], "...", f"({len(command) - 3} videos)"]


def _run(command: list[str], show: bool) -> tuple[dict[str, Any], str]:
    """Run one command; the JSON of its last line and its other output, which is passed on as it comes if `show`."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--json"],
        stdout=subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=_as_wide_as_here(),
    )
    assert process.stdout is not None
    answer, said = "", []
    for line in process.stdout:
        if line.startswith("{"):
            answer = line
            continue
        said.append(line)
        if show:
            sys.stdout.write(line)
            sys.stdout.flush()
    if process.wait() != 0:
        if not show:
            sys.stderr.write("".join(said))
        raise StageError(f"'{shlex.join(command)}' failed with status {process.returncode}; see above")
    return dict(json.loads(answer)), "".join(said)


def _as_wide_as_here() -> dict[str, str]:
    """The environment of a command whose output is read here: UTF-8, and tables as wide as this terminal."""
    own = os.environ | {"PYTHONIOENCODING": "utf-8"}
    if not sys.stdout.isatty():
        return own
    columns = str(shutil.get_terminal_size().columns)
    return own | {"COLUMNS": columns, "SIGN_TOOLKIT_COLUMNS": columns}  # for rich, and for bench
