"""report.md and report.html of a finished run: figures, how the weights were chosen, curves, confusion, settings,
and what to do next. The page holds its pictures itself, so it can be sent as one file.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.calibration import too_few
from toolkit.metrics import top5_tells
from toolkit.train.log import EpochRow
from toolkit.train.report import Evaluation, worst_first
from toolkit.train.settings import Settings
from toolkit.train.split import counted

PAIRS = 15
FEW_TO_MEASURE = 30  # clips; a figure of fewer is uncertain by 15 points and more
ABOVE_GUESSING = 1.5  # times its loss: random weights and mixed clips stay below
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.2rem .6rem;text-align:left}
img{max-width:100%}pre{background:#f4f4f4;padding:.8rem;overflow:auto}"""
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def write_run_report(
    run_dir: Path,
    settings: Settings,
    facts: dict[str, Any],
    metrics: dict[str, Any],
    rows: list[EpochRow],
    best_epoch: int,
    evaluation: Evaluation | None,
    peak_rss_mib: float,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write both; pictures of the run that are there (curves.png, confusion-val.png) are shown. Returns paths.

    evaluation: of the kept weights on the validation clips; None without such clips. peak_rss_mib: of the process.
    notes: what was said about the clips when the training began.
    """
    title = f"Training run {run_dir.name}"
    figures = _figures(facts, metrics, rows, best_epoch, peak_rss_mib, evaluation)
    rule = selection_rule(settings, evaluation is not None, best_epoch)
    command = f"toolkit export {run_dir} --output model.onnx"
    tables: list[tuple[str, Table]] = [("Figures", figures)]
    if evaluation is not None:
        tables.append(("Glosses, worst first", worst_first(evaluation)))
        pairs: list[tuple[str, ...]] = [(a, b, str(times)) for a, b, times in evaluation.confused(PAIRS)]
        if pairs:
            tables.append(("Most confused pairs", (("gloss", "and", "times"), pairs)))
    pictures = [name for name in ("curves.png", "confusion-val.png") if (run_dir / name).is_file()]
    markdown = [f"# {title}", rule, *(f"![{name}]({name})" for name in pictures)]
    page = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(rule)}</p>"]
    if notes:
        markdown.insert(2, "\n".join(f"- {note}" for note in notes))
        page.append(f"<ul>{''.join(f'<li>{html.escape(note)}</li>' for note in notes)}</ul>")
    for name in pictures:
        content = base64.b64encode((run_dir / name).read_bytes()).decode("ascii")
        page.append(f'<img alt="{name}" src="data:image/png;base64,{content}">')
    for heading, table in tables:
        markdown.append(f"## {heading}\n\n{_as_markdown(table)}")
        page.append(f"<h2>{heading}</h2>{_as_html(table)}")
    config = settings.to_yaml()
    markdown.append(f"## Settings as run\n\n```yaml\n{config}```\n\n## Next\n\n```\n{command}\n```")
    page.append(f"<h2>Settings as run</h2><pre>{html.escape(config)}</pre>")
    page.append(f"<h2>Next</h2><pre>{html.escape(command)}</pre>")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    paths = [run_dir / "report.md", run_dir / "report.html"]
    paths[0].write_text("\n\n".join(markdown) + "\n", encoding="utf-8")
    paths[1].write_text(f"{head}<style>{STYLE}</style>\n" + "\n".join(page) + "</html>\n", encoding="utf-8")
    return paths


def selection_rule(settings: Settings, validated: bool, best_epoch: int) -> str:
    """How the weights that count were chosen, in a sentence or two. Never by a test split: training reads none."""
    if not validated:
        return "There were no validation clips, so the weights are the last epoch's and no figure is known."
    if settings.training.choose == "last":
        return (
            "The weights are the last epoch's, as fixed beforehand (training.choose: last), not those that did best "
            "on the validation clips, so the figures on these are not too good. No test clip was read."
        )
    return (
        f"The weights are those of epoch {best_epoch}, which did best on the validation clips; the figures on these "
        "very clips are therefore a little too good. No test clip was read: measure those with toolkit evaluate."
    )


def of_few_clips(clips: int, interval: tuple[float, float]) -> str:
    """What a figure of so many clips is worth, for people; "" where they are not few. interval: 95 %, fractions."""
    if clips >= FEW_TO_MEASURE:
        return ""
    low, high = (round(100 * limit) for limit in interval)
    return (
        f"{counted(clips, 'validation clip')} {'says' if clips == 1 else 'say'} little: on more clips it may turn "
        + (f"out anything from {low} to {high} %")
    )


def of_high_loss(loss: float, glosses: int) -> str:
    """That nothing was learnt, "" where something may have been. loss: of the last epoch, in nats."""
    guessing = math.log(glosses)
    if loss <= ABOVE_GUESSING * guessing:
        return ""
    return (
        f"the last epoch's loss, {loss:.3g}, is far above that of guessing ({guessing:.2f}): nothing was learnt; "
        "lower --learning_rate"
    )


def _figures(
    facts: dict[str, Any],
    metrics: dict[str, Any],
    rows: list[EpochRow],
    best_epoch: int,
    peak_rss_mib: float,
    evaluation: Evaluation | None,
) -> Table:
    lines: list[tuple[str, ...]] = [
        ("training clips", f"{facts['train_clips']} of split {', '.join(facts['train_splits'])}"),
        (
            "validation clips",
            f"{facts['val_clips']} of split {facts['val_split']}" if facts["val_clips"] else "none",
        ),
        ("weights kept", f"epoch {best_epoch} of {rows[-1].epoch}"),
        ("time for all epochs", f"{sum(row.seconds for row in rows):.1f} s"),
        ("peak memory", f"{peak_rss_mib:.0f} MiB"),
    ]
    if facts["val_signers"]:
        lines.insert(2, ("signers only validated on", ", ".join(facts["val_signers"])))
    if began := facts.get("started_from"):
        lines.insert(
            0,
            (
                "started from",
                f"weights that had learnt {began['train_clips']} clips of {began['glosses']} glosses",
            ),
        )
    if metrics["val_top1"] is not None and evaluation is not None:
        low, high = metrics["val_top1_interval"]
        text = f"{100 * metrics['val_top1']:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f})"
        lines.append(("validation top-1", text))
        if caution := of_few_clips(facts["val_clips"], (low, high)):
            lines.append(("how sure that is", caution))
        if top5_tells(len(evaluation.glosses)):
            lines.append(("validation top-5", f"{100 * metrics['val_top5']:.1f} %"))
        lines.append(("by guessing", f"{100 / len(evaluation.glosses):.1f} %"))
    if "temperature" in metrics and (reason := too_few(facts["val_clips"])):
        lines.append(("calibration", reason))
    elif "temperature" in metrics:
        before, after = metrics["ece_uncalibrated"], metrics["ece"]
        lines.append(("temperature, fitted on the validation clips", f"{metrics['temperature']:.2f}"))
        lines.append(("calibration error (ECE) before, after", f"{before:.3f}, {after:.3f}"))
    return ("figure", "value"), lines


def _as_markdown(table: Table) -> str:
    header, rows = table
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _as_html(table: Table) -> str:
    header, rows = table
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
