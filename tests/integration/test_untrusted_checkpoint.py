"""Checkpoints that were damaged or made by a stranger are refused, the file named, before memory is taken."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch
from safetensors.torch import save

from toolkit.cli.main import main
from toolkit.errors import TrainingError
from toolkit.train.checkpoint import HEADER_KEY, RunInfo, load_run, read_checkpoint, save_checkpoint
from toolkit.train.model import ModelSpec, SignClassifier

SPEC = ModelSpec("features", (3,), "", 2, 2, embed_dim=4, num_heads=2, num_layers=1, ff_dim=4)
INFO = RunInfo(SPEC, ("book", "go"), {"backend": "test"}, {"clips": 3}, {"val_top1": 0.5}, 7)


@pytest.fixture
def run_dir(tmp_path):
    torch.manual_seed(0)
    for which in ("best", "last"):
        save_checkpoint(tmp_path, which, SignClassifier(SPEC).state_dict(), INFO, {"step": torch.ones(3)})
    return tmp_path


def weights():
    return {f"model.{name}": tensor for name, tensor in SignClassifier(SPEC).state_dict().items()}


@pytest.mark.parametrize("flip", [1, 0x80])
def test_every_flipped_byte_is_found(run_dir, flip):
    path = run_dir / "last.safetensors"
    content = path.read_bytes()
    for place in range(0, len(content), 1 if flip == 1 else 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        with pytest.raises(TrainingError, match=r"last\.safetensors is damaged"):
            read_checkpoint(run_dir, "last")
    path.write_bytes(content)
    assert read_checkpoint(run_dir, "last")[0] == INFO


def test_check_names_the_damaged_file_and_the_cure(run_dir, capsys):
    assert main(["check", str(run_dir)]) == 1
    assert "config.yaml is missing" in capsys.readouterr().out
    (run_dir / "config.yaml").write_text("model: {}\n")
    assert main(["check", str(run_dir)]) == 0
    path = run_dir / "last.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    capsys.readouterr()
    assert main(["check", str(run_dir)]) == 1
    shown = capsys.readouterr().out
    assert "last.safetensors is damaged" in shown and "copy it anew, or train again" in shown


def test_any_cut_is_found(run_dir):
    path = run_dir / "last.safetensors"
    content = path.read_bytes()
    for length in [*range(0, len(content), 11), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(TrainingError, match="damaged"):
            read_checkpoint(run_dir, "last")


def test_a_checkpoint_of_before_the_hash_is_read(run_dir):
    (run_dir / "best.safetensors").write_bytes(save(weights(), {HEADER_KEY: INFO.to_json()}))
    model, info = load_run(run_dir)
    assert info == INFO and not model.training


@pytest.mark.parametrize(
    "changed",
    [
        {"embed_dim": 2**40}, {"embed_dim": 2**16, "ff_dim": 2**16}, {"num_layers": 10**9}, {"num_layers": 0},
        {"num_heads": 0}, {"item_shape": [2**31]}, {"item_shape": 3}, {"item_shape": ["3"]}, {"num_classes": True},
        {"ff_dim": 1e9}, {"mode": "poses"}, {"mode": ["pose"]}, {"dropout": "x"}, {"features": None}, {"more": 1},
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_right_takes_no_memory(run_dir, changed):
    """The description is a stranger's: with 2**40 values per layer it would ask for terabytes."""
    text = json.dumps(asdict(INFO) | {"spec": asdict(SPEC) | changed})
    (run_dir / "best.safetensors").write_bytes(save(weights(), {HEADER_KEY: text}))
    with pytest.raises(TrainingError, match=r"best\.safetensors") as caught:
        load_run(run_dir)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "3", "{}", '{"spec": 3}', '{"spec": {}}'])
def test_a_description_of_another_kind_is_refused(run_dir, text):
    (run_dir / "best.safetensors").write_bytes(save(weights(), {HEADER_KEY: text}))
    with pytest.raises(TrainingError, match=r"best\.safetensors"):
        load_run(run_dir)


def test_a_pickle_under_our_name_is_not_run(run_dir):
    """torch.load would run what stands in it; a checkpoint here is read as safetensors and nothing else."""
    code = f"import pickle, os\nclass Bad:\n def __reduce__(self): return os.mkdir, ({str(run_dir / 'hacked')!r},)\n"
    code += f"open({str(run_dir / 'best.safetensors')!r}, 'wb').write(pickle.dumps(Bad()))"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(TrainingError, match="damaged"):
        load_run(run_dir)
    assert not (run_dir / "hacked").exists()
