"""The timeline as text: lanes as wide as the terminal, and under them every change of ids, every failure and its place.

Every shape is told apart without colour, and where the output's encoding has no block characters plain ASCII is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from rich.text import Text

from aoinspect.engine.key_plan import SEND
from aoinspect.engine.marks import Mark, MarkKind
from aoinspect.engine.results import KeyTransition
from aoinspect.engine.verdicts import Verdict
from aoinspect.report.axis import AxisUnit, Window, duration_text
from aoinspect.report.lanes import Lane, LaneWhat, Picture, PlacedTransition
from aoinspect.report.layout import in_columns, printable
from aoinspect.report.model import Report
from aoinspect.report.planned import PlannedRow, planned_rows

NARROWEST = 40
"""Columns below which nothing gets narrower: the lines run over instead."""
LISTED = 100
"""Transitions, and failures, that are listed for a connection unless all are asked for."""
_CELLS_PER_TICK = 11
_LONGEST_NAME = 12
_NAMELESS_GUTTER = 13
_NAMES_FROM_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The shapes that are drawn; each one column wide, but for the arrow and the dash."""

    used: str
    asked: str
    nothing: str
    failed: str
    unproved: str
    rolled_over: str
    several: str
    planned: str
    arrow: str
    to: str
    times: str

    @property
    def all(self) -> str:
        return "".join(astuple(self))


BLOCKS = Glyphs("█", "▀", "·", "✗", "?", "↻", "*", "░", "→", "–", "×")
ASCII = Glyphs("#", "=", ".", "x", "?", "^", "*", ":", ">", "-", "x")

_LETTERS = {MarkKind.SYN: "S", MarkKind.FIN: "F", MarkKind.RST: "R"}
_WORDS = {
    MarkKind.MISMATCH: "bad MAC",
    MarkKind.NO_KEY: "no key",
    MarkKind.UNSIGNED: "unsigned",
    MarkKind.MALFORMED: "malformed",
    MarkKind.UNVERIFIABLE: "unproved",
}
_STYLES = {"a>b": "cyan", "b>a": "green"}


def glyphs_for(encoding: str) -> Glyphs:
    """The shapes that `encoding` can write: block characters, or plain ASCII."""
    try:
        BLOCKS.all.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


def timeline_lines(
    picture: Picture,
    report: Report,
    width: int,
    *,
    glyphs: Glyphs = BLOCKS,
    window: Window | None = None,
    list_all: bool = False,
) -> Iterator[Text]:
    """One connection's timeline in lines of at most `width` columns (40 at least; addresses and names run over)."""
    width = max(width, NARROWEST)
    yield from _headline(picture, report, glyphs, width)
    if not picture.lanes:
        yield Text("no segment of it is signed")
        return
    drawn = list(lane_lines(picture, width, glyphs=glyphs, window=window))
    yield from drawn
    planned = list(planned_rows(picture.connection))
    has_several = any(glyphs.several in line.plain for line in drawn)
    yield from _legend(picture, glyphs, has_several=has_several, has_plan=bool(planned))
    yield from _transition_lines(picture, glyphs, list_all)
    yield from _failure_lines(picture, glyphs, list_all)
    yield from _planned_lines(planned, glyphs)


