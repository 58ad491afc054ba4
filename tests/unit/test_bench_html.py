"""The HTML page: everything inside, nothing from outside, nothing that a name could break."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.collect import collect
from bench.html_page import sort_value, to_html
from bench.plan import ROWS, Options
from bench.run import Measured
from toolkit.clips import Clip

ENVIRONMENT = {
    "os": "Linux", "machine": "x86_64", "cpu": "<b>processor</b>", "cores": 2, "cores_in_machine": 2,
    "ram_gib": 4.0, "python": "CPython 3.11", "packages": {}, "load_per_core_before": 0.0,
}  # fmt: skip
VOID = ("meta", "br")


class Page(HTMLParser):
    """Notes tags, attributes and text, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def text() -> str:
    rows = {row.name: row for row in ROWS}
    clips = [Clip("a", "yes", "train", "", Path("a.mp4")), Clip("b", "no", "train", "", Path("b.mp4"))]
    measured = [
        Measured(rows["extract pose (mediapipe)"], reason="<script>alert(1)</script> is missing"),
        Measured(rows["train pose"], [{"cpu_s_per_clip": 0.002, "cold_cpu_s": 1.5, "peak_bytes": 3e8}] * 2),
        Measured(rows["train video"], [{"cpu_s_per_clip": cpu, "peak_bytes": 6e8} for cpu in (0.05, 0.06)]),
    ]
    return to_html(collect(Options(), clips, measured, ENVIRONMENT, []))


def test_every_tag_is_closed_and_nothing_comes_from_outside(text: str) -> None:
    page = Page(text)
    assert page.open == []
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert "://" not in text and "@import" not in text and "url(" not in text


def test_names_and_reasons_are_text_and_no_markup(text: str) -> None:
    page = Page(text)
    assert page.tags.count("script") == 1  # the page's own
    assert "b" not in page.tags or "<b>processor" not in text
    assert any("<script>alert(1)</script> is missing" in words for words in page.words)


def test_bars_are_as_long_as_their_figures(text: str) -> None:
    """Poses take 2 ms, video 55 (50 to 60): the longest value fills the width."""
    widths = [value for name, value in Page(text).attributes if name == "style"]
    assert widths[:3] == ["width:3.33%", "width:91.67%", "left:83.33%;width:16.67%"]


def test_verdicts_of_the_guide_are_on_the_page(text: str) -> None:
    words = "".join(Page(text).words)
    assert "wrong: 4.1x too low" in words and "holds" in words


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("8.25 KB", 8448.0), ("~10 GB", 10 * 2**30), ("1,074", 1074.0), ("156 ±4%", 156.0), ("0.49 × pose", 0.49),
        ("0.0012", 0.0012), ("500 B", 500.0), ("–", None), ("train pose", None), ("", None),
    ],
)  # fmt: skip
def test_cells_are_sorted_by_what_they_mean(cell: str, value: float | None) -> None:
    assert sort_value(cell) == value
