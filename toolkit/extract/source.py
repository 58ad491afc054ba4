"""From what a user has (a video, frames, landmarks) to the clip that a model takes, as its metadata says.

Frames go through the extractor that the model was trained on, rebuilt from the fingerprint in the metadata
and compared with it. This module knows no network and no ONNX graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import InputError, ModelFileError, VideoReadError
from toolkit.extract import Extractor, ExtractorSpec, make_extractor
from toolkit.extract.cnn_projection import OWN_NETWORK, trained_cnn
from toolkit.extract.devices import settle
from toolkit.metadata import ModelMetadata
from toolkit.weights import weights_from

Source = str | Path | NDArray[Any]


class ClipReader:
    """Reads clips for one model. The extractor is built when the first video or frames need it."""

    def __init__(
        self,
        metadata: ModelMetadata,
        extractor: ExtractorSpec,
        override: bool = False,
        weights_dir: Path | None = None,
    ) -> None:
        """extractor: how landmarks or features are made (unused in mode video); override: accept another
        extractor than the one the model was trained on; weights_dir: where its networks are, see
        `toolkit.weights.weights_folder`."""
        self._metadata = metadata
        self._spec = extractor
        self._override = override
        self._weights_dir = weights_dir
        self._extractor: Extractor | None = None
        self.timing = dict.fromkeys(("load_ms", "decode_ms", "extract_ms"), 0.0)
        """What the last `read` took, by the clock."""
        self.after_first_frame: Callable[[], None] | None = None
        """Called once, when the first frame of the first video has been looked at."""

    def read(self, source: Source, frame_start: int = 1, frame_end: int = -1) -> NDArray[Any]:
        """The clip (T, *item_shape); of a video or of frames, T is the trained number of frames.

        source: a video file; frames (T, H, W, 3) uint8 RGB; landmarks or features (T, *item_shape) float32;
        frame_start, frame_end: the part of a video to look at, 1-based, -1 to the end.

        Raises:
            InputError: an array of another shape or type, or a frame range for an array.
            VideoReadError: the video gives no frames, or nobody was found in them.
            ModelFileError: the extractor is not the one the model was trained on.
        """
        self.timing = dict.fromkeys(self.timing, 0.0)
        if not isinstance(source, np.ndarray):
            return self._from_video(Path(source), frame_start, frame_end)
        if (frame_start, frame_end) != (1, -1):
            raise InputError("frame_start and frame_end are for video files; cut the array instead")
        if source.dtype == np.uint8 and source.ndim == 4:
            return self._from_frames(source)
        check_clips(source, self._metadata, batched=False)
        return source

    def follow(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[Any]]:
        """The values (*item_shape) of each frame (H, W, 3) uint8 RGB, as soon as it comes.

        Raises like `read`; frames in which nobody is found give NaN.
        """
        size = self._frame_size()
        resized = (_resized(frame, size) for frame in frames)
        if self._metadata.mode == "video":
            yield from resized
            return
        extractor = self._ready_extractor()
        follow = getattr(extractor, "follow", None)
        if follow is not None:
            yield from follow(resized)
            return
        for frame in resized:
            yield extractor.extract([frame]).values[0]

    def warm_up(self) -> None:
        """Build the extractor now. Raises like `read`."""
        if self._metadata.mode != "video":
            self._ready_extractor()

    def check_extractor(self, fingerprint: Mapping[str, str | int | float]) -> None:
        """Refuse the output of another extractor than the one the model was trained on, unless overridden.

        Raises:
            ModelFileError: the two fingerprints differ; what differs is shown from both.
        """
        trained = self._metadata.extractor
        keys = [key for key in sorted({*trained, *fingerprint}) if trained.get(key) != fingerprint.get(key)]
        if self._override or not keys:
            return
        ours = ", ".join(f"{key}={trained.get(key, 'none')}" for key in keys)
        given = ", ".join(f"{key}={fingerprint.get(key, 'none')}" for key in keys)
        raise ModelFileError(
            f"the model was trained on the output of another extractor: trained on {ours}; in use {given}. "
            "Use the extractor it was trained on, or pass override=True (--override) and risk worse answers."
        )

    def close(self) -> None:
        """Release the extractor's native resources; the next video builds it again."""
        if self._extractor is not None:
            self._extractor.close()
            self._extractor = None

    def _from_video(self, path: Path, frame_start: int, frame_end: int) -> NDArray[Any]:
        from toolkit.video import with_frames  # av and cv2: only when a video is read

        use = partial(self._extract, name=str(path))
        return with_frames(use, path, self._metadata.num_frames, frame_start, frame_end, self._frame_size())

    def _from_frames(self, frames: NDArray[np.uint8]) -> NDArray[Any]:
        if frames.shape[-1] != 3 or 0 in frames.shape:
            raise InputError(f"frames must be (T, H, W, 3) uint8 RGB; given: {frames.shape} {frames.dtype}")
        size = self._frame_size()
        # the same frames that video.sample_frames takes of a file
        chosen = np.linspace(0, len(frames) - 1, self._metadata.num_frames).round().astype(int)
        return self._extract((_resized(frames[index], size) for index in chosen), "the given frames")

    def _extract(self, frames: Iterable[NDArray[np.uint8]], name: str) -> NDArray[Any]:
        began, decoded = perf_counter(), self.timing["decode_ms"]
        frames = self._clocked(frames)
        if self._metadata.mode == "video":
            return np.stack(list(frames))
        values = self._ready_extractor().extract(frames).values
        converting = self.timing["decode_ms"] - decoded
        self.timing["extract_ms"] = 1000 * (perf_counter() - began) - converting
        if np.isnan(values).all():
            raise VideoReadError(
                f"{name}: nobody was found in any of the {self._metadata.num_frames} frames looked at. "
                "Give a clip in which the signer's head, arms and hands are in the picture."
            )
        return values

    def _clocked(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """The frames; the time that getting them takes is added to that of decoding."""
        waiting = iter(frames)
        while True:
            began = perf_counter()
            frame = next(waiting, None)
            self.timing["decode_ms"] += 1000 * (perf_counter() - began)
            if frame is None:
                return
            yield frame
            del frame  # before the next one is made
            if self.after_first_frame is not None:
                call, self.after_first_frame = self.after_first_frame, None
                call()

    def _frame_size(self) -> tuple[int, int] | None:
        """(width, height) that frames are brought to; None keeps them as they are."""
        if self._metadata.mode == "video":
            height, width, _ = self._metadata.item_shape
            return (width, height)
        return self._ready_extractor().frame_size

    def _ready_extractor(self) -> Extractor:
        if self._extractor is not None:
            return self._extractor
        if self._metadata.extractor.get("network") == OWN_NETWORK and self._spec.model_asset is None:
            raise ModelFileError(
                "the model was trained on what a network of the user's own gives: name that file "
                "(model_asset, on the command line --model_asset)"
            )
        with weights_from(self._weights_dir):
            spec, notes = settle(self._spec)
            for note in notes:
                warnings.warn(note, RuntimeWarning, stacklevel=2)
            began = perf_counter()
            extractor = make_extractor(spec)
        try:
            if spec.precision == self._spec.precision:  # else fp32 stands in for int8, which approximates it
                self.check_extractor(extractor.fingerprint)
            if extractor.item_shape != self._metadata.item_shape:
                raise ModelFileError(
                    f"the extractor gives {extractor.item_shape} per frame, the model takes "
                    f"{self._metadata.item_shape}. Use the extractor the model was trained on."
                )
        except ModelFileError:
            extractor.close()
            raise
        self._extractor = extractor
        self.timing["load_ms"] = 1000 * (perf_counter() - began)
        return extractor


def trained_extractor(
    metadata: ModelMetadata, threads: int = 1, backend: str | None = None, model_asset: Path | None = None
) -> ExtractorSpec:
    """How to build the extractor that the model's metadata names, or the same with another backend."""
    trained = metadata.extractor
    spec = ExtractorSpec(
        metadata.mode,
        backend or str(trained.get("backend", "")),
        model_asset=model_asset,
        threads=threads,
    )
    if metadata.mode == "features":
        return trained_cnn(trained, spec, metadata.item_shape[0])
    spec = replace(spec, landmarks=metadata.layout)
    if spec.backend != "onnx" or trained.get("backend") != "onnx":
        return spec
    kernel = trained.get("refine_kernel")
    return replace(
        spec,
        network=str(trained.get("network", spec.network)),
        per_frame=trained.get("detection") == "per_frame",
        refine_kernel=kernel if isinstance(kernel, int) else spec.refine_kernel,
    )


def check_clips(clips: NDArray[Any], metadata: ModelMetadata, batched: bool) -> None:
    """Refuse an array that is not (N, T, *item_shape), or (T, *item_shape) if not batched, of the right type.

    Raises:
        InputError: with what was given and what is expected.
    """
    leading = 2 if batched else 1
    expected = (*clips.shape[:leading], *metadata.item_shape)
    if clips.dtype == metadata.dtype and clips.shape == expected and clips.size:
        return
    axes = ", ".join(["N", "T"][-leading:] + [str(size) for size in metadata.item_shape])
    also = "" if batched or metadata.mode == "video" else ", or frames (T, H, W, 3) uint8 RGB"
    raise InputError(
        f"the model takes ({axes}) {metadata.dtype}{also}; given: {clips.shape} {clips.dtype}. "
        "Give at least one clip of at least one frame in that shape and type."
    )


def _resized(frame: NDArray[np.uint8], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    if size is None or frame.shape[1::-1] == size:
        return frame
    import cv2

    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
