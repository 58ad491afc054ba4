"""`toolkit train` in a process of its own: killed at random moments, out of memory, with a broken clip; its log."""

import json
import random
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

import torch

from toolkit.clips import Clip
from toolkit.store import StoreSpec, StoreWriter
from toolkit.train.checkpoint import read_checkpoint

EPOCHS, KILLS, FRAMES, SIZE = 24, 4, 16, 8
OFTEN = (
    "import toolkit.train.keep as keep; keep.KEEP_EVERY = 0.03"  # seconds: some epochs are written, not all
)
SELDOM = "import toolkit.train.keep as keep; keep.KEEP_EVERY = 1e9"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A features store of three signs, 24 clips to train on and 12 to validate on."""
    path, rng = tmp_path_factory.mktemp("data") / "store", np.random.default_rng(0)
    with StoreWriter(path, StoreSpec("features", (SIZE,), FRAMES, "", {"backend": "drawn"})) as writer:
        for split, takes in (("train", 8), ("val", 4)):
            for label, gloss in enumerate(("book", "drink", "go")):
                for take in range(takes):
                    values = np.sin(np.arange(FRAMES)[:, None] * (label + 1) + np.arange(SIZE))
                    values = values + rng.normal(size=values.shape)
                    clip = Clip(f"{split}-{gloss}-{take}", gloss, split, "s", Path("clip.mp4"))
                    writer.append(clip, values.astype(np.float32), {})
    return path


def command(store, run_dir, *more):
    flags = ["--input_type", "features", "--feature_dir", store, "--output_dir", run_dir, "--epochs", EPOCHS]
    flags += [
        "--num_threads",
        1,
        "--batch_size",
        4,
        "--set",
        "training.mixup=0.2",
        "--set",
        "training.ema=0.9",
    ]
    return [sys.executable, "-m", "toolkit", "train", *(str(one) for one in [*flags, *more])]


def changed(code, words):
    """The command with a line of code run before it."""
    main = "import sys, toolkit.cli.main as cli; raise SystemExit(cli.main(sys.argv[1:]))"
    return [sys.executable, "-c", f"{code}; {main}", *words[3:]]


def run(words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(store, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    done = run(command(store, run_dir, "--log_file", run_dir.parent / "log.jsonl", "--json"))
    assert done.returncode == 0, done.stderr
    return run_dir


def events(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_killed_again_and_again_it_ends_with_the_same_bits(store, undisturbed, tmp_path):
    """SIGKILL at random moments: while starting, within an epoch, between two files of a checkpoint."""
    chance, run_dir, log = random.Random(3), tmp_path / "run", tmp_path / "log.jsonl"
    reached = []
    for _ in range(KILLS):
        resume = ["--resume"] if (run_dir / "last.safetensors").is_file() else []
        process = subprocess.Popen(
            changed(OFTEN, command(store, run_dir, "--log_file", log, *resume)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = epochs_of(run_dir)
        while process.poll() is None and epochs_of(run_dir) < min(before + 1, EPOCHS - 1):
            time.sleep(0.002)
        time.sleep(chance.random() * 0.15)
        process.kill()
        process.wait()
        reached.append(epochs_of(run_dir))
        for which in ("last", "best"):
            if (run_dir / f"{which}.safetensors").is_file():
                read_checkpoint(run_dir, which)  # whole at any moment
    assert reached[0] < EPOCHS, "killed too late: all was over"
    done = run(command(store, run_dir, "--log_file", log, "--resume", "--json"))
    assert done.returncode == 0, done.stderr
    assert_same_bits(undisturbed, run_dir)
    kinds = [event["event"] for event in events(log)]
    assert kinds.count("started") == KILLS + 1 and kinds[-1] == "finished" and "resumed" in kinds


def assert_same_bits(one_dir, other_dir):
    for which in ("last", "best"):
        (info, weights, state), (info2, weights2, state2) = (
            read_checkpoint(folder, which) for folder in (one_dir, other_dir)
        )
        assert info == info2
        for one, other in ((weights, weights2), (state, state2)):
            assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    losses = [
        [(row["epoch"], row["train_loss"], row["val_loss"]) for row in events(folder / "log.jsonl")]
        for folder in (one_dir, other_dir)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == EPOCHS


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can answer")
def test_asked_to_end_it_writes_every_whole_epoch_first(store, undisturbed, tmp_path):
    """SIGTERM within an epoch, when only the first one is on disk: the run is set back to the last whole one."""
    run_dir = tmp_path / "run"
    process = subprocess.Popen(
        changed(SELDOM, command(store, run_dir)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and epochs_of(run_dir) < 5:
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143, said
    kept = read_checkpoint(run_dir, "last")[0].epoch
    assert 5 <= kept < EPOCHS and kept <= epochs_of(run_dir) <= kept + 1
    assert f"kept: {kept} of {EPOCHS} epochs" in said
    done = run(command(store, run_dir, "--resume"))
    assert done.returncode == 0, done.stderr
    assert_same_bits(undisturbed, run_dir)


def epochs_of(run_dir):
    path = run_dir / "log.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def test_the_log_explains_the_run(undisturbed):
    found = events(undisturbed.parent / "log.jsonl")
    assert [event["event"] for event in found] == ["started", "data ready", *["epoch"] * EPOCHS, "finished"]
    first, data, last = found[0], found[1], found[-1]
    assert first["command"] == "train" and {"python", "torch", "numpy", "sign-toolkit"} <= set(
        first["versions"]
    )
    assert first["settings"]["training"]["batch_size"] == 4 and first["settings"]["run"] == str(undisturbed)
    assert (data["train_clips"], data["val_clips"], data["glosses"]) == (24, 12, 3)
    assert last["epochs"] == EPOCHS and last["val_top1"] is not None
    times = [datetime.fromisoformat(event["time"]) for event in found]
    assert times == sorted(times) and all(event["time"].endswith("Z") for event in found)


@pytest.mark.skipif(sys.platform != "linux", reason="address space can be limited on Linux only")
@pytest.mark.parametrize("moment", ["preparing", "training"])
def test_a_process_without_memory_says_what_to_lower(store, tmp_path, moment):
    """A real limit: the process may take little more than it has once all is imported and prepared."""
    code = f"""
