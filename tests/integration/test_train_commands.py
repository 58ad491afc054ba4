"""`toolkit train` and `toolkit evaluate` as a user runs them, in each mode."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from numbered_video import write_video

pytest.importorskip("torch", reason="training needs the train extra")

from filelock import FileLock

from toolkit.cli.main import main
from toolkit.clips import Clip
from toolkit.store import StoreSpec, StoreWriter
from toolkit.train.run_files import LOCK_FILE, claimed

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = ["--set", "model.embed_dim=16", "--set", "model.ff_dim=16", "--epochs", "2"]
ITEMS = {"pose": ((33, 4), "body"), "features": ((8,), "")}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_store(mode):
    """A store where the guide's config looks for it: dataset/poses or dataset/features."""
    rng = np.random.default_rng(0)
    shape, layout = ITEMS[mode]
    path = Path("dataset/poses" if mode == "pose" else "dataset/features")
    with StoreWriter(path, StoreSpec(mode, shape, 16, layout, {"backend": "drawn"})) as writer:
        for split in ("train", "val", "test"):
            for gloss in ("book", "drink"):
                for take in range(4):
                    clip = Clip(f"{split}-{gloss}-{take}", gloss, split, "", Path("clip.mp4"))
                    writer.append(clip, rng.random((16, *shape), dtype=np.float32), {})
        writer.fail(Clip("broken", "book", "train", "", Path("clip.mp4")), "no frame decodes")
    return path


def make_videos():
    for split, takes in (("train", 3), ("val", 1)):
        for level, gloss in ((40, "book"), (200, "drink")):
            for take in range(takes):
                frames = np.full((12, 48, 64, 3), level + take, np.uint8)
                write_video(Path("clips") / split / gloss / f"{gloss}{split}{take}.mp4", frames)
    Path("clips/train/book/damaged.mp4").write_bytes(b"not a video")


def run(capsys, *words):
    """(exit status, last line of stdout as JSON or None, stderr)."""
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, json.loads(out.splitlines()[-1]) if status == 0 else None, err


@pytest.mark.parametrize(("mode", "config"), [("pose", "small_config"), ("features", "features")])
def test_the_guides_command_trains_and_evaluates(capsys, mode, config):
    make_store(mode)
    status, result, err = run(capsys, "train", "--config", CONFIGS / f"{config}.yaml", *SMALL, "--json")
    assert status == 0
    assert set(result) == {
        "run", "mode", "epochs", "best_epoch", "val_top1", "val_top5", "n_val", "parameters", "skipped", "seconds",
        "peak_rss_mib",
    }  # fmt: skip
    assert (result["mode"], result["epochs"], result["n_val"], result["skipped"]) == (mode, 2, 8, 1)
    assert result["peak_rss_mib"] > 50 and "1 clip skipped" in err and "epoch 2/2" in err
    files = {path.name for path in Path(result["run"]).iterdir()}
    assert files == {
        "config.yaml", "best.safetensors", "best.json", "last.safetensors", "last.json", "log.jsonl", "curves.png",
        "clips.csv", "confusion-val.png", "report.md", "report.html",
    }  # fmt: skip
    status, figures, _ = run(capsys, "evaluate", result["run"], "--split", "val", "--json")
    assert status == 0 and figures["top1"] == result["val_top1"] and figures["n"] == 8
    status, figures, _ = run(capsys, "evaluate", result["run"], "--output_dir", "report", "--json")
    assert status == 0 and figures["interval"][0] <= figures["top1"] <= figures["interval"][1]
    assert {path.suffix for path in Path("report").iterdir()} == {".json", ".csv", ".md", ".png"}


def test_a_signer_can_be_kept_out_of_training_and_evaluated(capsys):
    rng = np.random.default_rng(0)
    with StoreWriter("signers", StoreSpec("pose", (33, 4), 16, "body", {})) as writer:
        for signer in ("anna", "ben"):
            for gloss in ("book", "drink"):
                clip = Clip(f"{signer}-{gloss}", gloss, "train", signer, Path("clip.mp4"))
                writer.append(clip, rng.random((16, 33, 4), dtype=np.float32), {})
    given = ("--pose_dir", "signers", "--val_signers", "ben")
    status, result, _ = run(capsys, "train", *given, *SMALL, "--json")
    assert status == 0 and result["n_val"] == 2
    asked = ("--split", "train", "--signers", "ben")
    status, figures, _ = run(capsys, "evaluate", result["run"], *asked, "--json")
    assert status == 0 and figures["n"] == 2 and figures["top1"] == result["val_top1"]
    status, figures, _ = run(capsys, "evaluate", result["run"], "--split", "train", "--json")
    assert status == 0 and figures["n"] == 4


