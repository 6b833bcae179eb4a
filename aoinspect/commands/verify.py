"""`aoinspect verify CAPTURE...`: the verdict of every segment of every protected connection, and what is wrong.

Captures are opened, read through the engine and reported, in this order; what the parts do is theirs. The report is
printed even where SIGINT ends the reading. Where a handshake is missing, its ISNs are sought and the captures read once
more; lines wait for that from the first segment on that it may change, unless a capture is a pipe.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
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
    apply_filter,
    can_be_read_again,
    demand_one_stdin,
    filter_of,
    limits_of,
    tell_of_workers,
    tell_what_is_not_searched,
)
from aoinspect.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from aoinspect.capture.reader import CaptureReader
    from aoinspect.commands.event_lines import JsonTeller
    from aoinspect.engine.filtering import Filter
    from aoinspect.engine.pipeline import Analyzer, CaptureCounts
    from aoinspect.engine.recovery import Recovery
    from aoinspect.engine.workers import Workers
    from aoinspect.keys.model import KeyStore
    from aoinspect.progress import Interruption
    from aoinspect.report.model import Report
    from dissectors.registry import Registry

EVENT_KINDS = ("segment", "connection", "verdict", "transition", "sne", "finding", "summary")
"""The types of objects that lines can be about."""

POLICIES = ("rfc", "linux", "observe")
"""The engine's `Policy`, told here so that a usage error need not load the engine."""

EXIT_CODES = """\
exit status:
  0    at least one segment is verified and nothing is wrong (without keys: the capture was read)
  1    something is wrong: mismatch, unsigned, malformed, unknown KeyID, ends that disagree
  2    the command line or a key file cannot be used
  3    the capture cannot be read
  4    nothing is wrong, but something could not be checked
  130  interrupted; what was read until then is printed (with --follow, SIGINT and SIGTERM are the
       normal end, and the verdicts decide)
"""


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command to `commands`; its parser, for further arguments."""
    parser = commands.add_parser(
        "verify",
        help="say of every segment of every protected connection whether its MAC is right",
        description="Say of every segment of every protected connection whether its TCP-AO or TCP-MD5 MAC is right.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin")
    shared.add_arguments(parser)
    add_filter_argument(parser)
    add_recovery_argument(parser)
    add_jobs_argument(parser)
    add_dedupe_argument(parser)
    add_limit_arguments(parser)
    parser.add_argument("--format", choices=("text", "json", "jsonl"), default="text", help="default: text")
    parser.add_argument(
        "--policy",
        choices=POLICIES,
        default=POLICIES[0],
        help="whose expectations of key selection the findings hold both ends to (default: rfc; observe: nobody's)",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="a pipe, or a file that is still being written: tell what happens as it comes, until SIGINT or the pipe's "
        "end, and sum up (docs/follow.md)",
    )
    parser.add_argument(
        "--events",
        metavar="LIST",
        type=event_kinds,
        help=f"what lines are about, of {','.join(EVENT_KINDS)} or all (default: segment; with --follow the others)",
    )
    parser.add_argument("--all", action="store_true", help="text: list every problem and every connection")
    parser.set_defaults(run=partial(run, shared=shared))
    return parser


def event_kinds(text: str) -> frozenset[str]:
    """The kinds that LIST names; argparse's error where one does not exist."""
    kinds = frozenset(EVENT_KINDS) if text == "all" else frozenset(text.split(","))
    unknown = kinds.difference(EVENT_KINDS)
    if unknown:
        raise argparse.ArgumentTypeError(f"{min(unknown)!r} is none of {', '.join(EVENT_KINDS)}, all")
    return kinds


