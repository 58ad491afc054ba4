"""The curves as one picture: what grows to the right, time per clip and memory upwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.scale import BATCH, CLIPS, EXTRACT, FRAMES, TRAIN, WORKERS, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALE_PICTURE = "scale.png"
WIDE = 5  # largest / smallest from which small values would vanish on a linear scale
COLOURS = {EXTRACT: "#3b7dd8", TRAIN: "#e39b32"}


def scale_figure(scale: Scale) -> Figure:
    """Two rows of four: time per clip above, peak memory below; bars are the range over the repetitions."""
    from matplotlib.figure import Figure  # Figure alone draws without a display

    figure = Figure(figsize=(13, 5.5), layout="constrained")
    for column, axis in enumerate((CLIPS, WORKERS, BATCH, FRAMES)):
        times, memory = (figure.add_subplot(2, 4, row * 4 + column + 1) for row in (0, 1))
        _draw(times, scale, axis, "wall_s_per_clip", 1000, "ms per clip", log=True)
        _draw(memory, scale, axis, "peak_bytes", 1 / 2**20, "peak MB", log=False)
        times.set_title(axis, fontsize=10)
        memory.set_xlabel(axis)
    return figure


def draw_scale(scale: Scale, path: Path) -> None:
    """Write the picture."""
    scale_figure(scale).savefig(path, dpi=120)


def _draw(axes: Axes, scale: Scale, axis: str, name: str, factor: float, unit: str, log: bool) -> None:
    ticks: set[int] = set()
    for stage in (EXTRACT, TRAIN):
        curve = scale.curve(axis, stage, name)
        if not curve:
            continue
        places = [value for value, _ in curve]
        ticks |= set(places)
        middle = [figure.median * factor for _, figure in curve]
        below = [(figure.median - figure.low) * factor for _, figure in curve]
        above = [(figure.high - figure.median) * factor for _, figure in curve]
        axes.errorbar(
            places, middle, (below, above), marker="o", capsize=3, color=COLOURS[stage], label=stage
        )
    if ticks:
        axes.set_xscale("log")
        axes.set_xticks(sorted(ticks), [str(tick) for tick in sorted(ticks)])
        axes.minorticks_off()
        axes.legend(fontsize=8)
        low, high = axes.dataLim.intervaly
        if log and high > WIDE * low:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.15 * high)
    axes.set_ylabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
