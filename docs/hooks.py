"""Build hook of the documentation: the command line's reference page is written from the parsers themselves."""

from __future__ import annotations

import argparse
from typing import Any

from geoglot.cli._command import build_parser
from geoglot.cli.main import GROUPS, command_names, load_command

CLI_PAGE = "reference/cli.md"

_HEAD = """# Command line

Written from the program itself. Standard output carries data only: a table on a terminal, JSON Lines in a pipe.
Progress and errors go to standard error.

| exit code | means |
|---|---|
| 0 | done |
| 3 | partly: some files failed, see `errors.jsonl` in the archive |
| 1 | failed |
| 2 | wrong usage |
| 130 | interrupted; nothing already done is lost |
"""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fill the generated page; leave the others as they are."""
    return cli_reference() if page.file.src_uri == CLI_PAGE else markdown


def cli_reference() -> str:
    """The whole page as Markdown."""
    commands = {name: load_command(name) for name in command_names()}
    parts = [_HEAD]
    for group in GROUPS:
        parts.append(f"\n## {group}\n")
        parts += [_section(name, command) for name, command in commands.items() if group == command.GROUP]
    return "\n".join(parts)


def _section(name: str, command: Any) -> str:
    parser = build_parser(name, command)
    rows = [_row(action) for action in parser._actions if action.help is not argparse.SUPPRESS]
    examples = "\n".join(line.strip() for line in command.EXAMPLES.strip().splitlines())
    usage = parser.format_usage().removeprefix("usage: ").strip()
    table = "\n".join(["| option | meaning |", "|---|---|", *rows])
    shown = f"```console\n{examples}\n```\n\n```text\n{usage}\n```"
    return f"### geoglot {name}\n\n{command.SUMMARY}\n\n{shown}\n\n{table}\n"


def _row(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.nargs == 0 else "|".join(map(str, action.choices or [])))
    names = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{value or action.dest}`"
    shown = f" `{value}`".replace("|", "\\|") if value and action.option_strings else ""
    return f"| {names}{shown} | {(action.help or '').replace('|', chr(92) + '|')} |"
