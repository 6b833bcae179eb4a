"""The Report as text for a person: what is wrong first, then a table of connections, then the totals.

Nothing is told by colour alone: every verdict has its mark and its word. The table takes the first of three shapes that
the terminal is wide enough for: all in columns; keys on a line of their own; keys and counts on lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

from aoinspect.capture.linktypes import link_type_name
from aoinspect.engine.pipeline import CaptureCounts
from aoinspect.engine.results import DIRECTIONS, ConnectionResult
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.report.layout import broken_at_blanks, in_columns, printable
from aoinspect.report.model import ExitCode, Report
from aoinspect.report.problems import Gravity, Problem, problems_of

if TYPE_CHECKING:
    from aoinspect.engine.recovery import Recovery

LISTED_CONNECTIONS = 25
"""Rows of the table, unless all are asked for."""
LISTED_PROBLEMS = 20
LISTED_PLACES = 4
"""Places of one problem."""
LISTED_KEYS = 4
"""Keys of one direction of a connection."""
LISTED_CAPTURES = 10

_UNICODE_MARKS = {True: "✓", False: "✗", None: "?"}
_ASCII_MARKS = {True: "+", False: "x", None: "?"}
_STYLES = {True: "green", False: "bold red", None: "yellow"}
_GRAVITY_STYLES = {
    Gravity.WRONG: "bold red",
    Gravity.ERROR: "bold red",
    Gravity.UNPROVEN: "yellow",
    Gravity.WARNING: "yellow",
    Gravity.NOTE: "cyan",
}
_VERDICT_STYLES = {Verdict.VERIFIED: "green", Verdict.MISMATCH: "bold red", Verdict.UNVERIFIABLE: "yellow"}


def print_report(report: Report, console: Console, *, list_all: bool = False) -> None:
    """Writes the Report to `console`, in lines of its width; `list_all` leaves nothing out."""
    page = _Page(report, console, list_all)
    page.print_problems()
    page.print_explanations()
    page.print_table()
    page.print_totals()


@dataclass(frozen=True, slots=True)
class _Page:
    """One report being written."""

    report: Report
    console: Console
    lists_all: bool

    def write(self, line: Text, *, hanging: int = 2) -> None:
        for piece in broken_at_blanks(line, self.console.width, hanging=hanging):
            # Terminals of any width take a line as it is: words longer than the line stay whole.
            self.console.print(piece, soft_wrap=True)

    def mark(self, standing: bool | None) -> Text:
        marks = _UNICODE_MARKS
        try:
            "".join(marks.values()).encode(self.console.encoding)
        except (UnicodeEncodeError, LookupError):
            marks = _ASCII_MARKS
        return Text(marks[standing], style=_STYLES[standing])

    def gravity_mark(self, gravity: Gravity) -> Text:
        if gravity in (Gravity.WARNING, Gravity.NOTE):
            return Text("!" if gravity is Gravity.WARNING else "i", style=_GRAVITY_STYLES[gravity])
        return self.mark(None if gravity is Gravity.UNPROVEN else False)

    def most(self, count: int) -> int | None:
        """Where a list is cut."""
        return None if self.lists_all else count

    def print_problems(self) -> None:
        problems = problems_of(self.report)
        shown = list(problems.items())[: self.most(LISTED_PROBLEMS)]
        for problem, places in shown:
            self.print_problem(problem, places)
        if len(shown) < len(problems):
            self.write(Text(f"... and {len(problems) - len(shown)} more kinds of problems; --all lists them"))

    def print_problem(self, problem: Problem, places: Sequence[str]) -> None:
        style = _GRAVITY_STYLES[problem.gravity]
        self.write(Text.assemble(self.gravity_mark(problem.gravity), " ", (problem.title, style)))
        shown = places[: self.most(LISTED_PLACES)]
        for place in shown:
            self.write(Text(f"    {place}"))
        if len(shown) < len(places):
            hidden = len(places) - len(shown)
            self.write(Text(f"    ... and {hidden} more connection{'s' * (hidden > 1)}; --all lists them"))
        if problem.remedy:
            self.write(Text(f"    try: {problem.remedy}"))

    def print_explanations(self) -> None:
        """What makes failing connections verify, those of one cause together."""
        if not self.report.explanations:
            return
        from aoinspect.report.explain_text import one_line

        connections: dict[str, list[int]] = {}
        for account in self.report.explanations:
            connections.setdefault(one_line(account), []).append(account.connection)
        shown = list(connections.items())[: self.most(LISTED_PROBLEMS)]
        for line, ids in shown:
            listed = ", ".join(f"#{number}" for number in ids[:LISTED_PLACES])
            more = f" and {len(ids) - LISTED_PLACES} more" if len(ids) > LISTED_PLACES else ""
            self.write(Text.assemble(("why ", "bold"), f"{listed}{more}: {line}"), hanging=4)
        if len(shown) < len(connections):
            self.write(Text(f"... and {len(connections) - len(shown)} more explanations; --all lists them"))
        if shown:
            self.write(Text("    aoinspect explain tells more"))

    def print_table(self) -> None:
        report = self.report
        if not report.connections:
            return
        worst_first = sorted(report.connections, key=lambda connection: _rank(report.standing(connection)))
        shown = worst_first[: self.most(LISTED_CONNECTIONS)]
        for line in _table(shown, self):
            self.write(line, hanging=2 if line.plain.startswith(_BELOW) else len(_BELOW))
        hidden = worst_first[len(shown) :]
        if hidden:
            failing = sum(report.standing(connection) is False for connection in hidden)
            which = f", {failing} of them failing" if failing else ""
            connections = "connection" if len(hidden) == 1 else "connections"
            self.write(Text(f"... and {len(hidden)} more {connections}{which}; --all lists them"))

    def print_totals(self) -> None:
        for line in self.totals():
            self.write(line)

    def totals(self) -> Iterator[Text]:
        report, totals = self.report, self.report.totals
        yield from self.captures()
        if report.recovery is not None:
            yield from _recovery(report.recovery)
        if report.is_interrupted:
            yield Text("interrupted: this is what was read until then", style="yellow")
        signed = f"{totals.ao_segments} with AO, {totals.md5_segments} with MD5"
        yield Text(
            f"{totals.frames} frames, {totals.tcp_segments} TCP segments, "
            f"{totals.protected_segments} protected ({signed})"
        )
        if totals.duplicates is not None:
            yield Text(f"{totals.duplicates} copies of segments left out (--dedupe)")
        if not totals.protected_segments:
            yield Text(nothing_protected(report))
            return
        if not report.has_keys:
            yield Text("no keys given: nothing was verified (--keys FILE)")
            return
        if totals.refused:
            dropped = "1 verified segment is" if totals.refused == 1 else f"{totals.refused} verified segments are"
            yield Text(f"{dropped} dropped by the receiving end's own keys (ends-disagree)", style="bold red")
        words = [f"{count} {verdict.word}" for verdict in Verdict if (count := totals.verdicts[verdict.member])]
        standing = False if report.is_wrong else True if report.exit_code is ExitCode.OK else None
        yield Text.assemble(self.mark(standing), " ", (", ".join(words), _STYLES[standing]))

    def captures(self) -> Iterator[Text]:
        captures = self.report.captures
        if len(captures) > 1:
            for capture in captures[: self.most(LISTED_CAPTURES)]:
                yield Text(f"{printable(capture.path)}: {capture.frames} frames, {capture.tcp_segments} TCP segments")
            more = len(captures) - LISTED_CAPTURES
            if more > 0 and not self.lists_all:
                yield Text(f"... and {more} more captures; --all lists them")
        for capture in captures:
            yield from _not_read(capture)


def _recovery(recovery: Recovery) -> Iterator[Text]:
    """What the search for missing ISNs came to; what it found, ready for the key file."""
    from aoinspect.keys.isn_sources import connection_entry

    for found in recovery.found:
        had = "both ends together had sent " + ("1 octet" if found.octets_sent == 1 else f"{found.octets_sent} octets")
        yield Text(f"#{found.connection}: ISNs recovered ({had} before this capture; key {found.key!r}):")
        for line in connection_entry(found.known).splitlines():
            yield Text(f"    {line}", style="dim")
    tried = [missing for missing in recovery.missing if missing.searched_below]
    for missing in tried[:LISTED_CAPTURES]:
        yield Text(
            f"#{missing.connection}: ISNs not found: both ends together had sent {missing.searched_below} octets or "
            "more, or the key is another; --recover-isn N searches further",
            style="yellow",
        )
    untried = [f"#{missing.connection}" for missing in recovery.missing if not missing.searched_below]
    untried += [f"#{missing.connection}" for missing in tried[LISTED_CAPTURES:]]
    if untried:
        listed = ", ".join(untried[:LISTED_CAPTURES]) + (", ..." if len(untried) > LISTED_CAPTURES else "")
        yield Text(
            f"ISNs not found within the budget of {recovery.budget} candidates for the run: {listed} (--recover-isn N)",
            style="yellow",
        )


def _rank(standing: bool | None) -> int:
    return (False, None, True).index(standing)


def _not_read(capture: CaptureCounts) -> Iterator[Text]:
    """Which frames of a capture nobody looked into. (Damage is a finding.)"""
    path = printable(capture.path)
    for number, count in sorted(capture.located.unknown_link_types.items()):
        yield Text(
            f"{path}: {count} frames of link type {number} ({link_type_name(number)}) were not read: no dissector "
            "for it",
            style="yellow",
        )
    if capture.located.cut:
        yield Text(f"{path}: {capture.located.cut} frames are cut before the TCP ports", style="yellow")


# The table.


class _Row(NamedTuple):
    """One connection, or the headings."""

    start: list[Text]
    keys: list[Text]
    counts: list[Text]


_BELOW = " " * 6


def _table(connections: Sequence[ConnectionResult], page: _Page) -> list[Text]:
    """The table in the first shape that fits."""
    report = page.report
    verdicts = [verdict for verdict in Verdict if any(c.verdicts[verdict.member] for c in connections)]
    if not report.has_keys:
        # The other verdicts say only that there are no keys.
        verdicts = [verdict for verdict in verdicts if verdict in (Verdict.UNSIGNED, Verdict.MALFORMED)]
    headings = _headings(verdicts, report)
    rows = [
        _Row(
            _start(connection, page),
            [Text(_keys(connection, direction, report)) for direction in DIRECTIONS],
            _counts(connection, verdicts, report),
        )
        for connection in connections
    ]
    wide = _grid([headings, *rows], has_keys=True)
    if _fits(wide, page):
        return wide
    middling = _grid([headings, *rows], has_keys=False)
    below = [Text(f"{_BELOW}{_keys_in_words(row, report)}") for row in rows]
    if _fits(middling, page):
        return [middling[0], *chain.from_iterable(zip(middling[1:], below, strict=True))]
    heads = in_columns([row.start[:-1] for row in rows], frozenset({_number_column(headings)}))
    frames = [_frames_in_words(row, headings) for row in rows]
    return list(chain.from_iterable(zip(heads, frames, below, strict=True)))


def _headings(verdicts: Sequence[Verdict], report: Report) -> _Row:
    what = "keys" if report.has_keys else "KeyIDs"
    words = _Row(
        [Text(""), Text("#"), Text("connection (a > b)"), Text("frames")],
        [Text(f"{what} {direction}") for direction in DIRECTIONS],
        [Text(verdict.word) for verdict in verdicts],
    )
    if not report.has_keys:
        words.counts.insert(0, Text("signed"))
        del words.start[0]
    for word in chain.from_iterable(words):
        word.stylize("bold")
    return words


def _number_column(row: _Row) -> int:
    return len(row.start) - 3


def _grid(rows: Sequence[_Row], *, has_keys: bool) -> list[Text]:
    first_count = len(rows[0].start) + (len(rows[0].keys) if has_keys else 0)
    right_aligned = {_number_column(rows[0]), *range(first_count, first_count + len(rows[0].counts))}
    cells = [row.start + (row.keys if has_keys else []) + row.counts for row in rows]
    return in_columns(cells, frozenset(right_aligned))


def _fits(lines: Sequence[Text], page: _Page) -> bool:
    return max(line.cell_len for line in lines) <= page.console.width


def _keys_in_words(row: _Row, report: Report) -> str:
    what = "keys" if report.has_keys else "KeyIDs"
    told = [
        f"{direction} {cell.plain}" for direction, cell in zip(DIRECTIONS, row.keys, strict=True) if cell.plain != _NONE
    ]
    return f"{what}: {'; '.join(told)}" if told else "no signature was seen"


def _frames_in_words(row: _Row, headings: _Row) -> Text:
    """Frames and counts on a line of their own: "frames 3-40: 18 verified, 9 mismatch"."""
    frames = row.start[-1].plain
    line = Text(f"{_BELOW}{'frame' if frames.isdecimal() else 'frames'} {frames}: ")
    told = [(count, name) for count, name in zip(row.counts, headings.counts, strict=True) if count.plain != _NONE]
    for position, (count, name) in enumerate(told):
        line.append(", " if position else "").append_text(count).append(f" {name.plain}")
    return line


def _start(connection: ConnectionResult, page: _Page) -> list[Text]:
    report = page.report
    return [
        *([page.mark(report.standing(connection))] if report.has_keys else []),
        Text(str(connection.id)),
        Text(f"{connection.a} > {connection.b}"),
        Text(_frames(connection, report)),
    ]


def _frames(connection: ConnectionResult, report: Report) -> str:
    """First and last frame; with several captures each with its file's name."""
    first, last = connection.first_frame, connection.last_frame
    is_in_one = connection.first_capture == connection.last_capture
    span = str(first) if is_in_one and first == last else f"{first}-{last}"
    if len(report.captures) == 1:
        return span
    first_name, last_name = (
        printable(PurePath(report.captures[index].path).name)
        for index in (connection.first_capture, connection.last_capture)
    )
    return f"{first_name} {span}" if is_in_one else f"{first_name} {first} - {last_name} {last}"


