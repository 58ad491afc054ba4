"""One way to make an onnxruntime session, so that every network runs under the same settings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from toolkit.errors import MOST_AT_ONCE, ConfigError, ModelFileError
from toolkit.process_memory import give_back_memory
from toolkit.untrusted import printable

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""device -> what onnxruntime calls it."""
ARENA_BYTES = 12 << 20  # of address space, which costs nothing until it is used


def make_session(
    model: Path | bytes, threads: int = 1, arena: bool = False, device: str = "cpu"
) -> ort.InferenceSession:
    """Open an ONNX model.

    model: a file or the bytes of one; threads: intra-op threads (one by default: clips run in parallel
    processes, and a spinning second thread costs more than it gives on two cores); arena: keep the memory of one
    run for the next, also of another session with an arena, good where runs have the same sizes, since it is
    never given back (the caller of several calls `give_back_memory` once); device: a key of PROVIDERS.

    Raises:
        ModelFileError: the file is missing or onnxruntime refuses it.
        ConfigError: onnxruntime cannot use the device, or would not come back, with more than MOST_AT_ONCE threads.
    """
    if not 1 <= threads <= MOST_AT_ONCE:
        raise ConfigError(
            f"threads is {threads}; give 1 to {MOST_AT_ONCE}, no more than the machine has cores"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong comes as an exception; the log would print it unfiltered
    options.enable_cpu_mem_arena = arena
    if arena:
        _share_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    # TF32 would round inputs to 10 bits: a GPU has to give the CPU's numbers
    settings = {"use_tf32": "0"} if device == "cuda" else {}
    if PROVIDERS[device] not in ort.get_available_providers():
        raise ConfigError(f"this onnxruntime has no {PROVIDERS[device]}; use --device cpu")
    try:
        session = ort.InferenceSession(
            source,
            options,
            providers=[(PROVIDERS[device], settings)],
            enable_fallback=int(device != "cpu"),  # from the CPU to the CPU: it would only print, to stdout
        )
    except Exception as error:  # onnxruntime's own exceptions share no base class below Exception
        name = "the given bytes" if isinstance(model, bytes) else str(model)
        raise ModelFileError(f"{name} cannot be opened as an ONNX model: {printable(error)}") from error
    if session.get_providers()[0] != PROVIDERS[device]:
        # onnxruntime carries on with the CPU when it cannot load CUDA's libraries
        raise ConfigError(
            f"onnxruntime has {PROVIDERS[device]} but cannot start it: CUDA or cuDNN is missing or of another "
            'release. Install them with: pip install "onnxruntime-gpu[cuda,cudnn]"; or use --device cpu'
        )
    if not arena:
        give_back_memory()
    return session


class FixedRun:
    """A network that is run again and again on the same arrays, so that no run allocates or copies."""

    def __init__(
        self,
        session: ort.InferenceSession,
        inputs: Mapping[str, NDArray[np.float32]],
        outputs: Mapping[str, NDArray[np.float32]],
    ) -> None:
        """inputs, outputs: name -> array of that input's or output's shape, contiguous."""
        self._session, self._arrays = session, (inputs, outputs)  # which must live as long as the binding
        self._binding = session.io_binding()
        for bind, arrays in ((self._binding.bind_input, inputs), (self._binding.bind_output, outputs)):
            for name, array in arrays.items():
                bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        # The first run finds out how to share one block; what it took piece by piece itself goes back (15 MB).
        self._options: ort.RunOptions | None = ort.RunOptions()
        self._options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(self) -> None:
        """Read the input arrays, write the output arrays."""
        options, self._options = self._options, None
        self._session.run_with_iobinding(self._binding, options)


@cache
def _share_arena() -> None:
    """One arena for all sessions of this process, which run one after the other: 20 MB less for five networks.

    It begins with one block that the largest of our networks fits in (only what is used of it counts), so that the
    others use the same memory: 4 MB less for five networks than growing by what is asked for.
    """
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    with suppress(RuntimeError):  # the program around this one has registered its own, which will do
        ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"initial_chunk_size_bytes": ARENA_BYTES}))