def test_names_in_brackets_are_printed_as_they_are(capsys):
    make_store("pose")
    assert main(["train", "--input_type", "pose", *SMALL, "--output_dir", "run [/v2] :smile:"]) == 0
    out = capsys.readouterr().out
    assert out.count("run [/v2] :smile:") == 2, "in the table and in the command that comes next"


def test_two_runs_do_not_share_a_folder(capsys):
    make_store("pose")
    folder = Path("mine")
    folder.mkdir()
    with FileLock(folder / LOCK_FILE):
        status, _, err = run(capsys, "train", "--input_type", "pose", *SMALL, "--output_dir", "mine")
    assert (
        status == 2 and "another process is training into mine" in err and not (folder / "log.jsonl").exists()
    )
    # the name was free when it was chosen, and is not any more when the folder is made
    with claimed(folder, "pose", automatic=True, resume=False) as claim:
        assert claim == Path("runs/pose") and claim.is_dir()


def test_video_mode_trains_and_evaluates(capsys):
    make_videos()
    given = ("--input_type", "video", "--index", "clips", "--num_frames", 4, "--batch_size", 2)
    status, result, err = run(capsys, "train", *given, *SMALL, "--json")
    assert status == 0 and result["n_val"] == 2 and result["skipped"] == 1
    assert "the video gives no frame" in err
    status, figures, _ = run(capsys, "evaluate", result["run"], "--split", "val", "--json")
    assert status == 0 and figures["n"] == 2 and figures["top1"] == result["val_top1"]


def test_flags_change_settings_and_a_second_run_gets_a_folder_of_its_own(capsys):
    store = make_store("pose").rename("elsewhere")
    flags = ("--pose_dir", store, "--batch_size", 2, "--num_frames", 8, "--seed", 5)
    runs = [run(capsys, "train", *flags, *SMALL, "--json")[1]["run"] for _ in range(2)]
    assert runs == [str(Path("runs/pose")), str(Path("runs/pose-2"))]
    saved = Path(runs[0], "config.yaml").read_text()
    assert all(line in saved for line in ("batch_size: 2", "num_frames: 8", "seed: 5", "pose_dir: elsewhere"))
    assert json.loads(Path(runs[0], "best.json").read_text())["spec"]["num_frames"] == 8


def test_a_run_is_continued_only_on_request_and_with_its_own_settings(capsys):
    make_store("pose")
    status, first, _ = run(capsys, "train", *SMALL, "--output_dir", "here", "--json")
    assert status == 0
    status, _, err = run(capsys, "train", *SMALL, "--output_dir", "here")
    assert status == 2 and "--resume" in err
    status, _, err = run(capsys, "train", "--resume", "--output_dir", "here", "--batch_size", 3)
    assert status == 2 and "training.batch_size was" in err
    status, more, _ = run(capsys, "train", "--resume", "--output_dir", "here", "--epochs", 3, "--json")
    assert status == 0 and more["epochs"] == first["epochs"] + 1
    assert len(Path("here/log.jsonl").read_text().splitlines()) == 3
    status, again, err = run(capsys, "train", "--resume", "--output_dir", "here", "--json")
    assert status == 0 and again["epochs"] == 3 and "all 3 epochs were done before" in err


def test_after_clips_were_added_the_cure_is_a_folder_of_its_own(capsys):
    store = make_store("pose")
    assert run(capsys, "train", *SMALL, "--output_dir", "here", "--json")[0] == 0
    values = np.random.default_rng(1).random((16, 33, 4), dtype=np.float32)
    with StoreWriter(store, StoreSpec("pose", (33, 4), 16, "body", {"backend": "drawn"})) as writer:
        for take in range(3):
            writer.append(Clip(f"new-{take}", "go", "train", "", Path("clip.mp4")), values + take, {})
    status, _, err = run(capsys, "train", *SMALL, "--output_dir", "here")
    assert status == 2 and "other clips (some were added, say)" in err and "another --output_dir" in err
    status, _, err = run(capsys, "train", "--resume", "--output_dir", "here", "--epochs", 3)
    assert status == 2 and "8 training clips then, 11 now" in err and "glosses added: go" in err
    assert "Leave --resume out and give another --output_dir" in err and "{" not in err
    assert run(capsys, "train", *SMALL, "--output_dir", "there", "--json")[0] == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("train", "--num_frames", "17"), "num_frames 17 is more than the 16"),
        (
            ("train", "--set", "efficiency.use_pose=false", "--set", "model.input_type=pose"),
            "use_pose is false",
        ),
        (("train", "--set", "training.epoch=3"), "training.epochs"),
        (("train", "--config", "nothing.yaml"), "nothing.yaml"),
        (("train", "--pose_dir", "nowhere"), "toolkit extract"),
        (("train", "--resume"), "--output_dir"),
        (("evaluate", "nowhere"), "no checkpoint"),
        (("evaluate", "nowhere.onnx"), "nowhere.onnx"),
    ],
)
def test_what_the_user_can_cure_exits_with_2_and_says_how(capsys, words, reason):
    make_store("pose")
    status, _, err = run(capsys, *words)
    assert status == 2 and reason in err
    assert not Path("runs").exists(), "no folder of a run that never began"


