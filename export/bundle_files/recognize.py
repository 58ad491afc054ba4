"""Say which signs video clips show, or somebody makes in front of the camera:

    python recognize.py clip.mp4
    python recognize.py recordings/ --top 3
    python recognize.py clip.mp4 --json
    python recognize.py live
    python recognize.py live --source clip.mp4 --headless

Sources are video files, folders of them, and .npy files with landmarks of one clip (README.md says of what shape).
--top N          how many signs to give for each source (default: 5)
--threads N      processor cores to use (default: 1)
--frame_start N, --frame_end N    the part of the videos to look at, in frames from 1
--csv            print a line of comma-separated values per source
--json           print one JSON object as the last line

live opens a window; q or Escape ends it.
--source 0|FILE  a camera's number or a video (default: 0)
--headless       no window: print a line per sign
--threshold S    score, 0 to 1, that an answer needs (default: the model's own)

Exit status: 0 all recognised; 1 some sources could not be read; 2 something to put right, and the message says what.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "recognize.py"


def main() -> int:
    """Recognise what the command line names; gives the exit status."""
    words = sys.argv[1:]
    if not words or {"-h", "--help"} & set(words):
        print(__doc__)
        return 0
    if sys.version_info < (3, 11):  # noqa: UP036 (nothing has looked at the version before)
        print(f"{NAME}: this is Python {sys.version.split()[0]}; run it with 3.11 or newer", file=sys.stderr)
        return 2
    sys.path.insert(0, str(HERE))  # the package beside this file comes first, whatever else is installed
    try:
        from toolkit.cli import live, predict
        from toolkit.cli.flags import Parser
        from toolkit.cli.main import run_guarded

        verb, words = (live, words[1:]) if words[0] == "live" else (predict, words)
        parser = Parser(prog=NAME)
        verb.add_flags(parser)
        args = parser.parse_args([str(HERE / "model.onnx"), *words])
        return run_guarded(lambda: verb.run(args), NAME)
    except ModuleNotFoundError as error:
        needed = f'"{sys.executable}" -m pip install -r "{HERE / "requirements.txt"}"'
        print(f"{NAME}: {error}. Install what is needed with: {needed}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
