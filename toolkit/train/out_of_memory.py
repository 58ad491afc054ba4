"""What to do when memory runs out while training: the guide's cures. Knows no torch; its errors are told by text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.errors import TrainingError
from toolkit.train.settings import Settings


@contextmanager
def cured_memory_errors(settings: Settings, num_frames: int | None = None) -> Iterator[None]:
    """Turn running out of memory into a TrainingError that says what to lower, in the guide's order.

    num_frames: the length of clips, where the settings leave it to the store.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("alloc|not enough memory", str(error)):
            raise
        size, frames = settings.training.batch_size, num_frames or settings.data.num_frames
        cures = [
            f"--batch_size {max(1, size // 2)} (it is {size})",
            f"--num_frames {max(1, frames // 2)}" if frames else "a smaller --num_frames",
        ]
        if settings.mode == "video":
            cures += ["data.decode_workers and data.cache_mib", "poses or features instead of videos"]
        elif settings.mode == "features":
            cures.append("poses instead of features")
        raise TrainingError(f"memory ran out. Try in this order: {'; '.join(cures)}") from error
