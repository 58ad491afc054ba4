"""Charts of a result as pieces of HTML: bars in plain boxes, curves in SVG. Colours come from the page's style.

Drawn here and not by matplotlib, so that a chart follows the page's width, its fonts, and its light and dark colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from bench.measure import Summary
from bench.results import Results, RowResult
from bench.scale import EXTRACT, TRAIN, Scale
from bench.written import number

STAGES = {
    "extract": "Extract",
    "train": "Train",
    "infer": "Predict",
    "floor": "Empty Python",
    "export": "Export",
}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 220, 46, 12, 12, 30  # of a chart of curves, in its own units


@dataclass(frozen=True)
class Bar:
    """label, and a detail in lighter type; kind: the colour's name (a mode); low, high: range over the repetitions;
    parts: (kind, value) that the bar is made of, instead of one colour."""

    label: str
    detail: str
    kind: str
    value: float
    low: float
    high: float
    text: str
    parts: tuple[tuple[str, float], ...] = ()


def bars_of(
    results: Results, stages: Sequence[str], figure: str, factor: float, unit: str, with_stage: bool = False
) -> list[Bar]:
    """One bar per row of these stages that has the figure."""
    found = []
    for row in results.rows:
        summary = row.figures.get(figure)
        if row.stage in stages and row.status == "ok" and summary is not None:
            found.append(_bar(row, summary, factor, unit, with_stage))
    return found


def _bar(row: RowResult, summary: Summary, factor: float, unit: str, with_stage: bool) -> Bar:
    label = f"{STAGES.get(row.stage, row.stage)} {row.mode}".strip() if with_stage else row.mode
    low, high = summary.low * factor, summary.high * factor
    value = summary.median * factor
    return Bar(label, row.backend, row.mode or "none", value, low, high, f"{number(value)} {unit}")


def limit_bars(results: Results) -> list[Bar]:
    """CPU time per clip, made of what the machine needs for it at best and the rest, where that is known."""
    found = []
    for row in results.rows:
        whole = row.median("cpu_s_per_clip")
        reached = row.median("reached")
        if row.stage not in ("extract", "train", "infer") or whole is None or reached is None:
            continue
        pieces = [
            (kind, 1000 * (row.median(figure) or 0.0))
            for kind, figure in (("decode", "limit_decode_s"), ("multiply", "limit_multiply_s"))
        ]
        rest = max(0.0, 1000 * whole - sum(value for _, value in pieces))
        parts = tuple((kind, value) for kind, value in [*pieces, ("rest", rest)] if value > 0)
        label = f"{STAGES[row.stage]} {row.mode}"
        text = f"{number(100 * reached)} %"
        total = sum(value for _, value in parts)
        found.append(Bar(label, row.backend, "rest", total, total, total, text, parts))
    return found


def bar_chart(title: str, note: str, bars: Sequence[Bar], shares: bool = False, wide: bool = False) -> str:
    """The longest bar fills the width; shares: every bar does, and only its parts count; wide: across the page.
    "" without bars."""
    if not bars:
        return ""
    most = max(bar.high for bar in bars) or 1.0
    kind = "chart full" if wide else "chart"
    lines = [f'<figure class="{kind}"><figcaption><h3>{escape(title)}</h3><p>{escape(note)}</p></figcaption>']
    for bar in bars:
        whole = bar.value or 1.0
        inner = "".join(
            f'<i class="k-{kind}" style="width:{100 * value / (whole if shares else most):.2f}%"></i>'
            for kind, value in (bar.parts or ((bar.kind, bar.value),))
        )
        if bar.high > bar.low:
            left, width = 100 * bar.low / most, 100 * (bar.high - bar.low) / most
            inner += f'<b style="left:{left:.2f}%;width:{width:.2f}%"></b>'
        detail = f" <small>{escape(bar.detail)}</small>" if bar.detail else ""
        lines.append(
            f'<div class="bar"><span class="name">{escape(bar.label)}{detail}</span>'
            f'<span class="track">{inner}</span><span class="value">{escape(bar.text)}</span></div>'
        )
    return "".join(lines) + "</figure>"


def curve_charts(scale: Scale) -> list[str]:
    """How time and memory grow, one chart per quantity."""
    charts = []
    for axis in dict.fromkeys(point.axis for point in scale.points):
        for figure, factor, unit, log in (
            ("wall_s_per_clip", 1000.0, "ms per clip", True),
            ("peak_bytes", 1 / 2**20, "peak MB", False),
        ):
            curves = {stage: scale.curve(axis, stage, figure) for stage in (EXTRACT, TRAIN)}
            scaled = {
                stage: [(at, one.median * factor, one.low * factor, one.high * factor) for at, one in curve]
                for stage, curve in curves.items()
                if len(curve) > 1
            }
            if scaled:
                charts.append(_curves(f"{unit} against {axis}", scaled, log))
    return charts


def _curves(title: str, curves: dict[str, list[tuple[int, float, float, float]]], log: bool) -> str:
    places = sorted({at for curve in curves.values() for at, *_ in curve})
    lows = [low for curve in curves.values() for _, _, low, _ in curve]
    highs = [high for curve in curves.values() for *_, high in curve]
    x = _axis(math.log(places[0]), math.log(places[-1]), LEFT, WIDTH - RIGHT)
    if log:
        # whole powers of ten around the values, so that the grid has a line at the bottom and the top
        bottom, top = math.floor(math.log10(min(lows))), math.ceil(math.log10(max(highs)))
        levels = [10.0**power for power in range(bottom, max(top, bottom + 1) + 1)]
        place_of = _axis(math.log10(levels[0]), math.log10(levels[-1]), HEIGHT - BOTTOM, TOP)
        y: Callable[[float], float] = lambda value: place_of(math.log10(value))  # noqa: E731
    else:
        step = _round_step(max(highs) / 4)
        levels = [step * count for count in range(int(max(highs) / step) + 2)]
        y = _axis(0.0, levels[-1], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y(level) + 4:.1f}" text-anchor="end">{number_short(level)}</text>'
        for level in levels
    ]
    parts += [
        f'<text x="{x(math.log(at)):.1f}" y="{HEIGHT - 10}" text-anchor="middle">{at}</text>' for at in places
    ]
    for stage, curve in curves.items():
        spots = [(x(math.log(at)), y(middle), y(low), y(high)) for at, middle, low, high in curve]
        line = " ".join(f"{across:.1f},{up:.1f}" for across, up, _, _ in spots)
        parts.append(f'<polyline class="s-{stage}" points="{line}"/>')
        parts += [
            f'<line class="s-{stage}" x1="{across:.1f}" x2="{across:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
            f'<circle class="s-{stage}" cx="{across:.1f}" cy="{up:.1f}" r="3.2"/>'
            for across, up, low, high in spots
        ]
    legend = "".join(f'<span class="s-{stage}">{escape(stage)}</span>' for stage in curves)
    return (
        f'<figure class="chart"><figcaption><h3>{escape(title)}</h3><p class="legend">{legend}</p></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


def number_short(value: float) -> str:
    """For the labels of an axis."""
    return f"{value:g}" if value < 10_000 else f"{value:.0e}"


def _axis(first: float, last: float, begin: float, end: float) -> Callable[[float], float]:
    """A straight way from values to places in the picture."""
    span = last - first or 1.0
    return lambda value: begin + (value - first) / span * (end - begin)


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, at least so much."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)
