"""The error tree.

ToolkitError
 ├── ConfigError(ValueError)               a setting or flag is wrong
 ├── InputError(ValueError)                an array has another shape or type than is needed
 ├── IndexFileError(ValueError)            a data-set index (json, csv, folder) cannot be used
 ├── VideoReadError(OSError)               a video gives no usable frames
 ├── StoreError(ValueError)                a feature store is damaged or missing
 │    ├── StoreMismatchError               a store was made by another command
 │    └── StoreLockedError                 another process is writing to the store
 ├── ModelFileError(ValueError)            an .onnx file is not one of our models
 ├── WeightsError(OSError)                 network weights are missing or not the expected ones
 ├── WorkerError(RuntimeError)             a worker process could not start
 ├── TrainingError(RuntimeError)           training cannot go on
 ├── ExportError(RuntimeError)             an export was refused
 └── MissingDependencyError(ImportError)   an optional package is not installed

Every message says what is wrong, names the file or value, and says what to do about it.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType


class ToolkitError(Exception):
    """Base of every error this package raises on purpose."""


MOST_AT_ONCE = 256  # threads or processes: more than a PC has, and few enough for every system to start


class ConfigError(ToolkitError, ValueError):
    """A setting or flag is wrong, or two of them contradict each other."""


class InputError(ToolkitError, ValueError):
    """An array (frames, landmarks, features) has another shape or type than is needed."""


class IndexFileError(ToolkitError, ValueError):
    """A data-set index (WLASL json, csv, folder per gloss) cannot be used."""


class VideoReadError(ToolkitError, OSError):
    """A video cannot be opened or gives no usable frames."""


class StoreError(ToolkitError, ValueError):
    """A feature store is missing, damaged or of another version."""


class StoreMismatchError(StoreError):
    """A store holds the output of another command (mode, frames, backend, weights)."""


class StoreLockedError(StoreError):
    """Another process is writing to the store."""


class ModelFileError(ToolkitError, ValueError):
    """An .onnx file is not a model that this package exported, or is damaged."""


class WeightsError(ToolkitError, OSError):
    """Network weights are missing, cannot be fetched, or differ from the expected hash."""


class WorkerError(ToolkitError, RuntimeError):
    """A worker process could not start at all."""


class TrainingError(ToolkitError, RuntimeError):
    """Training cannot start or go on (no clips, NaN loss, ...)."""


class ExportError(ToolkitError, RuntimeError):
    """An export was refused; no file was written."""


class MissingDependencyError(ToolkitError, ImportError):
    """An optional package is not installed; the message holds the pip line."""


NO_DISPLAY_LIBRARIES = (
    "OpenCV cannot be loaded: a system library for windows is missing, as on servers without a display ({reason}). "
    "Either install it (Debian, Ubuntu: apt install libgl1 libglib2.0-0) or take the OpenCV without windows: "
    "pip uninstall -y opencv-python, then pip install opencv-python-headless"
)


def explain_import(error: ImportError) -> ImportError:
    """The error to show for a failed import: one with a cure where the cause is known, else the error itself."""
    if re.search(r"lib(GL|EGL|gthread|glib|xcb|X11)[\w.-]*\.so", str(error)):
        return MissingDependencyError(NO_DISPLAY_LIBRARIES.format(reason=error))
    return error


def install_line(extra: str) -> str:
    """What to type for an optional extra: from the folder of the source where this package runs from one."""
    source = Path(__file__).parents[1]
    if (source / "pyproject.toml").is_file():
        return f'pip install --editable "{source}[{extra}]"'
    return f'pip install "sign-toolkit[{extra}]"'


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Raises:
        MissingDependencyError: with the pip line that cures it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"this needs the package '{module.partition('.')[0]}', which could not be imported ({error}). "
            f"Install it with: {install_line(extra)}"
        ) from error
