"""Measures what poses, features and videos cost on the user's own machine, and compares with the guide's figures.

plan (which rows) -> run (each in a fresh process, bench.worker) -> results.json -> tables, Markdown, a picture.
This package imports neither torch nor mediapipe: what a row measures is imported in that row's own process.
"""

import toolkit  # noqa: F401 (switches onnxruntime's metrics off, which has to happen before it is imported)
