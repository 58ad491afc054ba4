"""What a refusal says about data that changed."""

from dataclasses import replace

from toolkit.train.same_data import Data, extractor_changes, what_changed

RUN = Data(
    {"train": "24-0123456789ab", "val": "6-fedcba987654"},
    ("book", "drink"),
    {"backend": "onnx", "weights_sha256": "90417997c2e980cd", "recipe": 1},
    {"mode": "pose", "layout": "body", "num_frames": 16, "item_shape": (33, 4), "embed_dim": 128},
)


def test_the_same_data_have_not_changed():
    assert what_changed(RUN, replace(RUN)) == []


def test_added_recordings_are_counted_and_their_glosses_named():
    now = replace(
        RUN, clips={"train": "30-aaaaaaaaaaaa", "val": "6-bbbbbbbbbbbb"}, glosses=("book", "drink", "go")
    )
    first, second, third = what_changed(RUN, now)
    assert first == "24 training clips then, 30 now" and third == "glosses added: go"
    assert second.startswith("6 validation clips then and now, but not the same")
    assert what_changed(now, RUN)[-1] == "glosses no longer there: go"


def test_no_hash_and_no_dictionary_is_shown():
    now = Data(
        {"train": "9-a1b2c3d4e5f6"},
        (),
        {"backend": "mediapipe", "weights_sha256": "ffff"},
        {"num_frames": 32},
    )
    text = "; ".join(what_changed(RUN, now))
    assert not any(mark in text for mark in ("{", "a1b2", "0123", "9041", "sha256"))
    assert "frames per clip: 16 then, 32 now" in text and "6 validation clips then, 0 now" in text
    assert "extractor's backend: onnx then, mediapipe now" in text and "weights: not the same file" in text


def test_a_network_of_another_version_is_said_to_be_one():
    (said,) = what_changed(RUN, replace(RUN, spec={**RUN.spec, "embed_dim": 64}))
    assert "network" in said


def test_extractors():
    assert extractor_changes({"backend": "onnx"}, {"backend": "onnx"}) == []
    assert extractor_changes({}, {"backend": "onnx"}) == ["extractor's backend: none then, onnx now"]
