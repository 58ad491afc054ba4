"""What the stages work on: batches of clips, and settings for the real training. Runs in a row's own process."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.plan import LITERAL, Job
from toolkit.errors import TrainingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from toolkit.train.settings import Settings

VIDEO_SIZE = (224, 224)  # width, height in pixels: the guide's


def batch_reader(job: Job) -> Callable[[Sequence[int]], NDArray[Any]]:
    """Gives batches (B, T, *item_shape) of the clips at these positions, counted round and round."""
    import numpy as np

    if job.row.mode == "video":
        from toolkit.video import sample_frames

        def decoded(places: Sequence[int]) -> NDArray[np.uint8]:
            batch = np.empty((len(places), job.options.num_frames, VIDEO_SIZE[1], VIDEO_SIZE[0], 3), np.uint8)
            for row, place in enumerate(places):
                clip = job.clips[place % len(job.clips)]
                frames = sample_frames(
                    clip.path, job.options.num_frames, clip.frame_start, clip.frame_end, VIDEO_SIZE
                )
                for number, frame in enumerate(frames):
                    batch[row, number] = frame
            return batch

        return decoded
    from toolkit.store import FeatureStore

    store = FeatureStore.open(job.stores[job.row.mode])
    if not len(store):
        raise TrainingError("not one clip could be extracted, so there is nothing to read")

    def stored(places: Sequence[int]) -> NDArray[np.float32]:
        return store.load([store.ids[place % len(store)] for place in places])

    return stored


def training_settings(job: Job) -> Settings:
    """The toolkit's own defaults, for one epoch on the clips of this job, all of them in the training split."""
    from toolkit.config import load_settings

    overrides: dict[str, Any] = {
        "model.input_type": job.row.mode,
        "training.epochs": 1,
        "training.batch_size": job.batch_size,
    }
    if job.row.backend == LITERAL:
        overrides |= {"model.normalization": "none", "augmentation.enabled": False}
    if job.row.mode == "video":
        index = job.work_dir / "clips.csv"
        with index.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["id", "path", "gloss", "split", "frame_start", "frame_end"])
            for clip in job.clips:
                row = [clip.id, clip.path.resolve(), clip.gloss, "train", clip.frame_start, clip.frame_end]
                table.writerow(row)
        overrides |= {"data.index": str(index), "data.num_frames": job.options.num_frames}
    else:
        key = "efficiency.pose_dir" if job.row.mode == "pose" else "efficiency.feature_dir"
        overrides[key] = str(job.stores[job.row.mode])
    return load_settings(None, overrides)
