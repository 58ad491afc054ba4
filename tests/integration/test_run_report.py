"""The picture and the page of a run: what is drawn can be seen, and nothing empty is shown."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

from matplotlib import colormaps
from matplotlib.image import imread

from toolkit.config import load_settings
from toolkit.train.log import EpochRow, draw_curves
from toolkit.train.report import evaluate_logits, write_report
from toolkit.train.run_report import of_few_clips, write_run_report

FACTS = {
    "train_clips": 8, "train_splits": ["train"], "val_clips": 4, "val_split": "val", "val_signers": [],
}  # fmt: skip


def rows(epochs, train, val):
    return [EpochRow(number + 1, 1.0, train, 1.0, val, 1.0, 1e-3, 0.5, 300.0) for number in range(epochs)]


def drawn(path, colour):
    """Where the accuracy half of a picture has matplotlib's colour of this number: (lines, columns) of pixels."""
    pixels = imread(path)[:, :, :3]
    right = pixels[:, pixels.shape[1] // 2 :]
    return np.nonzero((abs(right - np.array(colormaps["tab10"](colour)[:3])) < 0.02).all(-1))


def test_a_validation_curve_at_100_percent_is_seen_in_full(tmp_path):
    draw_curves(rows(40, 0.5, 1.0), tmp_path / "c.png", 40, top5=False)
    lines, columns = drawn(tmp_path / "c.png", 1)
    own = np.bincount(lines).argmax()  # the legend's stroke is shorter
    assert np.ptp(columns[lines == own]) > 300
    halfway, _ = drawn(tmp_path / "c.png", 0)
    assert (np.bincount(lines) > 200).sum() == (np.bincount(halfway) > 200).sum(), (
        "as thick as a line at 50 %"
    )


def test_a_single_epoch_is_a_point_that_is_seen(tmp_path):
    draw_curves(rows(1, 0.5, 1.0), tmp_path / "c.png", 1, top5=False)
    for colour in (0, 1):
        assert len(drawn(tmp_path / "c.png", colour)[0]) > 60


def report_of(answers, folder, classes=2, notes=()):
    labels = np.arange(4) % classes
    logits = np.eye(classes, dtype=np.float32)[answers]
    evaluation = evaluate_logits(logits, labels, tuple(f"sign{number}" for number in range(classes)))
    metrics = {
        "val_top1": evaluation.top1, "val_top5": evaluation.top5, "val_top1_interval": evaluation.top1_interval,
    }  # fmt: skip
    own = rows(3, 0.5, evaluation.top1)
    folder.mkdir()
    paths = write_run_report(folder, load_settings(), FACTS, metrics, own, 3, evaluation, 351.2, notes)
    write_report(evaluation, folder, "val", "a run with a long name, of split val, of signers anna and ben")
    return [*(path.read_text() for path in paths), Path(folder, "evaluation-val.md").read_text()]


def test_nothing_empty_and_nothing_idle_is_shown(tmp_path):
    for text in report_of([0, 1, 0, 1], tmp_path / "right"):
        assert "top-5" not in text and "Most confused" not in text and "(ECE)" not in text
    markdown, page, _ = report_of([1, 1, 0, 1], tmp_path / "wrong", notes=["<b> is few"])
    assert "Most confused pairs" in markdown and "Most confused pairs" in page
    assert "- <b> is few" in markdown and "&lt;b&gt; is few" in page
    for text in report_of([0, 1, 2, 3], tmp_path / "six", classes=6):
        assert "top-5" in text


def test_time_and_memory_are_named_for_what_they_are(tmp_path):
    markdown = report_of([0, 1, 0, 1], tmp_path / "run")[0]
    assert "| time for all epochs | 1.5 s |" in markdown and "| peak memory | 351 MiB |" in markdown


def test_a_figure_of_few_clips_is_called_uncertain():
    assert of_few_clips(2, (0.342, 1.0)).startswith("2 validation clips say little")
    assert "34 to 100 %" in of_few_clips(2, (0.342, 1.0))
    assert of_few_clips(30, (0.8, 1.0)) == ""
