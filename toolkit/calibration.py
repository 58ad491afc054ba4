"""How far a model's scores can be trusted: temperature, calibration error, and the score to answer from.

Arrays in, numbers out. Knows nothing about models, files or gloss names. The temperature is that of Guo et al., On
Calibration of Modern Neural Networks, ICML 2017: one number that logits are divided by before the softmax. It
changes no answer, only how sure the answers look.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

COLDEST, HOTTEST = 0.05, 20.0  # limits of the temperature
BINS = 10  # of equal width, for the calibration error
PRECISION = 0.9
"""Of the answers that are given, this part was right on the validation clips."""
FEWEST = 10
"""Clips that a temperature is fitted on, and answers that a precision is read off, at least: with four clips, all
right, the fit of one number made the scores worse (calibration error 0.09 before, 0.16 after)."""
EVEN = 0.5
"""An answer of this calibrated score is as often right as wrong; the threshold where FEWEST clips are not there."""


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature in COLDEST..HOTTEST with the highest likelihood of the labels and of one guessed answer.

    The guess, a clip more whose sign nobody could tell, keeps few clips that are all right from driving the
    temperature to 0: n of n right counts as the rule of succession says, not as never wrong.

    logits: (N, C); labels: (N,) in 0..C-1; N >= 1. Fewer than FEWEST clips say nothing: 1, the scores as they are.
    """
    if len(labels) < FEWEST:
        return 1.0
    own = float(np.take_along_axis(logits, labels[:, None], axis=1).sum() + logits.mean()) / (len(labels) + 1)
    low, high = math.log(1 / HOTTEST), math.log(1 / COLDEST)
    for _ in range(40):  # the likelihood has one maximum over 1 / temperature; halve down to 1e-11 of it
        middle = (low + high) / 2
        expected = (softmax(logits, math.exp(-middle)) * logits).sum(axis=1)
        if expected.mean() < own:  # surer answers would fit better
            low = middle
        else:
            high = middle
    return math.exp(-(low + high) / 2)


def calibration_error(
    logits: NDArray[np.floating], labels: NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Expected calibration error in 0..1: how far the best answer's score is from how often it is right.

    Over BINS bins of scores, weighted by their size.
    """
    score, right = _best(logits, labels, temperature)
    bins = np.minimum((score * BINS).astype(int), BINS - 1)
    gaps = [abs(float(score[bins == number].sum() - right[bins == number].sum())) for number in range(BINS)]
    return sum(gaps) / len(score)


def choose_threshold(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    temperature: float = 1.0,
    precision: float = PRECISION,
) -> float:
    """The score (0..1, cut to four digits) from which on answers are right in this part of the cases.

    As many answers as possible are given, but FEWEST are looked at; when no number of answers is that precise,
    the most precise one. Never above EVEN when all answers together are precise enough: what few clips happened
    to score says nothing then. For fewer than FEWEST clips it is EVEN.
    """
    if len(labels) < FEWEST:
        return EVEN
    score, right = _best(logits, labels, temperature)
    order = np.argsort(-score, kind="stable")
    counts = np.arange(1, len(order) + 1)
    precise = np.cumsum(right[order]) / counts
    enough = counts >= FEWEST
    good = np.flatnonzero(enough & (precise >= precision))
    last = int(good[-1]) if len(good) else int(np.argmax(np.where(enough, precise, -1.0)))
    lowest = float(score[order[last]])
    if last == len(order) - 1:
        lowest = min(lowest, EVEN)
    return math.floor(lowest * 1e4) / 1e4


def too_few(clips: int) -> str:
    """Why scores are as they are, for people; "" where so many clips are enough."""
    return "" if clips >= FEWEST else f"too few clips ({clips}) to calibrate on; {FEWEST} are needed"


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """(..., C) -> scores that sum to 1 over the last axis, in float64."""
    shifted = logits.astype(np.float64) / temperature
    exponents: NDArray[np.float64] = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    scores: NDArray[np.float64] = exponents / exponents.sum(axis=-1, keepdims=True)
    return scores


def _best(
    logits: NDArray[np.floating], labels: NDArray[np.integer], temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(N,) score of the best answer, and whether it is right."""
    return softmax(logits, temperature).max(axis=1), logits.argmax(axis=1) == labels
