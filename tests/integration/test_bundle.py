"""`toolkit export --bundle`: what is in a bundle runs with four packages and nothing else, and answers the same."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from numbered_video import write_video

onnx = pytest.importorskip("onnx", reason="changing the metadata of a tiny model needs onnx")

from export import bundle  # noqa: E402 (needs the package above)
from export.bundle import write_bundle  # noqa: E402
from toolkit import ModelMetadata  # noqa: E402
from toolkit.demo.take import draw_clip  # noqa: E402
from toolkit.errors import ExportError  # noqa: E402
from toolkit.extract import ExtractorSpec, Fingerprint  # noqa: E402
from toolkit.extract.blazepose import fingerprint  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
FOUR = ("numpy", "onnxruntime", "cv2", "av")
LITE = ["pose_detector.onnx", "pose_landmarks_lite.onnx"]
# runs a program with one more folder to import from, then prints which of all loaded modules are not Python's own
RUN_AND_LIST = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
del sys.argv[0]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
files = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(sorted(files - sys.stdlib_module_names - {"__main__"}))
"""


def pose_model(path: Path, extractor: Fingerprint) -> Path:
    """tests/data/tiny_pose.onnx as if it had been trained on what that extractor gives."""
    model = onnx.load(DATA / "tiny_pose.onnx")
    kept = ModelMetadata.from_properties({entry.key: entry.value for entry in model.metadata_props})
    values = vars(kept) | {"extractor": dict(extractor), "metrics": {"val_top1": 0.5, "n_val": 8}}
    onnx.helper.set_model_props(model, ModelMetadata(**values).to_properties())
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lite = fingerprint(ExtractorSpec("pose", "onnx", network="lite"))
    return pose_model(tmp_path_factory.mktemp("model") / "lite.onnx", lite)


@pytest.fixture(scope="module")
def folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("bundles") / "for a friend"
    report = write_bundle(model, target)
    files = [path for path in target.rglob("*") if path.is_file()]
    assert (report.path, report.networks, report.files) == (target, LITE, len(files))
    assert report.size_bytes == sum(path.stat().st_size for path in files)
    return target


@pytest.fixture(scope="module")
def only_four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the four packages, and whatever libraries they brought, and no other."""
    made = tmp_path_factory.mktemp("only_four")
    installed = Path(sysconfig.get_path("platlib"))
    for place in [*(installed / name for name in FOUR), *installed.glob("*.libs")]:
        try:
            (made / place.name).symlink_to(place, target_is_directory=True)
        except OSError as error:
            pytest.skip(f"links cannot be made here: {error}")
    return made


def run_bundle(folder: Path, only_four: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """recognize.py without site-packages and without the environment's Python settings."""
    command = [
        sys.executable,
        "-I",
        "-S",
        "-B",
        "-c",
        RUN_AND_LIST,
        str(only_four),
        str(folder / "recognize.py"),
        *words,
    ]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=folder.parent)


