"""A worker may not take more memory for a clip than it is given."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
from toolkit.extract.memory_limit import limit_memory
import numpy as np
assert limit_memory(200 << 20)
np.ones(100 << 20, np.uint8)
try:
    np.ones(300 << 20, np.uint8)
except MemoryError:
    print("refused")
np.ones(100 << 20, np.uint8)  # and the process goes on
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux accounts for what a process allocates")
def test_more_than_is_given_cannot_be_allocated() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
