"""Counted multiply-adds, the weaker PC, and what the machine can do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.multiply_adds import SHIPPED, of_extraction, of_file
from bench.profile import says_no_memory

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_counts_of_the_shipped_networks_are_those_of_their_graphs(name: str) -> None:
    pytest.importorskip("onnx")
    assert of_file(ROOT / "toolkit" / "weights" / name) == SHIPPED[name]


def test_multiply_adds_grow_with_the_frames_where_the_graph_has_time() -> None:
    """The tiny model takes the mean over time, then one product of 132 by 3: once, whatever the length."""
    pytest.importorskip("onnx")
    tiny = ROOT / "tests" / "data" / "tiny_pose.onnx"
    assert of_file(tiny, 1) == of_file(tiny, 16) == 132 * 3


def test_a_clip_needs_a_detection_and_every_frame_with_a_person_a_look() -> None:
    detector, full, lite = (
        SHIPPED[f"{name}.onnx"] for name in ("pose_detector", "pose_landmarks_full", "pose_landmarks_lite")
    )
    assert of_extraction("onnx", 16, {"detection_rate": 1.0}) == detector + 16 * full
    assert of_extraction("onnx lite", 16, {"detection_rate": 0.5}) == detector + 8 * lite
    hands = {"detection_rate": 1.0, "left_hand_rate": 0.25, "right_hand_rate": 1.0}
    expected = detector + 16 * full + 20 * SHIPPED["hand_landmarks_full.onnx"]
    assert of_extraction("onnx body_hands", 16, hands) == expected
    assert of_extraction("onnx int8", 16, {}) == 16 * SHIPPED["efficientnet_lite0_int8.onnx"]
    assert of_extraction("mediapipe", 16, {"detection_rate": 1.0}) == 0, "its graph is not ours to count"


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts on Linux only")
def test_a_process_with_capped_memory_cannot_hold_more() -> None:
    code = (
        "import numpy as np; from bench.profile import cap_memory; print(cap_memory(200));"
        "fits = np.ones(100 * 2**20, np.uint8)\n"
        "try: np.ones(150 * 2**20, np.uint8)\n"
        "except MemoryError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    way, message = done.stdout.splitlines()
    assert way == "RLIMIT_DATA" and says_no_memory(message)


def test_a_pinned_process_has_one_core() -> None:
    code = (
        "from bench.profile import pin; way = pin(1); from toolkit.machine import cores;"
        "print(cores() if way == 'sched_setaffinity' else 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
