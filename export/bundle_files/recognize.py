"""Say which signs video clips show:

    python recognize.py clip.mp4
    python recognize.py recordings/ --top 3
    python recognize.py clip.mp4 --json

Sources are video files, folders of them, and .npy files with landmarks of one clip (README.md says of what shape).
--top N          how many signs to give for each source (default: 5)
--threads N      processor cores to use (default: 1)
--frame_start N, --frame_end N    the part of the videos to look at, in frames from 1
--json           print one JSON object as the last line

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
        from toolkit.cli import predict
        from toolkit.cli.flags import Parser
        from toolkit.cli.main import run_guarded

        parser = Parser(prog=NAME)
        predict.add_flags(parser)
        args = parser.parse_args([str(HERE / "model.onnx"), *words])
        return run_guarded(lambda: predict.run(args), NAME)
    except ModuleNotFoundError as error:
        needed = f'"{sys.executable}" -m pip install -r "{HERE / "requirements.txt"}"'
        print(f"{NAME}: {error}. Install what is needed with: {needed}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
