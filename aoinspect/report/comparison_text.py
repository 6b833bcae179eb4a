"""A comparison of two captures as text for a person: the conclusion of every session, then what it rests on.

Nothing is told by colour alone. Values stand in the order in which segments pass the two captures: what was sent, an
arrow, what arrived; where that order is not known, A's and then B's, with "and" between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from aoinspect.engine.comparison.model import (
    CaptureOf,
    Comparison,
    ConnectionComparison,
    ConnectionOf,
    DirectionComparison,
    Fate,
    FieldChange,
    FieldName,
    Flow,
    How,
    MatchedBy,
    Outcome,
    Value,
    VerdictPair,
)
from aoinspect.engine.verdicts import Reason, Verdict
from aoinspect.report.json_form import flag_letters
from aoinspect.report.layout import broken_at_blanks, in_columns, printable

LISTED_CONNECTIONS = 25
LISTED_CHANGES_VALUES = 3
LISTED_UNPAIRED = 8
"""Frames of one fate that are named."""

_MAC_DIGITS = 16

_STANDING = {
    Outcome.INTACT: True,
    Outcome.HARMLESS: True,
    Outcome.BROKEN: False,
    Outcome.RE_SIGNED: None,
    Outcome.KEYS: False,
    Outcome.UNPROVEN: None,
    Outcome.NO_PAIRS: None,
}
_RANKS = {False: 0, None: 1, True: 2}
_STYLES = {True: "green", False: "bold red", None: "yellow"}
_UNICODE = {True: "✓", False: "✗", None: "?"}
_ASCII = {True: "+", False: "x", None: "?"}

_MATCHED_BY = {
    MatchedBy.MACS: "the same MACs in both",
    MatchedBy.ENDS_AND_ISNS: "the same addresses, ports and ISNs",
    MatchedBy.ENDS: "the same addresses and ports",
    MatchedBy.PAYLOADS: "the same payloads",
    MatchedBy.ISNS: "the same ISNs",
    MatchedBy.TIME: "one end and the time: not sure",
}
_FLOWS = {
    Flow.A_TO_B: "A first, then B",
    Flow.B_TO_A: "B first, then A",
    Flow.UNKNOWN: "order of A and B unknown",
}
_COVERED = {True: "covered", False: "not covered", None: "covered if options are"}
_HEADINGS = ("      way", "rewritten", "segments", "by the MAC", "first frame in A, B", "value")


def print_comparison(comparison: Comparison, console: Console, *, list_all: bool = False) -> None:
    """Writes the comparison to `console`, in lines of its width; `list_all` leaves no connection out."""
    page = _Page(console)
    page.write(_capture_line("A", comparison.a))
    page.write(_capture_line("B", comparison.b))
    worst_first = sorted(
        comparison.connections, key=lambda connection: _RANKS[_STANDING[connection.conclusion.outcome]]
    )
    shown = worst_first[: None if list_all else LISTED_CONNECTIONS]
    for connection in shown:
        page.write(Text())
        _print_connection(connection, page)
    if len(shown) < len(worst_first):
        page.write(Text())
        page.write(Text(f"... and {len(worst_first) - len(shown)} more connections; --all shows them"))
    if not comparison.connections:
        page.write(Text())
        page.write(Text("No protected connection is in both captures."))
    for name, other, only in (("A", "B", comparison.only_a), ("B", "A", comparison.only_b)):
        _print_only(name, other, only[: None if list_all else LISTED_CONNECTIONS], len(only), page)


class _Page:
    """Lines on their way to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._encodes_symbols = _can_encode("✓✗→", console.encoding)
        self.arrow = "→" if self._encodes_symbols else "->"

    def write(self, line: Text, *, hanging: int = 2) -> None:
        for piece in broken_at_blanks(line, self._console.width, hanging=hanging):
            # Terminals of any width take a line as it is: words longer than the line stay whole.
            self._console.print(piece, soft_wrap=True)

    def mark(self, standing: bool | None) -> Text:
        marks = _UNICODE if self._encodes_symbols else _ASCII
        return Text(marks[standing], style=_STYLES[standing])


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _capture_line(name: str, capture: CaptureOf) -> Text:
    unread = f", {capture.unread} of them pieces that cannot be compared" if capture.unread else ""
    counts = f"{capture.frames} frames, {capture.segments} segments of protected connections{unread}"
    return Text.assemble((name, "bold"), f" is {printable(capture.path)}: {counts}")


def _print_connection(connection: ConnectionComparison, page: _Page) -> None:
    conclusion = connection.conclusion
    standing = _STANDING[conclusion.outcome]
    page.write(
        Text.assemble(page.mark(standing), " ", f"{_ends(connection.in_a)}: ", (conclusion.summary, _STYLES[standing]))
    )
    page.write(Text(f"    in A it is #{connection.in_a.id}, in B #{connection.in_b.id}{_other_ends(connection)}"))
    page.write(Text(f"    matched by {_MATCHED_BY[connection.matched_by]}"))
    for direction in connection.directions:
        if direction.pairs or direction.only_a or direction.only_b:
            page.write(Text(f"    {_direction_words(direction)}"))
    changes = [(direction, change) for direction in connection.directions for change in direction.changes]
    if changes:
        rows = [tuple(Text(heading, style="dim") for heading in _HEADINGS)]
        rows += [_change_cells(direction, change, page.arrow) for direction, change in changes]
        for line in in_columns(rows, frozenset({2})):
            page.write(line, hanging=4)
    for detail in conclusion.details:
        page.write(Text(f"    {detail}"))
    for words in _unpaired_lines(connection):
        page.write(Text(f"    {words}"))
    for remedy in conclusion.remedies:
        page.write(Text(f"    try: {remedy}"))


