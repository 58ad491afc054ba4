"""results.json: everything that a run measured, and nothing that cannot be read without this package.

Tables, Markdown and picture are drawn from it alone, so an old result can be shown again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.guide import Claim
from bench.measure import Summary
from bench.scale import Scale
from toolkit.errors import ConfigError
from toolkit.whole_file import write_whole

VERSION = 2
FILE_NAME = "results.json"


@dataclass(frozen=True)
class RowResult:
    """One row. status: "ok" or "failed", with the reason; figures: name -> over the repetitions;
    sources: figure -> the counter it is from; compared_with: the row that the ratios refer to, "" for none;
    ratios: a key of bench.collect.RATIOS -> this row divided by that one, round by round; cpu_to_machine and
    wall_to_machine: divided by the calibration in the row "machine"."""

    name: str
    stage: str
    mode: str
    backend: str
    default: bool
    status: str
    reason: str = ""
    figures: dict[str, Summary] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    compared_with: str = ""
    ratios: dict[str, Summary] = field(default_factory=dict)

    def median(self, figure: str) -> float | None:
        """None where this row has no such figure."""
        return self.figures[figure].median if figure in self.figures else None


@dataclass(frozen=True)
class Results:
    """options: as given; environment: see bench.environment; data: what was measured on; claims: see bench.guide;
    scale: the curves of `bench scale`, None where they were not measured."""

    options: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    rows: tuple[RowResult, ...]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]
    scale: Scale | None = None

    def find(self, stage: str, mode: str) -> RowResult | None:
        """The default row of a stage and mode, if it was measured without failing."""
        for row in self.rows:
            if (row.stage, row.mode, row.default, row.status) == (stage, mode, True, "ok"):
                return row
        return None

    def save(self, path: Path) -> None:
        """Write the file; an older one is replaced in one step."""
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(path, f"{text}\n".encode())

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote.

        Raises:
            ConfigError: no such file, not a result, or one of another version.
        """
        path = path / FILE_NAME if path.is_dir() else path
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read as a result ({error}); give a {FILE_NAME} of bench run"
            ) from error
        version = raw.get("version") if isinstance(raw, dict) else None
        if version != VERSION:
            raise ConfigError(
                f"{path} has schema version {version!r}, this bench reads {VERSION}; run bench run again"
            )
        try:
            return cls(
                raw["options"],
                raw["environment"],
                raw["data"],
                tuple(_row(row) for row in raw["rows"]),
                tuple(Claim(**claim) for claim in raw["claims"]),
                tuple(raw["notes"]),
                Scale.from_json(raw["scale"]) if raw.get("scale") else None,
            )
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{path} is damaged ({error!r}); run bench run again") from error


def _row(raw: dict[str, Any]) -> RowResult:
    summaries = {
        name: {
            key: Summary(**{**value, "values": tuple(value["values"])}) for key, value in raw[name].items()
        }
        for name in ("figures", "ratios")
    }
    return RowResult(**{**raw, **summaries})


def beside_earlier(folder: Path) -> Path:
    """Where a stopped run's results go: the folder, or "stopped" in it where results lie already."""
    if not (folder / FILE_NAME).exists():
        return folder
    (folder / "stopped").mkdir(exist_ok=True)
    return folder / "stopped"
