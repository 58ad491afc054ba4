"""Training on real stores: it learns, continues bit for bit, and stops with a reason."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.clips import Clip
from toolkit.config import load_settings
from toolkit.errors import ConfigError, TrainingError
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.train.checkpoint import load_run, read_checkpoint
from toolkit.train.dataset import StoreClips
from toolkit.train.loop import Trainer
from toolkit.train.prepare import prepare
from toolkit.train.validate import compute_logits

FRAMES, SIZE, PER_GLOSS = 16, 8, 8
GLOSSES = ("book", "drink", "go")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Two threads that spin are slower than one wherever something else runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_store(path, order=1, splits=("train", "val"), broken=False):
    """A features store: each gloss is a noisy course of its own through the feature space."""
    rng = np.random.default_rng(0)
    courses = np.random.default_rng(1).normal(size=(len(GLOSSES), FRAMES, SIZE))
    clips = []
    for split in splits:
        for label, gloss in enumerate(GLOSSES):
            for take in range(PER_GLOSS):
                clip = Clip(f"{split}-{gloss}-{take}", gloss, split, "s", Path("clip.mp4"))
                clips.append(
                    (clip, (courses[label] + 0.5 * rng.normal(size=(FRAMES, SIZE))).astype(np.float32))
                )
    with StoreWriter(path, StoreSpec("features", (SIZE,), FRAMES, "", {"backend": "drawn"})) as writer:
        for clip, values in clips[::order]:
            writer.append(clip, values * (1e37 if broken else 1), {})
    return path


def make_trainer(store, run_dir, resume=False, **changes):
    given = {"training.epochs": 6, "training.batch_size": 5, "model.embed_dim": 16, "model.ff_dim": 32}
    given |= {"efficiency.feature_dir": str(store), "efficiency.use_pose": False}
    settings = load_settings(None, given | {key.replace("__", "."): value for key, value in changes.items()})
    p = prepare(settings)
    run_dir.mkdir(exist_ok=True)
    return Trainer(settings, p.spec, p.train, p.val, run_dir, p.extractor, p.facts, resume)


def nothing(row):
    pass


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns_what_can_be_learnt(tmp_path):
    store = make_store(tmp_path / "store")
    outcome = make_trainer(store, tmp_path / "run", training__epochs=15).run(nothing)
    assert outcome.metrics["val_top1"] >= 0.8 and outcome.metrics["n_val"] == len(GLOSSES) * PER_GLOSS
    model, info = load_run(tmp_path / "run")
    clips = StoreClips(FeatureStore.open(store), ["val"], info.spec.num_frames, info.glosses)
    hits = (compute_logits(model, clips).argmax(1) == clips.labels).mean()
    assert hits == pytest.approx(info.metrics["val_top1"]) and info.epoch == outcome.best_epoch
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "changes",
    [
        {"training__ema": 0.0},
        {"training__ema": 0.9},
        {"training__mixup": 0.3, "training__validate_every": 4, "training__choose": "last"},
    ],
)
def test_a_stopped_run_continues_bit_for_bit(tmp_path, changes):
    store = make_store(tmp_path / "store")
    whole = make_trainer(store, tmp_path / "whole", **changes).run(nothing)

    def stop_after_three(row):
        if row.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trainer(store, tmp_path / "parts", **changes).run(stop_after_three)
    assert read_checkpoint(tmp_path / "parts", "last")[0].epoch == 3
    parts = make_trainer(store, tmp_path / "parts", True, **changes).run(nothing)
    assert parts == whole
    for which in ("last", "best"):
        (info, weights, resume), (info2, weights2, resume2) = (
            read_checkpoint(tmp_path / run, which) for run in ("whole", "parts")
        )
        assert info == info2 and same(weights, weights2) and same(resume, resume2)
    logs = [(tmp_path / run / "log.jsonl").read_text().splitlines() for run in ("whole", "parts")]
    figures = [[(json.loads(line)["epoch"], json.loads(line)["train_loss"]) for line in log] for log in logs]
    assert figures[0] == figures[1] and [epoch for epoch, _ in figures[0]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("stopped_in", [2, 4])
@pytest.mark.parametrize("choose", ["best", "last"])
def test_stopped_within_an_epoch_the_whole_ones_are_kept(tmp_path, monkeypatch, stopped_in, choose):
    """Nothing but the first epoch is written by the clock; the rest is on disk once the run was stopped."""
    monkeypatch.setattr("toolkit.train.keep.KEEP_EVERY", 1e9)
    store, changes = make_store(tmp_path / "store"), {"training__choose": choose}
    make_trainer(store, tmp_path / "whole", **changes).run(nothing)
    trainer, batches = make_trainer(store, tmp_path / "parts", **changes), 0
    original = trainer._step

    def step(*args):
        nonlocal batches
        loss = original(*args)
        batches += 1
        if batches == (stopped_in - 1) * 5 + 3:  # 24 clips are five batches
            raise KeyboardInterrupt
        return loss

    trainer._step = step
    with pytest.raises(KeyboardInterrupt):
        trainer.run(nothing)
    assert read_checkpoint(tmp_path / "parts", "last")[0].epoch == trainer.epoch == stopped_in - 1
    make_trainer(store, tmp_path / "parts", True, **changes).run(nothing)
    for which in ("last", "best"):
        whole, parts = (read_checkpoint(tmp_path / run, which) for run in ("whole", "parts"))
        assert whole[0] == parts[0] and same(whole[1], parts[1]) and same(whole[2], parts[2])


def test_only_some_epochs_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr("toolkit.train.keep.KEEP_EVERY", 1e9)
    written, path = [], tmp_path / "run" / "last.json"
    make_trainer(make_store(tmp_path / "store"), tmp_path / "run").run(
        lambda row: written.append(json.loads(path.read_text())["epoch"])
    )
    assert written == [1] * 6 and json.loads(path.read_text())["epoch"] == 6


def test_a_stopped_run_that_drops_pieces_continues_bit_for_bit(tmp_path):
    rng, store = np.random.default_rng(0), tmp_path / "store"
    with StoreWriter(store, StoreSpec("pose", (33, 4), FRAMES, "body", {"backend": "drawn"})) as writer:
        for take in range(4 * len(GLOSSES)):
            clip = Clip(f"clip-{take}", GLOSSES[take % len(GLOSSES)], "train", "s", Path("clip.mp4"))
            writer.append(clip, rng.random((FRAMES, 33, 4), np.float32), {})
    changes = {"efficiency__use_pose": True, "efficiency__pose_dir": str(store), "training__epochs": 3}
    whole = make_trainer(store, tmp_path / "whole", augmentation__drop_piece=0.3, **changes)
    whole.run(nothing)

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trainer(store, tmp_path / "parts", augmentation__drop_piece=0.3, **changes).run(stop)
    parts = make_trainer(store, tmp_path / "parts", True, augmentation__drop_piece=0.3, **changes)
    parts.run(nothing)
    assert same(whole.model.state_dict(), parts.model.state_dict())
    none_dropped = make_trainer(store, tmp_path / "none", augmentation__drop_piece=0.0, **changes)
    none_dropped.run(nothing)
    assert not same(whole.model.state_dict(), none_dropped.model.state_dict())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_mixed_clips_teach_too_in_either_precision(tmp_path, precision):
    changes = {"training__mixup": 0.3, "training__precision": precision, "training__epochs": 15}
    outcome = make_trainer(make_store(tmp_path / "store"), tmp_path / "run", **changes).run(nothing)
    assert outcome.metrics["val_top1"] >= 0.8


def test_validation_is_left_out_between_and_never_at_the_end(tmp_path):
    rows = []
    changes = {"training__validate_every": 2, "training__epochs": 5}
    outcome = make_trainer(make_store(tmp_path / "store"), tmp_path / "run", **changes).run(rows.append)
    assert [row.val_top1 is not None for row in rows] == [False, True, False, True, True]
    assert outcome.best_epoch in (2, 4, 5) and outcome.metrics["val_top1"] is not None


def test_the_last_weights_are_kept_on_request(tmp_path):
    store = make_store(tmp_path / "store")
    outcome = make_trainer(store, tmp_path / "run", training__choose="last").run(nothing)
    weights = [read_checkpoint(tmp_path / "run", which)[1] for which in ("best", "last")]
    assert outcome.best_epoch == 6 and same(*weights)


def test_signers_can_be_held_out(tmp_path):
    with StoreWriter(tmp_path / "store", StoreSpec("features", (SIZE,), FRAMES, "", {})) as writer:
        for signer in ("anna", "ben", "cleo"):
            for split in ("train", "val"):
                for gloss in GLOSSES:
                    clip = Clip(f"{signer}-{split}-{gloss}", gloss, split, signer, Path("clip.mp4"))
                    writer.append(clip, np.zeros((FRAMES, SIZE), np.float32), {})
    given = {"efficiency.feature_dir": str(tmp_path / "store"), "efficiency.use_pose": False}
    prepared = prepare(load_settings(None, given | {"data.val_signers": ["ben"]}))
    assert prepared.val is not None
    assert {name.split("-")[0] for name in prepared.train.ids} == {"anna", "cleo"}
    assert {name.split("-")[0] for name in prepared.val.ids} == {"ben"} and len(prepared.val) == 6
    assert not any("signers that training sees" in note for note in prepared.notes)
    with pytest.raises(ConfigError, match=r"'dora'.*anna, ben, cleo"):
        prepare(load_settings(None, given | {"data.val_signers": ["dora"]}))
    notes = prepare(load_settings(None, given)).notes
    assert [note for note in notes if "9 of 9 validation clips are of signers that training sees" in note]


def test_a_log_line_without_its_checkpoint_is_dropped_on_resume(tmp_path):
    store = make_store(tmp_path / "store")
    make_trainer(store, tmp_path / "run", training__epochs=2).run(nothing)
    log = tmp_path / "run" / "log.jsonl"
    ahead = log.read_text().splitlines()[1].replace('"epoch": 2', '"epoch": 3')
    log.write_text(log.read_text() + ahead + '\n{"epoch": 4, "tor')
    make_trainer(store, tmp_path / "run", True, training__epochs=3).run(nothing)
    assert [json.loads(line)["epoch"] for line in log.read_text().splitlines()] == [1, 2, 3]


def test_the_result_does_not_depend_on_the_order_of_extraction(tmp_path):
    for name, order in (("forward", 1), ("backward", -1)):
        make_trainer(make_store(tmp_path / name, order), tmp_path / f"run-{name}").run(nothing)
    first, second = (read_checkpoint(tmp_path / f"run-{name}", "last") for name in ("forward", "backward"))
    assert same(first[1], second[1]) and first[0].metrics == second[0].metrics


def test_another_seed_gives_another_model(tmp_path):
    store = make_store(tmp_path / "store")
    for seed in (0, 1):
        make_trainer(store, tmp_path / f"run{seed}", training__seed=seed, training__epochs=1).run(nothing)
    weights = [read_checkpoint(tmp_path / f"run{seed}", "last")[1]["head.weight"] for seed in (0, 1)]
    assert not torch.equal(*weights)


def test_resuming_on_other_clips_is_refused(tmp_path):
    make_trainer(make_store(tmp_path / "a"), tmp_path / "run", training__epochs=1).run(nothing)
    fewer = make_store(tmp_path / "b", order=2)
    with pytest.raises(TrainingError, match=r"24 training clips then, 12 now; 24 validation .*--output_dir"):
        make_trainer(fewer, tmp_path / "run", True)


def test_without_validation_clips_the_last_epoch_is_the_best(tmp_path):
    store = make_store(tmp_path / "store", splits=("train",))
    outcome = make_trainer(store, tmp_path / "run", training__epochs=3).run(nothing)
    assert outcome.best_epoch == 3 and outcome.metrics["val_top1"] is None
    notes = prepare(
        load_settings(None, {"efficiency.feature_dir": str(store), "efficiency.use_pose": False})
    ).notes
    assert any("last epoch counts as the best" in note for note in notes)


def test_a_loss_that_is_not_finite_names_epoch_and_batch(tmp_path):
    store = make_store(tmp_path / "store", broken=True)
    with pytest.raises(TrainingError, match=r"epoch 1, batch 1 of 5.*train-\w+-\d"):
        make_trainer(store, tmp_path / "run", model__normalization="none").run(nothing)


def test_fewer_frames_are_picked_uniformly_and_more_are_refused(tmp_path):
    store = FeatureStore.open(make_store(tmp_path / "store"))
    clips = StoreClips(store, ["train"], 8)
    picked = np.linspace(0, FRAMES - 1, 8).round().astype(int)
    np.testing.assert_array_equal(clips.batch([3])[0], store[clips.ids[3]][picked])
    with pytest.raises(ConfigError, match=r"num_frames 17 .* 16 frames"):
        StoreClips(store, ["train"], 17)


def test_clips_that_teach_nothing_or_cannot_be_answered_are_counted(tmp_path):
    shape = (FRAMES, 33, 4)
    with StoreWriter(tmp_path / "store", StoreSpec("pose", (33, 4), FRAMES, "body", {})) as writer:
        for gloss, split, take, value in (
            ("book", "train", 0, 0.5), ("book", "train", 1, np.nan), ("go", "train", 0, 0.5),
            ("book", "val", 0, np.nan), ("drink", "val", 0, 0.5),
        ):  # fmt: skip
            clip = Clip(f"{gloss}-{split}-{take}", gloss, split, "", Path("clip.mp4"))
            writer.append(clip, np.full(shape, value, np.float32), {})
        writer.fail(Clip("broken", "go", "train", "", Path("clip.mp4")), "no frame decodes")
    prepared = prepare(load_settings(None, {"efficiency.pose_dir": str(tmp_path / "store")}))
    assert prepared.train.ids == ("book-train-0", "go-train-0") and prepared.train.glosses == ("book", "go")
    assert prepared.val is not None and prepared.val.ids == ("book-val-0",)
    assert sum(prepared.skipped.values()) == 3


def test_a_store_of_another_mode_is_refused(tmp_path):
    store = make_store(tmp_path / "store")
    with pytest.raises(ConfigError, match=r"'features'.*'pose'.*pose_dir"):
        prepare(load_settings(None, {"efficiency.pose_dir": str(store)}))


@pytest.mark.parametrize("stop", [1, 5])
def test_any_epoch_is_a_good_one_to_stop_at(tmp_path, stop):
    store = make_store(tmp_path / "store")
    make_trainer(store, tmp_path / "whole").run(nothing)

    def stop_then(row):
        if row.epoch == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trainer(store, tmp_path / "parts").run(stop_then)
    make_trainer(store, tmp_path / "parts", True).run(nothing)
    whole, parts = (read_checkpoint(tmp_path / run, "last") for run in ("whole", "parts"))
    assert same(whole[1], parts[1]) and same(whole[2], parts[2]) and whole[0] == parts[0]


def test_it_stops_when_nothing_gets_better(tmp_path):
    store = make_store(tmp_path / "store")
    changes = {"training__epochs": 200, "training__patience": 4}
    outcome = make_trainer(store, tmp_path / "run", **changes).run(nothing)
    assert outcome.epochs < 100 and outcome.epochs - outcome.best_epoch <= 4
    again = make_trainer(store, tmp_path / "run", True, **changes).run(nothing)
    assert again.epochs == outcome.epochs


def test_running_out_of_memory_says_what_to_lower(tmp_path):
    store = make_store(tmp_path / "store")
    trainer = make_trainer(store, tmp_path / "run")
    huge = trainer.train

    class Enormous:  # clips that no memory holds, asked for as real ones are
        def __getattr__(self, name):
            return getattr(huge, name)

        def __len__(self):
            return len(huge)

        def batch(self, indices):
            return np.empty((len(indices), 2**40, SIZE), np.float32)

    trainer.train = Enormous()
    with pytest.raises(TrainingError, match=r"--batch_size 2 \(it is 5\); --num_frames 8; poses"):
        trainer.run(nothing)


def test_the_temperature_is_kept_with_the_weights(tmp_path):
    outcome = make_trainer(make_store(tmp_path / "store"), tmp_path / "run").run(nothing)
    assert outcome.metrics["ece"] <= outcome.metrics["ece_uncalibrated"] + 0.05
    assert outcome.metrics["temperature"] > 0
