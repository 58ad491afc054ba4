"""What each stage does in its own process, with the toolkit's real code: one function per stage, and their table.

Every function imports only what a user of that row would import, when it is called. All figures are of one
process: wall and CPU seconds per piece of work (a clip, or a training step), and bytes.
"""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.inputs import VIDEO_SIZE, batch_reader, training_settings
from bench.limits import machine
from bench.measure import Laps, now, private_memory
from bench.model_rows import export, infer
from bench.multiply_adds import of_extraction
from bench.outcome import Outcome, per_clip
from bench.plan import MACHINE, NAIVE, VARIANTS, Job
from toolkit.errors import VideoReadError, require

LIBRARIES = {
    "mediapipe": ("mediapipe.tasks.python", "mediapipe"),
    "onnx": ("onnxruntime", "all"),
    "torch": ("torch", "train"),
}
"""backend -> (the heavy import behind it, the extra that brings it)."""
WARM_UP_STEPS = {"pose": 10, "features": 10, "video": 1}
LEAST_HELD = 8  # batches


def floor(job: Job) -> Outcome:
    """The interpreter and numpy, nothing else."""
    began = now()
    import numpy  # noqa: F401 (the import is what is measured)

    return Outcome({"import_s": now().since(began).wall_s})


def extract(job: Job) -> Outcome:
    """Clips -> a feature store, as `toolkit extract --workers 1` does it; video: decoding alone."""
    began = now()
    from toolkit.video import sample_frames

    if job.row.mode == "video":
        imported = now()
        laps, failed = Laps(), 0
        for clip in job.clips:
            try:
                for _ in sample_frames(
                    clip.path, job.options.num_frames, clip.frame_start, clip.frame_end, VIDEO_SIZE
                ):
                    pass
            except VideoReadError:
                failed += 1
            laps.lap()
        stored = statistics.fmean(clip.path.stat().st_size for clip in job.clips)
        figures = {"import_s": imported.since(began).wall_s, "stored_bytes_per_clip": stored}
        figures |= {"cold_cpu_s": laps.cold_start(began), "private_bytes": private_memory().byte_count}
        return Outcome(figures | per_clip(laps.figures(), 1) | {"failed_clips": failed})

    backend, _, variant = job.row.backend.partition(" ")
    require(*LIBRARIES[backend])
    from toolkit.extract import ExtractorSpec, make_extractor
    from toolkit.store import FeatureStore, StoreSpec, StoreWriter

    imported = now()
    asset = Path(job.options.model_asset) if job.options.model_asset and backend == "mediapipe" else None
    plain = ExtractorSpec(job.row.mode, backend, model_asset=asset)
    extractor = make_extractor(replace(plain, **VARIANTS.get(variant, {})))
    loaded = now()
    spec = StoreSpec(
        job.row.mode, extractor.item_shape, job.options.num_frames, extractor.layout, extractor.fingerprint,
        "packed" if variant == "packed" else "float32",
    )  # fmt: skip
    folder = job.work_dir / "store"
    with StoreWriter(folder, spec) as store:
        laps, failed, products = Laps(), 0, 0
        for clip in job.clips:
            clip = replace(clip, split="train")  # the measured training takes every clip
            try:
                frames = sample_frames(
                    clip.path, spec.num_frames, clip.frame_start, clip.frame_end, extractor.frame_size
                )
                extraction = extractor.extract(frames)
                store.append(clip, *extraction)
                products += of_extraction(job.row.backend, spec.num_frames, extraction.quality)
            except VideoReadError as error:
                store.fail(clip, str(error))
                failed += 1
            laps.lap()
    private = private_memory()  # while the networks are there
    extractor.close()
    stored = sum(path.stat().st_size for path in folder.iterdir() if not path.name.startswith("writer.lock"))
    figures = {
        "import_s": imported.since(began).wall_s,
        "load_s": loaded.since(imported).wall_s,
        "stored_bytes_per_clip": stored / max(1, len(FeatureStore.open(folder))),
        "record_bytes": spec.record_bytes,
        "failed_clips": failed,
        "cold_cpu_s": laps.cold_start(began),
        "private_bytes": private.byte_count,
    }
    if products:
        figures["multiply_adds_per_clip"] = products / max(1, len(job.clips) - failed)
    return Outcome(figures | per_clip(laps.figures(), 1), made=str(folder))


