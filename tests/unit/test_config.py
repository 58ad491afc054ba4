"""Settings: the guide's YAML verbatim, strictness, and contradictions that name both keys."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="settings need the train extra")
pytest.importorskip("yaml", reason="settings need the train extra")

from toolkit.config import load_settings, parse_override, recipes
from toolkit.errors import ConfigError

PRE = "efficiency.use_pre_extracted"
CONFIGS = Path(__file__).parents[2] / "configs"
GUIDE = """
model:
  embed_dim: 128
  num_heads: 4
  num_layers: 2  # depth = 2
  ff_dim: 256  # mlp_dim = 256
  dropout: 0.1
  input_type: "pose"  # or "features" or "video"

efficiency:
  use_pre_extracted: true  # Enable pre-extracted features
  use_pose: true  # Use pose keypoints (or false for features)
  pose_dir: "dataset/poses"
  feature_dir: "dataset/features"
"""


def write(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_guides_yaml_is_accepted_verbatim(tmp_path):
    settings = load_settings(write(tmp_path, GUIDE))
    assert settings.mode == "pose" and settings.store_dir == Path("dataset/poses")
    assert (settings.model.embed_dim, settings.model.num_heads, settings.model.num_layers) == (128, 4, 2)
    assert (settings.model.ff_dim, settings.model.dropout) == (256, 0.1)


def test_the_shipped_small_config_holds_the_guides_lines_verbatim():
    shipped = (CONFIGS / "small_config.yaml").read_text(encoding="utf-8").splitlines()
    missing = [line for line in GUIDE.strip().splitlines() if line and line not in shipped]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "mode"),
    [("small_config", "pose"), ("signs", "pose"), ("features", "features"), ("video", "video")],
)
def test_shipped_configs_load(name, mode):
    assert load_settings(CONFIGS / f"{name}.yaml").mode == mode


def test_a_folder_called_like_settings_that_ship_does_not_hide_them(tmp_path, monkeypatch):
    """The store of `extract --output_dir signs` stands where `train --config signs` is asked for."""
    monkeypatch.chdir(tmp_path)
    Path("signs").mkdir()
    assert load_settings(Path("signs")).training.min_steps == 1320


def test_shipped_configs_go_by_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a user who has no checkout
    assert load_settings(Path("signs")) == load_settings(CONFIGS / "signs.yaml")
    assert sorted(recipes()) == sorted(path.stem for path in CONFIGS.iterdir())
    write(tmp_path, "training: {epochs: 3}").rename("signs")
    assert load_settings(Path("signs")).training.epochs == 3, "a file of that name comes first"


def test_merged_settings_survive_a_round_trip(tmp_path):
    settings = load_settings(write(tmp_path, GUIDE), {"training.epochs": 7, "data.num_frames": 8})
    again = load_settings(write(tmp_path, settings.to_yaml()))
    assert again == settings and again.training.epochs == 7


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, "pose"),
        ({"efficiency.use_pose": False}, "features"),
        ({"model.input_type": "features"}, "features"),
        ({PRE: False, "data.index": "clips.csv"}, "video"),
    ],
)
def test_one_guide_key_decides_the_others(given, mode):
    settings = load_settings(None, given)
    assert settings.mode == mode
    assert settings.efficiency.use_pose is (mode == "pose")
    assert settings.efficiency.use_pre_extracted is (mode != "video")


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"model.input_type": "features", "efficiency.use_pose": True}, ("use_pose", "input_type")),
        ({"model.input_type": "pose", "efficiency.use_pose": False}, ("use_pose", "input_type")),
        ({"model.input_type": "video", "efficiency.use_pose": True}, ("use_pose", "input_type")),
        ({"model.input_type": "pose", PRE: False}, ("use_pre_extracted", "input_type")),
        ({"model.input_type": "video", PRE: True}, ("use_pre_extracted", "input_type")),
        ({PRE: False, "efficiency.use_pose": True}, ("use_pre_extracted", "use_pose")),
        ({"model.input_type": "video"}, ("input_type", "json_path")),
        ({"model.embed_dim": 130}, ("embed_dim 130", "num_heads 4")),
        ({"data.json_path": "a.json"}, ("json_path", "video_dir")),
        ({"data.json_path": "a.json", "data.index": "b.csv"}, ("json_path", "index")),
    ],
)  # fmt: skip
def test_contradictions_name_both_keys_and_a_cure(given, keys):
    with pytest.raises(ConfigError) as caught:
        load_settings(None, given)
    message = str(caught.value)
    assert all(key in message for key in keys)
    assert any(word in message for word in ("Set ", "set ", "Change", "give one", "name the"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("model: {embed_dims: 64}", "model.embed_dim"),
        ("model: {epochs: 3}", "training.epochs"),
        ("models: {embed_dim: 64}", "model"),
        ("epochs: 3", "training.epochs"),
        ("lr: 0.1", "training.learning_rate"),
        ("model: {depth: 2}", "model.num_layers"),
        ("model: {mlp_dim: 64}", "model.ff_dim"),
        ("efficiency: {pose_dirs: x}", "efficiency.pose_dir"),
        ("training: {lerning_rate: 0.1}", "training.learning_rate"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest_known_one(tmp_path, text, hint):
    with pytest.raises(ConfigError, match=hint):
        load_settings(write(tmp_path, text))


def test_a_float_in_the_form_that_yaml_reads_as_text(tmp_path):
    settings = load_settings(write(tmp_path, "training: {learning_rate: 1e-4}"))
    assert settings.training.learning_rate == 1e-4
    assert (
        load_settings(None, dict([parse_override("training.weight_decay=3e-2")])).training.weight_decay
        == 0.03
    )


@pytest.mark.parametrize(
    "text",
    [
        "training: {epochs: 0}",
        "training: {epochs: 2.5}",
        'training: {epochs: "50"}',
        "training: {learning_rate: fast}",
        "training: {learning_rate: .nan}",
        "model: {dropout: 1.0}",
        "model: {input_type: poses}",
        'efficiency: {use_pose: "yes"}',
        "model: 3",
        "- a list",
        "model: {",
    ],
)
def test_wrong_values_are_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_settings(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        load_settings(tmp_path / "nothing.yaml")


def test_empty_sections_and_files_take_the_defaults(tmp_path):
    assert load_settings(write(tmp_path, "")) == load_settings()
    assert load_settings(write(tmp_path, "model:\ntraining:\n")) == load_settings()


def test_overrides_read_yaml_values():
    assert parse_override("data.train_splits=[train, val]") == ("data.train_splits", ["train", "val"])
    assert parse_override("augmentation.enabled=false") == ("augmentation.enabled", False)
    for bad in ("training.epochs", "epochs=3", "data.train_splits=["):
        with pytest.raises(ConfigError, match="--set"):
            parse_override(bad)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_settings_that_windows_powershell_redirected_are_read(tmp_path, encoding):
    path = tmp_path / "mine.yaml"
    path.write_text("training:\r\n  epochs: 7\r\n", encoding=encoding)
    assert load_settings(path).training.epochs == 7


def test_settings_that_are_gone_are_told_but_in_a_finished_run(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("features:\n  depths: true\n  presence: false\n")
    with pytest.raises(ConfigError, match=r"features\.depths is gone: .* Delete the line"):
        load_settings(path)
    (tmp_path / "last.safetensors").write_bytes(b"")
    assert not load_settings(path).features.presence
