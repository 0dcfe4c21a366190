"""What a command file must hold, and a parser that answers a slip of the pen with the right word."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol

from geoglot.core.errors import GeoglotError, UsageError

DONE = 0
FAILED = 1
USAGE = 2
PARTLY = 3
INTERRUPTED = 130


class Command(Protocol):
    """One file under ``geoglot/cli``: its name is the command's name."""

    GROUP: str
    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments; no heavy import here."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it and return the exit code."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and suggest the nearest word."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # A box west of Greenwich begins with a minus sign: "-1.5,50,0,51" is a value, not an option.
        self._negative_number_matcher = re.compile(r"^-[\d.]")

    def error(self, message: str) -> NoReturn:
        """Print one clear line and leave with 2."""
        self.exit(USAGE, f"{self.prog}: error: {sentence(message)} See '{self.prog} --help'.\n")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, unknown("value", str(value), known))


def unknown(kind: str, word: str, known: Sequence[str]) -> str:
    """What to say about an unknown word.

    Example:
        >>> unknown("command", "serch", ["index", "search"])
        "unknown command 'serch'; did you mean 'search'?"
        >>> unknown("value", "x", ["a", "b"])
        "unknown value 'x'; choose one of a, b"
    """
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
    return f"unknown {kind} {word!r}; {hint}"


def sentence(message: str) -> str:
    """The message with a full stop, unless it ends a sentence by itself."""
    return message if message.endswith(("?", ".", "!")) else f"{message}."


def build_parser(name: str, command: Command) -> Parser:
    """The parser of one command, with its examples below the options."""
    parser = Parser(
        prog=f"geoglot {name}",
        description=command.SUMMARY,
        epilog=f"examples:\n{command.EXAMPLES.strip(chr(10))}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return parser


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse all arguments; unknown options are named together with the nearest known one."""
    options, rest = parser.parse_known_args(arguments)
    if rest:
        known = [word for action in parser._actions for word in action.option_strings]
        word = rest[0].partition("=")[0]
        if word.startswith("-"):
            parser.error(unknown("option", word, [option for option in known if option.startswith("--")]))
        parser.error(f"unexpected argument {rest[0]!r}")
    return options


def warn(message: str) -> None:
    """One line for people, on standard error."""
    print(f"geoglot: {message}", file=sys.stderr)


def require(condition: bool, subject: str, *, cause: str, remedy: str) -> None:
    """Raise a usage error unless the condition holds."""
    if not condition:
        raise UsageError(subject, cause=cause, remedy=remedy)


def numbers(option: str, given: str | None) -> list[int] | None:
    """Whole numbers separated by commas; ``None`` stays ``None``.

    Example:
        >>> numbers("--window", "0,256,64,64")
        [0, 256, 64, 64]

    Raises:
        UsageError: It is no such list.
    """
    if given is None:
        return None
    try:
        return [int(number) for number in given.split(",")]
    except ValueError as error:
        cause, remedy = "is no list of whole numbers", "separate with commas"
        raise UsageError(f"{option} {given}", cause=cause, remedy=remedy) from error


@contextmanager
def needs_torch() -> Iterator[None]:
    """Say which extra to install where a command meets a package that the base install leaves out."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("torch", "safetensors", "onnx", "onnxscript"):
            raise
        raise GeoglotError(
            package, cause="is not installed; training and export need it", remedy='pip install "geoglot[train]"'
        ) from error
