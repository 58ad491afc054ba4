"""The files that an evaluation writes, read back."""

import csv
import json

import numpy as np
import pytest

from toolkit.train.report import draw_confusion, evaluate_logits, summary, write_report

GLOSSES = ("book", "drink", "go|home")


@pytest.fixture
def evaluation():
    labels = np.array([0, 0, 0, 1, 1, 0])
    answers = np.array([0, 1, 1, 1, 1, 2])
    return evaluate_logits(np.eye(3, dtype=np.float32)[answers], labels, GLOSSES)


def test_figures(evaluation):
    figures = summary(evaluation)
    assert figures["top1"] == 0.5 and figures["n"] == 6
    low, high = figures["interval"]
    assert low == pytest.approx(0.1876, abs=1e-4) and high == pytest.approx(0.8124, abs=1e-4)


def test_worst_glosses_come_first_and_say_what_they_were_taken_for(evaluation):
    (worst,) = evaluation.worst(10)
    assert GLOSSES[worst.label] == "book" and worst.correct == 1
    assert evaluation.mistaken_for(worst.label) == "drink 2, go|home 1"


def test_the_report_can_be_read_back(evaluation, tmp_path):
    pytest.importorskip("matplotlib", reason="the picture needs the train extra")
    paths = write_report(evaluation, tmp_path / "report", "val", "a model")
    assert [path.name for path in paths] == [
        "evaluation-val.json", "evaluation-val.csv", "evaluation-val.md", "confusion-val.png",
    ]  # fmt: skip
    assert json.loads(paths[0].read_text()) == summary(evaluation)
    rows = list(csv.DictReader(paths[1].open(encoding="utf-8")))
    assert [(row["gloss"], row["clips"], row["recall"]) for row in rows] == [
        ("book", "4", "0.250"), ("drink", "2", "1.000"), ("go|home", "0", ""),
    ]  # fmt: skip
    tables = [line for line in paths[2].read_text().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {7}
    assert paths[3].read_bytes().startswith(b"\x89PNG")


def test_glosses_are_no_formulas(tmp_path):
    glosses = ("$5 _ $", "$\\x$", "[/b]")
    draw_confusion(
        evaluate_logits(np.eye(3, dtype=np.float32), np.arange(3), glosses), tmp_path / "a.png", "$_$"
    )
    assert (tmp_path / "a.png").stat().st_size > 1000
