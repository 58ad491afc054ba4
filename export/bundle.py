"""A model -> a folder or .zip that recognises signs on a PC without this package. Needs no torch and no onnx.

The bundle holds the model, the modules of this package that a recogniser imports, unchanged, and the networks that
the model's extractor opens, no others. Nothing in it is written anew, so nothing can give other answers. It is run
once on a drawn clip, in a process of its own, and must give the bytes that this process gives; only then does it
get its name. A .zip of the same model is the same, byte for byte, with the same Python and zlib.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.bundle_texts import TEXTS, written_for
from export.runtime_files import PACKAGE, ROOT, needed_by
from toolkit.errors import ExportError, VideoReadError
from toolkit.extract import EXTRACTORS, cnn_projection, make_extractor
from toolkit.extract.source import trained_extractor
from toolkit.metadata import ModelMetadata
from toolkit.recognizer import Recognizer
from toolkit.weights import weights_path

PROGRAM, MODEL = "recognize.py", "model.onnx"
IMPORTED = {"numpy", "onnxruntime", "cv2", "av"}
"""What the packages of requirements.txt are called in Python."""
REPLACED = {"rich", "platformdirs"}
"""Imported where they are there; toolkit/cli and toolkit/extract/cache_folder.py do without."""
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest one that a .zip can hold


@dataclass(frozen=True)
class BundleReport:
    """path: what was written; size_bytes: of all files, of the .zip for a .zip; files: their number;
    networks: names of the networks in it."""

    path: Path
    size_bytes: int
    files: int
    networks: list[str]


OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")


def check_target(target: Path) -> None:
    """Refuse a place that holds something already.

    Raises:
        ExportError: the file exists, or the folder is not empty.
    """
    if target.is_file() and target.stat().st_size:
        raise ExportError(f"{target} exists already; give another name with --bundle")
    if target.is_dir() and (target.suffix == ".zip" or any(target.iterdir())):
        raise ExportError(f"the folder {target} is not empty; give another name with --bundle")
    if target.suffix.lower() in OTHER_ARCHIVES:
        raise ExportError(f"--bundle {target}: a folder or a .zip can be written, no {target.suffix}")


def write_bundle(model: Path, target: Path) -> BundleReport:
    """Bundle a model that `toolkit export` wrote.

    target: a folder that is missing or empty, or the name of a .zip file.

    Raises:
        ModelFileError: the model cannot be opened or is not one of ours.
        ExportError: the target exists, the model's extractor is not one that can be bundled, the bundle gave
            other answers than this process, or it cannot be written.
    """
    check_target(target)
    with Recognizer.load(model) as recognizer:
        files = bundle_files(model, recognizer.metadata)
        try:
            with _staging(target) as folder:
                for name, content in files.items():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(content)
                _check(folder, recognizer)
                if target.suffix == ".zip":
                    _write_zip(files, target)
                else:
                    if target.is_dir():
                        target.rmdir()  # empty, see check_target; not every system renames onto a folder
                    folder.rename(target)
        except OSError as error:
            raise ExportError(
                f"the bundle {target} cannot be written: {error.strerror or error}. Give another --bundle"
            ) from error
    size = target.stat().st_size if target.suffix == ".zip" else sum(map(len, files.values()))
    networks = [Path(name).name for name in files if name.endswith((".onnx", ".npy")) and name != MODEL]
    return BundleReport(target, size, len(files), networks)


def bundle_files(model: Path, metadata: ModelMetadata) -> dict[str, bytes]:
    """Names inside of the bundle, with slashes -> contents, in the order of the names.

    Raises:
        ExportError: the model's extractor is not one that can be bundled.
    """
    networks = _networks(metadata)
    roots = []
    if networks:
        roots.append(EXTRACTORS[metadata.mode, "onnx"].partition(":")[0])
    needed = needed_by(TEXTS / PROGRAM, roots)
    unknown = needed.outside - IMPORTED - REPLACED
    if unknown:
        raise ExportError(
            f"this model needs {', '.join(sorted(unknown))}, which a bundle does not bring along; "
            "bundle a model that was trained on poses"
        )
    paths = {file.relative_to(ROOT).as_posix(): file for file in needed.modules.values()}
    if networks:
        paths |= {f"{PACKAGE}/weights/{name}": weights_path(name) for name in networks}
        paths |= {f"{PACKAGE}/weights/{name}": _weights_text(name) for name in ("README.md", "LICENSE")}
    paths |= {PROGRAM: TEXTS / PROGRAM, MODEL: model, "LICENSE": _weights_text("LICENSE")}
    files = {name: path.read_bytes() for name, path in paths.items()}
    return dict(sorted((files | written_for(metadata, networks)).items()))


def _networks(metadata: ModelMetadata) -> list[str]:
    """Names in toolkit/weights of what the model's extractor opens, after a look whether it is the same one."""
    if metadata.mode == "video":
        return []
    backend = metadata.extractor.get("backend", "onnx")  # CNN features are the same from every backend
    if backend != "onnx" or metadata.extractor.get("network") == cnn_projection.OWN_NETWORK:
        raise ExportError(
            f"the model was trained on what {'a network of your own' if backend == 'onnx' else backend} gives, and a "
            "bundle can only bring the networks that ship with this package. Extract with --backend onnx and without "
            "--model, train on that, and export again"
        )
    spec = replace(trained_extractor(metadata), backend="onnx")
    extractor = make_extractor(spec)
    same = extractor.fingerprint == metadata.extractor
    extractor.close()
    if not same:
        raise ExportError(
            "the model was trained on the output of other networks, or of another release of this package: "
            f"{metadata.extractor}. Extract and train again with this one, then bundle that"
        )
    if metadata.mode == "pose":
        from toolkit.extract.blazepose import network_files

        return network_files(spec)
    in_fp32 = replace(spec, precision="fp32")  # takes over where a processor does not compute int8 correctly
    return list(dict.fromkeys(cnn_projection.network_files(spec) + cnn_projection.network_files(in_fp32)))


