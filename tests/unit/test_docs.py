"""What the documentation names exists, and what it says about files is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from toolkit.clips import VIDEO_SUFFIXES, Clip
from toolkit.landmarks import LAYOUTS
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.store.packing import DEPTH_KNOTS, PLACE_KNOTS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FORMATS = (DOCS / "formats.md").read_text(encoding="utf-8")
EXTENDING = (DOCS / "extending.md").read_text(encoding="utf-8")
MADE = "toolkit/extract/my_backend.py"  # what the reader writes


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        target, _, place = link.partition("#")
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name} links to {link}"
        if place and path.suffix == ".md":
            assert place in anchors(path), f"{page.name} links to {link}"


def anchors(page: Path) -> set[str]:
    """Headings as GitHub links to them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == pages


def test_every_file_that_extending_names_exists() -> None:
    named = set(re.findall(r"`((?:toolkit|tests|bench|export|configs)/[\w./]*)`", EXTENDING)) - {MADE}
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_name_that_extending_tells_stands_in_the_file_beside_it() -> None:
    """`NAME` in `some/file.py`: the file defines or holds the name."""
    pairs = re.findall(r"`(\w+)`(?: and\s+`(\w+)`)?\s+(?:in|of)\s+`([\w/]+\.py)`", EXTENDING)
    assert len(pairs) > 10
    for *names, path in pairs:
        source = (ROOT / path).read_text(encoding="utf-8")
        for name in filter(None, names):
            assert re.search(rf"\b{name}\b", source), f"{path} has no {name}"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_reader_in_formats_reads_a_store(tmp_path: Path, dtype: str) -> None:
    spec = StoreSpec("pose", (33, 4), 5, "body", {"backend": "test"}, dtype)
    video = tmp_path / "a.mp4"
    video.write_bytes(b"video")
    rng = np.random.default_rng(0)
    values = {name: rng.random(spec.record_shape, np.float32) for name in ("one", "two")}
    values["two"][1] = np.nan
    with StoreWriter(tmp_path / "store", spec) as store:
        for name, clip_values in values.items():
            store.append(Clip(name, f"sign {name}", "train", "anna", video), clip_values, {"rate": 1.0})
        store.append(Clip("one", "sign one", "train", "anna", video), values["one"] + 1, {"rate": 1.0})
        store.fail(Clip("two", "sign two", "train", "anna", video), "was cut off")

    (program,) = re.findall(r"^```python\n(.*?)^```", FORMATS, re.M | re.S)
    names: dict[str, object] = {}
    exec(compile(program, "formats.md", "exec"), names)
    read = names["read_store"](tmp_path / "store")  # type: ignore[operator]
    ours = FeatureStore.open(tmp_path / "store")
    assert set(read) == set(ours) == {"one"}
    gloss, split, landmarks = read["one"]
    assert (gloss, split, landmarks.dtype) == ("sign one", "train", np.float32)
    np.testing.assert_array_equal(landmarks, ours["one"])


@pytest.mark.parametrize("dtype", ["float32", "float16", "packed"])
def test_formats_gives_the_size_of_a_record(dtype: str) -> None:
    size = StoreSpec("pose", (33, 4), 16, "body", {}, dtype).record_bytes
    assert re.search(rf"^\| `{dtype}` \|.*\| {size} bytes \|$", FORMATS, re.M)


def test_formats_gives_the_knots_of_packed_landmarks() -> None:
    for name, knots in (("x, y", PLACE_KNOTS), ("z", DEPTH_KNOTS)):
        (first, one), *middle, (last, most) = knots
        cells = [f"{first}", *(f"{code}: {value}" for value, code in middle), f"{last}"]
        assert (one, most) == (1, 1023)
        assert f"| {name} | {' | '.join(cells)} |" in FORMATS


def test_formats_names_every_layout_and_kind_of_video() -> None:
    for layout in LAYOUTS.values():
        assert f"| `{layout.name}` | {len(layout)} |" in FORMATS
    assert [suffix for suffix in VIDEO_SUFFIXES if suffix not in FORMATS] == []
