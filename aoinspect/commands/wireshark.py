"""`aoinspect wireshark install`: the profile and the Lua plugin that show what `annotate` writes."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from aoinspect.commands.shared import Commands, SharedParts
from aoinspect.errors import UsageError

_EPILOG = """\
where it goes without --to, as `tshark -G folders` prints it:
  profile  profiles/aoinspect in the personal configuration folder (WIRESHARK_CONFIG_DIR, or ~/.config/wireshark)
  plugin   the personal Lua plugin folder (~/.local/lib/wireshark/plugins)

exit status: 0 once everything is in its place; 2 where another file is there, or a folder cannot be written
"""


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command and its subcommand to `commands`; its parser."""
    parser = commands.add_parser(
        "wireshark",
        help="give Wireshark colours, columns and fields for what annotate writes",
        description="Give Wireshark colours, columns and fields for the comments that `aoinspect annotate` writes.",
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(dest="wireshark_command", metavar="COMMAND", required=True)
    install = subcommands.add_parser(
        "install",
        help="put the profile and the Lua plugin where Wireshark looks",
        description="Put the profile `aoinspect` and the Lua plugin where Wireshark and tshark look for them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    install.add_argument(
        "--to", metavar="DIR", help="put both into this personal configuration folder of Wireshark's instead"
    )
    install.add_argument("--force", action="store_true", help="replace files of the same name that differ")
    install.add_argument("-q", "--quiet", action="store_true", help="no advice on stderr")
    install.set_defaults(run=partial(run_install, shared=shared))
    return parser


def run_install(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the subcommand; the exit status: 0 once everything is in its place."""
    from aoinspect.wireshark.install import PROFILE, folders_in, install, personal_folders

    if options.to == "":
        raise UsageError("--to: name a folder")
    folders = personal_folders(os.environ, _home()) if options.to is None else folders_in(Path(options.to))
    for placed in install(folders, replaces=options.force):
        print(f"{placed.path}: {placed.deed.value}")
    if not options.quiet:
        shared.tell(f"the profile is {PROFILE}: Edit > Configuration Profiles, or wireshark -C {PROFILE} FILE")
        shared.tell("a Wireshark that runs already reads the plugin with Analyze > Reload Lua Plugins")
    return 0


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise UsageError("it cannot be told where your home folder is: set HOME, or name a folder with --to") from None
