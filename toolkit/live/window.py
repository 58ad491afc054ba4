"""A window of OpenCV: whether there can be one, what it shows, and when its user wants to go."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import TracebackType

import cv2

from toolkit.errors import ConfigError
from toolkit.live.text import Image

QUIT_KEYS = {ord("q"), ord("Q"), 27}  # 27 is Escape
_HEADLESS = (
    "run it with --headless to get lines of text instead (without a camera, with --source clip.mp4 too)"
)
_TRIAL = "import cv2; cv2.namedWindow('trial'); cv2.destroyAllWindows()"
_TRIAL_S = 20.0


class Window:
    """Shows one picture after the other. A context manager.

    Raises:
        ConfigError: no window can be opened here.
    """

    def __init__(self, title: str) -> None:
        _check_display()
        self._title = title
        self._sized = False
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)

    def show(self, image: Image) -> bool:
        """image: (H, W, 3) uint8 RGB. False when the user pressed q or Escape, or closed the window."""
        if not self._sized:
            cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._sized = True
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if cv2.waitKey(1) & 0xFF in QUIT_KEYS:
            return False
        return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cv2.destroyAllWindows()


def _check_display() -> None:
    found = re.search(r"GUI:\s*(\S+)", cv2.getBuildInformation())
    if found is not None and found[1] == "NONE":
        raise ConfigError(
            f"the OpenCV that is installed opens no windows (opencv-python-headless); {_HEADLESS}, or "
            "pip uninstall -y opencv-python-headless, then pip install --force-reinstall opencv-python"
        )
    if sys.platform != "linux":
        return
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise ConfigError(f"there is no display (DISPLAY is not set); {_HEADLESS}")
    # Where the display cannot be reached, Qt ends the whole process: let it end another one.
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL], capture_output=True, timeout=_TRIAL_S, check=False
        )
        usable = done.returncode == 0
    except subprocess.TimeoutExpired:  # a display that does not answer, as that of an old SSH session
        usable = False
    if not usable:
        name = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        raise ConfigError(f"the display {name} cannot be used; {_HEADLESS}, or check DISPLAY")
