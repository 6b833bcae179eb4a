"""The timeline as SVG: the text's lanes in a file that needs no other, and is light or dark as its reader is.

Text stays text, so that it can be searched and copied. Whatever is drawn has a title, which browsers show as a tooltip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from aoinspect.engine.marks import Mark, MarkKind
from aoinspect.engine.results import KeyRun
from aoinspect.engine.verdicts import Verdict
from aoinspect.report.axis import Window, duration_text
from aoinspect.report.lanes import Lane, LaneWhat, Picture, PlacedMark, PlacedTransition, Span
from aoinspect.report.layout import printable
from aoinspect.report.model import Report, iso_time

WIDTH = 1000
"""Units across; one is a pixel where nothing scales the picture."""
_LEFT = 190
_RIGHT = 24
_TOP = 62
_LANE = 20
_GAP = 10
"""Between the directions."""
_BETWEEN = 28
"""Between two connections."""
_TICKS = 10
_CHARACTER = 6.7
"""Width of a character of the labels, for choosing what fits."""
_NAME_CHARACTERS = 12

_LETTERS = {MarkKind.SYN: "S", MarkKind.FIN: "F", MarkKind.RST: "R", MarkKind.SNE: "↻"}
LEGEND = (
    "full bar: key in use · half bar: key asked for by RNextKeyID · dashed: request to first segment under it",
    "S SYN · F FIN · R RST · ↻ SNE roll-over · ✗ failed segments · ? segments that the capture cannot prove",
)
"""What the shapes stand for, in lines."""

_LIGHT = {
    "text": "#1f2328",
    "quiet": "#59636e",
    "line": "#d8dee4",
    "paper": "#ffffff",
    "a": "#0b6bcb",
    "b": "#1a7f5a",
    "on": "#ffffff",
    "bad": "#c4292b",
    "odd": "#8f6400",
}
_DARK = {
    "text": "#e6edf3",
    "quiet": "#9198a1",
    "line": "#343b44",
    "paper": "#0d1117",
    "a": "#58a6ff",
    "b": "#3fb98a",
    "on": "#0d1117",
    "bad": "#ff7b72",
    "odd": "#e3b341",
}


def _rules(colours: dict[str, str]) -> str:
    """Colours as CSS; plain rules, for not every renderer of SVG knows variables."""
    return (
        ".tl text{{fill:{text}}}.tl .quiet{{fill:{quiet}}}.tl .paper{{fill:{paper}}}"
        ".tl .rule{{stroke:{line}}}.tl .a{{fill:{a}}}.tl .b{{fill:{b}}}.tl text.on{{fill:{on}}}"
        ".tl .step{{stroke:{text}}}.tl .bad{{fill:{bad}}}.tl .odd{{fill:{odd}}}.tl .cross{{stroke:{bad}}}"
    ).format(**colours)


STYLE = (
    ".tl text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}.tl .title{font-size:14px}"
    ".tl text.bold{font-weight:bold}.tl text.small{font-size:11px}.tl text.on{font-size:10px}"
    ".tl .rule{stroke-width:1}.tl .asked{opacity:.55}"
    ".tl .step{stroke-width:1.2;stroke-dasharray:3 2;fill:none;opacity:.8}.tl .cross{stroke-width:2;fill:none}"
    f"{_rules(_LIGHT)}@media (prefers-color-scheme:dark){{{_rules(_DARK)}}}"
)
"""Style sheet of the drawing; everything in it is below the class `tl`."""


def timeline_svg(pictures: Sequence[Picture], report: Report) -> str:
    """One SVG document with the timelines of `pictures`, one below the other."""
    height = _BETWEEN // 2
    drawn: list[str] = []
    for picture in pictures:
        drawn.append(f'<g transform="translate(0 {height})">\n{_drawing(picture, report)}\n</g>')
        height += picture_height(picture) + _BETWEEN
    if not pictures:
        drawn.append('<text x="16" y="20">no connection to show</text>')
        height += _BETWEEN
    for line in LEGEND:
        drawn.append(_text(16, height, line, "quiet small"))
        height += 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tl" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">\n<title>TCP-AO key timeline</title>\n<style>{STYLE}</style>\n'
        f'<rect class="paper" width="100%" height="100%"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def embedded_svg(picture: Picture, report: Report) -> str:
    """An `svg` element for a page of HTML that has `STYLE` in its head."""
    height = picture_height(picture)
    return (
        f'<svg class="tl" role="img" width="{WIDTH}" viewBox="0 0 {WIDTH} {height}" '
        f'aria-label="Timeline of connection {picture.connection.id}">\n{_drawing(picture, report)}\n</svg>'
    )


def picture_height(picture: Picture) -> int:
    """Units that one timeline takes."""
    directions = len({lane.direction for lane in picture.lanes})
    return _TOP + len(picture.lanes) * _LANE + max(0, directions - 1) * _GAP + 8


def _drawing(picture: Picture, report: Report) -> str:
    return "\n".join(_parts(picture, report))


def _parts(picture: Picture, report: Report) -> Iterator[str]:
    connection = picture.connection
    counts = ", ".join(
        f"{connection.verdicts[verdict.member]} {verdict.word}"
        for verdict in Verdict
        if connection.verdicts[verdict.member] and (report.has_keys or verdict is not Verdict.NO_KEY)
    )
    yield _text(16, 16, f"#{connection.id} A {connection.a} – B {connection.b}", "title bold")
    if counts:
        yield _text(16, 34, counts, "quiet")
    if not picture.lanes:
        yield _text(16, _TOP, "no segment of it is signed")
        return
    tops = _lane_tops(picture)
    window = picture.axis.whole
    yield from _axis(picture, window, max(tops) + _LANE)
    for lane, top in zip(picture.lanes, tops, strict=True):
        yield _label(picture, lane, top)
        for span in lane.spans:
            yield from _bar(lane, span, window, top, picture)
        for placed in lane.marks:
            yield _mark(placed, window, top, picture)
    for transition in picture.transitions:
        yield from _step(transition, picture, window, tops)


def _lane_tops(picture: Picture) -> list[int]:
    tops, top = [], _TOP
    for lane, before in zip(picture.lanes, (None, *picture.lanes), strict=False):
        if before is not None and before.direction != lane.direction:
            top += _GAP
        tops.append(top)
        top += _LANE
    return tops


def _x(position: int, window: Window) -> float:
    """Where a position begins; `window.last + 1` is the right end."""
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * (position - window.first) / window.size


def _extent(start: int, end: int, window: Window, least: float = 2.0) -> tuple[float, float]:
    """Left end and width of what is drawn for the positions from `start` to `end`; at least so wide, and inside."""
    left = _x(start, window)
    width = max(_x(end + 1, window) - left, least)
    return min(left, WIDTH - _RIGHT - width), width


def _axis(picture: Picture, window: Window, bottom: int) -> Iterator[str]:
    yield _text(16, _TOP - 8, picture.axis.unit.value, "quiet")
    for tick in picture.axis.ticks(window, _TICKS):
        x = _x(tick.position, window)
        anchor = "end" if x > WIDTH - _RIGHT - len(tick.label) * _CHARACTER / 2 else "middle"
        yield f'<line class="rule" x1="{x:.1f}" y1="{_TOP - 4}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, _TOP - 8, tick.label, "quiet", anchor)


def _label(picture: Picture, lane: Lane, top: int) -> str:
    is_first = next(other for other in picture.lanes if other.direction == lane.direction) is lane
    arrow = lane.direction.upper().replace(">", "→")
    y = top + 14
    parts = [_text(16, y, arrow, "bold")] if is_first else []
    if lane.kind is not None:
        parts.append(_text(48, y, lane.kind.word))
    elif lane.what is LaneWhat.EVENTS:
        parts.append(_text(48, y, "events"))
    else:
        number = "MD5" if lane.key_id is None else str(lane.key_id)
        parts.append(_text(48, y, lane.what.value))
        parts.append(_text(106, y, number, anchor="end"))
        name = printable(" ".join(lane.mkts))
        if name:
            short = name if len(name) <= _NAME_CHARACTERS else name[: _NAME_CHARACTERS - 1] + "…"
            parts.append(f"<g><title>{escape(name)}</title>{_text(112, y, short, 'quiet')}</g>")
    return "".join(parts)


def _bar(lane: Lane, span: Span, window: Window, top: int, picture: Picture) -> Iterator[str]:
    left, width = _extent(span.start, span.end, window)
    height = 14 if lane.what is LaneWhat.KEY else 7
    shade = lane.direction[0] + ("" if lane.what is LaneWhat.KEY else " asked")
    title = escape("\n".join(_span_words(lane, span, picture)))
    yield (
        f'<rect class="{shade}" x="{left:.1f}" y="{top + 3}" width="{width:.1f}" height="{height}" rx="1.5">'
        f"<title>{title}</title></rect>"
    )


def _span_words(lane: Lane, span: Span, picture: Picture) -> Iterator[str]:
    first, last = span.runs[0], span.runs[-1]
    key = "TCP-MD5" if lane.key_id is None else f"KeyID {lane.key_id}"
    if lane.what is LaneWhat.NEXT:
        key = f"asks for {key} (RNextKeyID)"
    elif names := " ".join(dict.fromkeys(run.mkt for run in span.runs if run.mkt is not None)):
        key = f"{key}, {printable(names)}"
    yield f"{lane.direction.upper().replace('>', '→')}: {key}"
    yield f"frames {_frame(first.first_capture, first.first_frame, picture)}–{_last_frame(last, picture)}"
    yield f"{iso_time(first.first_time_ns)} to {iso_time(last.last_time_ns)}"
    counts = [f"{count} {Verdict[member.upper()].word}" for member, count in span.verdicts.items() if count]
    yield f"{span.segments} segments: {', '.join(counts)}"


def _last_frame(run: KeyRun, picture: Picture) -> str:
    return _frame(run.last_capture, run.last_frame, picture)


def _frame(capture: int, frame: int, picture: Picture) -> str:
    return str(frame) if len(picture.axis.frames_before) == 1 else f"{capture + 1}:{frame}"


def _mark(placed: PlacedMark, window: Window, top: int, picture: Picture) -> str:
    mark = placed.mark
    left, width = _extent(placed.start, placed.end, window, least=0.0)
    if not mark.kind.is_failure:
        return f"<g>{_title(mark, picture)}{_letter(mark, left + width / 2, top)}</g>"
    # The sign stands at the first failure, and a bar goes as far as the stretch does.
    x = min(max(left + width / 2 if mark.segments == 1 else left, _LEFT + 5), WIDTH - _RIGHT - 5)
    is_unproved = mark.kind is MarkKind.UNVERIFIABLE
    if is_unproved:
        sign = _text(x, top + 14, "?", "odd bold", "middle")
    else:
        sign = f'<path class="cross" d="M{x - 4:.1f} {top + 6}l8 8m0 -8l-8 8"/>'
    end = left + width
    bar = ""
    if mark.segments > 1 and end > x + 8:
        shade = "odd" if is_unproved else "bad"
        bar = f'<rect class="{shade}" x="{x + 6:.1f}" y="{top + 9}" width="{end - x - 6:.1f}" height="3"/>'
    # A transparent field makes the tooltip easy to hit.
    field = f'<rect x="{x - 6:.1f}" y="{top}" width="{max(end - x, 6) + 6:.1f}" height="{_LANE}" fill-opacity="0"/>'
    return f"<g>{_title(mark, picture)}{bar}{sign}{field}</g>"


def _letter(mark: Mark, x: float, top: int) -> str:
    x = min(max(x, _LEFT + 4), WIDTH - _RIGHT - 4)
    return _text(x, top + 14, _LETTERS[mark.kind], "bad bold" if mark.kind is MarkKind.RST else "bold", "middle")


def _title(mark: Mark, picture: Picture) -> str:
    return f"<title>{escape(_mark_words(mark, picture))}</title>"


def _mark_words(mark: Mark, picture: Picture) -> str:
    """What a mark is, where, and when."""
    what = mark.kind.word if mark.kind.is_failure else mark.kind.name
    if mark.kind is MarkKind.SNE:
        what = "SNE roll-over"
    first = _frame(mark.first_capture, mark.first_frame, picture)
    last = _frame(mark.last_capture, mark.last_frame, picture)
    frames = f"frame {first}" if first == last else f"frames {first}–{last}, {mark.segments} segments"
    times = iso_time(mark.first_time_ns)
    if first != last:
        times = f"{times} to {iso_time(mark.last_time_ns)}"
    return f"{mark.direction.upper().replace('>', '→')}: {what}\n{frames}\n{times}"


def _step(placed: PlacedTransition, picture: Picture, window: Window, tops: list[int]) -> Iterator[str]:
    """A hand-over: from where the other end's request begins to the first segment under the key, with its latency."""
    transition = placed.transition
    if placed.requested_at is None or transition.latency_ns is None:
        return
    ends = {}
    for lane, top in zip(picture.lanes, tops, strict=True):
        if lane.key_id == transition.new:
            ends[lane.direction == transition.direction, lane.what] = top
    asked, used = ends.get((False, LaneWhat.NEXT)), ends.get((True, LaneWhat.KEY))
    if asked is None or used is None:
        return
    start, end = _x(placed.requested_at, window), _x(placed.position, window)
    latency = duration_text(transition.latency_ns)
    title = escape(
        f"KeyID {transition.new} in use {latency} after the request\n"
        f"frame {_frame(transition.capture, transition.frame, picture)}\n{iso_time(transition.time_ns)}"
    )
    y_asked = asked + 6
    y_used = used + (3 if used > asked else 17)
    yield f'<path class="step" d="M{start:.1f} {y_asked}V{y_used}H{end:.1f}"><title>{title}</title></path>'
    span = next(
        span
        for lane in picture.lanes
        if lane.what is LaneWhat.KEY and lane.direction == transition.direction and lane.key_id == transition.new
        for span in lane.spans
        if any(run.order == transition.order for run in span.runs)
    )
    left, width = _extent(span.start, span.end, window)
    if width > (len(latency) + 1) * 6:
        yield f"<g><title>{title}</title>{_text(left + 4, used + 13, latency, 'on')}</g>"


def _text(x: float, y: float, text: str, classes: str = "", anchor: str = "start") -> str:
    chosen = f' class="{classes}"' if classes else ""
    aligned = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:g}"{chosen}{aligned}>{escape(printable(text))}</text>'
