"""Find damage: compare every record of a feature store with its checksum, read a run's checkpoints, load a model.
Nothing is changed. After a power cut, a full disk or a copy, this says whether all is still there.

examples:
  toolkit check dataset/poses                     a feature store
  toolkit check runs/pose model.onnx my_poses     a run folder (needs torch), a model, another store

A damaged store is mended by the command that made it: it keeps the good clips and makes the others anew.
--json prints as the last line {PATH: {"kind", "sound", "problems"}}. Exit status: 0 all sound; 1 damage, listed;
2 a path is none of the three.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from toolkit.cli.flags import Parser

SUMMARY = "find damage in a store, a run or a model"
SHOWN = 10  # damaged clips named on the terminal; --json has them all
CHECKPOINTS = ("best", "last")


def add_flags(parser: Parser) -> None:
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="store, run folder or .onnx model"
    )
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    found = {}
    for path in args.paths:
        kind, facts, problems = _check(path)
        print(f"{'damaged' if problems else 'sound':8s}{kind} {path}: {facts}")
        for problem in problems[:SHOWN]:
            print(f"        {problem}")
        if len(problems) > SHOWN:
            print(f"        ... and {len(problems) - SHOWN} more (--json lists all)")
        found[str(path)] = {"kind": kind, "sound": not problems, "problems": problems}
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    return 0 if all(one["sound"] for one in found.values()) else 1


def _check(path: Path) -> tuple[str, str, list[str]]:
    """(kind, facts to print, problems) of one path."""
    from toolkit.errors import ConfigError

    if path.suffix == ".onnx":
        return _check_model(path)
    if any((path / f"{which}.safetensors").is_file() for which in CHECKPOINTS):
        return _check_run(path)
    if not path.is_dir():
        raise ConfigError(f"{path} is no folder and no .onnx model; name a store, a run folder or a model")
    return _check_store(path)


def _check_store(path: Path) -> tuple[str, str, list[str]]:
    from toolkit.errors import StoreError
    from toolkit.store.check import check_store
    from toolkit.store.files import DATA_FILE, SPEC_FILE

    try:
        result = check_store(path)
    except StoreError as error:
        if not any((path / name).exists() for name in (SPEC_FILE, DATA_FILE)):
            raise
        return "store", "its description cannot be read", [str(error)]
    problems = [f"index line {number}: its checksum differs" for number in result.damaged_lines]
    problems += [f"clip {clip_id}: the record's checksum differs" for clip_id in result.damaged_records]
    if result.cut_off:
        problems.append(f"{result.cut_off} records are missing: data.bin is cut off or not there")
    if result.unnamed:
        problems.append(f"{result.unnamed} records have no line: index.jsonl is cut off or not there")
    if problems:
        problems.append("cure: run the toolkit extract command that made it again")
    facts = f"{result.spec.mode} {result.spec.layout}".strip()
    return "store", f"{facts}, {result.clips} clips, {result.unusable} unusable videos", problems


def _check_run(path: Path) -> tuple[str, str, list[str]]:
    from toolkit.errors import ToolkitError, require

    require("torch", "train")
    from toolkit.train.checkpoint import load_run

    facts, problems = [], []
    if not (path / "config.yaml").is_file():
        problems.append(
            "config.yaml is missing, without which it cannot be evaluated, exported or resumed: copy it anew"
        )
    for which in CHECKPOINTS:
        if not (path / f"{which}.safetensors").is_file():
            continue
        try:
            _, info = load_run(path, which)
        except ToolkitError as error:
            problems.append(str(error))
        else:
            facts.append(f"{which} is of epoch {info.epoch}")
    return "run", ", ".join(facts) or "no readable checkpoint", problems


def _check_model(path: Path) -> tuple[str, str, list[str]]:
    from toolkit.errors import ConfigError, ModelFileError
    from toolkit.recognizer import Recognizer

    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    try:
        with Recognizer.load(path) as recognizer:
            facts = f"{recognizer.metadata.mode}, {len(recognizer.metadata.glosses)} glosses"
    except ModelFileError as error:
        return "model", "cannot be used", [str(error)]
    return "model", facts, []
