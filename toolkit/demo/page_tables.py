"""The tables of the tour's page: answers clip by clip, who was taken for whom, what the three modes cost."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

Answer = tuple[str, str, dict[str, Any], dict[str, Any]]
"""(video id, true gloss, the index's entry, what `toolkit predict` said)."""
MODES = ("pose", "features", "video")
NOTHING = "–"


def answers_table(answers: list[Answer]) -> str:
    """One row per clip: what it shows, what was said, how surely, and whether that is right."""
    rows = []
    for clip_id, gloss, item, one in answers:
        right = gloss == one["gloss"]
        kind, mark = ("right", "✓ right") if right else ("wrong", "✗ wrong")
        second = one["top"][1] if len(one["top"]) > 1 else ("", 0.0)
        rows.append(
            f'<tr class="{kind}"><td class="mark">{mark}</td><th scope="row">{escape(gloss)}</th>'
            f"<td><b>{escape(one['gloss'])}</b></td>"
            f'<td><span class="score"><i style="width:{100 * one["score"]:.0f}%"></i></span>{one["score"]:.2f}</td>'
            f"<td>{escape(second[0])} {second[1]:.2f}</td><td>{item['signer_id']}</td>"
            f"<td>{escape(clip_id)}.mp4</td></tr>"
        )
    heads = ("", "the sign", "the answer", "score", "next best", "signer", "video")
    return _table(heads, rows)


def confusion_table(glosses: list[str], answers: list[Answer]) -> str:
    """Rows: the true sign; columns: the answer; numbers: clips."""
    counts = Counter((gloss, one["gloss"]) for _, gloss, _, one in answers)
    asked = Counter(gloss for _, gloss, _, _ in answers)
    rows = []
    for gloss in glosses:
        cells = []
        for answer in glosses:
            number = counts[gloss, answer]
            kind = "" if not number else "hit" if gloss == answer else "miss"
            share = number / max(1, asked[gloss])
            cells.append(f'<td class="{kind}" style="--share:{share:.2f}">{number or ""}</td>')
        rows.append(f'<tr><th scope="row">{escape(gloss)}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">{escape(gloss)}</th>' for gloss in glosses)
    return (
        '<table class="confusion" aria-label="rows: the true sign, columns: the answer"><thead><tr><td></td>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def cost_table(results: dict[str, Any]) -> str:
    """Few figures of results.json, as `bench run` wrote it: one column per mode."""
    rows = {(row["stage"], row["mode"]): row["figures"] for row in results["rows"]
            if row["default"] and row["status"] == "ok"}  # fmt: skip
    wanted = (
        ("CPU time to extract a clip", "extract", "cpu_s_per_clip", 1e3, "ms"),
        ("on disk, a clip", "extract", "stored_bytes_per_clip", 1 / 1024, "KB"),
        ("memory of a batch of four clips", "hold", "held_bytes_per_batch", 1 / 1024, "KB"),
        ("CPU time to train on a clip", "train", "cpu_s_per_clip", 1e3, "ms"),
        ("peak memory of training", "train", "peak_bytes", 1 / 2**20, "MB"),
    )
    lines = []
    for said, stage, figure, factor, unit in wanted:
        cells = []
        for mode in MODES:
            found = rows.get((stage, mode), {}).get(figure)
            cells.append(
                f'<td class="n">{_number(found["median"] * factor) + " " + unit if found else NOTHING}</td>'
            )
        lines.append(f'<tr><th scope="row">{said}</th>{"".join(cells)}</tr>')
    return _table(("", "poses", "CNN features", "video"), lines, numbers_from=1)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(heads: tuple[str, ...], rows: list[str], numbers_from: int = 99) -> str:
    head = "".join(
        f"<th{' class=n' if at >= numbers_from else ''}>{name}</th>" for at, name in enumerate(heads)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
