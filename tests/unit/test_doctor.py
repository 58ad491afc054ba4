"""`toolkit doctor`: green on a computer that works, red with a cure for what is really broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toolkit import machine
from toolkit.cli.main import main
from toolkit.doctor import Finding, _fits, _requirement, examine, is_ready
from toolkit.weights import SHA256, weights_path

TRAINING = {"torch", "onnx", "mediapipe", "pydantic", "matplotlib", "yaml", "safetensors"}


def by_name(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in report["findings"]}


def test_this_computer_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    printed = capsys.readouterr().out.splitlines()
    report = json.loads(printed[-1])
    findings = by_name(report)
    assert report["ok"] is True
    assert set(SHA256) <= set(findings)
    assert {"python", "numpy", "onnxruntime", "opencv-python", "av", "processor", "memory", "cameras", "display",
            "extra train", "extra mediapipe", "extra bench"} <= set(findings)  # fmt: skip
    for finding in findings.values():
        assert finding["ok"] or not finding["required"]
        assert bool(finding["cure"]) != finding["ok"], finding
        assert any(finding["name"] in line for line in printed[:-1])


def in_a_fresh_process(
    folder: Path, before: str = "", **variables: str
) -> tuple[int, dict[str, Any], set[str]]:
    """Exit status, report and loaded top-level modules of the command in another process."""
    code = (
        f"import sys, json\n{before}\nfrom toolkit.cli.main import main\nstatus = main(['doctor', '--json'])\n"
        "print(json.dumps([status, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False,
                          cwd=folder, env=os.environ | variables)  # fmt: skip
    assert done.returncode == 0, done.stderr
    *_, report, last = done.stdout.splitlines()
    status, modules = json.loads(last)
    return status, json.loads(report), set(modules)


def test_a_damaged_and_a_missing_network_are_named(tmp_path: Path) -> None:
    damaged, missing = "hand_recrop.onnx", "pose_detector.onnx"
    for name in set(SHA256) - {missing}:
        shutil.copy(weights_path(name), tmp_path)
    with (tmp_path / damaged).open("r+b") as file:
        file.write(b"\xff")
    status, report, modules = in_a_fresh_process(tmp_path, SIGN_TOOLKIT_WEIGHTS=str(tmp_path))
    assert (status, report["ok"]) == (2, False)
    findings = by_name(report)
    assert "damaged" in findings[damaged]["found"]
    assert "cannot be read" in findings[missing]["found"]
    assert "pip install" in findings[missing]["cure"]
    assert [name for name, one in findings.items() if one["required"] and not one["ok"]] == sorted(
        [damaged, missing], key=list(SHA256).index
    )
    assert not modules & TRAINING


def test_it_works_where_rich_is_missing(tmp_path: Path) -> None:
    status, report, _ = in_a_fresh_process(tmp_path, "sys.modules['rich'] = None")
    rich = by_name(report)["rich"]
    assert (status, rich["ok"], rich["required"]) == (2, False, True)
    assert rich["cure"].startswith('pip install "rich>=')


def test_only_what_is_required_decides() -> None:
    fine, optional = Finding("a", True, True, "x"), Finding("b", False, False, "none", "buy one")
    assert is_ready([fine, optional])
    assert not is_ready([fine, Finding("c", False, True, "none", "install it")])


def test_a_check_that_fails_altogether_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise OSError("the disk is on fire")
        yield

    monkeypatch.setattr("toolkit.doctor.CHECKS", (("disk", False, broken),))
    assert list(examine()) == [
        Finding("disk", False, False, "the disk is on fire", "the message says what to do")
    ]


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("5.0.0", "<6,>=4.11", True),
        ("4.11.0.86", ">=4.11,<6", True),
        ("4.9.1", ">=4.11,<6", False),
        ("6.0.0", ">=4.11,<6", False),
        ("2.0.0rc1", ">=2.0", True),
        ("3.14.1", "<3.14,>=3.11", False),
        ("3.13.9", "<3.14,>=3.11", True),
        ("1.0", "", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, bounds: str, fits: bool) -> None:
    assert _fits(version, bounds) is fits


def test_requirements_are_read_as_pip_writes_them() -> None:
    assert _requirement("opencv-python<6,>=4.11") == ("opencv-python", "<6,>=4.11", "")
    assert _requirement('torch==2.13.0; extra == "train"') == ("torch", "==2.13.0", "train")


def test_what_the_machine_says_is_possible() -> None:
    features = machine.cpu_features()
    assert set(features) <= {"AVX2", "AVX-512", "VNNI", "NEON", "DOTPROD"}
    assert "AVX2" in features or not {"AVX-512", "VNNI"} & set(features)
    total, available = machine.memory_mib()
    assert total > 100 and (available is None or 0 < available <= total)
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processor_features_are_those_of_the_kernel() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    names = {"AVX2": "avx2", "AVX-512": "avx512f", "NEON": "asimd", "DOTPROD": "asimddp"}
    expected = [feature for feature, flag in names.items() if flag in flags]
    assert [feature for feature in machine.cpu_features() if feature in names] == expected
