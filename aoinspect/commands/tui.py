"""`aoinspect tui CAPTURE`: the capture in a terminal interface, to look at and to work on.

What cannot be opened is said before the screen is taken. For `-` the pipe is moved aside and the terminal put in its
place, since keys come from there.
"""

from __future__ import annotations

import argparse
import gc
from functools import partial

from aoinspect.commands.shared import Commands, SharedParts, add_recovery_argument, read_more_keys
from aoinspect.errors import CaptureError

_GARBAGE_AFTER = 20_000
"""New objects between two looks for garbage. A report makes many that live; looking for garbage stops all threads."""

_ENDED_BY_SIGNAL = 128
"""With the signal's number the exit status, as shells have it."""


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "tui",
        help="look at a capture in the terminal, and work on its keys",
        description=(
            "Connections, timeline, packets, keys and findings of a capture, in the terminal. Keys can be loaded, "
            "edited and corrected, and everything is checked again in place; ? lists what the keyboard does."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("capture", metavar="CAPTURE", help="pcap or pcapng, also compressed; - follows stdin live")
    shared.add_arguments(parser)
    add_recovery_argument(parser)
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 when the user leaves it. CaptureError, UsageError."""
    store = shared.load_keys(options)
    registry = shared.load_registry(options)

    from aoinspect.capture.reader import open_capture
    from aoinspect.tui.app import InspectApp
    from aoinspect.tui.session import Session
    from aoinspect.tui.spool import Spool
    from aoinspect.tui.terminal import demand_terminal, is_pipe, move_pipe_aside, open_pipe

    spool = None
    if options.capture == "-":
        spool = Spool(move_pipe_aside())
    elif is_pipe(options.capture):
        spool = Spool(open_pipe(options.capture))
    else:
        open_capture(options.capture).close()
    demand_terminal()
    session = Session(options.capture, store, registry, spool=spool, recovery_budget=options.recover_isn)
    app = InspectApp(session, partial(read_more_keys, options=options))
    # What was loaded up to here stays; looking through it for garbage again and again would hold keys up.
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER, 20, 50)
    problem = app.run()
    if app.crash is not None:
        raise app.crash
    if problem is not None:
        raise CaptureError(problem)
    return 0 if app.ended_by is None else _ENDED_BY_SIGNAL + app.ended_by