def lane_lines(
    picture: Picture, width: int, *, glyphs: Glyphs = BLOCKS, window: Window | None = None
) -> Iterator[Text]:
    """The axis and the lanes alone, in lines of exactly `width` columns (the axis may be shorter)."""
    window = picture.axis.whole if window is None else window
    names = _names(picture, width, glyphs)
    gutter = _NAMELESS_GUTTER + (max(map(len, names.values())) + 1 if names else 0)
    count = max(1, width - gutter)
    yield Text(f"{picture.axis.unit.value:<{gutter}}" + _writable(_ruler(picture, window, count), glyphs), style="dim")
    shown_direction: str | None = None
    shown_what: LaneWhat | None = None
    for lane in picture.lanes:
        head = ""
        if lane.direction != shown_direction or lane.what is not shown_what or lane.what is LaneWhat.FAILURES:
            head = _head(lane, lane.direction != shown_direction, glyphs)
        shown_direction, shown_what = lane.direction, lane.what
        number = "" if lane.what in (LaneWhat.EVENTS, LaneWhat.FAILURES) else _id_text(lane.key_id)
        name = names.get((lane.direction, lane.key_id), "") if lane.what is LaneWhat.KEY else ""
        # A label of a failure is longer than others, and has no number behind it.
        label = f"{head:<9}{number:>3} " if number else f"{head:<13}"
        line = Text(label + f"{name:<{gutter - _NAMELESS_GUTTER}}")
        yield line.append_text(_lane_cells(lane, window, count, glyphs))
    if picture.axis.unit is AxisUnit.TIME:
        yield from _plan_lanes(picture, window, gutter, count, glyphs)


def _plan_lanes(picture: Picture, window: Window, gutter: int, count: int, glyphs: Glyphs) -> Iterator[Text]:
    """When each key was planned to be sent with, on the same axis; only where lifetimes say so of the sender."""
    shown_direction: str | None = None
    for row in planned_rows(picture.connection):
        if row.what != SEND:
            continue
        arrow = _direction(row.direction, glyphs) if row.direction != shown_direction else "   "
        head = f"{arrow} plan" if row.direction != shown_direction else ""
        shown_direction = row.direction
        name = _short(_writable(printable(row.key.name), glyphs)) if gutter > _NAMELESS_GUTTER else ""
        cells = [False] * count
        for from_ns, until_ns in row.key.spans:
            for cell in window.cells(from_ns, until_ns - 1, count):
                cells[cell] = True
        line = Text(f"{f'{head:<9}{_id_text(row.key.key_id):>3} ' + name:<{gutter}}"[:gutter])
        for is_planned in cells:
            line.append(glyphs.planned if is_planned else glyphs.nothing, "" if is_planned else "dim")
        yield line


def _planned_lines(planned: Sequence[PlannedRow], glyphs: Glyphs) -> Iterator[Text]:
    """Each key that lifetimes plan, and what became of it."""
    if not planned:
        return
    yield Text("")
    headings = ("planned", "for", "id", "key", "lifetime", "use")
    rows = [tuple(Text(heading, style="bold") for heading in headings)]
    for row in planned:
        style = "yellow" if row.by_ns is not None else ""
        rows.append(
            (
                Text(_direction(row.direction, glyphs), style=_STYLES[row.direction]),
                Text(row.what),
                Text(_id_text(row.key.key_id)),
                Text(_writable(printable(row.key.name), glyphs)),
                Text(row.times),
                Text(row.outcome, style=style),
            )
        )
    yield from in_columns(rows, frozenset((2,)))


def _head(lane: Lane, is_first_of_direction: bool, glyphs: Glyphs) -> str:
    arrow = _direction(lane.direction, glyphs) if is_first_of_direction or lane.what is LaneWhat.NEXT else "   "
    if lane.kind is not None:
        return f"   {_WORDS[lane.kind]}"
    return f"{arrow} {lane.what.value}"


def _lane_cells(lane: Lane, window: Window, count: int, glyphs: Glyphs) -> Text:
    cells = Text()
    if lane.spans:
        shape = glyphs.used if lane.what is LaneWhat.KEY else glyphs.asked
        for span in lane.span_cells(window, count):
            cells.append(*((shape, _STYLES[lane.direction]) if span is not None else (glyphs.nothing, "dim")))
        return cells
    before: tuple[Mark, ...] = ()
    for marks in lane.mark_cells(window, count):
        # A letter stands where its segment begins to be seen, however wide a frame is drawn.
        is_same_place = lane.what is LaneWhat.EVENTS and marks == before
        cells.append(*_mark_cell(() if is_same_place else marks, glyphs))
        before = marks
    return cells