def run_toolkit(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toolkit", *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=ROOT)


def test_it_answers_as_predict_does_with_four_packages_alone(
    folder: Path, model: Path, only_four: Path, tmp_path: Path
) -> None:
    clips = [
        str(write_video(tmp_path / f"{gloss}.mp4", draw_clip(gloss, 1).frames)) for gloss in ("wave", "push")
    ]
    ours = run_toolkit("predict", str(model), *clips, "--json")
    theirs = run_bundle(folder, only_four, *clips, "--json")
    assert (ours.returncode, theirs.returncode) == (0, 0), ours.stderr + theirs.stderr
    *lines, answer, modules = theirs.stdout.splitlines()
    assert answer == ours.stdout.splitlines()[-1]
    predictions = json.loads(answer)["predictions"]
    assert [one["source"] for one in predictions] == clips
    for one in predictions:
        assert any(one["source"] in line and one["gloss"] in line for line in lines)
    assert set(re.findall(r"'([^']+)'", modules)) <= {"toolkit", *FOUR}


def test_live_signs_are_those_of_the_live_command(
    folder: Path, model: Path, only_four: Path, tmp_path: Path
) -> None:
    clip = write_video(tmp_path / "wave.mp4", draw_clip("wave", 1).frames)
    flags = ["--source", str(clip), "--headless", "--every_frame", "--threshold", "0", "--json"]
    ours = run_toolkit("live", str(model), *flags)
    theirs = run_bundle(folder, only_four, "live", *flags)
    assert (ours.returncode, theirs.returncode) == (0, 0), ours.stderr + theirs.stderr
    here, there = (json.loads(done.stdout.splitlines()[line]) for done, line in ((ours, -1), (theirs, -2)))
    assert here["signs"] == there["signs"] and here["frames"] == there["frames"] > 0


def test_it_holds_what_the_model_needs_and_nothing_else(folder: Path, model: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    written = {"model.onnx", "recognize.py", "requirements.txt", "README.md", "LICENSE", "NOTICE"}
    assert written <= names
    assert (
        sorted(Path(name).name for name in names if name.startswith("toolkit/") and ".onnx" in name) == LITE
    )
    for name in names - written:
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes(), name
    assert (folder / "model.onnx").read_bytes() == model.read_bytes()
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    notice = (folder / "NOTICE").read_text()
    assert all(
        part in (ROOT / "NOTICE").read_text() for part in notice.split("\n\n") if part.startswith("  ")
    )
    assert "MediaPipe pose and hand networks" in notice and "EfficientNet" not in notice
    texts = "".join((folder / name).read_text() for name in ("README.md", "NOTICE", "requirements.txt"))
    assert "3 signs: up, down, left." in texts and "On 8 clips" in texts and "right in 50.0 %" in texts
    assert str(ROOT) not in texts and "$" not in texts
    # this model is tiny: one of 100 signs, 1.7 MB, has to fit in too
    assert sum((folder / name).stat().st_size for name in names) < 12e6 - 1.7e6


def test_notices_are_those_of_the_project() -> None:
    whole = (ROOT / "NOTICE").read_text()
    for file in (ROOT / "export" / "bundle_files").glob("notice_*.txt"):
        assert file.read_text().strip("\n") in whole, f"{file.name} and NOTICE have drifted apart"


def test_pip_is_asked_for_the_four_packages_in_the_versions_of_this_one(folder: Path) -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    def split(line: str) -> tuple[str, list[str]]:
        name, bounds = re.fullmatch(r"([\w-]+)(.*)", line.strip()).groups()  # type: ignore[union-attr]
        return name, sorted(bounds.split(","))

    asked = [split(line) for line in (folder / "requirements.txt").read_text().splitlines()]
    assert [name for name, _ in asked] == ["numpy", "onnxruntime", "opencv-python", "av"]
    assert all(one in [split(line) for line in ours] for one in asked)


def test_a_zip_is_the_same_every_time(folder: Path, model: Path, tmp_path: Path) -> None:
    hashes = []
    for place in ("a", "b"):
        report = write_bundle(model, tmp_path / place / "signs.zip")
        assert report.size_bytes == report.path.stat().st_size < 12e6
        hashes.append(hashlib.sha256(report.path.read_bytes()).hexdigest())
    assert hashes[0] == hashes[1]
    with zipfile.ZipFile(tmp_path / "a" / "signs.zip") as archive:
        content = {name.removeprefix("signs/"): archive.read(name) for name in archive.namelist()}
    assert content == {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["signs.zip"]


def test_what_is_there_already_is_left_alone(model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "mine.zip").write_text("dear")
    for name in ("mine", "mine.zip"):
        with pytest.raises(ExportError, match=r"not empty|exists already"):
            write_bundle(model, tmp_path / name)
    assert (tmp_path / "mine" / "letter.txt").read_text() == (tmp_path / "mine.zip").read_text() == "dear"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["letter.txt", "mine", "mine.zip"]
    (tmp_path / "empty").mkdir()
    assert (write_bundle(model, tmp_path / "empty").path / "recognize.py").is_file()


@pytest.mark.parametrize(
    ("extractor", "told"),
    [
        ({"backend": "mediapipe", "weights": "01"}, "--backend onnx"),
        ({"backend": "onnx", "network": "lite", "recipe": 0}, "another release"),
    ],
)
def test_a_model_on_other_networks_is_refused(extractor: Fingerprint, told: str, tmp_path: Path) -> None:
    other = pose_model(tmp_path / "other.onnx", extractor)
    with pytest.raises(ExportError, match=told):
        write_bundle(other, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["other.onnx"]


def test_a_bundle_that_answers_otherwise_is_not_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = bundle.bundle_files

    def wrong(*arguments: Any) -> dict[str, bytes]:
        files = right(*arguments)
        files["toolkit/recognizer.py"] = files["toolkit/recognizer.py"].replace(b"-scores", b"+scores")
        return files

    monkeypatch.setattr(bundle, "bundle_files", wrong)
    for target in ("folder", "file.zip"):
        with pytest.raises(ExportError, match="does not answer as this package does"):
            write_bundle(model, tmp_path / target)
    assert list(tmp_path.iterdir()) == []


def test_packing_a_model_needs_neither_torch_nor_onnx(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "packed.zip"
    code = (
        "import sys\nfor name in ('torch', 'onnx', 'onnxscript', 'pydantic'): sys.modules[name] = None\n"
        "from toolkit.cli.main import main\n"
        f"sys.exit(main(['export', {str(model)!r}, '--bundle', {str(target)!r}, '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False,
                          cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])["bundle"]
    assert (made["path"], made["networks"]) == (str(target), LITE)
    assert made["size_bytes"] == target.stat().st_size
    again = run_toolkit("export", str(model), "--bundle", str(target))
    assert again.returncode == 2 and "exists already" in again.stderr
    alone = run_toolkit("export", str(model))
    assert alone.returncode == 2 and "--bundle" in alone.stderr


def test_a_missing_package_is_named_with_the_line_that_installs_it(folder: Path) -> None:
    command = [sys.executable, "-I", "-S", "-B", str(folder / "recognize.py"), "clip.mp4"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2
    assert "pip install -r" in done.stderr and "requirements.txt" in done.stderr
    assert "Traceback" not in done.stderr
