"""The command ``geoglot``: find the command's file, parse, run, turn errors into exit codes.

Exit codes: 0 done, 3 partly (some files failed), 1 failed, 2 wrong usage, 130 interrupted.
Standard output carries data only; progress and errors go to standard error.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import cast

from geoglot.api.printable import printable
from geoglot.cli._command import FAILED, INTERRUPTED, USAGE, Command, build_parser, parse, sentence, unknown, warn
from geoglot.core import registry
from geoglot.core.errors import GeoglotError, UsageError

PACKAGE = "geoglot.cli"
GROUPS = ("Your archive", "Models and methods", "First steps")
_BROKEN_PIPE = 141  # what a shell reports for a process stopped by SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Example:
        >>> main(["--version"])
        geoglot 0.1.0
        0
    """
    _never_fail_on_odd_characters()
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except GeoglotError as error:
        warn(f"error: {printable(str(error))}")
        return USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        warn("interrupted; nothing already done is lost. Run the same command again to go on.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has left (`geoglot ... | head`): no message, and no second one when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        warn(f"error: {printable(f'{error.filename}: {error.strerror}' if error.filename else str(error))}")
        return FAILED
    except SystemExit as request:
        return request.code if isinstance(request.code, int) else FAILED
    return code


def command_names() -> list[str]:
    """Names of all commands: the files of this package, then entry points of other distributions."""
    return [name.replace("_", "-") for name in registry.names(PACKAGE) if name != "main"]


def load_command(name: str) -> Command:
    """Import one command; ``convert-checkpoint`` lies in ``convert_checkpoint.py``."""
    written = name if name in registry.names(PACKAGE) else name.replace("-", "_")
    return cast(Command, registry.load(PACKAGE, written))


def _run(arguments: list[str]) -> int:
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if first in ("-V", "--version"):
        from geoglot import __version__

        print(f"geoglot {__version__}")
        return 0
    names = command_names()
    if first not in names:
        kind = "option" if first.startswith("-") else "command"
        warn(f"error: {sentence(printable(unknown(kind, first, names)))} See 'geoglot --help'.")
        return USAGE
    command = load_command(first)
    return command.run(parse(build_parser(first, command), arguments[1:]))


def _overview() -> str:
    commands = {name: load_command(name) for name in command_names()}
    width = max(map(len, commands))
    lines = ["usage: geoglot COMMAND ...", "", "Ask an archive of aerial and satellite imagery, in your own language."]
    others = sorted({command.GROUP for command in commands.values()} - set(GROUPS))
    for group in (*GROUPS, *others):
        lines += ["", f"{group}:"]
        members = {name: command for name, command in commands.items() if group == command.GROUP}
        lines += [f"  {name:<{width}}  {command.SUMMARY}" for name, command in members.items()]
    lines += [
        "",
        "examples:",
        "  geoglot index imagery/ --archive town.archive",
        '  geoglot search "many planes beside the terminal" --archive town.archive',
        "",
        "'geoglot COMMAND --help' shows options and examples. Exit codes: 0 done, 3 partly, 1 failed, 2 usage.",
    ]
    return "\n".join(lines)


def _never_fail_on_odd_characters() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
