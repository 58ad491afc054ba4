"""--help of every command teaches: what it is for, examples that parse, and a text for every flag."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Callable

import pytest

from bench.cli import COMMANDS
from toolkit.cli.flags import Parser
from toolkit.cli.main import VERBS


def parser_of(program: str, verb: str) -> tuple[Parser, str]:
    """The parser of a command, and the text above its flags."""
    text: str
    add_flags: Callable[[Parser], None]
    if program == "bench":
        text, add_flags, _ = COMMANDS[verb]
    else:
        module = importlib.import_module(f"toolkit.cli.{verb}")
        text, add_flags = str(module.__doc__), module.add_flags
    parser = Parser(prog=f"{program} {verb}", description=text)
    add_flags(parser)
    return parser, text


ALL = [("toolkit", verb) for verb in VERBS] + [("bench", verb) for verb in COMMANDS]
NAMES = [" ".join(pair) for pair in ALL]


def actions(program: str, verb: str) -> list[argparse.Action]:
    parser, _ = parser_of(program, verb)
    return parser._actions


@pytest.mark.parametrize(("program", "verb"), ALL, ids=NAMES)
def test_every_flag_has_a_help_text(program: str, verb: str) -> None:
    silent = [action.option_strings or action.dest for action in actions(program, verb) if not action.help]
    assert silent == []


@pytest.mark.parametrize(("program", "verb"), ALL, ids=NAMES)
def test_defaults_are_told(program: str, verb: str) -> None:
    """A flag whose default is a value says so; one value without a name of its own is not enough."""
    untold = [
        action.dest
        for action in actions(program, verb)
        if action.default not in (None, False, argparse.SUPPRESS, "", 0, [])
        and "default" not in str(action.help)
    ]
    assert untold == []


@pytest.mark.parametrize(("program", "verb"), ALL, ids=NAMES)
def test_values_have_a_name(program: str, verb: str) -> None:
    """No `--frame_start FRAME_START`, which says nothing."""
    shouted = [
        action.dest
        for action in actions(program, verb)
        if action.option_strings and action.nargs != 0 and not action.metavar and not action.choices
    ]
    assert shouted == []


@pytest.mark.parametrize(("program", "verb"), ALL, ids=NAMES)
def test_the_first_paragraph_says_what_it_is_for_and_examples_parse(program: str, verb: str) -> None:
    parser, text = parser_of(program, verb)
    first = text.strip().split("\n\n")[0]
    assert 40 < len(first) < 500 and first.endswith((".", ":"))
    lines = text.replace("\\\n", " ").splitlines()
    examples = [line.strip() for line in lines if line.startswith(f"  {program} {verb}")]
    assert examples, "no example"
    for example in examples:
        command = re.split(r"\s{3,}| > ", re.sub(r"\s\s+(?=--)", " ", example))[0].rstrip(".")
        parser.parse_args(shlex.split(command)[2:])
