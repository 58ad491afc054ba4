"""Turns what was trained, and the networks of others, into .onnx files, each checked before it is written."""

import toolkit  # noqa: F401 (switches onnxruntime's metrics off, which has to happen before it is imported)
