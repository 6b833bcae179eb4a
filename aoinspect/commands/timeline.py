"""`aoinspect timeline CAPTURE...`: which keys each connection used, from when to when, and what made it change them.

It needs no key file: KeyIDs are in the clear. Where there are many connections, those are shown that have anything to
look at; what is left out is told, with the flag that shows it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from aoinspect.commands.shared import (
    Commands,
    SharedParts,
    add_dedupe_argument,
    add_filter_argument,
    add_jobs_argument,
    add_limit_arguments,
    add_recovery_argument,
    demand_one_stdin,
    filter_of,
    read_and_recover,
)
from aoinspect.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from aoinspect.engine.pipeline import CaptureCounts
    from aoinspect.engine.results import ConnectionResult
    from aoinspect.report.lanes import Picture
    from aoinspect.report.model import Report

SHOWN_CONNECTIONS = 25
"""Above so many connections, those without changes and failures are left out unless they are asked for."""
_PLAIN_WIDTH = 80
_INTERRUPTED = 130


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "timeline",
        help="show which keys each connection used when, and what made it change them",
        description=(
            "Draw each connection's keys over time: a lane per KeyID and RNextKeyID and direction, with SYN, FIN, RST, "
            "failures and SNE roll-overs, and list every change of keys with its trigger and its latency. "
            "Works without keys."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin")
    shared.add_arguments(parser)
    add_filter_argument(parser)
    add_recovery_argument(parser)
    add_jobs_argument(parser)
    add_dedupe_argument(parser)
    add_limit_arguments(parser)
    parser.add_argument(
        "--connection",
        action="append",
        type=connection_number,
        metavar="N",
        help="show this connection only; may be given several times (its number as verify prints it, from 0)",
    )
    parser.add_argument("--all", action="store_true", help="show every connection, and list every change")
    parser.add_argument("--by", choices=("time", "frame"), default="time", help="what the axis counts (default: time)")
    parser.add_argument(
        "--format",
        choices=("text", "json", "svg", "html"),
        default="text",
        help="html is one file that stands alone (default: text)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def connection_number(text: str) -> int:
    """The number that N is; argparse's error otherwise."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no connection's number; the first connection is 0")
    return int(text)


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 once shown, 130 when interrupted."""
    from aoinspect.report.axis import AxisUnit
    from aoinspect.report.lanes import picture_of

    report = _report(options, shared)
    chosen = chosen_connections(report, options.connection, show_all=options.all)
    pictures = [picture_of(connection, report, AxisUnit(options.by)) for connection in chosen]
    if options.format == "text" and options.output is None:
        _print_text(pictures, report, options, shared)
    else:
        _write(_document(pictures, report, options), options.output)
    hidden = len(report.connections) - len(chosen)
    if hidden and options.connection is None and not options.quiet:
        one = "connection has" if hidden == 1 else "connections have"
        shared.tell(f"{hidden} more {one} neither changes nor failures; --all shows them too")
    return _INTERRUPTED if report.is_interrupted else 0


def chosen_connections(report: Report, numbers: Sequence[int] | None, *, show_all: bool) -> list[ConnectionResult]:
    """The connections to show, in the report's order.

    UsageError where `numbers` names one that the report does not have.
    """
    from aoinspect.report.lanes import is_eventful

    if numbers:
        known = {connection.id for connection in report.connections}
        for number in numbers:
            if number not in known:
                have = {0: "none is protected", 1: "only 0"}.get(len(known), f"0 to {len(known) - 1}")
                raise UsageError(f"--connection {number}: there is no such connection ({have})")
        return [connection for connection in report.connections if connection.id in numbers]
    if show_all or len(report.connections) <= SHOWN_CONNECTIONS:
        return list(report.connections)
    return [connection for connection in report.connections if is_eventful(connection, report)]


def _report(options: argparse.Namespace, shared: SharedParts) -> Report:
    """What the captures hold. CaptureError where nothing of any of them can be read."""
    from aoinspect.report.model import build_report

    demand_one_stdin(options.captures)
    chosen = filter_of(options)
    store = shared.load_keys(options)
    registry = shared.load_registry(options)
    analyzer, recovery = read_and_recover(options, store, registry, chosen, shared)
    for problem in registry.problems:
        shared.tell(f"warning: {problem}")
    report = build_report(analyzer, recovery=recovery)
    if report.unread_captures == report.captures and not report.is_interrupted:
        raise CaptureError(
            "\n".join(f"{capture.path}: nothing can be read: {_damage(capture)}" for capture in report.captures)
        )
    if not options.quiet:
        for capture in report.captures:
            if capture.damage is not None:
                shared.tell(f"{capture.path}: warning: {_damage(capture)}")
    return report


def _damage(capture: CaptureCounts) -> str:
    assert capture.damage is not None
    return f"damaged at octet {capture.damage.offset}: {capture.damage.message}"


def _print_text(pictures: list[Picture], report: Report, options: argparse.Namespace, shared: SharedParts) -> None:
    from aoinspect.report.text import nothing_protected
    from aoinspect.report.timeline_text import glyphs_for, timeline_lines

    console = shared.open_console()
    width = console.width if sys.stdout.isatty() else _plain_width()
    glyphs = glyphs_for(console.encoding)
    for number, picture in enumerate(pictures):
        if number:
            console.print()
        for line in timeline_lines(picture, report, width, glyphs=glyphs, list_all=options.all):
            console.print(line, soft_wrap=True)
    if not report.connections:
        console.print(nothing_protected(report))


def _plain_width() -> int:
    """Columns where the output is no terminal: COLUMNS, or 80."""
    try:
        return int(os.environ.get("COLUMNS", "")) or _PLAIN_WIDTH
    except ValueError:
        return _PLAIN_WIDTH


def _document(pictures: list[Picture], report: Report, options: argparse.Namespace) -> str:
    """The whole output as text, whose lines all end."""
    if options.format == "json":
        from aoinspect.report.timeline_json import timeline_json

        return timeline_json(pictures, report) + "\n"
    if options.format == "svg":
        from aoinspect.report.timeline_svg import timeline_svg

        return timeline_svg(pictures, report)
    if options.format == "html":
        from aoinspect.report.timeline_html import timeline_html

        return timeline_html(pictures, report)
    from aoinspect.report.timeline_text import timeline_lines

    width = _plain_width()
    texts = [
        "".join(f"{line.plain.rstrip()}\n" for line in timeline_lines(picture, report, width, list_all=options.all))
        for picture in pictures
    ]
    return "\n".join(texts)


def _write(document: str, path: str | None) -> None:
    if path is None or path == "-":
        sys.stdout.write(document)
        return
    from aoinspect.report.whole_text import write_whole_text

    try:
        write_whole_text(path, document)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
