"""The Report as one page of HTML that stands alone, to be mailed, archived and printed.

The page loads nothing and runs nothing; it is light or dark as its reader is, and light on paper. Everything that came
from outside (paths, names of keys, messages about damage) passes through `_text`, and so is text and never markup. What
fails comes first, then what was found, then everything that there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from aoinspect.capture.linktypes import link_type_name
from aoinspect.engine.explain.model import Account, Explanation
from aoinspect.engine.findings import Finding, Severity
from aoinspect.engine.pipeline import CaptureCounts
from aoinspect.engine.recovery import Recovered, Recovery
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, EndResult
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.keys.isn_sources import connection_entry
from aoinspect.report.axis import duration_text
from aoinspect.report.explain_text import one_line
from aoinspect.report.lanes import Picture
from aoinspect.report.layout import printable
from aoinspect.report.model import ExitCode, Report, is_failing, iso_time
from aoinspect.report.problems import problems_of
from aoinspect.report.timeline_html import PAGE_STYLE, table, timeline_section
from aoinspect.report.timeline_svg import LEGEND, STYLE

_STANDINGS = {True: ("good", "✓ verified"), False: ("bad", "✗ failing"), None: ("odd", "? not proved")}
_SHADES = {Severity.ERROR: "bad", Severity.WARNING: "odd", Severity.NOTE: "plain"}

_COLOURS = """\
a{color:#0b6bcb}.good{color:#1a7f37}.bad{color:#c4292b}.odd{color:#8f6400}.quiet{color:#59636e}
.card,.tile{border-color:#d8dee4}.card.bad,.card.odd{color:inherit}
.card.bad{border-left-color:#c4292b}.card.odd{border-left-color:#8f6400}
"""
_DARK_COLOURS = """\
a{color:#58a6ff}.good{color:#3fb950}.bad{color:#ff7b72}.odd{color:#e3b341}.quiet{color:#9198a1}
.card,.tile{border-color:#343b44}.card.bad,.card.odd{color:inherit}
.card.bad{border-left-color:#ff7b72}.card.odd{border-left-color:#e3b341}
"""
_REPORT_STYLE = f"""\
h3{{font-size:1rem;margin:1.6rem 0 .4rem}}h4{{font-size:.9rem;margin:1rem 0 .3rem}}
h2{{font-size:1.2rem;border-bottom:1px solid;padding-bottom:.2rem}}
.outcome{{font-size:1.1rem;font-weight:600}}.quiet{{font-size:.9rem}}
.tiles{{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0;padding:0}}
.tile{{border:1px solid;border-radius:6px;padding:.4rem .8rem;min-width:5.5rem}}
.tile dt{{font-size:.8rem}}.tile dd{{margin:0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}}
.card{{border:1px solid;border-left-width:4px;border-radius:4px;padding:.5rem .9rem;margin:.8rem 0}}
.card h3{{margin:.1rem 0 .4rem}}.card p{{margin:.3rem 0}}.card ul{{margin:.3rem 0;padding-left:1.2rem}}
.card,h1{{overflow-wrap:anywhere}}td{{vertical-align:top}}
#connections :is(th,td){{padding-right:.6rem}}pre{{overflow-x:auto;font-size:.85rem}}
{_COLOURS}@media (prefers-color-scheme:dark){{
{_DARK_COLOURS}}}
@media print{{
@page{{margin:14mm}}@page wide{{size:landscape}}
:root{{color-scheme:light}}body{{max-width:none;margin:0;padding:0;font-size:10pt;background:#fff;color:#1f2328}}
a{{color:inherit;text-decoration:none}}
.wide,pre{{overflow:visible}}pre{{white-space:pre-wrap}}table{{font-size:8pt;width:100%}}
#connections{{page:wide}}#connections table{{font-size:6.5pt}}
.end{{display:inline-block;min-width:8.5em}}
th,td{{white-space:normal;padding-right:.5rem}}.end,.path{{overflow-wrap:anywhere}}thead{{display:table-header-group}}
tr,.card,.tile,svg.tl{{break-inside:avoid}}h2,h3,h4{{break-after:avoid}}
}}
"""


def page_html(report: Report, pictures: Sequence[Picture], filter_text: str | None = None) -> str:
    """The whole page.

    `pictures` are the connections whose timelines are drawn; every connection is in the table, drawn or not.
    `filter_text` is the filter that chose the segments, to be told on the page.
    """
    return "\n".join(_page(report, pictures, filter_text)) + "\n"


def _page(report: Report, pictures: Sequence[Picture], filter_text: str | None) -> Iterator[str]:
    names = _text(", ".join(capture.path for capture in report.captures))
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>TCP-AO report of {names}</title>"
    yield f"<style>\n{PAGE_STYLE}{STYLE}\n{_REPORT_STYLE}</style>\n</head>\n<body>"
    yield f"<header>\n<h1>TCP-AO report of {names}</h1>"
    keys = f"Keys: {_text(', '.join(report.key_files))}." if report.has_keys else "No keys: nothing was verified."
    yield f'<p class="quiet">{keys}</p>'
    if filter_text is not None:
        yield f'<p class="quiet">Only segments that <code>{_text(filter_text)}</code> selects are counted.</p>'
    yield "</header>\n<main>"
    yield from _outcome(report)
    yield from _failures(report)
    yield from _findings(report)
    yield from _connections(report, {picture.connection.id for picture in pictures})
    yield from _timelines(report, pictures)
    yield from _captures(report)
    if report.recovery is not None:
        yield from _recovery(report.recovery, report)
    yield "</main>\n</body>\n</html>"


def _outcome(report: Report) -> Iterator[str]:
    totals = report.totals
    yield '<section id="outcome">\n<h2>Outcome</h2>'
    shade, words = _outcome_words(report)
    yield f'<p class="outcome {shade}">{words}</p>'
    if report.is_interrupted:
        yield '<p class="odd">Interrupted: this is what was read until then.</p>'
    tiles = [
        ("frames", totals.frames, ""),
        ("TCP segments", totals.tcp_segments, ""),
        ("protected", totals.protected_segments, ""),
        ("with AO", totals.ao_segments, ""),
        ("with MD5", totals.md5_segments, ""),
        ("connections", len(report.connections), ""),
    ]
    yield from _tiles(tiles)
    if report.has_keys and totals.protected_segments:
        verdicts = [
            (verdict.word, totals.verdicts[verdict.member], _shade(verdict) if totals.verdicts[verdict.member] else "")
            for verdict in Verdict
        ]
        if totals.refused:
            verdicts.append(("verified, yet dropped by the receiver's keys", totals.refused, "bad"))
        yield from _tiles(verdicts)
    yield "</section>"


def _outcome_words(report: Report) -> tuple[str, str]:
    totals = report.totals
    if not totals.protected_segments:
        return "odd", "? Nothing here is protected: no segment carries an AO or MD5 option."
    if not report.has_keys:
        return "odd", "? No keys were given: KeyIDs are shown, and nothing was verified."
    if report.is_wrong:
        failing = sum(map(is_failing, report.connections))
        return "bad", f"✗ Authentication fails on {failing} of {_counted(len(report.connections), 'connection')}."
    if report.exit_code is ExitCode.OK:
        return "good", "✓ Every protected segment is verified."
    return "odd", "? Nothing is wrong in what was checked, and something could not be checked."


def _shade(verdict: Verdict) -> str:
    return {Verdict.VERIFIED: "good", Verdict.UNVERIFIABLE: "odd"}.get(verdict, "bad")


def _tiles(tiles: Sequence[tuple[str, int, str]]) -> Iterator[str]:
    yield '<dl class="tiles">'
    for name, count, shade in tiles:
        coloured = f' class="{shade}"' if shade else ""
        yield f'<div class="tile"><dt class="quiet">{name}</dt><dd{coloured}>{count}</dd></div>'
    yield "</dl>"


def _failures(report: Report) -> Iterator[str]:
    """What the verdicts alone tell, and what explains it; what a finding tells better is among the findings."""
    # A problem that is a finding has VERIFIED as its verdict.
    problems = [item for item in problems_of(report).items() if item[0].verdict is not Verdict.VERIFIED]
    if not problems and not report.explanations:
        return
    yield '<section id="failures">\n<h2>Failures</h2>'
    for problem, places in problems:
        yield f'<article class="card {"odd" if problem.verdict is Verdict.UNVERIFIABLE else "bad"}">'
        yield f"<h3>{_text(problem.title)}</h3>"
        yield from _list(_text(place) for place in places)
        if problem.remedy:
            yield f"<p><b>Try:</b> {_text(problem.remedy)}</p>"
        yield "</article>"
    by_id = {connection.id: connection for connection in report.connections}
    for account in report.explanations:
        yield from _account(account, by_id[account.connection], report)
    yield "</section>"


def _account(account: Account, connection: ConnectionResult, report: Report) -> Iterator[str]:
    yield f'<article class="card plain"><h3>Why {_name(connection)} fails</h3>'
    looked_at = "" if account.tried == account.failing else f", {account.tried} looked at"
    yield f"<p>{_text(one_line(account))}</p>"
    if account.failing:
        yield f'<p class="quiet">{_counted(account.failing, "failing segment")}{looked_at}</p>'
    for explanation in account.explanations:
        yield from _explanation(explanation, report)
    if account.note and account.explanations:
        yield f"<p>{_text(account.note)}</p>"
    if account.unexplained:
        frames = _frames(account.unexplained, report)
        yield f"<p><b>Unexplained:</b> {_counted(len(account.unexplained), 'segment')} ({frames})</p>"
        told = [f"ruled out: {_text(', '.join(account.ruled_out))}"] if account.ruled_out else []
        told += [f"not tried, for the budget: {_text(', '.join(account.not_tried))}"] if account.not_tried else []
        yield from _list([*told, *(f"would decide: {_text(words)}" for words in account.would_decide)])
    yield "</article>"


def _explanation(explanation: Explanation, report: Report) -> Iterator[str]:
    confidence = _text(explanation.confidence.value)
    yield f"<h4>{_text(explanation.ident)} ({confidence}): {_text(explanation.summary)}</h4>"
    told = []
    if explanation.bits:
        told.append(
            f"makes {explanation.matched} of {_counted(explanation.tried, 'segment')} verify, "
            f"{explanation.bits} bits of MAC agree ({_frames(explanation.frames, report)})"
        )
        told.append(f"changed: {_text(explanation.changed)}; from {_text(explanation.origin)}")
    elif explanation.frames:
        told.append(f"seen: {_text(explanation.origin)} ({_frames(explanation.frames, report)})")
    if explanation.file_remedy:
        told.append(f"<b>If the key file is wrong:</b> {_text(explanation.file_remedy)}")
    if explanation.device_remedy:
        lead = "Otherwise" if explanation.file_remedy else "To do"
        told.append(f"<b>{lead}:</b> {_text(explanation.device_remedy)}")
    yield from _list(told)


def _findings(report: Report) -> Iterator[str]:
    """Every finding; those of one kind, clause and remedy stand together, worst first."""
    yield '<section id="findings">\n<h2>Findings</h2>'
    groups: dict[tuple[Severity, str, str, str], list[Finding]] = {}
    for finding in report.findings:
        kind = (finding.severity, finding.ident, finding.reference, finding.remedy)
        groups.setdefault(kind, []).append(finding)
    severities = list(Severity)
    for kind in sorted(groups, key=lambda kind: severities.index(kind[0])):
        severity, ident, reference, remedy = kind
        yield f'<article class="card {_SHADES[severity]}">'
        clause = f' <span class="quiet">{_text(reference)}</span>' if reference else ""
        yield f"<h3>{severity.value}: {_text(ident)}{clause}</h3>"
        yield from _list(_finding(finding, report) for finding in groups[kind])
        if remedy:
            yield f"<p><b>Try:</b> {_text(remedy)}</p>"
        yield "</article>"
    if not groups:
        yield "<p>None.</p>"
    yield "</section>"


def _finding(finding: Finding, report: Report) -> str:
    places = [] if finding.connection is None else [f"#{finding.connection}"]
    if finding.frame is not None:
        places.append(f"frame {_frame(finding.capture or 0, finding.frame, report)}")
    where = f"{', '.join(places)}: " if places else ""
    evidence = f' <span class="quiet">({_text(finding.evidence)})</span>' if finding.evidence else ""
    return f"{where}{_text(finding.message)}{evidence}"


def _connections(report: Report, drawn: set[int]) -> Iterator[str]:
    yield '<section id="connections">\n<h2>Connections</h2>'
    if not report.connections:
        yield "<p>No connection is protected.</p>\n</section>"
        return
    verdicts = [verdict for verdict in Verdict if report.totals.verdicts[verdict.member]]
    if not report.has_keys:
        # The other verdicts say only that there are no keys.
        verdicts = [verdict for verdict in verdicts if verdict in (Verdict.UNSIGNED, Verdict.MALFORMED)]
    what = "keys" if report.has_keys else "KeyIDs"
    standing = ["standing"] if report.has_keys else []
    ways = [f"{what} {direction.upper().replace('>', '→')}" for direction in DIRECTIONS]
    counts = [verdict.word for verdict in verdicts]
    yield from table(
        ["#", *standing, "A", "B", "segments", *counts, *ways, "frames", "ISNs from", "began", "lasted"],
        (_connection_cells(connection, report, verdicts, drawn) for connection in report.connections),
    )
    yield "</section>"


def _connection_cells(
    connection: ConnectionResult, report: Report, verdicts: Sequence[Verdict], drawn: set[int]
) -> list[str]:
    number = str(connection.id)
    cells = [f'<a href="#connection-{number}">{number}</a>' if connection.id in drawn else number]
    if report.has_keys:
        shade, words = _STANDINGS[report.standing(connection)]
        cells.append(f'<span class="{shade}">{words}</span>')
    vrfs = f' <span class="quiet">VRF {_text(", ".join(connection.vrfs))}</span>' if any(connection.vrfs) else ""
    cells += [_end_cell(connection.a), _end_cell(connection.b) + vrfs, str(sum(connection.verdicts.values()))]
    for verdict in verdicts:
        count = connection.verdicts[verdict.member]
        cells.append(f'<span class="{_shade(verdict)}">{count}</span>' if count else "–")
    first = _frame(connection.first_capture, connection.first_frame, report)
    last = _frame(connection.last_capture, connection.last_frame, report)
    return [
        *cells,
        *(_keys(connection, direction, has_keys=report.has_keys) for direction in DIRECTIONS),
        first if first == last else f"{first}–{last}",
        connection.isn_source.word,
        iso_time(connection.first_time_ns),
        _text(duration_text(max(0, connection.last_time_ns - connection.first_time_ns))),
    ]


def _keys(connection: ConnectionResult, direction: str, *, has_keys: bool) -> str:
    """The keys of one direction in the order of use: "k1 (100), k2 (101)"; without keys the KeyIDs alone."""
    names: dict[str, None] = {}
    for run in connection.runs:
        if run.direction != direction:
            continue
        if run.method is Method.MD5:
            names.setdefault("MD5" if run.mkt is None else f"{run.mkt} (MD5)")
        elif run.mkt is not None:
            names.setdefault(f"{run.mkt} ({run.key_id})")
        else:
            names.setdefault(f"KeyID {run.key_id}" if has_keys else str(run.key_id))
    return _text(", ".join(names)) or "–"


def _timelines(report: Report, pictures: Sequence[Picture]) -> Iterator[str]:
    if not report.connections:
        return
    yield '<section id="timelines">\n<h2>Timelines</h2>'
    yield f'<p class="quiet">{"<br>".join(escape(line) for line in LEGEND)}</p>'
    hidden = len(report.connections) - len(pictures)
    if hidden:
        yield f'<p class="quiet">{_counted(hidden, "connection")} without changes and failures: not drawn.</p>'
    for picture in pictures:
        yield from timeline_section(picture, report, 3)
    yield "</section>"


def _captures(report: Report) -> Iterator[str]:
    yield '<section id="captures">\n<h2>Captures</h2>'
    if len(report.captures) > 1:
        yield '<p class="quiet">Frames are given as capture:frame, with the numbers of this table.</p>'
    yield from table(
        ["#", "file", "link types", "frames", "TCP segments", "first frame", "damage and what was not read"],
        (_capture_cells(number, capture) for number, capture in enumerate(report.captures, 1)),
    )
    incomplete = report.totals.incomplete_datagrams
    if incomplete:
        yield f"<p>{_counted(incomplete, 'fragmented datagram')} of which pieces are missing.</p>"
    yield "</section>"


def _capture_cells(number: int, capture: CaptureCounts) -> tuple[str, ...]:
    told = []
    if capture.damage is not None:
        words = f"damaged at octet {capture.damage.offset}: {capture.damage.message}"
        told.append(f'<span class="bad">{_text(words)}</span>')
    for link_type, count in sorted(capture.located.unknown_link_types.items()):
        name = _text(f"{link_type} ({link_type_name(link_type)})")
        told.append(f'<span class="odd">{_counted(count, "frame")} of link type {name}: no dissector for it</span>')
    if capture.located.cut:
        told.append(f'<span class="odd">{_counted(capture.located.cut, "frame")} cut before the TCP ports</span>')
    if capture.is_without_times:
        told.append('<span class="quiet">without times</span>')
    return (
        str(number),
        f'<span class="path">{_text(capture.path)}</span>',
        _text(", ".join(link_type_name(link_type) for link_type in capture.link_types)),
        str(capture.frames),
        str(capture.tcp_segments),
        "–" if capture.first_time_ns is None or capture.is_without_times else iso_time(capture.first_time_ns),
        "<br>".join(told) or "none",
    )


def _recovery(recovery: Recovery, report: Report) -> Iterator[str]:
    yield '<section id="recovery">\n<h2>Recovery of ISNs</h2>'
    by_id = {connection.id: connection for connection in report.connections}
    yield (
        f'<p class="quiet">{recovery.candidates} of {_counted(recovery.budget, "candidate")} tried for connections '
        "whose handshake is not in the capture.</p>"
    )
    if recovery.is_interrupted:
        yield '<p class="odd">The search was interrupted.</p>'
    for found in recovery.found:
        yield from _recovered(found, by_id)
    told = []
    for missing in recovery.missing:
        why = "the budget never came to it"
        if missing.searched_below:
            why = f"both ends together had sent {missing.searched_below} octets or more, or the key is another"
        told.append(f"{_numbered(missing.connection, by_id)}: not found: {why}")
    yield from _list(told)
    yield "</section>"


def _recovered(found: Recovered, by_id: dict[int, ConnectionResult]) -> Iterator[str]:
    yield '<article class="card plain">'
    yield f"<h3>{_numbered(found.connection, by_id)}: recovered</h3>"
    yield (
        f"<p>Both ends together had sent {_counted(found.octets_sent, 'octet')} before this capture; "
        f"key {_text(found.key)}. For the key file:</p>"
    )
    yield f"<pre>{escape(connection_entry(found.known))}</pre>\n</article>"


def _numbered(number: int, by_id: dict[int, ConnectionResult]) -> str:
    """A filter may have left the connection out of the Report."""
    return _name(by_id[number]) if number in by_id else f"#{number}"


def _name(connection: ConnectionResult) -> str:
    return f"#{connection.id} {_end(connection.a)} – {_end(connection.b)}"


def _end(end: EndResult) -> str:
    return _text(str(end))


def _end_cell(end: EndResult) -> str:
    """An end that may be broken anywhere on paper, where IPv6 addresses are wide."""
    return f'<span class="end">{_end(end)}</span>'


def _frames(frames: Sequence[tuple[int, int]], report: Report) -> str:
    listed = ", ".join(_frame(capture, frame, report) for capture, frame in frames)
    return f"frame{'s' * (len(frames) > 1)} {listed}"


def _frame(capture: int, frame: int, report: Report) -> str:
    """The frame; with its capture, counted from 1, where the run has several."""
    return str(frame) if len(report.captures) == 1 else f"{capture + 1}:{frame}"


def _list(items: Iterator[str] | Sequence[str]) -> Iterator[str]:
    """A list of markup; nothing where there are no items."""
    rows = [f"<li>{item}</li>" for item in items]
    if rows:
        yield "<ul>\n" + "\n".join(rows) + "\n</ul>"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _text(text: str) -> str:
    """`text` as markup that shows it and does nothing else."""
    return escape(printable(text))
