"""Draw the architecture page: which room imports which, read from the source.

python docs/make_architecture.py            writes docs/architecture.md
python docs/make_architecture.py --check    exit status 1 when the page is not what the source says

An arrow goes from the room that imports to the room that is imported, imports inside functions included (dotted:
only there, so the room is loaded only when it is needed). The picture is Mermaid, which GitHub draws.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("toolkit", "export", "bench")
LAYERS = {
    "what things are": (
        "errors", "untrusted", "whole_file", "clips", "class_list", "recordings", "landmarks", "metrics",
        "calibration", "metadata", "weights", "plain_yaml", "model_guard", "model_seal", "run_log", "machine",
    ),
    "files and sessions": (
        "video",
        "video_order",
        "video_file",
        "video_writer",
        "overlay",
        "store",
        "session",
        "process_memory",
    ),
    "looking and recognising": ("extract", "recognizer", "stream", "live", "demo"),
    "learning": ("config", "train"),
    "making and measuring": ("export", "bench"),
    "commands": ("doctor", "cli"),
}  # fmt: skip
"""The layers of the house, from the bottom up: a room imports only rooms of its own layer or lower ones."""
EVERYONES = "errors"  # imported by nearly every room: its arrows would hide the others

HEAD = """# Architecture

One direction: index → clips → frames → extractor → feature store → batches → model → checkpoint → export →
model.onnx → Recognizer. Every hand-over between commands is a file that a person can open. A room imports only rooms
of its own layer or of lower ones; `tests/unit/test_import_layers.py` keeps that, down to which outside package each
room may import. `import toolkit; toolkit.Recognizer` loads numpy and onnxruntime and nothing heavier.

The picture is made from the source by `python docs/make_architecture.py`; a test compares the two. An arrow goes
from the room that imports to the one imported; dotted: only inside functions, so that it costs nothing until it is
used. Arrows to `errors`, which all rooms use, are left out.
"""


def room(module: str) -> str:
    """toolkit.extract.run -> extract; bench.cli -> bench; toolkit -> ""."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "toolkit" else package


def imports() -> dict[tuple[str, str], bool]:
    """(room, imported room) -> whether it is imported when the module is loaded, not only inside a function."""
    edges: dict[tuple[str, str], bool] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            own = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
            tree = ast.parse(path.read_text(encoding="utf-8"))
            inside = {
                id(node)
                for block in ast.walk(tree)
                if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef)
                for node in ast.walk(block)
            }
            skipped = {
                id(node)
                for block in ast.walk(tree)
                if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
                for node in ast.walk(block)
            }
            for node in ast.walk(tree):
                if id(node) in skipped:
                    continue
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                    if node.module in PACKAGES:
                        names = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in names:
                    other = room(name)
                    known = name.partition(".")[0] in PACKAGES and other in rooms()
                    if known and own in rooms() and own != other and other != EVERYONES:
                        edges[own, other] = edges.get((own, other), False) or id(node) not in inside
    return edges


def rooms() -> set[str]:
    """All rooms of the picture."""
    return {name for names in LAYERS.values() for name in names}


def page() -> str:
    """The whole page, as it should stand in docs/architecture.md."""
    lines = [HEAD, "```mermaid", "flowchart TD"]
    for number, (title, names) in reversed(list(enumerate(LAYERS.items()))):
        lines.append(f'  subgraph L{number}["{title}"]')
        lines += [f"    {name}" for name in names]
        lines.append("  end")
    edges = imports()
    lines += [f"  {a} {'-->' if edges[a, b] else '-.->'} {b}" for a, b in sorted(edges)]
    lines.append("```")
    return "\n".join(lines) + "\n"


def main() -> int:
    if "--check" in sys.argv:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print("docs/architecture.md " + ("is true" if same else "is not what the source says"))
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8")
    print("wrote docs/architecture.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
