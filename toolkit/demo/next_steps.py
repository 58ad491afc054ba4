"""What to type after the tour: from a folder per sign to the camera. The same commands stand in the README."""

from __future__ import annotations

from toolkit.machine import activation

RECORDINGS = "my_recordings/hello/anna/1.mp4, my_recordings/thanks/ben/1.mp4, ..."
COMMANDS = """\
toolkit extract --index my_recordings --landmarks body_hands --num_frames 32 --output_dir my_poses
toolkit show my_recordings/hello/anna/1.mp4 --landmarks body_hands
toolkit train --config signs --pose_dir my_poses --output_dir my_run
toolkit evaluate my_run --split val
toolkit export my_run --output my_model.onnx
toolkit predict my_model.onnx new_clip.mp4
toolkit live my_model.onnx"""


def next_steps() -> str:
    """The commands; before them, where a terminal would not find `toolkit` yet, the one that changes that."""
    return "\n".join(filter(None, (activation(), COMMANDS)))