def _ends(connection: ConnectionOf) -> str:
    return f"{connection.a} > {connection.b}"


def _other_ends(connection: ConnectionComparison) -> str:
    in_b = connection.in_b
    is_same = str(connection.in_a.a) == str(in_b.a) and str(connection.in_a.b) == str(in_b.b)
    return "" if is_same else f", {_ends(in_b)}"


def _direction_words(direction: DirectionComparison) -> str:
    verdicts = ", ".join(f"{pair.segments} {_verdict_pair(pair)}" for pair in direction.verdicts)
    alone = "".join(
        f", {count} in {name} alone" for name, count in (("A", direction.only_a), ("B", direction.only_b)) if count
    )
    flow = f"; {_FLOWS[direction.flow]}" if direction.pairs else ""
    return f"{direction.direction} {direction.sender_a}: {verdicts or 'none in both'}{alone}{flow}"


def _verdict_pair(pair: VerdictPair) -> str:
    in_a, in_b = _verdict(pair.verdict_a, pair.reason_a), _verdict(pair.verdict_b, pair.reason_b)
    return f"{in_a} in both" if in_a == in_b else f"{in_a} in A and {in_b} in B"


def _verdict(verdict: Verdict, reason: Reason) -> str:
    return verdict.word if reason is Reason.NONE else f"{verdict.word} ({reason.word})"


# Rewritten fields.


def _change_cells(direction: DirectionComparison, change: FieldChange, arrow: str) -> tuple[Text, ...]:
    style = "bold red" if change.breaks else ""
    return (
        Text(f"      {change.direction}"),
        Text(change.label, style=style),
        Text(f"{change.segments} of {direction.pairs}"),
        Text(_COVERED[change.is_covered]),
        Text(f"{change.first_frames[0]}, {change.first_frames[1]}"),
        Text(_values(direction, change, arrow)),
    )


def _values(direction: DirectionComparison, change: FieldChange, arrow: str) -> str:
    is_backwards = direction.flow is Flow.B_TO_A
    between = " in A and {} in B" if direction.flow is Flow.UNKNOWN else f" {arrow} {{}}"
    words = []
    if change.offset is not None:
        offset = -change.offset if is_backwards else change.offset
        words.append(f"{offset:+d}" if direction.flow is not Flow.UNKNOWN else f"{offset:+d} in B")
    shown = change.values[: 1 if change.offset is not None else LISTED_CHANGES_VALUES]
    for value in shown:
        first, second = value.value_a, value.value_b
        if is_backwards:
            first, second = second, first
        words.append(_value(change, first) + between.format(_value(change, second)))
    hidden = change.different_values - len(shown)
    if hidden and change.offset is None:
        words.append(f"and {hidden} more")
    return ", ".join(words)


_ECN_FLAGS = ((4, "AE"), (2, "CWR"), (1, "ECE"))

_WORDS: dict[FieldName, Callable[[int], str]] = {
    FieldName.FLAGS: flag_letters,
    FieldName.ECN_FLAGS: lambda bits: " ".join(name for mask, name in _ECN_FLAGS if bits & mask) or "none",
    FieldName.RESERVED: lambda bits: f"0b{bits:03b}",
    FieldName.HEADER_LENGTH: lambda octets: f"{octets} octets",
    FieldName.PAYLOAD: lambda octets: f"{octets} octets",
    FieldName.CHECKSUM: lambda checksum: f"0x{checksum:04x}",
    FieldName.FLOW_LABEL: lambda label: f"0x{label:05x}",
    FieldName.FRAGMENTATION: lambda is_fragmented: "fragments" if is_fragmented else "whole",
}


def _value(change: FieldChange, value: Value) -> str:
    if value is None:
        is_nops = change.how in (How.REPLACED_BY_NOPS, How.NOPS_REPLACED)
        return "NOPs" if is_nops else "absent"
    if isinstance(value, int):
        write = _WORDS.get(change.field)
        return str(value) if write is None else write(value)
    if change.field is FieldName.MAC and len(value) > _MAC_DIGITS:
        return f"{value[:_MAC_DIGITS]}..."
    return printable(value)


# What is in one capture alone.


def _unpaired_lines(connection: ConnectionComparison) -> Iterator[str]:
    for direction in connection.directions:
        for fate, name, count in direction.fates:
            if fate is Fate.OUTSIDE:
                continue
            frames = [
                str(segment.frame) for segment in direction.unpaired if segment.fate is fate and segment.capture == name
            ][:LISTED_UNPAIRED]
            if not frames:
                continue
            more = f" and {count - len(frames)} more" if count > len(frames) else ""
            yield f"{fate.value}, {direction.direction}: frame{'s' * (count > 1)} {', '.join(frames)}{more} of {name}"


def _print_only(name: str, other: str, shown: Sequence[ConnectionOf], count: int, page: _Page) -> None:
    if not count:
        return
    page.write(Text())
    connections = "connection" if count == 1 else "connections"
    page.write(Text.assemble(page.mark(None), f" {count} {connections} in {name} alone"))
    for connection in shown:
        page.write(Text(f"    #{connection.id} {_ends(connection)}, {connection.segments} segments"))
    if len(shown) < count:
        page.write(Text(f"    ... and {count - len(shown)} more; --all lists them"))
    page.write(
        Text(
            f"    {other} did not capture them, or a path that strips signatures and translates addresses makes them "
            f"unprotected there: a [[peer]] with the addresses as {other} has them brings them back"
        )
    )
