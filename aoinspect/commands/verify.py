"""`aoinspect verify CAPTURE...`: the verdict of every segment of every protected connection, and what is wrong.

Captures are opened, read through the engine and reported, in this order; what the parts do is theirs. The report is
printed even where SIGINT ends the reading.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from aoinspect.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from aoinspect.capture.reader import CaptureReader
    from aoinspect.engine.pipeline import CaptureCounts
    from aoinspect.keys.model import KeyStore
    from aoinspect.progress import Interruption
    from aoinspect.report.model import Report
    from dissectors.registry import Registry


def verify(
    options: argparse.Namespace,
    store: KeyStore,
    registry: Registry,
    open_console: Callable[[], Console],
    tell: Callable[[str], None],
) -> int:
    """Runs the command; the exit status. `tell` prints a line of narration on stderr.

    CaptureError where nothing of any capture can be read, UsageError where standard input is named twice.
    """
    from aoinspect.engine.findings import Policy
    from aoinspect.engine.pipeline import analyse
    from aoinspect.engine.table import Rows
    from aoinspect.progress import InterruptibleAnalyzer, Interruption, ProgressBar
    from aoinspect.report.json_form import SegmentLines
    from aoinspect.report.model import build_report

    if options.captures.count("-") > 1:
        raise UsageError("-: standard input can be read only once")
    is_lines = options.format == "jsonl"
    captures = _openable(options.captures)
    with Interruption() as interruption:
        analyzer = InterruptibleAnalyzer(store, registry, interruption, make_rows=is_lines)
        lines = SegmentLines(analyzer, names_captures=len(captures) > 1)

        def print_rows(rows: Rows) -> None:
            with interruption.held():
                sys.stdout.writelines(f"{line}\n" for line in lines.lines(rows))
                # Whoever reads a live pipe's verdicts wants them now.
                sys.stdout.flush()

        def after_batch(reader: CaptureReader) -> None:
            bar.update(reader)
            interruption.raise_if_pending()

        with ProgressBar(is_wanted=_wants_bar(options)) as bar:
            analyse(
                _one_by_one(captures, interruption),
                analyzer,
                on_rows=print_rows if is_lines else None,
                progress=after_batch,
            )
        analyzer.totals.is_interrupted |= interruption.is_pending
    report = build_report(analyzer, Policy(options.policy))
    if report.unread_captures == report.captures and not report.is_interrupted:
        raise CaptureError(
            "\n".join(f"{capture.path}: nothing can be read: {_damage(capture)}" for capture in report.captures)
        )
    _print_report(report, options, open_console)
    if not options.quiet:
        _narrate(report, registry, tell, is_text=options.format == "text")
    return report.exit_code


def _wants_bar(options: argparse.Namespace) -> bool:
    """Lines that are printed meanwhile and a bar do not go together on one terminal."""
    return bool(not options.quiet and sys.stderr.isatty() and not (options.format == "jsonl" and sys.stdout.isatty()))


def _openable(paths: Sequence[str]) -> list[str | CaptureReader]:
    """The captures, each tried: a missing file is told at once, not after an hour. CaptureError names all that fail.

    Files are closed again, for there may be more of them than a process may hold open; pipes stay open.
    """
    from aoinspect.capture.reader import open_capture

    captures: list[str | CaptureReader] = []
    mistakes = []
    for path in paths:
        try:
            reader = open_capture(path)
        except CaptureError as error:
            mistakes.append(str(error))
            continue
        if reader.size is None or path == "-":
            captures.append(reader)
        else:
            reader.close()
            captures.append(path)
    if mistakes:
        raise CaptureError("\n".join(mistakes))
    return captures


def _one_by_one(captures: Sequence[str | CaptureReader], interruption: Interruption) -> Iterator[CaptureReader]:
    """The readers of `captures`, each open while it is its turn; no further one after SIGINT."""
    from aoinspect.capture.reader import open_capture

    for capture in captures:
        if interruption.is_pending:
            return
        with interruption.held():
            reader = open_capture(capture) if isinstance(capture, str) else capture
        with reader:
            yield reader


def _print_report(report: Report, options: argparse.Namespace, open_console: Callable[[], Console]) -> None:
    if options.format == "json":
        from aoinspect.report.json_form import report_json

        print(report_json(report))
    elif options.format == "text":
        from aoinspect.report.text import print_report

        print_report(report, open_console(), list_all=options.all)


def _narrate(report: Report, registry: Registry, tell: Callable[[str], None], *, is_text: bool) -> None:
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
