"""Progress for every verb: a bar with rate and time left on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

import sys
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from toolkit.cli.console import plain_console

LINE_EVERY_S = 10.0  # between plain lines, so that a log of an hours-long run stays readable


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: object) -> Text:
        speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None)
        return Text(f"{speed:.1f}/s" if speed else "")


class Steps:
    """Show that `finished` of `total` steps are over. Use as a context manager and call it with the numbers."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._console = plain_console(stderr=True)
        self._bar: Progress | None = None
        self._began = self._last_line = time.monotonic()

    def __enter__(self) -> Steps:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console)
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=None)
        return self

    def __call__(self, finished: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=finished, total=total)
            return
        now = time.monotonic()
        if now - self._last_line >= LINE_EVERY_S or finished == total:
            self._last_line = now
            rate = finished / max(now - self._began, 1e-6)
            left = (total - finished) / rate if rate else 0.0
            print(
                f"{self.what}: {finished}/{total}, {rate:.1f}/s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