def run(options: argparse.Namespace, shared: SharedParts) -> int:
    """Runs the command; the exit status.

    CaptureError where nothing of any capture can be read, UsageError where standard input is named twice.
    """
    demand_one_stdin(options.captures)
    _demand_sense(options)
    chosen = filter_of(options)
    # A key file that cannot be used is told before anything heavy is loaded.
    store = shared.load_keys(options)
    registry = shared.load_registry(options)

    from aoinspect.engine.findings import Policy
    from aoinspect.engine.reading import openable
    from aoinspect.engine.workers import Workers
    from aoinspect.progress import Interruption
    from aoinspect.report.model import build_report

    if options.follow:
        from aoinspect.commands.follow import follow

        return follow(options, store, registry, chosen, shared)
    searches = bool(store.peers and options.recover_isn and can_be_read_again(options.captures))
    is_lines = options.format == "jsonl"
    recovery = None
    with Interruption() as interruption, ExitStack() as opened:
        workers = opened.enter_context(Workers(options.jobs))
        captures = openable(options.captures, opened)
        reading = _Reading(options, registry, captures, chosen, interruption, workers)
        analyzer = reading.read(store, prints_lines=is_lines, is_searched=searches)
        if searches and not analyzer.totals.is_interrupted:
            recovery = _recover(analyzer, options)
            if reading.holds_lines or (recovery is not None and recovery.found):
                analyzer = reading.read(store if recovery is None else recovery.extend(store), prints_lines=is_lines)
    report = build_report(analyzer, Policy(options.policy), recovery)
    demand_something_read(report)
    if reading.teller is not None:
        reading.teller.finish(report)
    print_report_as(report, options, shared.open_console)
    tell_of_workers(workers, options, shared.tell)
    if not options.quiet:
        narrate(report, registry, shared.tell, is_text=options.format == "text")
    tell_what_is_not_searched(analyzer, options, shared.tell)
    return report.exit_code


def _demand_sense(options: argparse.Namespace) -> None:
    """UsageError where --follow and --events are asked for what they cannot do."""
    if options.follow and len(options.captures) > 1:
        raise UsageError(
            "--follow: one capture can be followed, not several: join them with mergecap, or run once each"
        )
    if options.events is not None and options.format == "json":
        raise UsageError("--events: --format json is one report at the end; events are lines: --format jsonl or text")
    if options.events is not None and options.format == "text" and not options.follow:
        raise UsageError("--events: text has events only with --follow; otherwise use --format jsonl")
    if options.events is not None and options.format == "text" and "segment" in options.events:
        raise UsageError("--events: segments are told with --format jsonl only")


def demand_something_read(report: Report) -> None:
    """CaptureError where nothing of any capture could be read."""
    if report.captures and report.unread_captures == report.captures and not report.is_interrupted:
        raise CaptureError(
            "\n".join(f"{capture.path}: nothing can be read: {_damage(capture)}" for capture in report.captures)
        )


