"""Curves and forecasts as tables of text cells."""

from __future__ import annotations

from bench.measure import Summary
from bench.scale import BATCH, CLIPS, EXTRACT, FRAMES, TRAIN, WORKERS, Forecast, Scale, axis_value
from bench.written import NOTHING, Table, number, size, with_spread

MIB = 2**20


def scale_tables(scale: Scale) -> list[Table]:
    """The curves, then what all of WLASL would cost."""
    return [curves(scale), whole(scale)]


def curves(scale: Scale) -> Table:
    """One line per point: what grows, and what a clip and the process cost there."""
    lines = []
    for axis in (CLIPS, WORKERS, BATCH, FRAMES):
        for stage in (EXTRACT, TRAIN):
            lines += [_cells(scale, axis, stage, value) for value in _values(scale, axis, stage)]
    columns = (
        "what grows",
        "stage",
        "ms per clip",
        "clips/s",
        "CPU ms per clip, start included",
        "ms per step",
        "start s",
        "peak MB",
    )
    title = f"How the cost grows: {scale.options['mode']}, one quantity at a time"
    return Table(title, columns, tuple(lines), ("start s", "ms per step"))


def whole(scale: Scale) -> Table:
    """The forecasts."""
    lines = tuple((one.what, amount(one, one.value), _between(one), one.basis) for one in scale.forecasts)
    title = f"What all of WLASL would take ({scale.whole} clips, {scale.options['usual_frames']} frames)"
    return Table(title, ("what", "forecast", "95 % between", "from"), lines)


def scale_failures(scale: Scale) -> list[str]:
    """One line per failed point."""
    return [
        f"{one.stage}, {axis_value(one.axis, one.value)}, failed: {one.reason}"
        for one in scale.points
        if one.reason
    ]


def scale_method(scale: Scale) -> list[str]:
    """How the curves were measured, in a few lines."""
    sizes = scale.options
    return [
        f"Curves: {scale.data['clips']} clips, taken round and round where more are needed; {sizes['usual_frames']} "
        f"frames, batches of {sizes['usual_batch']}, {max(sizes['workers'])} processes, where these are not what "
        f"grows; {sizes['frame_clips']} clips in 1 process for frames, {sizes['worker_clips']} for workers. "
        f"Repetitions: {sizes['repeats']}. Peaks of several processes are added up, what they share counted in each.",
        *scale.notes,
    ]


def amount(forecast: Forecast, value: float) -> str:
    """In the unit that suits it."""
    if forecast.unit == "bytes":
        return size(value, least=MIB)
    for unit, name in ((3600.0, "h"), (60.0, "min")):
        if value >= unit:
            return f"{number(value / unit)} {name}"
    return f"{number(value)} s"


def _between(forecast: Forecast) -> str:
    if forecast.low is None or forecast.high is None:
        return "too few points to say"
    return f"{amount(forecast, forecast.low)} – {amount(forecast, forecast.high)}"


def _values(scale: Scale, axis: str, stage: str) -> list[int]:
    return [value for value, _ in scale.curve(axis, stage, "wall_s_per_clip")]


def _cells(scale: Scale, axis: str, stage: str, value: int) -> tuple[str, ...]:
    def figure(name: str) -> Summary | None:
        return dict(scale.curve(axis, stage, name)).get(value)

    wall, peak, step = figure("wall_s_per_clip"), figure("peak_bytes"), figure("cpu_s_per_step")
    start = figure("start_s")
    return (
        axis_value(axis, value),
        stage,
        with_spread(wall, 1000),
        number(1 / wall.median) if wall else NOTHING,
        with_spread(figure("cpu_s_per_clip"), 1000),
        number(wall.median * _batch(scale, axis, value) * 1000) if wall and step else NOTHING,
        number(start.median) if start else NOTHING,
        number(peak.median / MIB) if peak else NOTHING,
    )


def _batch(scale: Scale, axis: str, value: int) -> int:
    return value if axis == BATCH else int(scale.options["usual_batch"])
