"""`aoinspect completion SHELL`: prints the script by which bash, zsh or fish complete the command line.

The scripts are made from the parsers that read the command line, so that they offer what it takes and nothing else.
Which words go where is for `words` to say; a module for each shell writes that down in the shell's language.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TypeVar

from aoinspect.commands.shared import Commands

SHELLS = ("bash", "zsh", "fish")

SETTING_UP = """\
for this shell:
  source <(aoinspect completion bash)          in bash; in zsh: source <(aoinspect completion zsh)
  aoinspect completion fish | source           in fish

for every shell, the same line goes into ~/.bashrc, into ~/.zshrc (below compinit), or into ~/.config/fish/config.fish
"""


_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)


def add(commands: Commands[_Parser], root: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds the command to `commands`, which are those of `root`; its parser."""
    parser = commands.add_parser(
        "completion",
        help="print the script by which a shell completes the command line",
        description="Print the script by which a shell completes commands, options, their values and file names.",
        epilog=SETTING_UP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    parser.set_defaults(run=partial(run, root=root))
    return parser


def run(options: argparse.Namespace, root: argparse.ArgumentParser) -> int:
    """Runs the command; 0."""
    print(script(root, options.shell), end="")
    return 0


def script(root: argparse.ArgumentParser, shell: str) -> str:
    """The script for one of SHELLS that completes what `root` parses."""
    from aoinspect.commands.completion import bash, fish, zsh
    from aoinspect.commands.completion.words import read_command

    written = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}
    return written[shell](read_command(root))
