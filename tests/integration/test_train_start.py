"""`toolkit train --start_from RUN`: other glosses on what a run has learnt."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.cli.main import main
from toolkit.clips import Clip
from toolkit.config import load_settings
from toolkit.errors import ConfigError
from toolkit.store import StoreSpec, StoreWriter
from toolkit.train.checkpoint import read_checkpoint
from toolkit.train.loop import Trainer
from toolkit.train.prepare import prepare

SMALL = ("--set", "model.embed_dim=16", "--set", "model.ff_dim=16", "--epochs", "2")
KEPT = ("stem.project.0.weight", "positions", "encoder.1.up.weight", "stem.standardize.mean")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_store(path, glosses, mode="pose", seed=0, extractor="drawn"):
    rng = np.random.default_rng(seed)
    shape, layout = {"pose": ((33, 4), "body"), "features": ((8,), "")}[mode]
    with StoreWriter(Path(path), StoreSpec(mode, shape, 8, layout, {"backend": extractor})) as writer:
        for signer in ("anna", "ben"):
            for split, takes in (("train", 3), ("val", 1)):
                for gloss in glosses:
                    for take in range(takes):
                        clip = Clip(f"{signer}-{gloss}-{split}{take}", gloss, split, signer, Path("clip.mp4"))
                        writer.append(clip, rng.random((8, *shape), dtype=np.float32), {})


def train(capsys, *words):
    """(exit status, stderr) of toolkit train."""
    status = main(["train", *(str(word) for word in words)])
    return status, capsys.readouterr().err


def clips_of(run):
    with Path(run, "clips.csv").open(newline="", encoding="utf-8") as file:
        return [(line["part"], line["id"]) for line in csv.DictReader(file)]


@pytest.fixture
def first(capsys):
    """A run on the glosses book and drink."""
    make_store("many", ("book", "drink"))
    assert train(capsys, "--pose_dir", "many", *SMALL, "--output_dir", "first")[0] == 0
    return Path("first")


def test_all_but_the_last_layer_is_taken_over(first):
    make_store("few", ("hello", "thanks", "please"), seed=1)
    given = {"efficiency.pose_dir": "few", "training.start_from": "first", "training.epochs": 1}
    settings = load_settings(None, given | {"model.embed_dim": 16, "model.ff_dim": 16})
    p = prepare(settings)
    Path("run").mkdir()
    trainer = Trainer(settings, p.spec, p.train, p.val, Path("run"), p.extractor, p.facts, start=p.start)
    _, learnt, _ = read_checkpoint(first, "best")
    now = trainer.model.state_dict()
    assert all(torch.equal(now[name], learnt[name]) for name in KEPT)
    assert all(torch.equal(now[name], learnt[name]) for name in learnt if not name.startswith("head."))
    assert now["head.weight"].shape == (3, 16)
    trainer.run(lambda row: None)
    assert not torch.equal(trainer.model.state_dict()["positions"], learnt["positions"])  # and learns on


def test_the_settings_of_that_run_count_but_not_its_clips(first, capsys):
    make_store("few", ("hello", "thanks"), seed=1)
    status, err = train(
        capsys, "--start_from", "first", "--pose_dir", "few", "--epochs", 1, "--output_dir", "second"
    )
    assert status == 0 and "starts from the weights of first, which learnt 12 clips of 2 glosses" in err
    assert "figures are too good" not in err
    settings = load_settings(Path("second/config.yaml"))
    assert (settings.model.embed_dim, settings.training.epochs) == (16, 1)
    assert settings.efficiency.pose_dir == "few" and settings.training.start_from == "first"
    report = Path("second/report.md").read_text(encoding="utf-8")
    assert "| started from | weights that had learnt 12 clips of 2 glosses |" in report
    parts = [part for part, _ in clips_of("second")]
    assert {part: parts.count(part) for part in parts} == {"train": 12, "val": 4, "before": 12}


def test_it_is_continued_without_the_run_that_it_started_from(first, capsys):
    make_store("few", ("hello", "thanks"), seed=1)
    given = ("--pose_dir", "few", "--output_dir", "second")
    assert train(capsys, "--start_from", "first", "--epochs", 1, *given)[0] == 0
    first.rename("elsewhere")
    before = Path("second/clips.csv").read_bytes()
    status, err = train(capsys, "--resume", "--epochs", 2, "--output_dir", "second")
    assert status == 0 and "epoch 2/2" in err, err
    assert Path("second/clips.csv").read_bytes() == before
    told = json.loads(Path("second/last.json").read_text(encoding="utf-8"))["training"]["started_from"]
    assert told == {"train_clips": 12, "glosses": 2}


def test_validation_clips_that_were_learnt_before_are_named_through_a_chain_of_runs(first, capsys):
    make_store("few", ("hello", "thanks"), seed=1)
    assert (
        train(capsys, "--start_from", "first", "--pose_dir", "few", "--epochs", 1, "--output_dir", "second")[
            0
        ]
        == 0
    )
    # what the first run learnt is validated on
    words = ("--start_from", "second", "--pose_dir", "many", "--epochs", 1, "--output_dir", "third")
    status, err = train(capsys, *words, "--set", "data.train_splits=[val]", "--set", "data.val_split=train")
    assert status == 0
    assert (
        "second learnt 12 of the 12 validation clips already, so the validation figures are too good" in err
    )


def test_a_run_that_does_not_say_what_it_learnt_gets_a_warning(first, capsys):
    (first / "clips.csv").unlink()
    _, err = train(
        capsys, "--start_from", "first", "--pose_dir", "many", "--epochs", 1, "--output_dir", "second"
    )
    assert "first does not say which clips it learnt" in err


def test_no_signer_is_left_out_whom_the_start_has_learnt(first, capsys):
    assert (
        train(capsys, "--start_from", "first", "--pose_dir", "many", "--epochs", 1, "--output_dir", "second")[
            0
        ]
        == 0
    )
    assert main(["evaluate", "second", "--leave_signers_out"]) == 2
    err = capsys.readouterr().err
    assert "first has learnt 6 clips of the signer 'anna'" in err and "be no stranger" in err


def test_signers_are_left_out_of_a_run_on_other_clips(first, capsys):
    make_store("few", ("hello", "thanks"), seed=1)
    assert (
        train(capsys, "--start_from", "first", "--pose_dir", "few", "--epochs", 1, "--output_dir", "second")[
            0
        ]
        == 0
    )
    assert main(["evaluate", "second", "--leave_signers_out", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])["signers"]) == {"anna", "ben"}
    info, weights, _ = read_checkpoint(Path("second/leave_signers_out/fold-1"), "last")
    assert info.training["started_from"]["glosses"] == 2
    _, learnt, _ = read_checkpoint(first, "best")
    assert torch.equal(weights["stem.standardize.mean"], learnt["stem.standardize.mean"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "model.ff_dim=32"), "model.ff_dim: 16 there, 32 here"),
        (("--num_frames", "4"), "frames per clip: 8 there, 4 here"),
        (
            ("--set", "features.presence=false"),
            "features of the landmarks: presence there, none here",
        ),
        (("--config", "small_config"), "model.embed_dim: 16 there, 128 here"),
    ],
)
def test_another_network_is_refused_and_leaves_no_folder(first, capsys, words, message):
    status, err = train(
        capsys, "--start_from", "first", "--pose_dir", "many", "--output_dir", "second", *words
    )
    assert status == 2 and message in err and not Path("second").exists()


def test_poses_found_in_another_way_are_told_and_features_of_another_network_refused(first, capsys):
    make_store("other", ("hello", "thanks"), extractor="drawn by hand")
    _, err = train(
        capsys, "--start_from", "first", "--pose_dir", "other", "--epochs", 1, "--output_dir", "second"
    )
    assert (
        "the poses of first were found in another way: extractor's backend: drawn then, drawn by hand now"
        in err
    )
    make_store("features", ("book", "drink"), "features")
    make_store("features2", ("book", "drink"), "features", extractor="drawn by hand")
    assert (
        train(capsys, "--input_type", "features", "--feature_dir", "features", *SMALL, "--output_dir", "f")[0]
        == 0
    )
    status, err = train(capsys, "--start_from", "f", "--feature_dir", "features2", "--output_dir", "g")
    assert status == 2 and "learnt features of another network" in err


def test_a_run_that_is_not_there(capsys):
    make_store("many", ("book", "drink"))
    with pytest.raises(ConfigError, match=r"no checkpoint .*gone"):
        prepare(load_settings(None, {"efficiency.pose_dir": "many", "training.start_from": "gone"}))
