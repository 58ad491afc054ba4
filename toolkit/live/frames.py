"""Pictures from a camera or a file, as they come: whoever takes too long for one gets the newest next.

A thread keeps exactly one picture. What nobody asked for in time is dropped and counted, so that a slow PC shows
less, but shows what is happening now.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from toolkit.errors import VideoReadError
from toolkit.video import timed_frames

Item = TypeVar("Item")
LOST_AFTER = 50  # reads in a row that a camera may fail
CLOSING_S = 2.0  # how long a camera gets for its last picture


class LiveFrame(NamedTuple):
    """image: (H, W, 3) uint8 RGB; moment_s: since the source was opened; arrived_s: of time.perf_counter."""

    image: NDArray[np.uint8]
    moment_s: float
    arrived_s: float


class Newest(Generic[Item]):
    """Goes through an iterator in a thread of its own; iterating over this gives the newest item each time."""

    def __init__(self, items: Iterator[Item]) -> None:
        self.dropped = 0
        self._items = items
        self._slot: list[Item] = []
        self._error: BaseException | None = None
        self._over = self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="newest frame", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._slot or self._over)
                if not self._slot:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._slot.pop()
            yield item

    def close(self) -> None:
        """Stop the thread after its next item."""
        self._stopped = True
        self._thread.join(CLOSING_S)

    def _read(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self.dropped += len(self._slot)
                    self._slot[:] = [item]
                    self._changed.notify()
                if self._stopped:
                    break
        except Exception as error:  # it is raised where the items are taken
            self._error = error
        with self._changed:
            self._over = True
            self._changed.notify()


class LiveSource:
    """The pictures of a camera or of a file at the file's own pace. A context manager; iterate over it once."""

    def __init__(self, source: str, every_frame: bool = False) -> None:
        """source: a camera's number, from "0", or a video file; every_frame: of a file, leave no frame out and
        do not wait either.

        Raises:
            VideoReadError: there is no such camera or file, or it gives no pictures.
        """
        self.is_camera = source.isdecimal()
        self._release: Callable[[], None] = lambda: None
        self._newest: Newest[Any] | None = None
        if self.is_camera:
            camera = _open_camera(int(source))
            self._release = camera.release
            self._newest = Newest(_camera_pictures(camera, source))
            return
        frames = timed_frames(Path(source))
        first = next(frames, None)  # so that a file that cannot be read is named before a window opens
        if first is None:
            raise VideoReadError(f"{source}: not one frame decodes; the file is damaged, download it again")
        self._frames = _with_first(first, frames)
        if not every_frame:
            self._newest = Newest(_paced(self._frames))

    @property
    def dropped(self) -> int:
        """Pictures that nobody asked for in time."""
        return 0 if self._newest is None else self._newest.dropped

    def __iter__(self) -> Iterator[LiveFrame]:
        if self._newest is None:
            for moment, image in self._frames:
                yield LiveFrame(image(), moment, time.perf_counter())
            return
        for moment, image, arrived in self._newest:
            yield LiveFrame(image(), moment, arrived)

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._newest is not None:
            self._newest.close()
        self._release()


Picture = Callable[[], NDArray[np.uint8]]


def _with_first(first: tuple[float, Picture], rest: Iterator[tuple[float, Picture]]) -> Iterator[Any]:
    yield first
    yield from rest


def _paced(frames: Iterator[tuple[float, Picture]]) -> Iterator[tuple[float, Picture, float]]:
    """Each frame when its moment has come, as a camera would give it."""
    began = time.perf_counter()
    for moment, image in frames:
        time.sleep(max(0.0, began + moment - time.perf_counter()))
        yield moment, image, time.perf_counter()


def _camera_pictures(camera: Any, name: str) -> Iterator[tuple[float, Picture, float]]:
    began, failed = time.perf_counter(), 0
    while True:
        there, picture = camera.read()
        if there:
            now, failed = time.perf_counter(), 0
            yield now - began, lambda picture=picture: _rgb(picture), now  # type: ignore[misc]
            continue
        failed += 1
        if failed > LOST_AFTER or not camera.isOpened():
            raise VideoReadError(f"camera {name} gives no pictures any more; is it still plugged in?")
        time.sleep(0.02)


def _rgb(picture: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _open_camera(number: int) -> Any:
    # it complains on stderr; the error below says it better
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    camera = cv2.VideoCapture(number)
    if camera.isOpened():
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a queue of old pictures in the driver would be a delay
        return camera
    camera.release()
    rights = " On Linux your user must be in the group 'video'." if sys.platform == "linux" else ""
    raise VideoReadError(
        f"camera {number} cannot be opened. Plug it in, close other programs that use it, allow this one to in "
        f"the system's privacy settings, or name another with --source 1, or a video file.{rights}"
    )
