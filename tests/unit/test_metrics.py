"""Metrics against figures worked out by hand and against brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.metrics import confusion, per_gloss, topk, wilson_interval


def test_topk_by_hand():
    logits = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 3.0, 1.0], [0.0, 1.0, 2.0]])
    labels = np.array([0, 1, 2, 2])
    assert topk(logits, labels, 1) == 0.5
    assert topk(logits, labels, 2) == 0.75
    assert topk(logits, labels, 3) == 1.0


def test_topk_gives_no_credit_for_ties_or_nan():
    assert topk(np.zeros((4, 10)), np.arange(4), 5) == 0.0
    assert topk(np.full((2, 3), np.nan), np.array([0, 1]), 1) == 0.0


def test_topk_of_nothing_is_nan():
    assert math.isnan(topk(np.zeros((0, 3)), np.zeros(0, int), 1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(2, 12))
def test_topk_agrees_with_sorting(seed, n, classes):
    rng = np.random.default_rng(seed)
    logits = rng.permuted(np.tile(np.arange(classes, dtype=float), (n, 1)), axis=1)  # no ties
    labels = rng.integers(0, classes, n)
    for k in (1, 2, classes):
        order = np.argsort(-logits, axis=1)[:, :k]
        assert topk(logits, labels, k) == pytest.approx(
            np.mean([lab in row for lab, row in zip(labels, order, strict=True)])
        )


def test_topk_refuses_shapes_that_do_not_belong_together():
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(4,\)"):
        topk(np.zeros((3, 2)), np.zeros(4, int))


def test_confusion_and_per_gloss():
    counts = confusion(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3)
    assert counts.tolist() == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    first, second, third = per_gloss(counts)
    assert (first.n, first.recall, first.precision) == (1, 1.0, 0.5)
    assert (second.n, second.predicted, second.correct) == (3, 2, 2)
    assert second.recall == pytest.approx(2 / 3)
    assert third.n == 0 and math.isnan(third.recall) and math.isnan(third.precision)


def test_wilson_interval_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29
    for hits, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                               (1, 29, 0.0061, 0.1718)):  # fmt: skip
        assert wilson_interval(hits / n, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilson_interval_holds_the_fraction_and_stays_inside_0_1(n, fraction):
    low, high = wilson_interval(fraction, n)
    assert 0.0 <= low <= fraction + 1e-12 and fraction - 1e-12 <= high <= 1.0


def test_wilson_interval_of_nothing_says_nothing():
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