def test_a_store_that_was_cut_off_is_not_learnt_from_unawares(capsys):
    data = make_store("pose") / "data.bin"
    assert run(capsys, "train", *SMALL, "--output_dir", "run", "--json")[0] == 0
    os.truncate(data, data.stat().st_size // 2)
    for words in (("train", "--output_dir", "here"), ("evaluate", "run")):
        status, _, err = run(capsys, *words)
        assert (
            status == 2 and "12 records that the index names are cut off" in err and "toolkit extract" in err
        )
    shutil.rmtree(data.parent)
    make_store("pose")
    index = data.parent / "index.jsonl"
    index.write_bytes(b"".join(index.read_bytes().splitlines(keepends=True)[:9]))
    for words in (("train", "--output_dir", "here"), ("evaluate", "run")):
        status, _, err = run(capsys, *words)
        assert status == 2 and "15 records have no line in it" in err and "toolkit extract" in err
    assert not Path("here").exists()


def test_a_loss_that_explodes_is_said(capsys):
    make_store("pose")
    status, _, err = run(capsys, "train", "--learning_rate", 1, "--epochs", 4, "--json")
    assert status == 0 and "far above that of guessing (0.69)" in err and "lower --learning_rate" in err
    assert "guessing" not in run(capsys, "train", *SMALL, "--json")[2]


def test_a_run_folder_that_cannot_be_made_is_named(capsys):
    make_store("pose")
    Path("file").touch()
    status, _, err = run(capsys, "train", *SMALL, "--output_dir", "file/run")
    assert status == 2 and f"--output_dir {Path('file/run')} cannot be made" in err


def test_recordings_take_the_place_of_the_configs_index(capsys):
    make_videos()
    status, result, _ = run(
        capsys,
        "train",
        "--config",
        CONFIGS / "video.yaml",
        "--index",
        "clips",
        *SMALL,
        "--batch_size",
        2,
        "--json",
    )
    assert status == 0
    text = Path(result["run"], "config.yaml").read_text()
    assert "index: clips" in text and "json_path: null" in text


def test_evaluate_refuses_the_wrong_store(capsys):
    make_store("pose")
    _, result, _ = run(capsys, "train", *SMALL, "--json")
    status, _, err = run(capsys, "evaluate", result["run"], "--feature_dir", "dataset/features")
    assert status == 2 and "--pose_dir" in err
    with StoreWriter("other", StoreSpec("pose", (33, 4), 16, "body", {"backend": "another"})) as writer:
        writer.append(Clip("a", "book", "test", "", Path("a.mp4")), np.zeros((16, 33, 4), np.float32), {})
    status, _, err = run(capsys, "evaluate", result["run"], "--pose_dir", "other")
    assert status == 2 and "another" in err and "drawn" in err
    status, figures, _ = run(capsys, "evaluate", result["run"], "--pose_dir", "other", "--override", "--json")
    assert status == 0 and figures["n"] == 1


def test_evaluate_names_the_splits_and_signers_that_there_are(capsys):
    """Recordings in folders have no test split, which is the default."""
    make_signers()
    _, result, _ = run(capsys, "train", "--pose_dir", "signers", *SMALL, "--json")
    status, _, err = run(capsys, "evaluate", result["run"])
    assert status == 2 and "no clips of split 'test'" in err
    assert "val (6), train (12). Give --split val" in err
    status, _, err = run(capsys, "evaluate", result["run"], "--signers", "dora", "--split", "val")
    assert status == 2 and "'dora' (--signers): the signers there are: anna, ben, cleo" in err
    status, _, _ = run(capsys, "evaluate", result["run"], "--split", "val", "--json")
    assert status == 0


def make_signers(names=("anna", "ben", "cleo")):
    """A store of two signs that differ in where the left wrist is, three takes by each signer."""
    rng = np.random.default_rng(0)
    with StoreWriter("signers", StoreSpec("pose", (33, 4), 16, "body", {})) as writer:
        for signer in names:
            for place, gloss in enumerate(("book", "drink")):
                for take in range(3):
                    values = rng.random((16, 33, 4), dtype=np.float32)
                    values[:, 15, :2] = 0.1 + 0.8 * place
                    split = "val" if take == 2 else "train"
                    clip = Clip(f"{signer}-{gloss}-{take}", gloss, split, signer, Path("clip.mp4"))
                    writer.append(clip, values, {})


def test_the_report_says_what_was_done_and_how_the_weights_were_chosen(capsys):
    make_store("pose")
    _, result, _ = run(capsys, "train", *SMALL, "--output_dir", "here", "--json")
    page, text = Path("here/report.html").read_text(), Path("here/report.md").read_text()
    assert page.count("data:image/png;base64,") == 2 and "http" not in page
    for report in (page, text):
        assert "toolkit export here --output model.onnx" in report and "epochs: 2" in report
        assert "No test clip was read" in report and f"{100 * result['val_top1']:.1f} %" in report
    kept = json.loads(Path("here/best.json").read_text())["metrics"]
    assert kept["temperature"] == 1 and 0 <= kept["ece"] <= 1
    assert "too few clips (8) to calibrate on; 10 are needed" in text and "ECE" not in text
    assert "top-5" not in text and "| by guessing | 50.0 % |" in text  # of two glosses
    assert "8 validation clips say little" in text
    assert "1 clip skipped: extraction could not use the video" in page  # what was said on the screen
    mistaken = result["val_top1"] < 1
    assert ("Most confused pairs" in text) == mistaken


def test_validation_by_signer_keeps_signers_apart(capsys):
    make_signers()
    given = ("--pose_dir", "signers", "--split_by", "signer", "--output_dir", "here")
    status, result, err = run(capsys, "train", *given, *SMALL, "--json")
    assert status == 0 and result["n_val"] == 6 and "signers that training does not see" in err
    facts = json.loads(Path("here/best.json").read_text())["training"]
    assert len(facts["val_signers"]) == 1 and facts["train_clips"] == 12
    status, figures, _ = run(capsys, "evaluate", "here", "--split", "val", "--json")
    assert status == 0 and figures["n"] == 6 and figures["top1"] == result["val_top1"]


def test_each_signer_is_left_out_in_turn_and_a_second_call_repeats_nothing(capsys):
    make_signers()
    run(capsys, "train", "--pose_dir", "signers", *SMALL, "--output_dir", "here", "--json")
    status, found, _ = run(capsys, "evaluate", "here", "--leave_signers_out", "--json")
    assert status == 0 and list(found["signers"]) == ["anna", "ben", "cleo"] and found["n"] == 18
    assert found["top1"] == pytest.approx(np.mean([one["top1"] for one in found["signers"].values()]))
    folds = sorted(Path("here/leave_signers_out").glob("fold-*"))
    facts = [json.loads((fold / "last.json").read_text())["training"] for fold in folds]
    assert [one["val_signers"] for one in facts] == [["anna"], ["ben"], ["cleo"]]
    assert all(one["train_clips"] == 12 for one in facts)
    before = [(fold / "last.safetensors").stat().st_mtime_ns for fold in folds]
    assert run(capsys, "evaluate", "here", "--leave_signers_out", "--json")[1] == found
    assert [(fold / "last.safetensors").stat().st_mtime_ns for fold in folds] == before


def test_a_store_without_signers_cannot_be_split_by_them(capsys):
    make_store("pose")
    status, _, err = run(capsys, "train", *SMALL, "--split_by", "signer")
    assert status == 2 and "column 'signer'" in err


def test_few_clips_and_clips_on_both_sides_are_warned_of(capsys):
    make_store("pose")
    values = np.full((16, 33, 4), 0.25, np.float32)
    with StoreWriter("dataset/poses", StoreSpec("pose", (33, 4), 16, "body", {"backend": "drawn"})) as writer:
        for split in ("train", "val"):
            writer.append(Clip(f"twice-{split}", "go", split, "", Path("clip.mp4")), values, {})
    Path("classes.txt").write_text("book\ndrink\nfly\n")
    status, _, err = run(capsys, "train", *SMALL, "--class_list", "classes.txt", "--json")
    assert status == 0
    assert "1 gloss has fewer than 3 training clips" in err and "go (1)" in err
    assert "no training clip: fly" in err and "the class list lacks: go" in err
    assert "twice-val is twice-train" in err


def test_a_run_is_not_put_into_a_feature_store(capsys):
    make_store("pose")
    before = sorted(path.name for path in Path("dataset/poses").iterdir())
    assert main(["train", "--epochs", "1", "--output_dir", "dataset/poses"]) == 2
    assert "dataset/poses is a feature store" in capsys.readouterr().err
    assert sorted(path.name for path in Path("dataset/poses").iterdir()) == before
