"""Reads a training configuration: YAML file and command-line overrides, merged and checked as a whole.

The keys of the guide's YAML (sections model and efficiency) are accepted verbatim. What the keys are is
written in toolkit/train/settings; what they are used for is not known here.
"""

from __future__ import annotations

import codecs
import difflib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from toolkit.errors import ConfigError
from toolkit.plain_yaml import load_yaml
from toolkit.train.settings import Settings
from toolkit.untrusted import MIB, read_bounded, shown

__all__ = ["Settings", "annotated_yaml", "load_settings", "parse_override"]

SYNONYMS = {
    "depth": "model.num_layers", "layers": "model.num_layers", "heads": "model.num_heads", "nhead": "model.num_heads",
    "d_model": "model.embed_dim", "hidden_dim": "model.embed_dim", "hidden_size": "model.embed_dim",
    "mlp_dim": "model.ff_dim", "dim_feedforward": "model.ff_dim", "lr": "training.learning_rate",
    "wd": "training.weight_decay", "bs": "training.batch_size", "num_epochs": "training.epochs",
    "threads": "training.num_threads",
}  # fmt: skip
"""What other programs call a setting."""

GONE = (("features", "depths", "it made recognisers worse (docs/recipes.md, ablation)"),)
"""(section, key, why) of settings that there were before."""
LARGEST_CONFIG = MIB  # bytes; those that ship have 3 KB
RECIPE_FOLDERS = (Path(__file__).parent / "configs", Path(__file__).parents[1] / "configs")
"""Where the settings that ship lie once installed, and in a checkout."""


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    sections: Collection[str] = tuple(Settings.model_fields),
) -> Settings:
    """Merge defaults, a YAML file and overrides ({"training.epochs": 50}), and check the result.

    path: a file, or the name of settings that ship (`recipes`), such as "signs"; sections: those of the file that
    count.

    Raises:
        ConfigError: unreadable file, unknown key, wrong type or range, or keys that contradict each other.
    """
    raw = {} if path is None else _without_gone(_read(path), path)
    _refuse_unknown(raw, str(path or "settings"))
    raw = {section: keys for section, keys in raw.items() if section in sections}
    for dotted, value in (overrides or {}).items():
        section, _, key = dotted.partition(".")
        if not key or not isinstance(raw.setdefault(section, {}), dict):
            raise ConfigError(f"'{dotted}' does not name a setting; write section.key, e.g. training.epochs")
        raw[section] = {**raw[section], key: value}
    given = overrides or {}
    if ("training.epochs" in given or "training.batch_size" in given) and "training.min_steps" not in given:
        raw["training"] = {**raw["training"], "min_steps": 0}  # who names them wants them as they are
    _refuse_unknown(raw, "the command line")  # what the file says is known by now
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        wrong = [(".".join(map(str, e["loc"])), _plain(e["msg"]), shown(e["input"])) for e in error.errors()]
        # what the command line says is no fault of the file
        lines = [
            f"{'the command line' if key in given else path or 'settings'}: {key}: {message}, got {value}"
            for key, message, value in wrong
        ]
        raise ConfigError("; ".join(lines)) from error
    return _consistent(settings)


def _plain(message: str) -> str:
    """pydantic's words in ours."""
    message = message.replace("List should have", "must have").replace(" after validation, not 0", "")
    return message.replace("Input should be", "must be")


def annotated_yaml(settings: Settings) -> str:
    """The settings as YAML; a value that is not the default has the default in a comment behind it."""
    usual, lines = load_settings().model_dump(mode="json"), []
    for section, keys in settings.model_dump(mode="json").items():
        lines.append(f"{section}:")
        for key, value in keys.items():
            text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=1000)
            default = json.dumps(usual[section][key], ensure_ascii=False)
            note = "" if value == usual[section][key] else f"  # default: {default}"
            lines.append(f"  {key}: {text.strip()[1:-1]}{note}")
    return "\n".join(lines) + "\n"


def parse_override(text: str) -> tuple[str, Any]:
    """'training.epochs=50' -> ("training.epochs", 50); the value is read as YAML.

    Raises:
        ConfigError: no '=', or the value is not YAML.
    """
    dotted, sign, value = text.partition("=")
    if not sign or "." not in dotted:
        raise ConfigError(f"--set {text}: write section.key=value, e.g. --set training.learning_rate=0.001")
    try:
        return dotted.strip(), load_yaml(value)
    except ValueError as error:
        raise ConfigError(f"--set {text}: '{value}' cannot be read as a YAML value ({error})") from error


