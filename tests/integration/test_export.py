"""From a run directory to one .onnx file: same answers as torch, self-describing, or refused without a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="exporting needs torch")
onnx = pytest.importorskip("onnx", reason="exporting needs onnx")

from export.classifier import export_run, metadata_of, to_onnx  # noqa: E402 (needs the packages above)
from export.verify import edge_cases, verify  # noqa: E402
from toolkit import Recognizer  # noqa: E402
from toolkit.calibration import fit_temperature, softmax  # noqa: E402
from toolkit.cli.main import main  # noqa: E402
from toolkit.clips import Clip  # noqa: E402
from toolkit.config import load_settings  # noqa: E402
from toolkit.errors import ConfigError, ExportError, ModelFileError, StoreError, StoreMismatchError  # noqa: E402
from toolkit.extract import ExtractorSpec, Fingerprint, make_extractor  # noqa: E402
from toolkit.model_seal import sealed  # noqa: E402
from toolkit.store import FeatureStore, StoreSpec, StoreWriter  # noqa: E402
from toolkit.train.checkpoint import RunInfo, load_run, save_checkpoint  # noqa: E402
from toolkit.train.model import ModelSpec, SignClassifier  # noqa: E402
from toolkit.video import sample_frames  # noqa: E402

GLOSSES = ("book", "drink", "thank you")
SMALL = {"embed_dim": 16, "num_heads": 2, "num_layers": 1, "ff_dim": 32}
CNN = ExtractorSpec("features", "onnx", embed_dim=24)
SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "pose": ((75, 4), "body_hands"),
    "features": ((24,), ""),
    "video": ((224, 224, 3), ""),
}


def clip_values(mode: str, seed: int) -> NDArray[np.float32]:
    """(8, *item_shape): a person who sways and loses a hand now and then; for features, noise."""
    random = np.random.default_rng(seed)
    shape, _ = SHAPES[mode]
    values = random.uniform(0.2, 0.8, (1, *shape)) + random.normal(0, 0.02, (8, *shape))
    if mode == "pose":
        values[random.random(8) < 0.3, 33:54] = np.nan
        values[random.random(8) < 0.1] = np.nan
    return values.astype(np.float32)


def fingerprint(mode: str) -> Fingerprint:
    """Of the real CNN for features; poses need no network here, since no video is read in that mode."""
    if mode != "features":
        return {"backend": "mediapipe", "weights": "0123"} if mode == "pose" else {}
    extractor = make_extractor(CNN)
    try:
        return extractor.fingerprint
    finally:
        extractor.close()


def make_store(folder: Path, mode: str) -> Path:
    shape, layout = SHAPES[mode]
    with StoreWriter(folder, StoreSpec(mode, shape, 8, layout, fingerprint(mode))) as writer:
        for number in range(12):
            gloss, split = GLOSSES[number % 3], "val" if number >= 9 else "train"
            clip = Clip(f"c{number:02d}", gloss, split, "s1", folder / f"c{number:02d}.mp4")
            writer.append(clip, clip_values(mode, number), {})
    return folder


def make_videos(folder: Path) -> Path:
    """A folder per gloss with three short clips of moving noise each."""
    random = np.random.default_rng(0)
    for gloss in GLOSSES:
        for number in range(2):
            path = folder / "val" / gloss / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            with av.open(str(path), "w") as container:
                stream = container.add_stream("mpeg4", rate=10)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
                for _ in range(6):
                    image = np.kron(
                        random.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)
                    )
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode(None))
    return folder


def make_run(folder: Path, mode: str) -> Path:
    """What `toolkit train` leaves behind, with weights as they are drawn."""
    overrides: dict[str, object] = {"model.input_type": mode}
    if mode == "video":
        overrides["data.index"] = str(make_videos(folder / "videos"))
    else:
        key = "efficiency.pose_dir" if mode == "pose" else "efficiency.feature_dir"
        overrides[key] = str(make_store(folder / "store", mode))
    run_dir = folder / "run"
    run_dir.mkdir()
    (run_dir / "config.yaml").write_text(load_settings(None, overrides).to_yaml())
    shape, layout = SHAPES[mode]
    frames = 8 if mode != "video" else 4
    spec = ModelSpec(mode, shape, layout, frames, len(GLOSSES), both_ways=mode == "pose", **SMALL)
    torch.manual_seed(0)
    model = SignClassifier(spec)
    if mode != "video":
        store = FeatureStore.open(folder / "store")
        model.fit_normalization([torch.from_numpy(store.load(store.ids))])
    info = RunInfo(
        spec=spec,
        glosses=GLOSSES,
        extractor=fingerprint(mode),
        training={"clips": 9, "config": str(folder / "configs" / "small.yaml"), "seed": 0},
        metrics={"top1": 0.5, "n": 3, "interval": [0.1, 0.9]},
        epoch=7,
    )
    save_checkpoint(run_dir, "best", model.state_dict(), info)
    return run_dir


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """mode -> a run directory whose model.onnx was written; an export takes seconds, so one per mode."""

    @cache
    def run_of(mode: str) -> Path:
        run_dir = make_run(tmp_path_factory.mktemp(mode), mode)
        report = export_run(run_dir)
        assert report.path == run_dir / "model.onnx"
        assert report.size_bytes == report.path.stat().st_size
        assert report.max_difference <= 1e-4
        assert report.clips == (6 if mode == "video" else 3)
        assert report.cases == {"pose": 12, "features": 8, "video": 7}[mode]
        return run_dir

    return run_of


@pytest.fixture(scope="module", params=list(SHAPES))
def exported(request: pytest.FixtureRequest, runs: Callable[[str], Path]) -> Path:
    return runs(request.param)


@pytest.fixture(scope="module")
def features_run(runs: Callable[[str], Path]) -> Path:
    return runs("features")


def test_the_file_gives_what_torch_gives(exported: Path) -> None:
    module, info = load_run(exported)
    shape, mode = info.spec.item_shape, info.spec.mode
    with Recognizer.load(exported / "model.onnx") as recognizer:
        for number, length in ((1, 1), (1, 5), (3, 8), (5, 21)):
            if mode == "video":
                clips = np.random.default_rng(1).integers(0, 256, (number, length, *shape), np.uint8)
            else:
                clips = np.stack(
                    [np.resize(clip_values(mode, 100 + k), (length, *shape)) for k in range(number)]
                )
            with torch.inference_mode():
                expected = module(torch.from_numpy(clips)).numpy()
            np.testing.assert_allclose(recognizer.logits(clips), expected, atol=1e-4)
            found = recognizer.predict(clips[0])
            if mode != "video" or length == info.spec.num_frames:
                assert found.gloss == GLOSSES[expected[0].argmax()]


def test_the_file_describes_itself(exported: Path) -> None:
    _, info = load_run(exported)
    metadata = Recognizer.load(exported / "model.onnx").metadata
    assert metadata.glosses == GLOSSES
    assert (metadata.mode, metadata.layout) == (info.spec.mode, info.spec.layout)
    assert (metadata.num_frames, metadata.item_shape) == (info.spec.num_frames, info.spec.item_shape)
    assert metadata.extractor == info.extractor
    assert metadata.metrics == {"top1": 0.5, "n": 3, "interval": [0.1, 0.9]}
    assert metadata.training == {"clips": 9, "config": "small.yaml", "seed": 0, "epoch": 7}
    assert metadata.versions["torch"] == str(torch.__version__)


def test_the_file_is_alone_and_holds_nothing_of_this_machine(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir() if "onnx" in path.name) == ["model.onnx"]
    content = (exported / "model.onnx").read_bytes()
    here = [
        str(exported),
        str(Path.cwd()),
        sys.prefix,
        str(Path(torch.__file__).parent),
        str(Path(__file__).parent),
    ]
    for trace in (*here, "site-packages", "stack_trace", ".py", 'File "'):
        assert trace.encode() not in content, trace
    graph = onnx.load_from_string(content).graph
    assert not any(node.doc_string or node.metadata_props for node in graph.node)


def test_batch_and_time_are_dynamic(exported: Path) -> None:
    (clips,) = onnx.load(exported / "model.onnx").graph.input
    sizes = [size.dim_param or size.dim_value for size in clips.type.tensor_type.shape.dim]
    assert sizes == ["batch", "time", *SHAPES[load_run(exported)[1].spec.mode][0]]


def test_recognising_with_an_exported_file_needs_no_torch(exported: Path, tmp_path: Path) -> None:
    mode = load_run(exported)[1].spec.mode
    source = exported.parent / "videos" / "val" / "book" / "0.mp4"
    if mode != "video":
        source = tmp_path / "clip.npy"
        np.save(source, clip_values(mode, 5))
    code = (
        "import sys, json; from toolkit.cli.main import main\n"
        f"status = main(['predict', {str(exported / 'model.onnx')!r}, {str(source)!r}, '--json'])\n"
        "banned = {'torch', 'mediapipe', 'onnx', 'pydantic', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'loaded {banned}' if banned else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["source"] == str(source)
    assert [answer["gloss"], answer["score"]] == answer["top"][0]


def test_videos_go_through_the_extractor_of_the_training(features_run: Path, tmp_path: Path) -> None:
    path = make_videos(tmp_path) / "val" / "drink" / "1.mp4"
    extractor = make_extractor(CNN)
    features = extractor.extract(sample_frames(path, 8, size=extractor.frame_size)).values
    extractor.close()
    with Recognizer.load(features_run / "model.onnx") as recognizer:
        assert recognizer.predict(path) == recognizer.predict(features)
        frames = np.stack(list(sample_frames(path, 6, size=(224, 224))))
        assert dict(recognizer.predict(frames).top) == pytest.approx(dict(recognizer.predict(path).top))


def test_another_extractor_is_refused_unless_overridden(features_run: Path, tmp_path: Path) -> None:
    path, other = make_videos(tmp_path) / "val" / "drink" / "1.mp4", tmp_path / "other.onnx"
    model = onnx.load(features_run / "model.onnx")
    prop = next(item for item in model.metadata_props if item.key == "sign_toolkit.extractor")
    prop.value = json.dumps(json.loads(prop.value) | {"weights": "0123"})
    onnx.save(model, other)
    with pytest.raises(ModelFileError, match="changed after it was exported"):
        Recognizer.load(other)
    other.write_bytes(sealed(other.read_bytes()))
    with (
        Recognizer.load(other) as recognizer,
        pytest.raises(ModelFileError, match="trained on weights=0123; in use weights="),
    ):
        recognizer.predict(path)
    with (
        Recognizer.load(other, override=True) as overridden,
        Recognizer.load(features_run / "model.onnx") as plain,
    ):
        assert overridden.predict(path) == plain.predict(path)


def test_the_file_is_calibrated_on_the_validation_clips(exported: Path) -> None:
    mode = load_run(exported)[1].spec.mode
    with Recognizer.load(exported / "model.onnx") as recognizer:
        metadata = recognizer.metadata
        assert metadata.temperature is not None and metadata.temperature > 0
        assert metadata.threshold is not None and 0 <= metadata.threshold <= 1
        assert metadata.ece is not None
        if mode == "video":
            return
        store = FeatureStore.open(exported.parent / "store")
        clips = store.load([record.id for record in store.records if record.split == "val"])
        labels = np.array([GLOSSES.index(r.gloss) for r in store.records if r.split == "val"])
        logits = recognizer.logits(clips)
        assert metadata.temperature == pytest.approx(fit_temperature(logits, labels), rel=1e-3)
        assert recognizer.predict(clips[0]).score == pytest.approx(
            softmax(logits[0], metadata.temperature).max()
        )


def test_int8_is_written_when_it_is_worth_it_else_fp32_with_the_reason(
    runs: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "small.onnx"
    assert main(["export", str(runs("pose")), "--output", str(output), "--precision", "int8", "--json"]) == 0
    printed = capsys.readouterr().out
    report = json.loads(printed.splitlines()[-1])
    fp32, int8 = report["comparison"]["fp32"], report["comparison"]["int8"]
    assert report["size_bytes"] == output.stat().st_size
    quantised = any(node.op_type == "MatMulInteger" for node in onnx.load(output).graph.node)
    assert (report["precision"] == "int8") == quantised
    if quantised:
        assert int8["top1"] >= fp32["top1"] - 0.005
        assert int8["size_bytes"] < fp32["size_bytes"] or int8["latency_ms"] < fp32["latency_ms"]
        assert Recognizer.load(output).metadata.metrics["int8"]["n"] == 3
    else:
        assert "fall" in report["reason"] or "neither" in report["reason"]
    for figure in ("top-1", "MB", "ms per clip", "validation clips"):
        assert figure in printed


def test_without_validation_clips_there_is_no_calibration_and_no_int8(
    features_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    store = features_run.parent / "store"
    unvalidated = {
        "model.input_type": "features",
        "efficiency.feature_dir": str(store),
        "data.val_split": "none",
    }
    (run / "config.yaml").write_text(load_settings(None, unvalidated).to_yaml())
    module, info = load_run(features_run)
    save_checkpoint(run, "best", module.state_dict(), info)
    report = export_run(run, precision="int8")
    assert (report.precision, report.temperature, report.comparison) == ("fp32", None, None)
    assert "no validation clips" in report.reason
    assert Recognizer.load(report.path).metadata.threshold is None
    with pytest.raises(ConfigError, match="precision is 'int4'"):
        export_run(run, precision="int4")


def test_a_run_without_checkpoint_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "nothing")]) == 2
    assert "no checkpoint" in capsys.readouterr().err


def test_a_refused_export_leaves_the_folder_as_it_was(features_run: Path, tmp_path: Path) -> None:
    module, info = load_run(features_run)
    broken, old = tmp_path / "run", tmp_path / "old.onnx"
    broken.mkdir()
    (broken / "config.yaml").write_text((features_run / "config.yaml").read_text())
    module.head.bias.data[1] = float("nan")
    save_checkpoint(broken, "best", module.state_dict(), info)
    with pytest.raises(ExportError, match=r"not finite.*nothing was written"):
        export_run(broken, tmp_path / "out" / "model.onnx")
    old.write_text("the model of yesterday")
    with pytest.raises(StoreError, match="toolkit extract"):
        export_run(broken, old, store=tmp_path / "no store")
    assert old.read_text() == "the model of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.onnx", "run"]


def test_differences_to_torch_are_refused(features_run: Path) -> None:
    module, info = load_run(features_run)
    with torch.no_grad():
        module.head.weight.zero_()
        module.head.bias.zero_()
    model = to_onnx(module, metadata_of(info)).SerializeToString()
    clips = np.stack([clip_values("features", seed) for seed in range(4)])
    assert verify(module, model, [clips]).max_difference == 0
    with torch.no_grad():
        module.head.bias[2] = 5e-5
    with pytest.raises(ExportError, match="top-1 glosses differ"):
        verify(module, model, [clips])
    with torch.no_grad():
        module.head.bias[:] = torch.tensor([2e-4, 0, 0])
    with pytest.raises(ExportError, match=r"differ by 2\.00e-04"):
        verify(module, model, [clips])
    with pytest.raises(ExportError, match="not one real clip"):
        verify(module, model, [])
    with pytest.raises(ExportError, match="not valid ONNX"):
        verify(module, _without_last_node(model), [clips])


def test_edge_cases_cover_lengths_batches_and_gaps() -> None:
    batch = np.stack([clip_values("pose", seed) for seed in range(3)])
    cases = list(edge_cases(batch, "body_hands"))
    assert {clips.shape[1] for _, clips in cases} == {1, 2, 8, 24, 300}
    assert {len(clips) for _, clips in cases} == {1, 2, 7}
    assert any(np.isnan(clips).all() for _, clips in cases)
    lacking = dict(cases)["clips without left_hand"]
    assert np.isnan(lacking[:, :, 33:54]).all() and not np.isnan(lacking[:, :, 54:]).all()


def test_the_command_says_how_to_name_a_moved_store(
    features_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, store, output = tmp_path / "run", features_run.parent / "store", tmp_path / "new" / "signs.onnx"
    lost.mkdir()
    moved = {"model.input_type": "features", "efficiency.feature_dir": str(tmp_path / "gone")}
    (lost / "config.yaml").write_text(load_settings(None, moved).to_yaml())
    module, info = load_run(features_run)
    save_checkpoint(lost, "best", module.state_dict(), info)
    assert main(["export", str(lost)]) == 2
    assert "--store" in capsys.readouterr().err
    assert not (lost / "model.onnx").exists()
    assert main(["export", str(lost), "--store", str(store), "--output", str(output), "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[-1])
    assert report["path"] == str(output)
    assert report["size_bytes"] == output.stat().st_size
    assert report["parameters"] == module.num_parameters
    assert report["clips"] == 3
    assert any("largest difference to torch" in line for line in lines)


def test_a_store_of_another_extractor_is_refused(features_run: Path, tmp_path: Path) -> None:
    module, info = load_run(features_run)
    (tmp_path / "config.yaml").write_text((features_run / "config.yaml").read_text())
    save_checkpoint(tmp_path, "best", module.state_dict(), replace(info, extractor={"backend": "torch"}))
    with pytest.raises(StoreMismatchError, match=r"trained on \{'backend': 'torch'\}.*found \{.*--store"):
        export_run(tmp_path)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/someone/configs/small.yaml", "small.yaml"),
        ("toolkit train --config ~/signs/a.yaml --set x=1", "toolkit train --config a.yaml --set x=1"),
        (r"C:\Users\someone\a.yaml", "a.yaml"),
        ("dataset/poses", "dataset/poses"),
        ("https://example.org/data/x", "https://example.org/data/x"),
        ("train/val/test", "train/val/test"),
        (Path("/data/wlasl/store"), "store"),
        (float("nan"), None),
        ((1, 2.5, True, None), [1, 2.5, True, None]),
    ],
)
def test_metadata_holds_no_folders_of_the_machine(features_run: Path, given: object, kept: object) -> None:
    _, info = load_run(features_run)
    metadata = metadata_of(replace(info, training={"value": {"inner": given}}))
    assert metadata.training == {"value": {"inner": kept}, "epoch": 7}


def _without_last_node(model: bytes) -> bytes:
    broken = onnx.load_from_string(model)
    del broken.graph.node[-1]
    return broken.SerializeToString()
