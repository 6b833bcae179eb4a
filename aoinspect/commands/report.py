"""`aoinspect report CAPTURE... -o FILE`: everything that a run has to say, as one page of HTML that stands alone.

The captures are read as `verify` reads them, and once more where missing ISNs were found. The page holds no secret, so
it is written with the permissions that any new file gets.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
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
    tell_what_is_not_searched,
)
from aoinspect.commands.timeline import chosen_connections
from aoinspect.commands.verify import POLICIES
from aoinspect.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from aoinspect.engine.filtering import Filter
    from aoinspect.keys.model import KeyStore
    from aoinspect.report.model import Report
    from dissectors.registry import Registry

_INTERRUPTED = 130


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "report",
        help="write everything that was found as one page of HTML",
        description=(
            "Write one page of HTML that needs no network and no scripts: totals, failures with explanations, findings "
            "with remedies, connections, timelines, captures. The exit status is 0 once the page is written, whatever "
            "it says; aoinspect verify and check judge."
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
        "--policy",
        choices=POLICIES,
        default=POLICIES[0],
        help="whose expectations of key selection the findings hold both ends to (default: rfc; observe: nobody's)",
    )
    parser.add_argument("--all", action="store_true", help="draw the timeline of every connection, however many")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the page; - is stdout")
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status: 0 once the page is written, 130 when interrupted.

    CaptureError where nothing of any capture can be read, UsageError where the page cannot be written.
    """
    demand_one_stdin(options.captures)
    chosen = filter_of(options)
    store = shared.load_keys(options)
    # What is asked for in vain is told at once, not after an hour of reading.
    _demand_writable(options.output, [*options.captures, *store.paths])
    registry = shared.load_registry(options)

    from aoinspect.report.lanes import picture_of
    from aoinspect.report.page_html import page_html

    report = _report(options, store, registry, chosen, shared)
    for problem in registry.problems:
        shared.tell(f"warning: {problem}")
    drawn = chosen_connections(report, None, show_all=options.all)
    page = page_html(report, [picture_of(connection, report) for connection in drawn], options.filter)
    _write(page, options.output)
    hidden = len(report.connections) - len(drawn)
    if hidden and not options.quiet:
        shared.tell(f"{hidden} connections without changes and failures are not drawn; --all draws them too")
    return _INTERRUPTED if report.is_interrupted else 0


def _demand_writable(output: str, sources: Sequence[str]) -> None:
    """UsageError where the page would replace what it is made of, or can have no place."""
    if output == "-":
        return
    if os.path.isdir(output) or not Path(output).parent.is_dir():
        reason = "it is a directory" if os.path.isdir(output) else "its directory does not exist"
        raise UsageError(f"cannot write {output}: {reason}")
    for path in sources:
        if path != "-" and os.path.exists(output) and os.path.exists(path) and os.path.samefile(path, output):
            raise UsageError(f"cannot write {output}: it is read as well; name another file")


def _report(
    options: argparse.Namespace, store: KeyStore, registry: Registry, chosen: Filter | None, shared: SharedParts
) -> Report:
    """What the captures hold. CaptureError where nothing of any of them can be read."""
    from aoinspect.engine.findings import Policy
    from aoinspect.report.model import build_report

    analyzer, recovery = read_and_recover(options, store, registry, chosen, shared)
    tell_what_is_not_searched(analyzer, options, shared.tell)
    report = build_report(analyzer, Policy(options.policy), recovery)
    if report.unread_captures == report.captures and not report.is_interrupted:
        raise CaptureError(
            "\n".join(
                f"{capture.path}: nothing can be read: damaged at octet {capture.damage.offset}: "
                f"{capture.damage.message}"
                for capture in report.captures
                if capture.damage is not None
            )
        )
    return report


def _write(page: str, path: str) -> None:
    if path == "-":
        sys.stdout.write(page)
        return
    from aoinspect.report.whole_text import write_whole_text

    try:
        write_whole_text(path, page)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