_NONE = "-"


def _counts(connection: ConnectionResult, verdicts: Sequence[Verdict], report: Report) -> list[Text]:
    cells = []
    if not report.has_keys:
        cells.append(Text(str(sum(run.segments for run in connection.runs))))
    for verdict in verdicts:
        count = connection.verdicts[verdict.member]
        cells.append(Text(str(count), style=_VERDICT_STYLES.get(verdict, "red")) if count else Text(_NONE, style="dim"))
    return cells


def _keys(connection: ConnectionResult, direction: str, report: Report) -> str:
    """The keys of one direction in the order of use: "k1 (100), k2 (101)".

    Without keys the ids alone, and those that the sender asks the other end to use: "1, 2 (RNext 101, 102)".
    """
    names: dict[str, None] = {}
    requests: dict[str, None] = {}
    for run in connection.runs:
        if run.direction != direction:
            continue
        if run.method is Method.MD5:
            names.setdefault("MD5" if run.mkt is None else f"{run.mkt} (MD5)")
            continue
        requests.setdefault(str(run.rnext_key_id))
        if not report.has_keys:
            names.setdefault(str(run.key_id))
        else:
            names.setdefault(f"KeyID {run.key_id}" if run.mkt is None else f"{run.mkt} ({run.key_id})")
    if not names:
        return _NONE
    asks = f" (RNext {_listed(list(requests))})" if requests and not report.has_keys else ""
    return _listed(list(names)) + asks


def _listed(names: Sequence[str]) -> str:
    if len(names) <= LISTED_KEYS:
        return ", ".join(names)
    return f"{', '.join(names[: LISTED_KEYS - 1])}, {len(names) - LISTED_KEYS + 1} more"


def nothing_protected(report: Report) -> str:
    """Why there is nothing to tell of."""
    if report.is_filtered:
        return "the filter chooses no segment of a protected connection"
    uncovered = ", and no [[peer]] covers one" if report.has_keys else ""
    return f"nothing here is protected: no segment carries an AO or MD5 option{uncovered}"
