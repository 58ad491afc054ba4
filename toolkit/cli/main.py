"""The `toolkit` command: finds the verb, parses its flags, runs it, and turns errors into exit statuses.

A verb is a module with SUMMARY, `add_flags(parser)` and `run(args) -> int`; heavy imports happen inside `run`.
Exit status: 0 all right; 1 done, but some clips failed; 2 the user can fix it; 130 stopped with Ctrl-C;
143 stopped with SIGTERM, in the same orderly way.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from toolkit.cli.flags import Parser, nearest
from toolkit.errors import ToolkitError, explain_import

VERBS = (
    "extract",
    "show",
    "config",
    "train",
    "evaluate",
    "export",
    "predict",
    "live",
    "check",
    "demo",
    "doctor",
)


OLDEST_PYTHON = (3, 11)


class Terminated(KeyboardInterrupt):
    """Somebody asks the process to end, as systems do when they shut down."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's own) and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if refusal := too_old(sys.version_info[:2]):
        print(f"toolkit: {refusal}", file=sys.stderr)
        return 2
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"sign-toolkit {version('sign-toolkit')}")
        return 0
    if words[0] == "bench":
        print("toolkit: bench is a command of its own: bench run", file=sys.stderr)
        return 2
    if words[0] not in VERBS:
        print(f"toolkit: there is no command '{words[0]}'.{nearest(words[0], list(VERBS))}", file=sys.stderr)
        print("Try: toolkit --help", file=sys.stderr)
        return 2
    verb = importlib.import_module(f"toolkit.cli.{words[0]}")
    parser = Parser(prog=f"toolkit {words[0]}", description=verb.__doc__)
    verb.add_flags(parser)
    args, unknown = parser.parse_known_args(words[1:])
    if unknown:
        meant = nearest(unknown[0].split("=")[0], parser.known_flags())
        if "--source" in parser.known_flags() and not unknown[0].startswith("-"):
            meant = f" Did you mean --source {unknown[0]}?"
        elif "--index" in parser.known_flags() and words[0] == "extract" and not unknown[0].startswith("-"):
            meant = f" Did you mean --index {unknown[0]}?"
        elif "--config" in parser.known_flags() and not unknown[0].startswith("-"):
            meant = f" Did you mean --config {unknown[0]}?"
        meant = parser.hints.get(unknown[0].split("=")[0], meant)
        parser.error(f"unknown argument {unknown[0]}.{meant}")
    when_stopped = getattr(verb, "WHEN_STOPPED", "")
    return run_guarded(lambda: int(verb.run(args)), f"toolkit {words[0]}", when_stopped)


def too_old(version: tuple[int, int]) -> str:
    """Why this Python cannot run the package, which pip would have refused to install for it; "" if it can."""
    if version >= OLDEST_PYTHON:
        return ""
    wanted, found = (".".join(map(str, numbers)) for numbers in (OLDEST_PYTHON, version))
    return (
        f"this is Python {found}, but {wanted} or newer is needed: install it from https://python.org (Debian, "
        f"Ubuntu: apt install python{wanted} python{wanted}-venv), then python{wanted} -m venv .venv"
    )


def run_guarded(action: Callable[[], int], name: str, when_stopped: str = "") -> int:
    """Run a command; an error the user can cure becomes one message and status 2, Ctrl-C status 130.

    when_stopped: what becomes of the work after Ctrl-C, and how to go on.
    """
    _write_any_name()
    try:
        with _termination_as_ctrl_c():
            return action()
    except ToolkitError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # who read our output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{name}: {where}{error.strerror or error}. What was finished before is kept", file=sys.stderr)
        return 2
    except ImportError as error:
        cure = explain_import(error)
        if cure is error:
            raise
        print(f"{name}: {cure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"\n{name}: stopped. {when_stopped}".rstrip(), file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130


def _write_any_name() -> None:
    """Names of glosses and files are of any language: a redirected Windows console knows few, and files may be named
    in bytes that are no text at all."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


@contextmanager
def _termination_as_ctrl_c() -> Iterator[None]:
    """SIGTERM takes the way of Ctrl-C: workers are ended, files closed, one line says how to go on."""

    def stop(*_: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # only that one may set signals
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _overview() -> str:
    lines = ["usage: toolkit COMMAND [flags]", "", "Word-level sign recognition on weak PCs.", ""]
    lines += [f"  {verb:10s} {importlib.import_module(f'toolkit.cli.{verb}').SUMMARY}" for verb in VERBS]
    lines += ["", "toolkit COMMAND --help explains one command. First steps: toolkit demo"]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
