"""One page about a tour: what went in, what was learnt, how signers it never saw were recognised, what it cost.

All pictures are in the page itself, so it opens offline and can be sent as one file. Reads only what the commands
of the tour wrote.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.demo.dataset import DatasetPaths
from toolkit.demo.next_steps import RECORDINGS, next_steps
from toolkit.demo.page_pictures import line_plot, sprite, strip, with_skeletons
from toolkit.demo.page_style import SCRIPT, STYLE
from toolkit.demo.page_tables import answers_table, confusion_table, cost_table
from toolkit.demo.signs import MOTION_PAIRS
from toolkit.store import FeatureStore

if TYPE_CHECKING:
    from toolkit.demo.tour import Tour

PAGE = "index.html"
MADE_UP = (
    "Synthetic: a drawn signer and made-up signs. The figures show that everything works on this computer, not how "
    "well signing of real people is recognised; the README has those."
)
SAID = {
    "draw": "draw the videos",
    "extract": "extract: look at every video once",
    "train": "train",
    "evaluate": "evaluate",
    "export": "export to one file",
    "predict": "predict the held-out videos",
    "bench": "compare poses, features and video",
}
"""Stage -> what the page calls it."""


def write_page(tour: Tour, paths: DatasetPaths) -> Path:
    """Write FOLDER/index.html about a finished tour; returns its path."""
    index = json.loads(paths.json_path.read_text(encoding="utf-8"))
    truth = {item["video_id"]: (entry["gloss"], item) for entry in index for item in entry["instances"]}
    glosses = [entry["gloss"] for entry in index]
    answers = [
        (Path(one["source"]).stem, *truth[Path(one["source"]).stem], one)
        for one in tour.results["predict"]["predictions"]
    ]
    right = sum(gloss == one["gloss"] for _, gloss, _, one in answers)
    sections = [
        _head(tour, len(truth), right, len(answers), {item["signer_id"] for _, _, item, _ in answers}),
        _went_in(tour.folder, paths, index),
        _learnt(tour),
        "<h2>Signers it never saw</h2>"
        '<p class="note">Every clip of the signers kept out of training, recognised from its video by model.onnx '
        f"with onnxruntime alone: {right} of {len(answers)} right. A score is how sure the model says it is. "
        f"{MADE_UP}</p>"
        f'<div class="two"><div class="scroll" style="padding:14px">{confusion_table(glosses, answers)}</div>'
        f"{_pairs_box(answers)}</div><h3>Clip by clip</h3>{answers_table(answers)}",
        _costs(tour),
        _next(tour),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>sign-toolkit: the demo</title><style>{STYLE}</style></head><body><main>"
        + "".join(f"<section>{section}</section>" for section in sections)
        + f"</main><script>{SCRIPT}</script></body></html>\n"
    )
    path = tour.folder / PAGE
    path.write_text(page, encoding="utf-8")
    return path


def _head(tour: Tour, clips: int, right: int, asked: int, signers: set[int]) -> str:
    trained, exported = tour.results["train"], tour.results["export"]
    facts = (
        (f"{right / asked:.0%}", f"of {asked} held-out clips right"),
        (f"{clips}", "drawn videos"),
        (f"{sum(tour.seconds.values()):.0f} s", "for everything"),
        (f"{exported['size_bytes'] / 1e6:.1f} MB", "the recogniser, one file"),
        (f"{trained['peak_rss_mib']:.0f} MiB", "memory of training"),
    )
    boxes = "".join(f'<div class="fact"><b>{value}</b><span>{what}</span></div>' for value, what in facts)
    return (
        '<span class="tag">synthetic data</span><h1>From videos to a recogniser, on this computer</h1>'
        f'<p class="lead">{clips} videos of a drawn signer went in. Their landmarks were found once, a small '
        f"transformer was trained on them, and one file came out that recognised {right} of {asked} clips of "
        f"{len(signers)} signers it had never seen.</p>"
        f'<div class="facts">{boxes}</div>'
    )


def _went_in(folder: Path, paths: DatasetPaths, index: list[dict[str, Any]]) -> str:
    """Every sign, moving, by different signers; then the pairs that only motion tells apart."""
    store = FeatureStore.open(folder / "poses")
    cards, strips = [], []
    for number, entry in enumerate(index):
        takes = {item["signer_id"]: item for item in entry["instances"]}
        item = takes[number % len(takes)]
        frames = with_skeletons(store, item["video_id"], paths.video_dir / f"{item['video_id']}.mp4")
        gloss = escape(entry["gloss"])
        cards.append(
            f'<figure class="sign"><div class="sprite" role="img" aria-label="{gloss}, with the skeleton found" '
            f'style="background-image:url({sprite(frames)})"></div>'
            f"<figcaption>{gloss}<small>signer {item['signer_id']}, {item['split']}</small></figcaption></figure>"
        )
        if any(entry["gloss"] in pair for pair in MOTION_PAIRS[:1]):
            item = takes[max(takes)]
            frames = with_skeletons(store, item["video_id"], paths.video_dir / f"{item['video_id']}.mp4")
            strips.append(
                f"<figure><figcaption>{gloss}</figcaption>"
                f'<img alt="{gloss}, every other frame" src="{strip(frames)}"></figure>'
            )
    return (
        "<h2>What went in</h2>"
        '<p class="note">Videos drawn for this demo. The skeletons are what the pose network found in them: blue for '
        "the signer's left side, orange for the right. Only these points are kept for training.</p>"
        f'<div class="signs">{"".join(cards)}</div>'
        "<h3>The same postures in another order</h3>"
        '<p class="note">These two signs differ in their motion only: any single frame of one is found in the other, '
        "too.</p>"
        f'<div class="scroll strip">{"".join(strips)}</div>'
    )


def _learnt(tour: Tour) -> str:
    lines = (tour.folder / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    val = [row for row in rows if row["val_top1"] is not None]
    accuracy = {
        "training clips": [100 * row["train_top1"] for row in rows],
        "signer for validation": [100 * row["val_top1"] for row in val],
    }
    loss = {
        "training clips": [row["train_loss"] for row in rows],
        "signer for validation": [row["val_loss"] for row in val],
    }
    # rounded up, so that the lines of the grid have short numbers
    highest = math.ceil(max(max(values) for values in loss.values()) / 0.4) * 0.4
    plots = line_plot("Clips recognised", accuracy, 100, " %") + line_plot(
        "Loss (cross-entropy)", loss, highest
    )
    return (
        "<h2>What was learnt</h2>"
        f'<p class="note">{len(rows)} passes over the training clips. Training clips are turned, shifted and cut at '
        "random, which makes them harder, so the other curve may lie above. "
        '<a href="run/report.html">The full report of the run</a></p>'
        f'<div class="two">{plots}</div>'
    )


def _pairs_box(answers: list[tuple[str, str, dict[str, Any], dict[str, Any]]]) -> str:
    """How many clips of the signs that only motion tells apart were right."""
    of_pairs = {gloss for pair in MOTION_PAIRS for gloss in pair}
    asked, hits = Counter(), Counter()  # type: Counter[bool], Counter[bool]
    for _, gloss, _, one in answers:
        asked[gloss in of_pairs] += 1
        hits[gloss in of_pairs] += gloss == one["gloss"]
    lines = "".join(
        f'<div class="fact"><b>{hits[kind]} of {asked[kind]}</b><span>{what}</span></div>'
        for kind, what in (
            (True, "clips of signs that only their motion tells apart"),
            (False, "all other clips"),
        )
        if asked[kind]
    )
    return f'<div style="display:grid;gap:12px">{lines}</div>'


def _costs(tour: Tour) -> str:
    longest = max(tour.seconds.values())
    bars = "".join(
        f'<span>{SAID[stage]}</span><i style="width:{100 * seconds / longest:.1f}%"></i><span>{seconds:.0f} s</span>'
        for stage, seconds in tour.seconds.items()
    )
    text = "<h2>What it cost</h2><p class='note'>By the clock, on this computer.</p>"
    text += f'<div class="box bars">{bars}</div>'
    results = tour.folder / "results" / "results.json"
    if "bench" in tour.results and results.is_file():
        text += (
            "<h3>Poses, features and video compared</h3>"
            '<p class="note">A first impression from a few clips and two repetitions. '
            '<a href="results/results.html">All rows, beside the figures of the guide</a></p>'
            + cost_table(json.loads(results.read_text(encoding="utf-8")))
        )
    return text


def _next(tour: Tour) -> str:
    files = (
        ("dataset", "the drawn videos, in the format of WLASL"),
        ("poses", "the feature store: landmarks of every clip"),
        ("run", "the training run: checkpoints, curves, <a href='run/report.html'>report</a>"),
        ("model.onnx", "the recogniser"),
        *((("results", "the comparison: <a href='results/results.html'>page</a>, results.json"),)
          if "bench" in tour.results else ()),
    )  # fmt: skip
    listed = "".join(f"<li><b>{name}</b>: {what}</li>" for name, what in files)
    return (
        "<h2>Now your own videos</h2>"
        f'<p class="note">One folder per sign with five takes or more, in it a folder per person: {RECORDINGS} Every '
        "fifth take is kept for validation. In a terminal, in the folder where the demo was started:</p>"
        f'<div class="code"><pre>{escape(next_steps())}</pre></div>'
        f"<h3>What lies in this folder</h3><ul>{listed}</ul>"
        f"<footer>{MADE_UP} Nothing was downloaded or sent for this page.</footer>"
    )
