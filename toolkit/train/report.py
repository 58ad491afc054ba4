"""What an evaluation leaves to look at: figures with their interval, a per-gloss table, a confusion picture.

Takes logits and labels, whatever model made them; needs no torch.
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.calibration import FEWEST, calibration_error
from toolkit.metrics import (
    GlossScore,
    confused_pairs,
    confusion,
    per_gloss,
    top5_tells,
    topk,
    wilson_interval,
)

PAIRS = 15  # shown in a report
DARK = 0.5  # share above which a cell is too dark for black letters
NAMED_GLOSSES = 60  # more than this many cannot be read along the axes of a picture
TITLE_LETTERS = 11  # of 10 points in an inch


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one set of clips. Fractions in 0..1; intervals are 95 %, Wilson.

    scores: one per gloss, in label order; counts: (C, C), row = true gloss, column = predicted; ece: expected
    calibration error of the scores at the temperature they were taken at.
    """

    top1: float
    top5: float
    n: int
    top1_interval: tuple[float, float]
    top5_interval: tuple[float, float]
    glosses: tuple[str, ...]
    scores: list[GlossScore]
    counts: NDArray[np.int64]
    ece: float

    def confused(self, limit: int) -> list[tuple[str, str, int]]:
        """Pairs of glosses taken for one another, in either direction, most often first, and how often."""
        pairs = confused_pairs(self.counts, limit)
        return [(self.glosses[label], self.glosses[other], times) for label, other, times in pairs]

    def mistaken_for(self, label: int) -> str:
        """The wrong answers to one gloss, most frequent first, such as "book 2, drink 1"."""
        row = self.counts[label].copy()
        row[label] = 0
        order = sorted(np.flatnonzero(row), key=lambda other: (-row[other], other))
        return ", ".join(f"{self.glosses[other]} {row[other]}" for other in order[:3])

    def worst(self, limit: int) -> list[GlossScore]:
        """The glosses with the lowest recall among those that have clips, the most clips first in a tie."""
        shown = [score for score in self.scores if score.n and score.correct < score.n]
        return sorted(shown, key=lambda score: (score.recall, -score.n, score.label))[:limit]


def evaluate_logits(
    logits: NDArray[np.float32], labels: NDArray[np.int64], glosses: tuple[str, ...], temperature: float = 1.0
) -> Evaluation:
    """logits: (N, C); labels: (N,) into glosses; N >= 1; temperature: what the model divides its logits by."""
    top1, top5, n = topk(logits, labels, 1), topk(logits, labels, 5), len(labels)
    counts = confusion(logits.argmax(1), labels, len(glosses))
    intervals = wilson_interval(top1, n), wilson_interval(top5, n)
    ece = calibration_error(logits, labels, temperature)
    return Evaluation(top1, top5, n, *intervals, glosses, per_gloss(counts), counts, ece)


def write_report(evaluation: Evaluation, folder: Path, split: str, title: str) -> list[Path]:
    """Write evaluation-SPLIT.json, .csv and .md (per gloss) and confusion-SPLIT.png; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"evaluation-{split}.{kind}" for kind in ("json", "csv", "md")]
    paths[0].write_text(json.dumps(summary(evaluation), indent=1) + "\n", encoding="utf-8")
    paths[1].write_text(_as_csv(evaluation), encoding="utf-8", newline="")
    paths[2].write_text(_as_markdown(evaluation, title), encoding="utf-8")
    picture = folder / f"confusion-{split}.png"
    draw_confusion(evaluation, picture, title)
    return [*paths, picture]


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The figures as JSON values: top1, top5 (fractions), n, interval (of top1), top5_interval, ece."""
    return {
        "top1": evaluation.top1,
        "top5": evaluation.top5,
        "n": evaluation.n,
        "interval": list(evaluation.top1_interval),
        "top5_interval": list(evaluation.top5_interval),
        "ece": evaluation.ece,
    }


def draw_confusion(evaluation: Evaluation, path: Path, title: str) -> None:
    """Rows: true gloss, as shares of its clips, grey where it has none; columns: the answer."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure  # Figure alone draws without a display

    clips = evaluation.counts.sum(1, keepdims=True)
    shares = np.divide(
        evaluation.counts, clips, out=np.full(evaluation.counts.shape, np.nan), where=clips > 0
    )
    colours = colormaps["Blues"].with_extremes(bad="0.93")
    few = len(evaluation.glosses) <= NAMED_GLOSSES
    side = 4 + 0.16 * len(evaluation.glosses) if few else 7.5
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    if few:
        places = range(len(evaluation.glosses))
        axes.set_xticks(places, evaluation.glosses, rotation=90, fontsize=7, parse_math=False)
        axes.set_yticks(places, evaluation.glosses, fontsize=7, parse_math=False)
        for row, column in np.argwhere(evaluation.counts):
            ink = "white" if shares[row, column] > DARK else "black"
            text = str(evaluation.counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=6)
    low, high = evaluation.top1_interval
    figures = f"top-1 {100 * evaluation.top1:.1f} % ({100 * low:.1f} to {100 * high:.1f}), n = {evaluation.n}"
    axes.set(xlabel="answer", ylabel="true gloss")
    lines = [
        *textwrap.wrap(title, int(TITLE_LETTERS * side)),
        *textwrap.wrap(figures, int(TITLE_LETTERS * side)),
    ]
    # of the whole width, which two glosses make narrow
    figure.suptitle("\n".join(lines), fontsize=10, parse_math=False)
    figure.colorbar(image, ax=axes, shrink=0.6, label="share of the gloss's clips (grey: it has none)")
    figure.savefig(path, dpi=110)


def worst_first(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """(header, rows) of all glosses, the lowest recall first; those without clips last."""
    header: tuple[str, ...] = ("gloss", "clips", "correct", "recall", "precision", "mistaken for")
    order = sorted(
        evaluation.scores,
        key=lambda score: (not score.n, score.recall if score.n else 0.0, -score.n, score.label),
    )
    rows: list[tuple[str, ...]] = [
        (
            evaluation.glosses[score.label],
            str(score.n),
            str(score.correct),
            f"{score.recall:.3f}" if score.n else "",
            f"{score.precision:.3f}" if score.predicted else "",
            evaluation.mistaken_for(score.label),
        )
        for score in order
    ]
    return header, rows


def _as_csv(evaluation: Evaluation) -> str:
    header, rows = worst_first(evaluation)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _as_markdown(evaluation: Evaluation, title: str) -> str:
    header, rows = worst_first(evaluation)
    lines = [f"# {title}", "", f"n = {evaluation.n} clips", ""]
    for name, value, (low, high) in (
        ("top-1", evaluation.top1, evaluation.top1_interval),
        ("top-5", evaluation.top5, evaluation.top5_interval),
    ):
        if name == "top-5" and not top5_tells(len(evaluation.glosses)):
            continue
        lines.append(f"- {name}: {100 * value:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f})")
    if evaluation.n >= FEWEST:
        lines.append(f"- calibration error (ECE): {evaluation.ece:.3f}")
    pairs = [f"{first} and {second} {times}" for first, second, times in evaluation.confused(PAIRS)]
    lines.append(f"- most confused pairs: {', '.join(pairs) or 'none'}")
    lines += ["", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