def _mark_cell(marks: tuple[Mark, ...], glyphs: Glyphs) -> tuple[str, str]:
    kinds = {mark.kind for mark in marks}
    if not kinds:
        return glyphs.nothing, "dim"
    if len(kinds) > 1:
        return glyphs.several, "bold"
    kind = kinds.pop()
    if kind is MarkKind.SNE:
        return glyphs.rolled_over, "bold"
    if kind.is_failure:
        return (glyphs.unproved, "yellow") if kind is MarkKind.UNVERIFIABLE else (glyphs.failed, "bold red")
    return _LETTERS[kind], "bold red" if kind is MarkKind.RST else "bold"


def _names(picture: Picture, width: int, glyphs: Glyphs) -> dict[tuple[str, int | None], str]:
    """What the lanes of keys are called; nothing where there are no names or no room for them."""
    if width < _NAMES_FROM_WIDTH:
        return {}
    names = {
        (lane.direction, lane.key_id): _writable(printable(" ".join(lane.mkts)), glyphs)
        for lane in picture.lanes
        if lane.what is LaneWhat.KEY and lane.mkts
    }
    return {key: _short(name) for key, name in names.items()}


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "~"


def _ruler(picture: Picture, window: Window, count: int) -> str:
    """Labels of the ticks, each beginning at its cell; one that does not fit whole is left out."""
    line = ""
    for tick in picture.axis.ticks(window, max(1, count // _CELLS_PER_TICK)):
        cell = window.cells(tick.position, tick.position, count)[0]
        if (not line or cell > len(line)) and cell + len(tick.label) <= count:
            line = line.ljust(cell) + tick.label
    return line


def _headline(picture: Picture, report: Report, glyphs: Glyphs, width: int) -> Iterator[Text]:
    connection = picture.connection
    yield Text.assemble((f"#{connection.id} ", "bold"), (f"A {connection.a}  B {connection.b}", "bold"))
    counts = connection.verdicts
    total = sum(counts.values())
    words = [
        f"{counts[verdict.member]} {verdict.word}"
        for verdict in Verdict
        if counts[verdict.member] and (report.has_keys or verdict is not Verdict.NO_KEY)
    ]
    count = "1 segment" if total == 1 else f"{total} segments"
    frames = f"frames {connection.first_frame}{glyphs.to}{connection.last_frame}"
    if (connection.first_capture, connection.first_frame) == (connection.last_capture, connection.last_frame):
        frames = f"frame {connection.first_frame}"
    lasted = duration_text(max(0, connection.last_time_ns - connection.first_time_ns))
    facts = f"{count} in {frames}, {_writable(lasted, glyphs)}"
    if words and len(facts) + len(", ".join(words)) + 2 <= width:
        yield Text(f"{facts}: {', '.join(words)}")
        return
    yield Text(facts)
    if words:
        yield Text(", ".join(words))


def _legend(picture: Picture, glyphs: Glyphs, *, has_several: bool, has_plan: bool) -> Iterator[Text]:
    """What the shapes stand for; only those that are there."""
    kinds = {placed.mark.kind for lane in picture.lanes for placed in lane.marks}
    whats = {lane.what for lane in picture.lanes}
    words = [f"{glyphs.used} in use"] + [f"{glyphs.asked} asked for"] * (LaneWhat.NEXT in whats)
    words += [f"{letter} {kind.name}" for kind, letter in _LETTERS.items() if kind in kinds]
    words += [f"{glyphs.rolled_over} SNE"] * (MarkKind.SNE in kinds)
    words += [f"{glyphs.several} several"] * has_several
    words += [f"{glyphs.planned} planned"] * (has_plan and picture.axis.unit is AxisUnit.TIME)
    yield Text("  ".join(words), style="dim")


def _transition_lines(picture: Picture, glyphs: Glyphs, list_all: bool) -> Iterator[Text]:
    if not picture.transitions:
        return
    shown = picture.transitions if list_all else picture.transitions[:LISTED]
    rows = [
        (Text("frame"), Text("time"), Text(""), Text("what"), Text("ids"), Text("trigger"), Text("latency")),
        *(_transition_row(picture, placed, glyphs) for placed in shown),
    ]
    rows[0] = tuple(cell if not cell.plain else Text(cell.plain, style="bold") for cell in rows[0])
    yield Text("")
    yield from in_columns(rows, frozenset((0, 1)))
    if len(shown) < len(picture.transitions):
        yield Text(f"and {len(picture.transitions) - len(shown)} more changes; --all lists them")


def _transition_row(picture: Picture, placed: PlacedTransition, glyphs: Glyphs) -> tuple[Text, ...]:
    transition = placed.transition
    latency = "" if transition.latency_ns is None else _writable(duration_text(transition.latency_ns), glyphs)
    return (
        Text(_frame_text(transition.capture, transition.frame, picture)),
        Text(_time_text(transition.time_ns, picture)),
        Text(_direction(transition.direction, glyphs), style=_STYLES[transition.direction]),
        Text("key" if transition.field == "key_id" else "next"),
        Text(_ids_text(transition, glyphs)),
        Text(transition.trigger or "", style="yellow" if transition.trigger == "unprompted" else ""),
        Text(latency),
    )


def _ids_text(transition: KeyTransition, glyphs: Glyphs) -> str:
    if transition.old is None:
        return str(transition.new)
    return f"{transition.old}{glyphs.arrow}{transition.new}"


def _failure_lines(picture: Picture, glyphs: Glyphs, list_all: bool) -> Iterator[Text]:
    """Every stretch of failures, and every SNE roll-over, with its place."""
    told = [
        placed.mark
        for lane in picture.lanes
        for placed in lane.marks
        if placed.mark.kind.is_failure or placed.mark.kind is MarkKind.SNE
    ]
    if not told:
        return
    told.sort(key=lambda mark: (mark.first_capture, mark.first_frame))
    yield Text("")
    for mark in told if list_all else told[:LISTED]:
        shape, style = _mark_cell((mark,), glyphs)
        frames = _frame_text(mark.first_capture, mark.first_frame, picture)
        if mark.last_frame != mark.first_frame or mark.last_capture != mark.first_capture:
            frames = f"frames {frames}{glyphs.to}{_frame_text(mark.last_capture, mark.last_frame, picture)}"
        else:
            frames = f"frame {frames}"
        what = "SNE roll-over" if mark.kind is MarkKind.SNE else mark.kind.word
        number = f" {glyphs.times}{mark.segments}" if mark.segments > 1 else ""
        apart = f" in {mark.stretches} stretches" if mark.stretches > 1 else ""
        place = f"{frames}, {_time_text(mark.first_time_ns, picture)}"
        yield Text.assemble((shape, style), f" {_direction(mark.direction, glyphs)} {what}{number}{apart}, {place}")
    if not list_all and len(told) > LISTED:
        yield Text(f"and {len(told) - LISTED} more; --all lists them")


def _direction(direction: str, glyphs: Glyphs) -> str:
    first, second = direction.upper().split(">")
    return f"{first}{glyphs.arrow}{second}"


def _id_text(key_id: int | None) -> str:
    return "MD5" if key_id is None else str(key_id)


def _frame_text(capture: int, frame: int, picture: Picture) -> str:
    """The frame; with its capture, counted from 1, where the run has several."""
    return str(frame) if len(picture.axis.frames_before) == 1 else f"{capture + 1}:{frame}"


def _time_text(time_ns: int, picture: Picture) -> str:
    """Seconds since the connection's first segment, with six digits."""
    microseconds = (time_ns - picture.axis.origin_ns) // 1_000
    sign = "-" if microseconds < 0 else ""
    whole, rest = divmod(abs(microseconds), 1_000_000)
    return f"{sign}{whole}.{rest:06d}"


def _writable(text: str, glyphs: Glyphs) -> str:
    """`text` in what the output can write: "µs" and many a name are not ASCII."""
    return text if glyphs is BLOCKS else text.replace("µ", "u").encode("ascii", "backslashreplace").decode("ascii")