def _weights_text(name: str) -> Path:
    return ROOT / PACKAGE / "weights" / name


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A new folder beside the target, or for a .zip anywhere; removed if it is still there at the end."""
    if target.suffix == ".zip":
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    folder = target.with_name(f".{target.name}.{os.getpid()}.part")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(folder: Path, recognizer: Recognizer) -> None:
    """Run the bundle on a drawn clip and, through its networks, on noisy frames, and compare.

    Raises:
        ExportError: it failed, or gave anything else than this process.
    """
    about, random = recognizer.metadata, np.random.default_rng(0)
    size = about.item_shape if about.mode == "video" else (96, 128, 3)
    frames = random.integers(0, 256, (about.num_frames, *size), np.uint8)
    clips = {"frames.npy": frames}
    if about.mode != "video":
        drawn = random.uniform(0.2, 0.8, (2 * about.num_frames, *about.item_shape))
        clips["clip.npy"] = drawn.astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        sources = {str(Path(name) / file): clip for file, clip in clips.items()}
        for source, clip in sources.items():
            np.save(source, clip)
        # two sources at least, so that the answer has one form for what was recognised and what was not
        command = [sys.executable, "-P", "-B", str(folder / PROGRAM), *sources, *sources, "--json"]
        # packages of the user's own count, those beside this one or on a path of the developer's do not
        own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False,
                              env=own | {"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    lines = done.stdout.splitlines()
    found = (
        json.loads(lines[-1]) if done.returncode in (0, 1) and lines else {"predictions": (), "failed": {}}
    )
    theirs = {one["source"]: one["top"] for one in found["predictions"]} | found["failed"]
    ours = {source: _answer(recognizer, clip) for source, clip in sources.items()}
    if theirs != ours:
        raise ExportError(
            f"the bundle does not answer as this package does: {done.stderr.strip()[-500:] or theirs}. "
            "No bundle was written; please report this"
        )


def _answer(recognizer: Recognizer, clip: NDArray[Any]) -> list[list[str | float]] | str:
    """The best glosses, or why there are none: of noise, that nobody was found."""
    try:
        return [list(pair) for pair in recognizer.predict(clip).top]
    except VideoReadError as error:
        return str(error)


def _write_zip(files: dict[str, bytes], target: Path) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in files.items():
                entry = zipfile.ZipInfo(f"{target.stem}/{name}", _ZIP_DATE)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                entry.create_system = 3  # Unix, wherever it is made, so that the bytes are the same
                archive.writestr(entry, content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
