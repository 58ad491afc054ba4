"""What a model file says about itself survives the round trip, and lies are refused with a cure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toolkit.errors import ModelFileError
from toolkit.metadata import FORMAT_VERSION, PREFIX, ModelMetadata

POSE: dict[str, Any] = {
    "glosses": ("book", "drink", "ärger"),
    "mode": "pose",
    "layout": "body_hands",
    "num_frames": 16,
    "item_shape": (75, 4),
    "extractor": {"backend": "mediapipe", "complexity": 1, "threshold": 0.5},
    "training": {"seed": 0, "splits": {"train": 671, "val": 147}},
    "metrics": {"val": {"top1": 0.25, "n": 147, "interval": [0.19, 0.33]}},
    "versions": {"torch": "2.13.0"},
}
FEATURES = POSE | {"mode": "features", "layout": "", "item_shape": (128,)}
VIDEO = POSE | {"mode": "video", "layout": "", "item_shape": (224, 224, 3), "extractor": {}}


@pytest.mark.parametrize("values", [POSE, FEATURES, VIDEO], ids=["pose", "features", "video"])
def test_round_trip_keeps_every_value(values: dict[str, Any]) -> None:
    metadata = ModelMetadata(**values)
    properties = metadata.to_properties()
    assert all(key.startswith("sign_toolkit.") for key in properties)
    assert ModelMetadata.from_properties(properties) == metadata


def test_each_property_is_compact_json_that_keeps_its_letters() -> None:
    properties = ModelMetadata(**POSE).to_properties()
    assert properties[f"{PREFIX}glosses"] == '["book","drink","ärger"]'
    assert properties[f"{PREFIX}item_shape"] == "[75,4]"
    assert properties[f"{PREFIX}format"] == str(FORMAT_VERSION)


def test_keys_of_others_and_of_later_versions_are_ignored() -> None:
    metadata = ModelMetadata(**POSE)
    properties = metadata.to_properties() | {"author": "x", f"{PREFIX}calibration": "[1.3]"}
    assert ModelMetadata.from_properties(properties) == metadata


def test_a_file_of_another_program_is_named_as_such() -> None:
    with pytest.raises(ModelFileError, match=r"not made by this toolkit.*toolkit export"):
        ModelMetadata.from_properties({"author": "someone else"})


@pytest.mark.parametrize("version", ["0", "-1", "1.5", "²", ""])
def test_a_format_that_is_no_number_is_refused(version: str) -> None:
    properties = ModelMetadata(**POSE).to_properties() | {f"{PREFIX}format": version}
    with pytest.raises(ModelFileError, match="whole number from 1"):
        ModelMetadata.from_properties(properties)


def test_a_newer_format_asks_for_an_update() -> None:
    properties = ModelMetadata(**POSE).to_properties() | {f"{PREFIX}format": str(FORMAT_VERSION + 1)}
    with pytest.raises(ModelFileError, match=rf"format {FORMAT_VERSION + 1}.*pip install --upgrade"):
        ModelMetadata.from_properties(properties)


@pytest.mark.parametrize("name", list(POSE))
def test_every_key_is_needed(name: str) -> None:
    properties = ModelMetadata(**POSE).to_properties()
    del properties[PREFIX + name]
    with pytest.raises(ModelFileError, match=rf"lacks {PREFIX}{name}.*export it again"):
        ModelMetadata.from_properties(properties)


@pytest.mark.parametrize("text", ["", "{", '{"top1":NaN}', "Infinity"])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    properties = ModelMetadata(**POSE).to_properties() | {f"{PREFIX}metrics": text}
    with pytest.raises(ModelFileError, match=r"sign_toolkit.metrics is not valid JSON"):
        ModelMetadata.from_properties(properties)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("glosses", [], "no glosses"),
        ("glosses", "book", "list of words"),
        ("glosses", ["book", 3], "list of words"),
        ("glosses", ["book", ""], "list of words"),
        ("glosses", ["book", "drink", "book"], "twice: book"),
        ("mode", "poses", "one of pose, features, video"),
        ("mode", ["pose"], "one of pose, features, video"),
        ("layout", "hands", "one of body, body_hands"),
        ("layout", None, "one of body, body_hands"),
        ("num_frames", 0, "whole number from 1"),
        ("num_frames", True, "whole number from 1"),
        ("num_frames", 16.0, "whole number from 1"),
        ("item_shape", [33, 4], r"layout body_hands is \(75, 4\)"),
        ("item_shape", [128], "2 whole numbers"),
        ("item_shape", [75, -4], "2 whole numbers"),
        ("item_shape", 75, "2 whole numbers"),
        ("extractor", ["mediapipe"], "JSON object"),
        ("extractor", {"backend": None}, r"extractor\['backend'\] must be str or int or float"),
        ("training", None, "JSON object"),
        ("metrics", 0.5, "JSON object"),
        ("versions", {"torch": 2.13}, r"versions\['torch'\] must be str"),
    ],
)
def test_values_that_cannot_be_right_are_refused(name: str, value: Any, told: str) -> None:
    properties = ModelMetadata(**POSE).to_properties() | {PREFIX + name: json.dumps(value)}
    with pytest.raises(ModelFileError, match=told):
        ModelMetadata.from_properties(properties)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("training", "[" * 100_000, "not valid JSON"),
        ("num_frames", "9" * 10_000, "not valid JSON"),
        ("num_frames", "9" * 4000, "larger than 1024 MiB"),
        ("num_frames", "1000000", "larger than 1024 MiB"),
        ("temperature", "9" * 4000, "temperature must be a number above 0"),
        ("glosses", '["book", "\\u001b[2J"]', "control characters"),
        ("glosses", '["book", "\\ud800"]', "control characters"),
        ("glosses", '["' + "b" * 5000 + '"]', "too long"),
        ("format", "9" * 10_000, "whole number from 1"),
    ],
)  # fmt: skip
def test_hostile_values_are_refused_in_one_short_message(name: str, text: str, told: str) -> None:
    properties = ModelMetadata(**POSE).to_properties() | {PREFIX + name: text}
    with pytest.raises(ModelFileError, match=told) as caught:
        ModelMetadata.from_properties(properties)
    assert len(str(caught.value)) < 500


def test_many_glosses_that_occur_twice_are_counted_in_time() -> None:
    glosses = json.dumps([str(number % 100_000) for number in range(200_000)])
    with pytest.raises(ModelFileError, match="twice"):  # comparing each with each would take hours
        ModelMetadata.from_properties(ModelMetadata(**POSE).to_properties() | {f"{PREFIX}glosses": glosses})


def test_modes_and_layouts_may_not_contradict_each_other() -> None:
    with pytest.raises(ModelFileError, match="layout must be empty for mode features"):
        ModelMetadata(**(FEATURES | {"layout": "body"}))
    with pytest.raises(ModelFileError, match="must end in 3"):
        ModelMetadata(**(VIDEO | {"item_shape": (224, 224, 4)}))


@pytest.mark.parametrize("value", [{"top1": float("nan")}, {"curve": {1, 2}}])
def test_values_that_json_cannot_hold_are_not_written(value: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match="'metrics' cannot be written as JSON"):
        ModelMetadata(**(POSE | {"metrics": value})).to_properties()


def test_calibration_is_optional_and_survives_the_round_trip() -> None:
    plain = ModelMetadata(**POSE)
    assert not {f"{PREFIX}{name}" for name in ("temperature", "ece", "threshold")} & set(
        plain.to_properties()
    )
    calibrated = ModelMetadata(**POSE, temperature=0.8, ece=0.05, threshold=0.4)
    assert ModelMetadata.from_properties(calibrated.to_properties()) == calibrated
    assert ModelMetadata.from_properties(plain.to_properties()).temperature is None


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("temperature", 0), ("temperature", "1"), ("temperature", True), ("ece", -0.1), ("threshold", 1.5),
     ("threshold", [0.5])],
)  # fmt: skip
def test_a_calibration_that_cannot_be_right_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ModelFileError, match=name):
        ModelMetadata(**POSE, **{name: wrong})
