"""`aoinspect tui` as the command line runs it, also where the command is not in its list."""

from __future__ import annotations

import argparse
import sys

from aoinspect import cli
from aoinspect.commands import tui
from aoinspect.commands.shared import SharedParts

_build = cli.build_parser


def _with_tui() -> argparse.ArgumentParser:
    parser = _build()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    if "tui" not in commands.choices:
        shared = SharedParts(cli._add_arguments, cli._load_keys, cli._registry, cli._console, cli._tell)
        tui.add(commands, shared)
    return parser


cli.build_parser = _with_tui
sys.exit(cli.main(["tui", *sys.argv[1:]]))
