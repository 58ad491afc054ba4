"""An export is compared on the clips that the run was validated on, also when those were chosen by signer."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

from export.samples import real_clips
from toolkit.cli.main import main
from toolkit.clips import Clip
from toolkit.store import StoreSpec, StoreWriter
from toolkit.train.checkpoint import load_run


@pytest.mark.parametrize("how", [("--val_signers", "ben"), ("--split_by", "signer")])
def test_validation_clips_are_those_of_the_held_out_signer(tmp_path, monkeypatch, capsys, how):
    monkeypatch.chdir(tmp_path)
    with StoreWriter("store", StoreSpec("features", (4,), 8, "", {})) as writer:
        for number, signer in enumerate(("anna", "ben", "cleo")):
            for gloss in ("book", "go"):
                for split in ("train", "val"):
                    clip = Clip(f"{signer}-{gloss}-{split}", gloss, split, signer, Path("a.mp4"))
                    writer.append(clip, np.full((8, 4), number, np.float32), {})
    words = [
        "train",
        "--input_type",
        "features",
        "--feature_dir",
        "store",
        "--epochs",
        "1",
        "--output_dir",
        "run",
    ]
    assert main([*words, *how]) == 0
    _, info = load_run(Path("run"))
    (signer,) = info.training["val_signers"]
    clips = np.concatenate(list(real_clips(Path("run"), info)))
    assert len(clips) == 4 and set(np.unique(clips)) == {["anna", "ben", "cleo"].index(signer)}
    assert main(["export", "run", "--output", "model.onnx"]) == 0
    figures = []
    for model in ("run", "model.onnx"):
        capsys.readouterr()
        assert main(["evaluate", model, "--feature_dir", "store", "--split", "val", "--json"]) == 0
        figures.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert figures[0]["n"] == figures[1]["n"] == 4, "the model is measured on what the run was validated on"