import resource, sys
import toolkit.cli.main as cli, toolkit.train.loop as loop, toolkit.train.prepare as prepare
def limit():
    now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 30 * 2**20, now + 30 * 2**20))
owner, name = (prepare, "prepare") if {moment!r} == "preparing" else (loop.Trainer, "run")
original = getattr(owner, name)
def limited(*args, **options):
    limit()
    if {moment!r} == "preparing":
        import numpy
        numpy.empty(2**30)
    return original(*args, **options)
setattr(owner, name, limited)
raise SystemExit(cli.main(sys.argv[1:]))
"""
    huge = [
        "--set",
        "model.ff_dim=65536",
        "--set",
        "model.embed_dim=64",
        "--log_file",
        tmp_path / "log.jsonl",
    ]
    words = command(store, tmp_path / "run", *(str(word) for word in huge))
    done = run([sys.executable, "-c", code, *words[3:]])
    assert done.returncode == 2, done.stderr
    assert "memory ran out. Try in this order: --batch_size 2 (it is 4);" in done.stderr
    assert "--num_frames" in done.stderr and "Traceback" not in done.stderr
    assert events(tmp_path / "log.jsonl")[-1]["event"] == "failed"


def test_a_clip_that_breaks_the_loss_is_named(store, tmp_path):
    path = tmp_path / "store"
    with StoreWriter(path, StoreSpec("features", (SIZE,), FRAMES, "", {"backend": "drawn"})) as writer:
        for gloss in ("book", "drink"):
            for take in range(2):
                clip = Clip(f"{gloss}-{take}", gloss, "train", "s", Path("clip.mp4"))
                value = 1e37 if gloss == "drink" and take else 1.0
                writer.append(clip, np.full((FRAMES, SIZE), value, np.float32), {})
    flags = ("--batch_size", "1", "--set", "model.normalization=none", "--log_file", tmp_path / "log.jsonl")
    done = run(command(path, tmp_path / "run", *flags))
    assert done.returncode == 2 and "drink-1" in done.stderr and "Traceback" not in done.stderr
    assert "drink-1" in events(tmp_path / "log.jsonl")[-1]["error"]