def recipes() -> dict[str, Path]:
    """The settings that ship: name -> file."""
    folder = next((folder for folder in RECIPE_FOLDERS if folder.is_dir()), None)
    return {} if folder is None else {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def _decoded(content: bytes) -> str:
    """UTF-8; UTF-16 where its mark says so, which is what Windows PowerShell redirects a command's output in."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if marked else "utf-8")


def _without_gone(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    """A finished run's own settings without keys that are gone: its checkpoint says whether it needs them.

    Raises:
        ConfigError: other settings ask for one.
    """
    for section, key, why in GONE:
        held = raw.get(section)
        if not isinstance(held, dict) or key not in held:
            continue
        if not (path.parent / "last.safetensors").exists():
            raise ConfigError(f"{path}: {section}.{key} is gone: {why}. Delete the line")
        raw = {**raw, section: {name: value for name, value in held.items() if name != key}}
    return raw


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file() and str(path) in recipes():  # a store beside it may be called signs too
        path = recipes()[str(path)]
    try:
        raw = load_yaml(_decoded(read_bounded(path, LARGEST_CONFIG)))
    except OSError as error:
        raise ConfigError(
            f"the config {path} cannot be read: {error.strerror or error}; check the path, or name one that "
            f"ships: --config {' | '.join(recipes())}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"the config {path} is not valid YAML: {error}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(
            f"the config {path} must hold sections such as 'model:', got a {type(raw).__name__}"
        )
    return {_name(section): {} if keys is None else keys for section, keys in raw.items()}


def _name(key: object) -> str:
    return key if isinstance(key, str) and len(key) <= 60 else shown(key)


def _refuse_unknown(raw: Mapping[str, Any], source: str) -> None:
    known = {name: list(_section(name).model_fields) for name in Settings.model_fields}
    for section, keys in raw.items():
        if section not in known:
            homes = [f"{home}.{section}" for home, names in known.items() if section in names]
            homes += [SYNONYMS[section]] if section in SYNONYMS else []
            hint = (
                homes or difflib.get_close_matches(section, [*known], n=1) or [f"one of {', '.join(known)}"]
            )
            raise ConfigError(f"{source}: there is no section {shown(section)}. Did you mean {hint[0]}?")
        if not isinstance(keys, dict):
            raise ConfigError(f"{source}: section '{section}' must hold keys, got {shown(keys)}")
        for key in keys:
            if key not in known[section]:
                raise ConfigError(
                    f"{source}: there is no key '{section}.{_name(key)}'."
                    + _nearest(section, _name(key), known)
                )


def _nearest(section: str, key: str, known: Mapping[str, list[str]]) -> str:
    homes = {name: home for home, names in known.items() for name in names}
    if key in homes:
        return f" It belongs in another section: {homes[key]}.{key}"
    if key in SYNONYMS:
        return f" Did you mean {SYNONYMS[key]}?"
    near = difflib.get_close_matches(key, known[section], n=1, cutoff=0.5)
    near = near or difflib.get_close_matches(key, [*homes], n=1)
    if near:
        return f" Did you mean {section if near[0] in known[section] else homes[near[0]]}.{near[0]}?"
    return f" Section '{section}' has: {', '.join(known[section])}"


def _section(name: str) -> type[BaseModel]:
    section = Settings.model_fields[name].annotation
    assert isinstance(section, type) and issubclass(section, BaseModel)
    return section


def _consistent(settings: Settings) -> Settings:
    """Fill the guide's three mode keys from each other, or name the two that disagree."""
    model, efficiency = settings.model, settings.efficiency
    mode, stored, pose = model.input_type, efficiency.use_pre_extracted, efficiency.use_pose
    switch = "efficiency.use_pre_extracted"
    if mode is None:
        if stored is False and pose:
            raise ConfigError(
                f"{switch} is false but efficiency.use_pose is true: poses are always "
                "extracted beforehand. Set use_pre_extracted: true for poses, or use_pose: false for video"
            )
        mode = "video" if stored is False else "features" if pose is False else "pose"
    if stored is not None and stored != (mode != "video"):
        cure = (
            "use_pre_extracted: false" if mode == "video" else "use_pre_extracted: true, or input_type: video"
        )
        raise ConfigError(f"{switch} is {str(stored).lower()} but model.input_type is '{mode}'. Set {cure}")
    if pose is not None and pose != (mode == "pose"):
        cure = (
            "use_pose: true, or input_type: features"
            if mode == "pose"
            else "use_pose: false, or input_type: pose"
        )
        raise ConfigError(
            f"efficiency.use_pose is {str(pose).lower()} but model.input_type is '{mode}'. Set {cure}"
        )
    if model.embed_dim % model.num_heads:
        raise ConfigError(
            f"model.embed_dim {model.embed_dim} is not divisible by model.num_heads {model.num_heads}: "
            "every head takes an equal share. Change one of them"
        )
    data = settings.data
    if data.json_path is not None and data.index is not None:
        raise ConfigError("data.json_path and data.index are both set: give one of them")
    if data.json_path is not None and data.video_dir is None:
        raise ConfigError("data.json_path is set but data.video_dir is not: name the folder of the videos")
    if mode == "video" and data.json_path is None and data.index is None:
        raise ConfigError(
            "model.input_type is 'video' but neither data.json_path nor data.index says where the videos "
            "are: set data.json_path and data.video_dir, or data.index"
        )
    filled = {"use_pre_extracted": mode != "video", "use_pose": mode == "pose"}
    return settings.model_copy(
        update={
            "model": model.model_copy(update={"input_type": mode}),
            "efficiency": efficiency.model_copy(update=filled),
        }
    )
