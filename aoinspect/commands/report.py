"""`aoinspect report CAPTURE... -o FILE`: everything that a run has to say, as one page of HTML that stands alone.

The captures are read as `verify` reads them, and once more where missing ISNs were found. The page holds no secret, so
it is written with the permissions that any new file gets.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aoinspect.commands.shared import (
    Commands,
    SharedParts,
    add_filter_argument,
    add_recovery_argument,
    apply_filter,
    can_be_read_again,
    demand_one_stdin,
    filter_of,
)
from aoinspect.commands.timeline import chosen_connections
from aoinspect.commands.verify import POLICIES
from aoinspect.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from aoinspect.engine.filtering import Filter
    from aoinspect.engine.pipeline import Analyzer
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

    report = _report(options, store, registry, chosen)
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


def _report(options: argparse.Namespace, store: KeyStore, registry: Registry, chosen: Filter | None) -> Report:
    """What the captures hold. CaptureError where nothing of any of them can be read."""
    from aoinspect.engine.findings import Policy
    from aoinspect.engine.recovery import recover_isns
    from aoinspect.progress import SearchBar
    from aoinspect.report.model import build_report

    analyzer = _read(options, store, registry, chosen)
    recovery = None
    is_searched = store.peers and options.recover_isn and can_be_read_again(options.captures)
    if is_searched and analyzer.unplaced.by_connection and not analyzer.totals.is_interrupted:
        with SearchBar(is_wanted=_wants_bar(options)) as bar:
            recovery = recover_isns(analyzer, options.recover_isn, progress=bar.update)
        if recovery.found:
            analyzer = _read(options, recovery.extend(store), registry, chosen)
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


def _read(options: argparse.Namespace, store: KeyStore, registry: Registry, chosen: Filter | None) -> Analyzer:
    """All captures through one analyser."""
    from aoinspect.capture.reader import open_capture
    from aoinspect.engine.pipeline import Analyzer, analyse
    from aoinspect.progress import ProgressBar

    names_stream = chosen is not None and chosen.names_stream
    analyzer = Analyzer(store, registry, keep_table=False, make_rows=False, count_streams=names_stream)
    apply_filter(chosen, analyzer)
    with ExitStack() as opened:
        # All are opened before the first is read: a missing file is told at once.
        readers = [opened.enter_context(open_capture(path)) for path in options.captures]
        progress = opened.enter_context(ProgressBar(is_wanted=_wants_bar(options)))
        analyse(readers, analyzer, progress=progress.update)
    return analyzer


def _wants_bar(options: argparse.Namespace) -> bool:
    return not options.quiet and sys.stderr.isatty()


def _write(page: str, path: str) -> None:
    if path == "-":
        sys.stdout.write(page)
        return
    from aoinspect.report.whole_text import write_whole_text

    try:
        write_whole_text(path, page)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
