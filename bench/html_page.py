"""A result as one HTML file: verdicts, charts, tables. Opens offline: style, script and charts are inside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from bench.guide import KIB, MIB, Claim
from bench.html_charts import bar_chart, bars_of, curve_charts, limit_bars
from bench.html_style import SCRIPT, STYLE
from bench.results import Results
from bench.tables import all_tables, failures, method
from bench.written import Table, rounded, size

HTML = "results.html"
TITLE = "What poses, features and videos cost"
UNITS = {"KB": KIB, "MB": MIB, "GB": 2**30, "B": 1}


def to_html(results: Results) -> str:
    """The whole page."""
    env, data = results.environment, results.data
    lead = (
        f"Measured on {data['clips']} clips of {data['glosses']} glosses, on {env['cpu']} "
        f"({env['cores']} of {env['cores_in_machine']} cores, {env['ram_gib']} GiB, {env['os']})."
    )
    parts = [f'<h1>{TITLE}</h1><p class="lead">{escape(lead)}</p>']
    if results.notes:
        parts.append(_list(results.notes, "warn"))
    if results.claims:
        cards = "".join(_card(claim) for claim in results.claims)
        parts.append(
            "<h2>Is the guide right?</h2>"
            '<p class="note">Its figures for 16 frames and batches of 4, its own arithmetic worked out again, and '
            f'what was measured here.</p><div class="cards">{cards}</div>'
        )
    parts += _charts(results)
    tables = [table for table in all_tables(results)[1:] if table.rows]  # the claims are the cards above
    if tables:
        parts.append(
            '<h2>All figures</h2><p class="note">Press a heading to sort. ± is half the range over the '
            "repetitions.</p>"
        )
        parts += [f'<h3 class="table">{escape(table.title)}</h3>{_table(table)}' for table in tables]
    failed = failures(results)
    if failed:
        parts.append(f"<h2>What failed</h2>{_list(failed)}")
    parts.append(f"<h2>How it was measured</h2>{_list(method(results))}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{TITLE}</title><style>{STYLE}</style></head><body><main>{''.join(parts)}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _charts(results: Results) -> list[str]:
    parts = []
    steady = "CPU time of one clip; the thin line is the range over the repetitions"
    working = ("floor", "extract", "train", "infer")
    charts = [
        bar_chart("Extracting a clip", steady, bars_of(results, ["extract"], "cpu_s_per_clip", 1000, "ms")),
        bar_chart("Training on a clip", steady, bars_of(results, ["train"], "cpu_s_per_clip", 1000, "ms")),
        bar_chart(
            "Recognising a clip",
            "CPU time of the classifier alone",
            bars_of(results, ["infer"], "cpu_s_per_clip", 1000, "ms"),
        ),
        bar_chart(
            "Cold start",
            "CPU time of import, load and the first piece",
            bars_of(results, working, "cold_cpu_s", 1, "s", with_stage=True),
        ),
        bar_chart(
            "Peak memory of the process",
            "libraries included",
            bars_of(results, working, "peak_bytes", 1 / MIB, "MB", with_stage=True),
        ),
    ]
    if any(charts):
        parts.append(f'<h2>What it costs</h2><div class="charts">{"".join(charts)}</div>')
    limits = limit_bars(results)
    if limits:
        key = "".join(
            f'<span><i class="k-{kind}"></i>{text}</span>'
            for kind, text in (
                ("decode", "decoding alone"),
                ("multiply", "multiply-adds at the machine's peak"),
                ("rest", "everything else"),
            )
        )
        chart = bar_chart("Reached", "what is left to gain is grey", limits, shares=True, wide=True)
        parts.append(
            '<h2>How near to the machine\'s limits?</h2><p class="note">Of the CPU time of a clip, the part that '
            "this machine needs at best, on one thread in float32. int8 may pass 100 %: its products are cheaper "
            f'than the float32 ones that the peak is of.</p><div class="key">{key}</div><div class="charts">'
            f"{chart}</div>"
        )
    if results.scale is not None and (curves := curve_charts(results.scale)):
        parts.append(f'<h2>How the cost grows</h2><div class="charts small">{"".join(curves)}</div>')
    return parts


def _card(claim: Claim) -> str:
    guide = claim.guide if isinstance(claim.guide, str) else f"~{rounded(claim.guide)}"
    arithmetic = None if claim.arithmetic is None else size(claim.arithmetic)
    measured = (
        claim.measured if isinstance(claim.measured, str) or claim.measured is None else size(claim.measured)
    )
    facts = "".join(
        f"<dt>{name}</dt><dd>{escape(fact)}</dd>"
        for name, fact in (("guide", guide), ("arithmetic", arithmetic), ("measured", measured))
        if fact is not None
    )
    wide = " wide" if "," in claim.mode else ""
    mode = "" if wide else f'<span class="mode m-{escape(claim.mode)}">{escape(claim.mode)}</span>'
    tone = " good" if claim.verdict == "holds" else " bad" if "wrong" in claim.verdict else ""
    return (
        f'<div class="card{wide}">{mode}<h3>{escape(claim.claim)}</h3><dl>{facts}</dl>'
        f'<span class="badge{tone}">{escape(claim.verdict)}</span></div>'
    )


def _table(table: Table) -> str:
    words = [place == 0 or table.is_prose(place) for place in range(len(table.columns))]
    heads = "".join(
        f'<th scope="col"{_class(left)}><button type="button">{escape(column)}</button></th>'
        for column, left in zip(table.columns, words, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(_cell(cell, left) for cell, left in zip(cells, words, strict=True)) + "</tr>"
        for cells in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(cell: str, left: bool) -> str:
    value = sort_value(cell)
    data = "" if value is None else f' data-value="{value:g}"'
    return f"<td{_class(left)}{data}>{escape(cell)}</td>"


def sort_value(cell: str) -> float | None:
    """What a cell is sorted by: its leading number, in bytes where a unit of size follows; None for words."""
    found = re.match(r"~?(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)(?: (KB|MB|GB|B)\b)?", cell)
    if not found or not found[1].strip(","):
        return None
    return float(found[1].replace(",", "")) * UNITS.get(found[2] or "B", 1)


def _class(left: bool) -> str:
    return ' class="words"' if left else ""


def _list(lines: Sequence[str], kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f"<ul{style}>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
