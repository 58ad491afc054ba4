"""How good predictions are: top-k accuracy, per-gloss figures, confusion, intervals. Arrays in, numbers out.

Knows nothing about models, files or gloss names; labels are indices into the caller's gloss list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054  # 97.5 % quantile of the standard normal: a two-sided 95 % interval
T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom; beyond, the last is a little too wide."""


@dataclass(frozen=True)
class GlossScore:
    """Figures of one gloss. recall and precision are fractions; NaN where nothing was there to count."""

    label: int
    n: int
    predicted: int
    correct: int
    recall: float
    precision: float


def topk(logits: NDArray[np.floating], labels: NDArray[np.integer], k: int = 1) -> float:
    """Fraction (0..1) of rows whose label is among the k highest logits; NaN for no rows.

    logits: (N, C); labels: (N,) in 0..C-1. A label tied with others counts as ranked behind all of them, so
    a model that answers the same value for every gloss scores 0, and a row with a NaN is a miss.
    """
    _check(logits, labels)
    if len(labels) == 0:
        return math.nan
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    ahead = (~(logits < own)).sum(axis=1) - 1  # itself is never below itself; NaN compares as ahead
    return float((ahead < k).mean())


def top5_tells(num_classes: int) -> bool:
    """Whether top-5 says anything: among five glosses every answer is one of the best five."""
    return num_classes > 5


def confusion(
    predicted: NDArray[np.integer], labels: NDArray[np.integer], num_classes: int
) -> NDArray[np.int64]:
    """(C, C) counts: row = true gloss, column = predicted gloss."""
    if predicted.shape != labels.shape:
        raise ValueError(f"predicted {predicted.shape} and labels {labels.shape} differ in shape")
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def per_gloss(counts: NDArray[np.int64]) -> list[GlossScore]:
    """One GlossScore per class, in label order. counts: what `confusion` returns."""
    scores = []
    for label, (n, predicted) in enumerate(zip(counts.sum(axis=1), counts.sum(axis=0), strict=True)):
        correct = int(counts[label, label])
        scores.append(
            GlossScore(
                label=label,
                n=int(n),
                predicted=int(predicted),
                correct=correct,
                recall=correct / n if n else math.nan,
                precision=correct / predicted if predicted else math.nan,
            )
        )
    return scores


def wilson_interval(fraction: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """(low, high) of a proportion seen in n trials; (0, 1) for n = 0.

    Wilson's score interval (E. B. Wilson, JASA 22, 1927): unlike the normal approximation it stays inside
    0..1 and keeps its coverage for small n and for fractions near 0 and 1.
    """
    if n == 0:
        return (0.0, 1.0)
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"a fraction lies in 0..1, got {fraction}")
    spread = z * math.sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n))
    middle = fraction + z * z / (2 * n)
    scale = 1 + z * z / n
    return (max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale))


def confused_pairs(counts: NDArray[np.int64], limit: int) -> list[tuple[int, int, int]]:
    """The pairs of glosses taken for one another most often, either way round: (label, other, times), label <
    other, most frequent first. counts: what `confusion` returns."""
    both = np.triu(counts + counts.T, 1)
    found = [(int(a), int(b), int(both[a, b])) for a, b in zip(*np.nonzero(both), strict=True)]
    return sorted(found, key=lambda pair: (-pair[2], pair[:2]))[:limit]


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """(low, high) of the mean of a few independent values, 95 %, by Student's t; (-inf, inf) for fewer than two."""
    n = len(values)
    if n < 2:
        return (-math.inf, math.inf)
    mean = math.fsum(values) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    quantile = T_975[min(n - 1, len(T_975)) - 1]
    return mean - quantile * spread, mean + quantile * spread


def _check(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits (N, C) and labels (N,) are needed, got {logits.shape} and {labels.shape}")
