"""The timeline as one page of HTML that stands alone: the drawings, and tables of changes, failures and SNE roll-overs.

The page loads nothing and runs nothing, so that it can be mailed, archived, and opened where there is no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from aoinspect.engine.marks import Mark, MarkKind
from aoinspect.engine.verdicts import Verdict
from aoinspect.report.axis import duration_text
from aoinspect.report.lanes import Picture, PlacedTransition
from aoinspect.report.layout import printable
from aoinspect.report.model import Report, iso_time
from aoinspect.report.planned import PlannedRow, planned_rows
from aoinspect.report.timeline_svg import LEGEND, STYLE, embedded_svg

_TRIGGERS = {
    "first": "the direction's first key",
    "peer-rnext": "the other end had asked for it",
    "reordering": "sent before an earlier change, arrived after it",
    "unprompted": "the other end had not asked for it",
}

PAGE_STYLE = """\
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:1040px;padding:0 1rem}
body{background:#fff;color:#1f2328}
h1{font-size:1.35rem}h2{font-size:1.05rem;margin-top:2.2rem}p.quiet{color:#59636e;font-size:.9rem}
svg.tl{width:100%;height:auto}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid #d8dee4;white-space:nowrap}
@media (prefers-color-scheme:dark){
body{background:#0d1117;color:#e6edf3}p.quiet{color:#9198a1}th,td{border-color:#343b44}}
"""
"""Style sheet of a page with timelines, beside that of the drawings."""


def timeline_html(pictures: Sequence[Picture], report: Report) -> str:
    """The whole page."""
    return "\n".join(_page(pictures, report)) + "\n"


def _page(pictures: Sequence[Picture], report: Report) -> Iterator[str]:
    names = ", ".join(printable(capture.path) for capture in report.captures)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(f'Key timeline of {names}')}</title>"
    yield f"<style>\n{PAGE_STYLE}{STYLE}\n</style>\n</head>\n<body>"
    yield f"<h1>Key timeline of {escape(names)}</h1>"
    count = len(report.connections)
    protected = "1 protected connection" if count == 1 else f"{count} protected connections"
    yield f'<p class="quiet">{len(pictures)} of {protected}. {"<br>".join(escape(line) for line in LEGEND)}</p>'
    for picture in pictures:
        yield from timeline_section(picture, report)
    yield "</body>\n</html>"


def timeline_section(picture: Picture, report: Report, heading_level: int = 2) -> Iterator[str]:
    """One connection's drawing and its tables, for a page of HTML that has both style sheets in its head."""
    connection = picture.connection
    yield f'<section id="connection-{connection.id}">'
    ends = f"{escape(str(connection.a))} – {escape(str(connection.b))}"
    yield f"<h{heading_level}>#{connection.id} {ends}</h{heading_level}>"
    yield f'<div class="wide">{embedded_svg(picture, report)}</div>'
    if picture.transitions:
        yield f"<h{heading_level + 1}>Changes of KeyID and RNextKeyID</h{heading_level + 1}>"
        yield from table(
            ("frame", "time", "direction", "what", "from", "to", "trigger", "latency"),
            (_transition_cells(placed, picture) for placed in picture.transitions),
        )
    told = sorted(
        (
            placed.mark
            for lane in picture.lanes
            for placed in lane.marks
            if placed.mark.kind.is_failure or placed.mark.kind is MarkKind.SNE
        ),
        key=lambda mark: (mark.first_capture, mark.first_frame),
    )
    if told:
        yield f"<h{heading_level + 1}>Failures and SNE roll-overs</h{heading_level + 1}>"
        yield from table(
            ("frames", "time", "direction", "what", "segments"),
            (_mark_cells(mark, picture) for mark in told),
        )
    planned = list(planned_rows(connection))
    if planned:
        yield f"<h{heading_level + 1}>Planned by lifetimes</h{heading_level + 1}>"
        yield from table(
            ("direction", "for", "KeyID", "key", "lifetime", "use"), (_planned_cells(row) for row in planned)
        )
    yield "</section>"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table; `headings` are text, and cells are markup: who gives them has escaped them."""
    yield '<div class="wide"><table>\n<thead><tr>'
    yield "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    yield "</tr></thead>\n<tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _transition_cells(placed: PlacedTransition, picture: Picture) -> tuple[str, ...]:
    transition = placed.transition
    trigger = ""
    if transition.trigger is not None:
        trigger = f'<span title="{escape(_TRIGGERS[transition.trigger])}">{escape(transition.trigger)}</span>'
    return (
        _frame(transition.capture, transition.frame, picture),
        iso_time(transition.time_ns),
        _direction(transition.direction),
        "KeyID" if transition.field == "key_id" else "RNextKeyID",
        "" if transition.old is None else str(transition.old),
        str(transition.new),
        trigger,
        "" if transition.latency_ns is None else escape(duration_text(transition.latency_ns)),
    )


def _mark_cells(mark: Mark, picture: Picture) -> tuple[str, ...]:
    first = _frame(mark.first_capture, mark.first_frame, picture)
    last = _frame(mark.last_capture, mark.last_frame, picture)
    return (
        first if first == last else f"{first}–{last}",
        iso_time(mark.first_time_ns),
        _direction(mark.direction),
        "SNE roll-over" if mark.kind is MarkKind.SNE else Verdict(mark.kind).word,
        str(mark.segments),
    )


def _planned_cells(row: PlannedRow) -> tuple[str, ...]:
    key_id = "MD5" if row.key.key_id is None else str(row.key.key_id)
    name = escape(printable(row.key.name))
    return _direction(row.direction), row.what, key_id, name, escape(row.times), escape(row.outcome)


def _direction(direction: str) -> str:
    return direction.upper().replace(">", "→")


def _frame(capture: int, frame: int, picture: Picture) -> str:
    """The frame; with its capture, counted from 1, where the run has several."""
    return str(frame) if len(picture.axis.frames_before) == 1 else f"{capture + 1}:{frame}"
