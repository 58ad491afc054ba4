"""Check a training configuration before training, or see all settings as they would be used: defaults, file and
--set merged. What differs from the default is marked.

examples:
  toolkit config --check signs my_config.yaml                every file, with its first mistake
  toolkit config --print signs > my_config.yaml        settings that ship, merged, to change
  toolkit config --print my_config.yaml --set training.epochs=40
  toolkit config --print                                          the defaults

Without --check or --print, files are checked. --json prints as the last line {"files": {FILE: "" or its mistake}}
for --check, the merged settings for --print. Exit status: 0 all right; 2 a file has a mistake.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from toolkit.cli.flags import Parser

SUMMARY = "check a training configuration, or show it with all defaults"


def add_flags(parser: Parser) -> None:
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="YAML settings for toolkit train")
    parser.flag("check", action="store_true", help="say whether each file is right, and train nothing")
    parser.flag("print", action="store_true", help="show the merged settings of one file (or the defaults)")
    parser.flag("set", action="append", default=[], metavar="KEY.SUB=VALUE", help="change any setting")
    parser.json_flag()


def run(args: argparse.Namespace) -> int:
    from toolkit.errors import ConfigError, require

    for module in ("pydantic", "yaml"):
        require(module, "train")
    from toolkit.config import annotated_yaml, load_settings, parse_override

    overrides = dict(parse_override(text) for text in args.set)
    if args.print:
        if args.check or len(args.files) > 1:
            raise ConfigError("--print shows one file; leave --check and the other files out")
        settings = load_settings(args.files[0] if args.files else None, overrides)
        print(annotated_yaml(settings), end="")
        if args.json:
            print(json.dumps(settings.model_dump(mode="json")))
        return 0
    if not args.files:
        raise ConfigError("name a file, e.g. toolkit config --check my_config.yaml")
    mistakes: dict[str, str] = {}
    for path in args.files:
        try:
            settings = load_settings(path, overrides)
        except ConfigError as error:
            mistakes[str(path)] = str(error)
            print(f"wrong  {error}", file=sys.stderr)
        else:
            mistakes[str(path)] = ""
            print(f"right  {path}: {settings.mode}, {settings.training.epochs} epochs")
    if args.json:
        print(json.dumps({"files": mistakes}, ensure_ascii=False))
    return 2 if any(mistakes.values()) else 0