def hold(job: Job) -> Outcome:
    """How much private memory grows per batch while many batches are held at once."""
    take = batch_reader(job)
    size = job.batch_size
    batch = take(range(size))  # the reader's own buffers are there from now on
    count = max(LEAST_HELD, job.options.hold_bytes // batch.nbytes)
    gc.collect()
    before, began = private_memory(), now()
    held = [take(range(number * size, (number + 1) * size)) for number in range(count)]
    spent, after = now().since(began), private_memory()
    figures = {
        "array_bytes_per_batch": held[0].nbytes,
        "held_bytes_per_batch": (after.byte_count - before.byte_count) / count,
        "held_batches": count,
        "private_bytes": after.byte_count,
    }
    figures |= per_clip({"wall_s": spent.wall_s / count, "cpu_s": spent.cpu_s / count}, size)
    return Outcome(figures, sources={"held_bytes_per_batch": after.source})


def train(job: Job) -> Outcome:
    """Steps of the real training loop, as `toolkit train` runs it, on the clips repeated as often as needed."""
    if job.row.backend == NAIVE:
        return _train_naively(job)
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # as toolkit train does
    began = now()
    torch = require("torch", "train")
    for module in ("safetensors", "pydantic", "yaml", "matplotlib"):
        require(module, "train")
    from bench.timed_clips import TimedClips
    from toolkit.train.allocator import keep_freed_memory
    from toolkit.train.loop import Trainer
    from toolkit.train.prepare import prepare

    imported = now()
    settings = training_settings(job)
    torch.set_num_threads(settings.training.num_threads)
    keep_freed_memory()
    prepared = prepare(settings)
    warm_up = WARM_UP_STEPS[job.row.mode]
    clips = TimedClips(prepared.train, (warm_up + job.options.steps[job.row.mode] + 1) * job.batch_size)
    run_dir = job.work_dir / "run"
    run_dir.mkdir()
    (run_dir / "config.yaml").write_text(settings.to_yaml(), encoding="utf-8")
    trainer = Trainer(settings, prepared.spec, clips, None, run_dir, prepared.extractor, prepared.facts)
    loaded = now()
    clips.start()
    outcome = trainer.run(lambda row: None)
    figures = clips.laps.figures(warm_up)
    figures |= per_clip(figures, job.batch_size)
    figures |= {
        "import_s": imported.since(began).wall_s,
        "load_s": loaded.since(imported).wall_s,
        "steps_per_s": 1 / figures["wall_s"],
        "cpu_s_per_step": figures["cpu_s"],
        "cold_cpu_s": clips.laps.cold_start(began),
        "private_bytes": private_memory().byte_count,
        "parameters": outcome.parameters,
        "threads": settings.training.num_threads,
    }
    return Outcome(figures, made=str(run_dir))


def _train_naively(job: Job) -> Outcome:
    """The peer of the row with the guide's input: the same clips, one thread as well, but a file for each."""
    began = now()
    torch = require("torch", "train")
    from bench.naive_training import ClipFiles, NaiveClassifier, train_naively, write_files
    from toolkit.train.dataset import StoreClips, open_store

    imported = now()
    torch.set_num_threads(1)
    store = StoreClips(open_store(job.stores["pose"], "pose"), ["train"])
    names = write_files(job.work_dir / "clips", store.batch(range(len(store))))
    files = ClipFiles(job.work_dir / "clips", dict(zip(names, store.labels.tolist(), strict=True)))
    warm_up, size = WARM_UP_STEPS["pose"], job.batch_size
    wanted = (warm_up + job.options.steps["pose"]) * size
    model = NaiveClassifier(store.num_frames, files[0][0][0].numel(), len(store.glosses))
    order = torch.randint(len(files), (wanted,)).tolist()
    loaded, laps = now(), Laps()
    train_naively(model, files, size, [order], on_step=laps.lap)
    figures = laps.figures(warm_up)
    figures |= per_clip(figures, size)
    figures |= {
        "import_s": imported.since(began).wall_s,
        "load_s": loaded.since(imported).wall_s,
        "steps_per_s": 1 / figures["wall_s"],
        "cpu_s_per_step": figures["cpu_s"],
        "cold_cpu_s": laps.cold_start(began),
        "private_bytes": private_memory().byte_count,
        "threads": 1,
    }
    return Outcome(figures)


STAGES: dict[str, Callable[[Job], Outcome]] = {
    "floor": floor,
    MACHINE: machine,
    "extract": extract,
    "hold": hold,
    "train": train,
    "export": export,
    "infer": infer,
}
"""stage of a row -> what its process does."""
