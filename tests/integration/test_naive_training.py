"""The loop that training is measured beside does the same work: from equal weights, equal losses."""

import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import numpy as np
import torch

from bench.naive_training import ClipFiles, NaiveClassifier, train_naively, write_files
from toolkit.clips import Clip
from toolkit.config import load_settings
from toolkit.store import StoreSpec, StoreWriter
from toolkit.train.loop import Trainer
from toolkit.train.optimizer import learning_rate
from toolkit.train.prepare import prepare

RENAMED = {
    "stem.project": "project",
    "query_key_value.weight": "self_attn.in_proj_weight",
    "query_key_value.bias": "self_attn.in_proj_bias",
    "mix_heads": "self_attn.out_proj",
    "attention_norm": "norm1",
    "feed_forward_norm": "norm2",
    "up.": "linear1.",
    "down.": "linear2.",
    "encoder.": "encoder.layers.",
}
EPOCHS = 4


def naive_name(name):
    for ours, theirs in RENAMED.items():
        name = name.replace(ours, theirs)
    return name


@pytest.mark.parametrize("batch_size", [4, 16])
def test_both_loops_give_the_same_loss_curve(tmp_path, batch_size):
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "store", StoreSpec("pose", (33, 4), 16, "body", {})) as writer:
        for gloss in ("book", "drink", "go"):
            for take in range(12):
                values = rng.random((16, 33, 4), dtype=np.float32)
                values[take, 5] = np.nan
                writer.append(Clip(f"{gloss}-{take:02d}", gloss, "train", "", tmp_path / "a.mp4"), values, {})
    given = {
        "efficiency.pose_dir": str(tmp_path / "store"), "training.epochs": EPOCHS, "model.dropout": 0.0,
        "training.batch_size": batch_size, "training.weight_decay": 0.0, "training.gradient_clip": 1e9,
        "training.label_smoothing": 0.0, "model.normalization": "none", "augmentation.enabled": False,
    }  # fmt: skip
    settings = load_settings(None, given)
    p = prepare(settings)
    (tmp_path / "run").mkdir()
    trainer = Trainer(settings, p.spec, p.train, p.val, tmp_path / "run", p.extractor, p.facts)
    naive = NaiveClassifier(16, 132, 3, dropout=0.0)
    naive.load_state_dict({naive_name(name): v.clone() for name, v in trainer.model.state_dict().items()})
    names = write_files(tmp_path / "files", p.train.batch(range(len(p.train))))
    files = ClipFiles(tmp_path / "files", dict(zip(names, p.train.labels.tolist(), strict=True)))
    orders = []
    for epoch in range(1, EPOCHS + 1):
        torch.manual_seed((settings.training.seed << 20) + epoch)
        orders.append(torch.randperm(len(p.train)).tolist())
    steps = EPOCHS * -(-len(p.train) // batch_size)
    curve = train_naively(
        naive, files, batch_size, orders, lambda step: learning_rate(step, steps, settings.training), 0.0
    )
    rows = []
    trainer.run(rows.append)
    np.testing.assert_allclose([row.train_loss for row in rows], [loss for loss, _ in curve], rtol=2e-4)
    assert [row.train_top1 for row in rows] == pytest.approx([hits for _, hits in curve], abs=1 / 36 + 1e-9)
