"""Recognise signs with an exported model: video, frames or landmarks in, glosses with scores out.

Needs numpy and onnxruntime; a video reader and the pose or CNN networks are loaded when a video or frames are
given. This module knows no torch and reads no side file: all it needs to know stands in the model file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from toolkit.calibration import softmax
from toolkit.errors import InputError, ModelFileError
from toolkit.extract.source import ClipReader, Source, check_clips, trained_extractor
from toolkit.landmarks import get_layout
from toolkit.metadata import ModelMetadata
from toolkit.model_guard import check_model_file
from toolkit.model_seal import check_seal
from toolkit.session import make_session
from toolkit.stream import DEFAULT_THRESHOLD, Seen, SignEvent, SignStream, follow
from toolkit.untrusted import printable

INPUT, OUTPUT = "clips", "logits"
_ORT_TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}
_AGAIN = "Export the model again with: toolkit export RUN --output model.onnx"


class Prediction(NamedTuple):
    """The answer for one clip.

    gloss: the best one; score: how likely it is right, 0..1 (see temperature of ModelMetadata); top: the best
    (gloss, score) pairs, best first.
    """

    gloss: str
    score: float
    top: tuple[tuple[str, float], ...]


class Recognizer:
    """One loaded model, with the extractor it was trained on once a video or frames ask for it.

    metadata: what the file says about itself; timing: what the last `predict` took in milliseconds, by the clock:
    load_ms for the extractor's networks (0 once they are there), decode_ms, extract_ms, model_ms. Not thread-safe.
    A context manager; or call `close()`.
    """

    def __init__(self, session: ort.InferenceSession, metadata: ModelMetadata, reader: ClipReader) -> None:
        self.metadata = metadata
        self._session = session
        self._reader = reader
        self.timing: dict[str, float] = {}

    @classmethod
    def load(
        cls,
        path: str | Path,
        threads: int = 1,
        backend: str | None = None,
        model_asset: Path | None = None,
        override: bool = False,
        weights_dir: Path | None = None,
    ) -> Recognizer:
        """Open a model that `toolkit export` wrote.

        threads: intra-op threads of the model and of the extractor;
        backend: of the extractor (default: the one that the model file names);
        model_asset: the extractor's network file, where the model was trained with one of the user's own;
        override: accept an extractor that is not the one the model was trained on;
        weights_dir: a folder with the pose or CNN networks, as in a bundle (default: SIGN_TOOLKIT_WEIGHTS, or
        those of this package).

        Raises:
            ModelFileError: the file is missing or damaged, is not one of our models, or contradicts itself.
        """
        check_model_file(Path(path))
        check_seal(Path(path))
        session = make_session(Path(path), threads)
        try:
            metadata = ModelMetadata.from_properties(session.get_modelmeta().custom_metadata_map)
            _check_graph(session, metadata)
        except (ModelFileError, UnicodeDecodeError) as error:
            raise ModelFileError(f"{path}: {error}") from error
        extractor = trained_extractor(metadata, threads, backend, model_asset)
        return cls(session, metadata, ClipReader(metadata, extractor, override, weights_dir))

    @property
    def threshold(self) -> float:
        """The score, 0..1, below which an answer is not to be relied on: chosen on the model's validation clips,
        DEFAULT_THRESHOLD where it has none."""
        return DEFAULT_THRESHOLD if self.metadata.threshold is None else self.metadata.threshold

    def predict(self, source: Source, top: int = 5, frame_start: int = 1, frame_end: int = -1) -> Prediction:
        """The sign of one clip.

        source: a video file; or frames (T, H, W, 3) uint8 RGB; or landmarks or features (T, *item_shape)
            float32. Of a video or of frames, the trained number is taken uniformly over the whole clip;
            landmarks and features may have any length T >= 1.
        top: how many glosses to return; frame_start, frame_end: part of a video, 1-based, -1 to the end.

        Raises:
            InputError: an array of another shape or type, or top below 1.
            VideoReadError: the video gives no frames, or nobody was found in them.
            ModelFileError: the extractor is not the one the model was trained on.
            MissingDependencyError, WeightsError: the extractor cannot be built on this machine.
        """
        if top < 1:
            raise InputError(f"top is {top}; give a number from 1")
        clip = self._reader.read(source, frame_start, frame_end)
        began = perf_counter()
        scores = self._scores(clip)
        self.timing = self._reader.timing | {"model_ms": 1000 * (perf_counter() - began)}
        best = np.argsort(-scores, kind="stable")[:top]
        pairs = tuple((self.metadata.glosses[index], float(scores[index])) for index in best)
        return Prediction(*pairs[0], pairs)

    def stream(
        self, frames: Iterable[NDArray[Any]], fps: float = 25.0, top: int = 5, threshold: float | None = None
    ) -> Iterator[SignEvent]:
        """The signs in continuous input: a guess now and then while one is made, a final answer when it is over.

        A sign begins when a hand comes up or moves, and ends when hands are down or still; without landmarks
        (modes features and video), while the picture changes.

        frames: one after the other, images (H, W, 3) uint8 RGB or, for mode pose, landmarks (K, 4) float32;
            fps: of the frames, in 1/s; top: how many glosses to name; threshold: score in 0..1 below
            which the answer is "I don't know", gloss None (default: the model's own, measured on its validation
            clips; DEFAULT_THRESHOLD where it has none).

        Raises:
            InputError: fps, top, threshold or a frame cannot be right. Otherwise like `predict`.
        """
        if not fps > 0:
            raise InputError(f"fps is {fps}; give the frames per second of the input, as 25")
        stream = self.new_stream(top, threshold)
        for number, seen in enumerate(self.follow(frames)):
            event = stream.push(seen, number / fps)
            if event is not None:
                yield event
        event = stream.finish()
        if event is not None:
            yield event

    def new_stream(self, top: int = 5, threshold: float | None = None) -> SignStream:
        """What `stream` gives its frames to; for callers that have moments instead of a frame rate."""
        needed = self.threshold if threshold is None else threshold
        if top < 1:
            raise InputError(f"top is {top}; give a number from 1")
        if not 0 <= needed <= 1:
            raise InputError(f"threshold is {needed:g}; give a score in 0..1")
        layout = get_layout(self.metadata.layout) if self.metadata.mode == "pose" else None
        return SignStream(self._scores, self.metadata.glosses, layout, needed, top)

    def warm_up(self, after_first_frame: Callable[[], None] | None = None) -> None:
        """Load the extractor's networks now, and not with the first video or frame.

        after_first_frame: called once, when the first frame of the next clip has been looked at, and so all that
        only the start needs has run. Raises like `predict`.
        """
        self._reader.warm_up()
        self._reader.after_first_frame = after_first_frame

    def follow(self, frames: Iterable[NDArray[Any]]) -> Iterator[Seen]:
        """The model's values of each frame as soon as it comes; frames as for `stream`."""
        return follow(self._reader, self.metadata, frames)

    def _scores(self, clip: NDArray[Any]) -> NDArray[np.float64]:
        """(C,) of one clip, adding up to 1, calibrated where the model is."""
        return softmax(self.logits(clip[None])[0], self.metadata.temperature or 1.0)

    def logits(self, clips: NDArray[Any]) -> NDArray[np.float32]:
        """Raw scores (N, C) of clips (N, T, *item_shape), any N >= 1 and T >= 1; one column per gloss.

        clips: float32 (uint8 for mode video); pose: image-fraction landmarks, NaN where nothing was found.

        Raises:
            InputError: another shape or type, or values that give no finite score.
            ModelFileError: the graph fails, or does not give what it declares.
        """
        check_clips(clips, self.metadata, batched=True)
        try:
            logits: NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(clips)})[0]
        except Exception as error:  # onnxruntime's own exceptions share no base class below Exception
            raise ModelFileError(f"the model cannot be run: {printable(error)}. {_AGAIN}") from error
        expected = (len(clips), len(self.metadata.glosses))
        if logits.shape != expected or logits.dtype != np.float32:
            raise ModelFileError(
                f"the model gave {logits.shape} {logits.dtype} scores instead of {expected} float32. {_AGAIN}"
            )
        if not np.isfinite(logits).all():
            raise InputError(
                "the model gave scores that are not finite: a clip holds infinite values or, for features, "
                "NaN. Give finite numbers, and NaN only for landmarks that were not found."
            )
        return logits

    def check_extractor(self, fingerprint: Mapping[str, str | int | float]) -> None:
        """Refuse clips made by another extractor than the one the model was trained on, unless overridden.

        For landmarks or features that come from a store: `recognizer.check_extractor(store.spec.extractor)`.

        Raises:
            ModelFileError: the two fingerprints differ; what differs is shown from both.
        """
        self._reader.check_extractor(fingerprint)

    def close(self) -> None:
        """Release the extractor's native resources; calling it twice does no harm."""
        self._reader.close()

    def __enter__(self) -> Recognizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_graph(session: ort.InferenceSession, metadata: ModelMetadata) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    names = ([node.name for node in inputs], [node.name for node in outputs])
    if names != ([INPUT], [OUTPUT]):
        raise ModelFileError(
            f"the graph must turn {[INPUT]} into {[OUTPUT]}, but turns {names[0]} into {names[1]}. {_AGAIN}"
        )
    clips, logits = inputs[0], outputs[0]
    if clips.type != _ORT_TYPES[metadata.dtype.name] or tuple(clips.shape[2:]) != metadata.item_shape:
        raise ModelFileError(
            f"the metadata says (N, T, *{metadata.item_shape}) {metadata.dtype}, "
            f"the graph takes {clips.shape} {clips.type}. {_AGAIN}"
        )
    if len(logits.shape) != 2 or logits.shape[1] != len(metadata.glosses):
        raise ModelFileError(
            f"the metadata names {len(metadata.glosses)} glosses, the graph gives {logits.shape}. {_AGAIN}"
        )
