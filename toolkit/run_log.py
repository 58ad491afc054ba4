"""A run's log on request (--log_file): one JSON line per event, so that a run can be explained afterwards.

Every line has "time" (UTC, ISO 8601, to the millisecond) and "event"; the other keys depend on the event and are
listed in docs/reliability.md. Lines are appended and written at once: a killed run leaves all events up to its end,
a continued one adds its own. Knows no command: they say what happened.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

from toolkit.errors import ConfigError

PACKAGES = ("sign-toolkit", "numpy", "onnxruntime", "av", "opencv-python", "torch")
LONGEST = 2000  # characters of one text


class EventLog:
    """Events to a file; without a path it does nothing. Use as a context manager around the run."""

    def __init__(self, path: Path | None, command: str, settings: Mapping[str, Any]) -> None:
        """Open the file for appending, and log "started" with versions and settings.

        Raises:
            ConfigError: the file cannot be written.
        """
        self._file = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise ConfigError(
                f"--log_file {path} cannot be written: {error.strerror}; name another"
            ) from error
        self("started", command=command, pid=os.getpid(), versions=versions(), settings=settings)

    def __call__(self, event: str, **facts: Any) -> None:
        """Write one event. A log that can no longer be written (disk full) is given up, not the run."""
        if self._file is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": now, "event": event} | facts, ensure_ascii=False, default=_plain)
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            print(f"the log file cannot be written any more ({error.strerror})", file=sys.stderr)
            self._file = None

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self("stopped", reason="Ctrl-C or a signal")
        elif error is not None:
            self("failed", error=f"{type(error).__name__}: {error}"[:LONGEST])
        if self._file is not None:
            self._file.close()
            self._file = None


def versions() -> dict[str, str]:
    """Python, system and packages that decide what a run gives; packages that are not there are left out."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: object) -> str:
    return str(value)