class _Reading:
    """Reads the captures of one run, once or twice, in the same way."""

    def __init__(
        self,
        options: argparse.Namespace,
        registry: Registry,
        captures: list[str | CaptureReader],
        chosen: Filter | None,
        interruption: Interruption,
        workers: Workers,
    ) -> None:
        self._options = options
        self._registry = registry
        self._captures = captures
        self._chosen = chosen
        self._interruption = interruption
        self._workers = workers
        self.teller: JsonTeller | None = None
        """What printed lines, if something did."""
        self.holds_lines = False
        """Lines that were asked for wait for another reading."""
        self._printed = 0
        """Segments whose lines were printed, by all readings so far."""

    def read(self, store: KeyStore, *, prints_lines: bool, is_searched: bool = False) -> Analyzer:
        """All captures through an analyser of `store`'s keys; lines are printed as they come if asked for.

        `is_searched`: missing ISNs are sought behind this reading. Lines are held back then from the first batch on
        that has a segment whose verdict they may change; events and what a filter chooses, from the start. The next
        reading prints what was held back.
        """
        import numpy as np

        from aoinspect.engine.findings import Policy
        from aoinspect.engine.reading import analyse
        from aoinspect.engine.table import Rows
        from aoinspect.progress import InterruptibleAnalyzer, ProgressBar

        interruption = self._interruption
        kinds = self._options.events or frozenset({"segment"})
        self.holds_lines = prints_lines and is_searched and (self._chosen is not None or kinds != {"segment"})
        prints_lines = prints_lines and not self.holds_lines
        analyzer = InterruptibleAnalyzer(
            store,
            self._registry,
            interruption,
            make_rows=prints_lines,
            count_streams=self._chosen is not None and self._chosen.names_stream,
            workers=self._workers,
            dedupe_ns=self._options.dedupe_ns,
            limits=limits_of(self._options),
        )
        apply_filter(self._chosen, analyzer)
        if prints_lines:
            from aoinspect.commands.event_lines import JsonTeller

            policy = Policy(self._options.policy)
            self.teller = JsonTeller(analyzer, kinds, policy, names_captures=len(self._captures) > 1)

        already_printed = self._printed

        def print_rows(rows: Rows) -> None:
            nonlocal already_printed
            assert self.teller is not None
            self.holds_lines |= is_searched and _may_change(analyzer)
            if self.holds_lines:
                return
            fresh = rows.select(np.arange(min(already_printed, len(rows.frame)), len(rows.frame)))
            already_printed -= len(rows.frame) - len(fresh.frame)
            with interruption.held():
                self.teller.take(fresh)
                self._printed += len(fresh.frame)

        def after_batch(reader: CaptureReader) -> None:
            bar.update(reader)
            interruption.raise_if_pending()

        with ProgressBar(is_wanted=_wants_bar(self._options)) as bar:
            analyse(
                self._captures,
                analyzer,
                on_rows=print_rows if prints_lines else None,
                progress=after_batch,
            )
        analyzer.totals.is_interrupted |= interruption.is_pending
        return analyzer


def _may_change(analyzer: Analyzer) -> bool:
    """Whether ISNs that are found yet may change a verdict so far: of a segment without them, or under wrong ones."""
    from aoinspect.engine.verdicts import Verdict

    return bool(analyzer.unplaced.by_connection or analyzer.totals.verdicts[Verdict.MISMATCH])


def _recover(analyzer: Analyzer, options: argparse.Namespace) -> Recovery | None:
    """The search for missing ISNs; None where none is missing."""
    if not analyzer.unplaced.by_connection:
        return None
    from aoinspect.engine.recovery import recover_isns
    from aoinspect.progress import SearchBar

    with SearchBar(is_wanted=_wants_bar(options)) as bar:
        return recover_isns(analyzer, options.recover_isn, progress=bar.update)


def _wants_bar(options: argparse.Namespace) -> bool:
    """Lines that are printed meanwhile and a bar do not go together on one terminal."""
    return bool(not options.quiet and sys.stderr.isatty() and not (options.format == "jsonl" and sys.stdout.isatty()))


def print_report_as(report: Report, options: argparse.Namespace, open_console: Callable[[], Console]) -> None:
    """The Report as JSON or as text; lines have told it already."""
    if options.format == "json":
        from aoinspect.report.json_form import report_json

        print(report_json(report))
    elif options.format == "text":
        from aoinspect.report.text import print_report

        print_report(report, open_console(), list_all=options.all)


def narrate(report: Report, registry: Registry, tell: Callable[[str], None], *, is_text: bool) -> None:
    """What stdout does not say, in this form."""
    for problem in registry.problems:
        tell(f"warning: {problem}")
    if is_text:
        return
    for capture in report.captures:
        if capture.damage is not None:
            tell(f"{capture.path}: warning: {_damage(capture)}")
    if report.is_interrupted:
        tell("interrupted: the result is of what was read until then")


def _damage(capture: CaptureCounts) -> str:
    assert capture.damage is not None
    return f"damaged at octet {capture.damage.offset}: {capture.damage.message}"
