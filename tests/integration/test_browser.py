"""docs/browser, the worked example of docs/model_contract.md: the same answers in Chromium and in node as in Python.

Skipped without onnxruntime-web (`npm install` in docs/browser), without node, or without Chromium.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exporting needs torch")
onnx = pytest.importorskip("onnx", reason="exporting needs onnx")

from export.classifier import to_onnx  # noqa: E402 (needs the packages above)
from export.quantize_classifier import quantized  # noqa: E402
from toolkit import ModelMetadata, Recognizer  # noqa: E402
from toolkit.landmarks import LAYOUTS  # noqa: E402
from toolkit.train.model import ModelSpec, SignClassifier  # noqa: E402

PAGE = Path(__file__).resolve().parents[2] / "docs" / "browser"
GLOSSES = (*(f"sign {number}" for number in range(7)), "größer")
TEMPERATURE = 0.3
LAYOUT = LAYOUTS["body_hands"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.onnx, a real export with weights as they are drawn, and clip.npy with all kinds of gaps."""
    if not (PAGE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("onnxruntime-web is not installed: run `npm install` in docs/browser")
    torch.manual_seed(0)
    spec = ModelSpec("pose", LAYOUT.item_shape, LAYOUT.name, 16, len(GLOSSES), 32, 2, 2, 64)
    metadata = ModelMetadata(
        GLOSSES, "pose", LAYOUT.name, 16, LAYOUT.item_shape, {"backend": "onnx"}, {}, {}, {}, TEMPERATURE
    )
    random = np.random.default_rng(0)
    clip = random.uniform(0.2, 0.8, LAYOUT.item_shape) + random.normal(0, 0.05, (23, *LAYOUT.item_shape))
    clip[5:9, LAYOUT.parts["left_hand"].start : LAYOUT.parts["left_hand"].stop] = np.nan
    clip[:, LAYOUT.parts["right_hand"].start : LAYOUT.parts["right_hand"].stop] = np.nan
    clip[11] = np.nan
    path = tmp_path_factory.mktemp("browser")
    model = to_onnx(SignClassifier(spec), metadata)
    (path / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    np.save(path / "clip.npy", clip.astype(np.float32))
    return path


def expect_the_answers_of_python(top: list[list[Any]], folder: Path) -> None:
    with Recognizer.load(folder / "model.onnx") as recognizer:
        logits = recognizer.logits(np.load(folder / "clip.npy")[None])[0].astype(np.float64)
    powers = np.exp((logits - logits.max()) / TEMPERATURE)
    scores = powers / powers.sum()
    order = np.argsort(-scores, kind="stable")[: len(top)]
    assert [gloss for gloss, _ in top] == [GLOSSES[index] for index in order]
    np.testing.assert_allclose([score for _, score in top], scores[order], atol=1e-4)


def test_node_gives_the_same_answers(folder: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    command = [node, str(PAGE / "recognize.mjs"), str(folder / "model.onnx"), str(folder / "clip.npy")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [answer["gloss"], answer["score"]] == answer["top"][0]
    expect_the_answers_of_python(answer["top"], folder)


def test_int8_gives_the_same_best_gloss_in_node(folder: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    smaller = tmp_path / "int8.onnx"
    model = onnx.load(folder / "model.onnx")
    weights = [onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer]
    smaller.write_bytes(quantized(model.SerializeToString(), weights))
    command = [node, str(PAGE / "recognize.mjs"), str(smaller), str(folder / "clip.npy")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    with Recognizer.load(smaller) as recognizer:
        assert json.loads(done.stdout)["gloss"] == recognizer.predict(np.load(folder / "clip.npy")).gloss


@pytest.fixture
def site(folder: Path) -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """A server of the page and of the two files, and the queue of what is sent to /report."""
    reports: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            name = path.partition("?")[0].lstrip("/")
            return str((folder if name in ("model.onnx", "clip.npy") else PAGE) / name)

        def do_POST(self) -> None:
            reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", reports
        server.shutdown()


def test_chromium_gives_the_same_answers(
    folder: Path, site: tuple[str, queue.Queue[dict[str, Any]]], tmp_path: Path
) -> None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("Chromium is not installed")
    address, reports = site
    flags = ["--headless=new", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path}"]
    if os.name == "posix" and os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to sandbox what root starts
    url = f"{address}/index.html?model=/model.onnx&clip=/clip.npy&report=/report"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([browser, *flags, url], stdout=log, stderr=log)
        try:
            report = reports.get(timeout=120)
        except queue.Empty:
            pytest.fail(f"the page sent no answer: {(tmp_path / 'log').read_text(errors='replace')[-2000:]}")
        finally:
            process.terminate()
            process.wait(timeout=30)
    assert "error" not in report, report
    expect_the_answers_of_python(report["top"], folder)
