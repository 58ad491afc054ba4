"""What a run says about the clips it learnt, and whether other clips are among them."""

import numpy as np
import pytest

from toolkit.clips import Clip
from toolkit.errors import TrainingError
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.train.dataset import StoreClips
from toolkit.train.learnt_clips import (
    CLIPS_FILE,
    KnownClip,
    known_clips,
    learnt_already,
    learnt_clips,
    write_clips,
)


def test_clips_come_back_as_learnt_ones_and_validated_ones_do_not(tmp_path):
    clips = [
        KnownClip("train", 'a "b",\nc', "hé, you", "12"),
        KnownClip("val", "d", "hello", ""),
        KnownClip("before", "e", "x", "34"),
    ]
    write_clips(tmp_path, clips)
    assert learnt_clips(tmp_path) == [clips[0]._replace(part="before"), clips[2]]


def test_runs_without_the_file_say_nothing(tmp_path):
    assert learnt_clips(tmp_path) is None


@pytest.mark.parametrize(
    "content", [b"", b"id,gloss\na,b\n", b"part,id,gloss,content\ntrain,a\n", b"\xff\xfe\x00"]
)
def test_another_file_is_refused_by_its_name(tmp_path, content):
    (tmp_path / CLIPS_FILE).write_bytes(content)
    with pytest.raises(TrainingError, match=r"clips\.csv is no list of the clips of a run"):
        learnt_clips(tmp_path)


def test_clips_are_known_again_by_content_or_by_name_and_gloss():
    before = [KnownClip("before", "a", "hello", "12"), KnownClip("before", "b", "hello", "")]
    now = [
        KnownClip("val", "renamed", "hello", "12"), KnownClip("val", "a", "hello", "other extraction"),
        KnownClip("val", "a", "thanks", "34"), KnownClip("val", "empty", "hello", ""),
    ]  # fmt: skip
    assert learnt_already(now, before) == ["renamed", "a"]
    assert learnt_already(now, []) == []


def test_clips_of_a_store_have_the_hash_of_their_values(tmp_path):
    values = np.random.default_rng(0).random((3, 4, 33, 4), dtype=np.float32)
    values[2] = values[0]
    with StoreWriter(tmp_path / "store", StoreSpec("pose", (33, 4), 4, "body", {})) as writer:
        for name, clip in zip("abc", values, strict=True):
            writer.append(Clip(name, f"gloss {name}", "train", "", tmp_path), clip, {})
    first, second, third = known_clips("train", StoreClips(FeatureStore.open(tmp_path / "store"), ["train"]))
    assert (first.part, first.id, first.gloss) == ("train", "a", "gloss a")
    assert first.content == third.content != second.content and len(first.content) == 16
