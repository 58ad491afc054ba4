"""The folder of a run: who writes into it, and where its checkpoints are. No torch: wrong paths are told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolkit.errors import ConfigError
from toolkit.untrusted import listed

LOCK_FILE = ".train.lock"


def checkpoint_file(run_dir: Path, which: str = "best") -> Path:
    """The file of one checkpoint of a run. which: "best" (by validation) or "last".

    Raises:
        ConfigError: no such run or checkpoint.
    """
    path = run_dir / f"{which}.safetensors"
    if not path.is_file():
        runs = listed(sorted(str(found.parent) for found in run_dir.parent.glob("*/last.safetensors")))
        hint = f" Runs beside it: {runs}." if runs else ""
        raise ConfigError(
            f"there is no checkpoint {path}. A run directory is what `toolkit train` prints at its end.{hint}"
        )
    return path


def new_run(mode: str) -> Path:
    """runs/MODE, or the first free runs/MODE-2, -3, ..."""
    number, path = 1, Path("runs") / mode
    while path.exists():
        number += 1
        path = Path("runs") / f"{mode}-{number}"
    return path


def refuse_taken(run_dir: Path) -> None:
    """Raise ConfigError where a folder holds a run."""
    if (run_dir / "last.safetensors").exists():
        raise ConfigError(
            f"{run_dir} already holds a run: add --resume to continue it on the same clips with the same settings; "
            "for a run on other clips (some were added, say) or with other settings give another --output_dir"
        )


@contextmanager
def claimed(run_dir: Path, mode: str, automatic: bool, resume: bool) -> Iterator[Path]:
    """The run's folder, made and held against other processes. automatic: nobody named it, so it is the next free one
    where another process was quicker.

    Raises:
        ConfigError: another process trains into it, or has done so meanwhile, or it cannot be made.
    """
    from filelock import FileLock, Timeout  # not for those who only look for a checkpoint

    try:
        while automatic:
            try:
                run_dir.mkdir(parents=True)
                break
            except FileExistsError:
                run_dir = new_run(mode)
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run_dir / LOCK_FILE)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(
            f"another process is training into {run_dir}; wait for it, or give another --output_dir"
        ) from error
    except OSError as error:
        raise ConfigError(f"--output_dir {run_dir} cannot be made: {error.strerror}") from error
    try:
        if not resume:
            refuse_taken(run_dir)
        yield run_dir
    finally:
        with suppress(OSError):  # while it is held; Windows refuses that, and does it itself afterwards
            (run_dir / LOCK_FILE).unlink(missing_ok=True)
        lock.release()
