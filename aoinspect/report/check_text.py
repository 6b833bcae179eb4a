"""Checks as text for a person: what failed and why, then one line a check, then a summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from aoinspect.engine.verdicts import Verdict
from aoinspect.report.baseline import NOTHING
from aoinspect.report.cases import Case, CheckResult, Outcome
from aoinspect.report.layout import broken_at_blanks, printable

_MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.ERROR: "?"}
_ASCII_MARKS = {Outcome.PASSED: "+", Outcome.FAILED: "x", Outcome.ERROR: "?"}
_STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.ERROR: "yellow"}


def print_checks(results: Sequence[CheckResult], console: Console) -> None:
    """Writes `results` to `console`, in lines of its width."""
    marks = _MARKS
    try:
        "".join(marks.values()).encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        marks = _ASCII_MARKS
    for line in check_lines(results, marks, console.width):
        for piece in broken_at_blanks(line, console.width, hanging=2):
            console.print(piece, soft_wrap=True)


def check_lines(
    results: Sequence[CheckResult], marks: dict[Outcome, str] | None = None, width: int | None = None
) -> Iterator[Text]:
    """The lines of all checks. Differences are a table, or lists if that is wider than `width`."""
    marks = marks or _MARKS
    for result in results:
        outcome = result.outcome
        against = f" ({result.kind} {printable(result.against)})" if result.against else ""
        yield Text.assemble(
            (marks[outcome], _STYLES[outcome]), f" {printable(result.name)}{against}: {_verdict(result)}"
        )
        differing = [case for case in result.failures if case.kind == "difference"]
        for case in result.failures:
            if case.kind != "difference":
                yield from _case_lines(case, marks)
        yield from _differences(differing, width)
        if result.note:
            yield Text(f"    {printable(result.note)}")
    if len(results) > 1:
        yield _summary(results, marks)


def _verdict(result: CheckResult) -> str:
    counts = [f"{count} {verdict.word}" for verdict in Verdict if (count := result.verdicts.get(verdict.member, 0))]
    told = ", ".join(counts) or ("nothing protected" if result.verdicts else "not checked")
    failed = len(result.failures)
    if not failed:
        return told
    of = "difference" if result.kind == "baseline" and result.outcome is Outcome.FAILED else "failure"
    return f"{told}; {failed} {of}{'s' * (failed > 1)}"


def _case_lines(case: Case, marks: dict[Outcome, str]) -> Iterator[Text]:
    place = f", frame {case.frame}" if case.frame is not None else ""
    line = f" ({printable(case.file)}:{case.line})" if case.line is not None else ""
    yield Text.assemble(
        "  ",
        (marks[case.outcome], _STYLES[case.outcome]),
        f" {printable(case.name)}{place}: {printable(case.message)}{line}",
    )
    for detail in case.details:
        yield Text(f"      {printable(detail)}")


def _differences(cases: Sequence[Case], width: int | None) -> Iterator[Text]:
    rows = _table(cases)
    if width is None or all(len(row) + 4 <= width for row in rows):
        yield from (Text(f"    {row}") for row in rows)
        return
    of_connection: dict[str, list[Sequence[str]]] = {}
    for case in cases:
        of_connection.setdefault(case.details[0], []).append(case.details[1:])
    for connection, differences in of_connection.items():
        yield Text(f"    {printable(connection)}")
        for what, frame, expected, found in differences:
            place = f", frame {frame}" if frame not in ("", NOTHING) else ""
            was, is_now = (word if word != NOTHING else "nothing" for word in (expected, found))
            yield Text(f"      {printable(f'{what}{place}: expected {was}, found {is_now}')}")


def _table(cases: Sequence[Case]) -> list[str]:
    """The rows of differences, whose columns the cases hold in their details."""
    rows = [case.details for case in cases]
    if not rows:
        return []
    rows.insert(0, ("connection", "what", "frame", "expected", "found"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        printable("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        for row in rows
    ]


def _summary(results: Sequence[CheckResult], marks: dict[Outcome, str]) -> Text:
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    worst = next(
        (one for one in (Outcome.FAILED, Outcome.ERROR) if counts[one]),
        Outcome.PASSED,
    )
    words = [f"{counts[Outcome.PASSED]} passed"]
    if counts[Outcome.FAILED]:
        words.append(f"{counts[Outcome.FAILED]} failed")
    if counts[Outcome.ERROR]:
        words.append(f"{counts[Outcome.ERROR]} could not be checked")
    cases = sum(len(result.cases) for result in results)
    told = f" {len(results)} checks, {cases} cases: {', '.join(words)}"
    return Text.assemble((marks[worst], _STYLES[worst]), (told, _STYLES[worst]))
