"""docs/model_contract.md says what the code does: the order of landmarks, the keys, and its example runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from toolkit import ModelMetadata, Recognizer
from toolkit.landmarks import BODY_NAMES, HAND_NAMES, LAYOUTS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "model_contract.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, re.S)


def test_landmarks_are_named_in_their_order() -> None:
    lists = [
        re.split(r",\s+", " ".join(block.split())) for kind, block in BLOCKS if not kind and "0 " in block[:2]
    ]
    assert lists == [
        [f"{slot} {name}" for slot, name in enumerate(names)] for names in (BODY_NAMES, HAND_NAMES)
    ]
    parts = LAYOUTS["body_hands"].parts
    for words in (f"{parts['left_hand'].start}..{parts['left_hand'].stop - 1} the left hand",
                  f"{parts['right_hand'].start}..{parts['right_hand'].stop - 1} the right hand"):  # fmt: skip
        assert words in " ".join(TEXT.split())


def test_every_key_is_explained() -> None:
    table = TEXT[TEXT.index("## What the file says") : TEXT.index("## From logits")]
    named = set(re.findall(r"`([a-z0-9_]+)`", "".join(re.findall(r"^\| ([^|]+) \|", table, re.M))))
    assert {"format", *(field.name for field in fields(ModelMetadata))} == named - {"sign_toolkit"}


def test_the_example_gives_what_the_recogniser_gives(tmp_path: Path) -> None:
    model = ROOT / "tests" / "data" / "tiny_pose.onnx"
    shutil.copy(model, tmp_path / "model.onnx")
    clip = np.full((6, 33, 4), 0.3, np.float32)
    clip[2] = np.nan
    np.save(tmp_path / "clip.npy", clip)
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          cwd=tmp_path, env=os.environ | {"PYTHONUTF8": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Recognizer.load(model) as recognizer:
        ours = recognizer.predict(clip, top=3)
    assert done.stdout.splitlines() == [f"{gloss}: {score:.3f}" for gloss, score in ours.top]
