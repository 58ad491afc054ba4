"""The frame of all commands: verbs, flags, exit statuses, and what is imported when."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.cli.flags import Parser, nearest
from toolkit.cli.main import VERBS, main, run_guarded
from toolkit.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def test_every_verb_is_listed_and_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for verb in VERBS:
        assert f"  {verb} " in overview
        with pytest.raises(SystemExit) as stopped:
            main([verb, "--help"])
        text = capsys.readouterr().out
        assert stopped.value.code == 0 and "example" in text and "--json" in text


def test_a_mistyped_verb_or_flag_gets_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extrat"]) == 2
    assert "Did you mean extract?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["extract", "--output_dir", "x", "--jsn_path", "y"])
    assert stopped.value.code == 2
    assert "Did you mean --json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("train signs", "--config signs"),
        ("train --lr 1", "--learning_rate"),
        ("train --bs=8", "--batch_size"),
    ],
)
def test_what_other_programs_call_a_flag_is_understood(
    capsys: pytest.CaptureFixture[str], words: str, meant: str
) -> None:
    with pytest.raises(SystemExit):
        main(words.split())
    assert f"Did you mean {meant}?" in capsys.readouterr().err


def test_flags_have_both_spellings() -> None:
    parser = Parser()
    parser.flag("num_frames", type=int, default=16)
    assert parser.parse_args(["--num_frames", "8"]).num_frames == 8
    assert parser.parse_args(["--num-frames", "4"]).num_frames == 4
    assert nearest("--num_frame", parser.known_flags()) == " Did you mean --num_frames?"


def test_an_error_of_the_user_is_one_message_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        raise ConfigError("the value is wrong; use another")

    assert run_guarded(fails, "toolkit x") == 2
    assert capsys.readouterr().err == "toolkit x: the value is wrong; use another\n"


def test_what_the_system_refuses_is_one_message_with_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/a/last.safetensors")

    assert run_guarded(full, "toolkit x") == 2
    said = "toolkit x: runs/a/last.safetensors: No space left on device. What was finished before is kept\n"
    assert capsys.readouterr().err == said


@pytest.mark.skipif(os.name == "nt", reason="file names there are always text")
@pytest.mark.parametrize("name", ["привет.npy", os.fsdecode(b"caf\xe9.npy")])
def test_a_name_that_the_output_cannot_encode_costs_no_answer(tmp_path: Path, name: str) -> None:
    import numpy as np

    for file in (name, "zz.npy"):
        np.save(tmp_path / file, np.full((4, 33, 4), 0.1, np.float32))
    words = ["predict", str(ROOT / "tests/data/tiny_pose.onnx"), name, "zz.npy"]
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)}
    for more in ("--csv", "--json", "--top=1"):
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", *words, more],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.count(b".npy") >= 2, "both are answered"


def test_a_pipe_that_was_read_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m toolkit config --print signs | {sys.executable} -c 'import sys; sys.stdin.read(1)'",
        shell=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_after_ctrl_c_only_what_is_true_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> int:
        raise KeyboardInterrupt

    assert run_guarded(stopped, "toolkit x") == 130
    assert capsys.readouterr().err == "\ntoolkit x: stopped.\n"
    assert run_guarded(stopped, "toolkit x", "The same command continues.") == 130
    assert capsys.readouterr().err == "\ntoolkit x: stopped. The same command continues.\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--index"),
        (["--json_path", "a.json"], "--video_dir"),
        (["--json_path", "a.json", "--index", "b.csv"], "either"),
        (["--index", "nowhere"], "nowhere"),
        (["--index", ".", "--video_dir", "v"], "--video_dir goes with --json_path"),
        (["--index", ".", "--num_frames", "0"], "--num_frames is 0"),
        (["--index", ".", "--workers", "0"], "--workers is 0"),
        (["--index", ".", "--clip_timeout", "inf"], "--clip_timeout is inf"),
        (["--json_path", "nowhere.json", "--video_dir", "."], "nowhere.json does not exist"),
    ],
)
def test_extract_names_what_is_wrong(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["extract", "--output_dir", "store", *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from toolkit.cli.main import main; main(['--help']);"
        "heavy = {'torch', 'mediapipe', 'onnxruntime', 'cv2', 'av', 'matplotlib', 'numpy'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_opencv_loads_without_a_display() -> None:
    script = "import os; [os.environ.pop(name, None) for name in ('DISPLAY', 'WAYLAND_DISPLAY')]; import cv2"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", ["extract", "show"])
def test_missing_system_libraries_are_named_with_the_cure(tmp_path: Path, verb: str) -> None:
    """A machine without libGL: importing cv2 fails as it does there, in this process and in its workers."""
    (tmp_path / "broken").mkdir()
    reason = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "broken" / "cv2.py").write_text(f"raise ImportError({reason!r})")
    clip = tmp_path / "recordings" / "book" / "a.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"x")
    words = (
        ["--index", str(tmp_path / "recordings"), "--output_dir", "store"]
        if verb == "extract"
        else [str(clip)]
    )
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", verb, *words],
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'broken'}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "opencv-python-headless" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
