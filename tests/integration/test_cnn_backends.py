"""torch and onnxruntime run the same CNN, and the shipped file is what `export.cnn` writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from export import cnn as export_cnn
from toolkit.errors import ConfigError, ExportError, WeightsError
from toolkit.extract import Extractor, ExtractorSpec, make_extractor
from toolkit.extract.cnn_projection import WEIGHTS_FILE
from toolkit.extract.cnn_torch import EfficientNetLite0, TorchCnn, load_network
from toolkit.video import sample_frames
from toolkit.weights import SHA256, weights_path

AGREEMENT = 1e-4


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Spinning OpenMP threads make torch several times slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=[128, 1280])
def backends(request: pytest.FixtureRequest) -> Iterator[list[Extractor]]:
    made = [
        make_extractor(ExtractorSpec("features", name, embed_dim=request.param)) for name in ("onnx", "torch")
    ]
    yield made
    for extractor in made:
        extractor.close()


def assert_agreement(backends: list[Extractor], frames: list[NDArray[np.uint8]]) -> None:
    by_onnx, by_torch = (backend.extract(iter(frames)).values for backend in backends)
    assert by_onnx.shape == by_torch.shape == (len(frames), *backends[0].item_shape)
    assert by_torch.dtype == np.float32
    assert np.abs(by_onnx).max() > 0.1
    np.testing.assert_allclose(by_torch, by_onnx, rtol=0, atol=AGREEMENT)


def test_backends_agree_on_drawn_frames(backends: list[Extractor]) -> None:
    assert_agreement(backends, list(export_cnn.check_frames(None)))


def test_backends_agree_on_real_frames(backends: list[Extractor], data_dir: Path) -> None:
    videos = sorted((data_dir / "wlasl").rglob("*.mp4"))[::80]
    assert videos
    for video in videos:
        assert_agreement(backends, list(sample_frames(video, 4, size=(224, 224))))


def test_features_of_both_backends_are_interchangeable(backends: list[Extractor]) -> None:
    by_onnx, by_torch = (backend.fingerprint for backend in backends)
    assert by_onnx == by_torch


@pytest.mark.parametrize("side", [160, 128])
def test_backends_agree_on_smaller_frames(side: int) -> None:
    made = [make_extractor(ExtractorSpec("features", name, image_size=side)) for name in ("onnx", "torch")]
    frames = [np.ascontiguousarray(frame[:side, :side]) for frame in export_cnn.check_frames(None)]
    assert_agreement(made, frames)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ExtractorSpec("features", "torch", precision="int8"), "int8 needs --backend onnx"),
        (ExtractorSpec("features", "torch", model_asset=Path("my.onnx")), "my.onnx.*--backend onnx only"),
    ],
)
def test_what_torch_cannot_honour_is_refused(spec: ExtractorSpec, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_extractor(spec)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_torch_without_cuda_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"device is 'cuda', but this torch.*--device cpu.*pytorch.org"):
        make_extractor(ExtractorSpec("features", "torch", device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU and torch for CUDA")
def test_a_gpu_gives_the_numbers_of_the_cpu() -> None:
    made = [make_extractor(ExtractorSpec("features", "torch", device=name)) for name in ("cpu", "cuda")]
    assert_agreement(made, list(export_cnn.check_frames(None)))


def test_the_torch_backend_leaves_the_callers_threads_alone() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        TorchCnn(ExtractorSpec("features", "torch", threads=1)).extract(export_cnn.check_frames(None))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_file_with_other_weights_is_refused(tmp_path: Path) -> None:
    model = onnx.load(weights_path(WEIGHTS_FILE))
    kernel = next(item for item in model.graph.initializer if item.name == "head.weight")
    kernel.dims[:] = [kernel.dims[1], kernel.dims[0], 1, 1]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match=r"other.onnx: weight 'head.weight' is \(320, 1280, 1, 1\)"):
        load_network(tmp_path / "other.onnx")


@pytest.fixture(scope="module")
def source() -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(export_cnn.source_file(), weights_only=True)
    return state


def test_folding_gives_convolution_then_batchnorm(source: dict[str, torch.Tensor]) -> None:
    network = EfficientNetLite0()
    folded = export_cnn.fold_batchnorm(network, source)
    assert folded.keys() == network.state_dict().keys()
    tensors = list(source.values())
    convs = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, torch.nn.Conv2d)]
    torch.manual_seed(0)
    for index, (name, layer) in enumerate(convs):
        kernel, scale, shift, mean, variance, _ = tensors[6 * index : 6 * index + 6]
        x = torch.rand(1, layer.in_channels, 9, 9)
        separate = F.batch_norm(
            F.conv2d(x, kernel, groups=layer.groups),
            mean,
            variance,
            scale,
            shift,
            eps=export_cnn.BATCHNORM_EPS,
        )
        joined = F.conv2d(x, folded[f"{name}.weight"], folded[f"{name}.bias"], groups=layer.groups)
        torch.testing.assert_close(joined, separate, rtol=1e-4, atol=1e-4)


def test_weights_of_another_network_are_refused(source: dict[str, torch.Tensor]) -> None:
    short = dict(list(source.items())[:-1])
    with pytest.raises(WeightsError, match="296 were expected"):
        export_cnn.fold_batchnorm(EfficientNetLite0(), short)
    bent = dict(source)
    first = next(iter(bent))
    bent[first] = bent[first][:, :1]
    with pytest.raises(WeightsError, match="do not fit the layer 'stem'"):
        export_cnn.fold_batchnorm(EfficientNetLite0(), bent)


def test_exporting_again_gives_the_shipped_bytes(tmp_path: Path) -> None:
    report = export_cnn.export_cnn(tmp_path / "again.onnx")
    assert hashlib.sha256((tmp_path / "again.onnx").read_bytes()).hexdigest() == SHA256[WEIGHTS_FILE]
    assert report["max_difference"] <= export_cnn.TOLERANCE
    assert report["min_cosine"] >= export_cnn.MIN_COSINE
    assert [path.name for path in tmp_path.iterdir()] == ["again.onnx"]


def test_a_refused_export_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_cnn, "TOLERANCE", 0.0)  # no two runtimes agree to the last bit
    with pytest.raises(ExportError, match=r"differs from torch by .*e-0.*0e\+00 is allowed"):
        export_cnn.export_cnn(tmp_path / "refused.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_with_other_weights_does_not_pass_as_the_exported_one() -> None:
    model = onnx.load(weights_path(WEIGHTS_FILE))
    images = np.stack(list(export_cnn.check_frames(None)))
    shipped, other = load_network(weights_path(WEIGHTS_FILE)), load_network(weights_path(WEIGHTS_FILE))
    with torch.no_grad():
        other.blocks[5].project.weight *= 1.1
    with pytest.raises(ExportError, match="differs from torch"):
        export_cnn.verify(model, other, shipped, images)
    with pytest.raises(ExportError, match="cosine"):
        export_cnn.verify(model, shipped, other, images)
