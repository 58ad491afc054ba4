"""Temperature, calibration error and threshold on clips whose truth is drawn from known scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.calibration import (
    EVEN,
    FEWEST,
    calibration_error,
    choose_threshold,
    fit_temperature,
    softmax,
)


def drawn(count: int, temperature: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that are right as often as their scores say, once they are divided by the temperature."""
    random = np.random.default_rng(0)
    honest = random.normal(0, 2, (count, 5))
    scores = softmax(honest)
    labels = np.array([random.choice(5, p=row) for row in scores])
    return honest * temperature, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_logits_were_made_with_is_found(temperature: float) -> None:
    logits, labels = drawn(3000, temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.08)
    assert calibration_error(logits, labels, found) < 0.03
    if temperature != 1.0:
        assert calibration_error(logits, labels, found) < calibration_error(logits, labels) / 3


def test_a_temperature_changes_no_answer() -> None:
    logits, _ = drawn(50, 1.0)
    assert (softmax(logits, 7.0).argmax(1) == logits.argmax(1)).all()
    np.testing.assert_allclose(softmax(logits, 7.0).sum(1), 1)


def test_few_clips_that_are_all_right_count_as_the_rule_of_succession_says() -> None:
    logits, labels = np.tile(np.eye(3) * 4, (4, 1)), np.tile(np.arange(3), 4)
    scores = softmax(logits, fit_temperature(logits, labels))
    np.testing.assert_allclose(scores.max(1), (12 + 1 / 3) / 13, rtol=1e-6)
    assert fit_temperature(logits, (labels + 1) % 3) == pytest.approx(20, rel=1e-3)


def test_too_few_clips_leave_the_scores_and_the_threshold_alone() -> None:
    logits, labels = drawn(FEWEST, 3.0)
    for few in (1, 4, FEWEST - 1):
        assert fit_temperature(logits[:few], labels[:few]) == 1.0
        assert choose_threshold(logits[:few], labels[:few]) == EVEN
    assert fit_temperature(logits, labels) != 1.0


def test_the_calibration_error_of_known_scores() -> None:
    logits = np.log(np.array([[0.8, 0.2], [0.8, 0.2], [0.6, 0.4], [0.6, 0.4]]))
    assert calibration_error(logits, np.array([0, 0, 0, 1])) == pytest.approx((0.4 + 0.2) / 4)


def test_from_the_threshold_on_answers_are_as_precise_as_asked() -> None:
    logits, labels = drawn(2000, 1.0)
    threshold = choose_threshold(logits, labels, precision=0.9)
    given = softmax(logits).max(1) >= threshold
    right = logits.argmax(1) == labels
    assert 0.895 < right[given].mean() < 0.91  # the threshold is cut to four digits
    assert right.mean() < 0.8 and 0 < threshold < 1


def test_the_threshold_of_models_that_are_always_or_never_right() -> None:
    logits = np.tile([9.0, 0.0], (20, 1))
    assert choose_threshold(logits, np.zeros(20, int)) == EVEN
    assert choose_threshold(np.zeros((20, 4)), np.zeros(20, int)) == 0.25
    assert choose_threshold(logits, np.ones(20, int)) > 0.99  # no answer is to be trusted
