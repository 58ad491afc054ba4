"""The rows of the exported model: making it, and running it beside torch. Each function runs in a row's own process.

They import only what a user of that row would import, when they are called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.inputs import batch_reader
from bench.measure import Laps, now, private_memory
from bench.multiply_adds import of_file
from bench.outcome import Outcome, per_clip
from bench.plan import Job
from toolkit.errors import require

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIPS = 4  # different ones, so that no cache knows the answer; few, so that they do not add to the peak
RUNS = {"pose": 1000, "features": 1000, "video": 30}  # a second or less
INT8_MODEL = "model-int8.onnx"  # beside the one that `export` made


def export(job: Job) -> Outcome:
    """The trained run -> a verified .onnx file. Its int8 form, for a row of its own, is made when the clock has
    stopped."""
    began = now()
    for module in ("torch", "onnx", "onnxscript"):
        require(module, "train")
    from export.classifier import export_run
    from export.quantize_classifier import quantized
    from toolkit.train.checkpoint import load_run

    imported = now()
    path = job.work_dir / "model.onnx"
    report = export_run(job.runs[job.row.mode], path)
    spent = now().since(imported)
    figures = {
        "import_s": imported.since(began).wall_s,
        "first_ms": 1000 * spent.wall_s,  # the one and only
        "cpu_s": spent.cpu_s,
    }
    figures |= {"model_bytes": report.size_bytes, "private_bytes": private_memory().byte_count}
    figures["multiply_adds_per_clip"] = of_file(path, job.options.num_frames)
    model, _ = load_run(job.runs[job.row.mode])
    trained = [parameter.detach().numpy() for parameter in model.parameters()]
    path.with_name(INT8_MODEL).write_bytes(quantized(path.read_bytes(), trained))
    return Outcome(figures, made=str(path))


def infer(job: Job) -> Outcome:
    """One clip at a time through the classifier; its landmarks, features or frames are there already."""
    take = batch_reader(job)
    clips = [take(range(place, place + 1)) for place in range(CLIPS)]
    began = now()
    answer: Callable[[NDArray[Any]], Any]
    if job.row.backend == "torch":
        torch = require("torch", "train")
        from toolkit.train.checkpoint import load_run

        imported = now()
        torch.set_num_threads(1)
        model, _ = load_run(job.runs[job.row.mode])

        def answer(clip: NDArray[Any]) -> Any:
            with torch.inference_mode():
                return model(torch.from_numpy(clip))
    else:
        from toolkit.recognizer import Recognizer

        imported = now()
        model_path = job.models[job.row.mode]
        if job.row.backend.endswith("int8"):
            model_path = model_path.with_name(INT8_MODEL)
        answer = Recognizer.load(model_path).logits
    loaded = now()
    laps = Laps()
    for number in range(RUNS[job.row.mode]):
        answer(clips[number % len(clips)])
        laps.lap()
    figures = {"import_s": imported.since(began).wall_s, "load_s": loaded.since(imported).wall_s}
    figures |= {"cold_cpu_s": laps.cold_start(began), "private_bytes": private_memory().byte_count}
    return Outcome(figures | per_clip(laps.figures(), 1))
