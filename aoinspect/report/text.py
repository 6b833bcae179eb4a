"""The Report as text for a person: what is wrong first, with the frame, what was expected and what to try.

Nothing is told by colour alone: every verdict has its mark and its word.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aoinspect.capture.linktypes import link_type_name
from aoinspect.engine.findings import Finding, Severity
from aoinspect.engine.pipeline import CaptureCounts
from aoinspect.engine.results import ConnectionResult, FailureSample
from aoinspect.engine.verdicts import IsnSource, Method, Reason, Verdict
from aoinspect.report.json_form import flag_letters
from aoinspect.report.model import ExitCode, Report

LISTED_CONNECTIONS = 25
"""Connections without a failure that are listed one by one, unless all are asked for."""

_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}

_COLUMNS = (
    (Verdict.VERIFIED, "verified", "green"),
    (Verdict.MISMATCH, "mismatch", "bold red"),
    (Verdict.NO_KEY, "no key", "red"),
    (Verdict.UNSIGNED, "unsigned", "red"),
    (Verdict.MALFORMED, "malformed", "red"),
    (Verdict.UNVERIFIABLE, "unverifiable", "yellow"),
)


def print_report(report: Report, console: Console, *, list_all: bool = False) -> None:
    """Writes the Report to `console`."""
    failing = [connection for connection in report.connections if standing(connection, report) is not True]
    sound = [connection for connection in report.connections if standing(connection, report) is True]
    for connection in failing[: None if list_all else LISTED_CONNECTIONS * 4]:
        for line in failure_lines(connection, report):
            console.print(line, soft_wrap=True)
    for finding in report.findings:
        console.print(_finding_line(finding), soft_wrap=True)
    if report.connections:
        shown = (
            report.connections
            if list_all
            else [*failing[: LISTED_CONNECTIONS * 4], *sound[:LISTED_CONNECTIONS]]
        )
        console.print(_table(list(shown), report))
        hidden = len(report.connections) - len(shown)
        if hidden:
            console.print(f"… and {hidden} more connections; --all lists them")
    for line in _closing_lines(report):
        console.print(line, soft_wrap=True)


def standing(connection: ConnectionResult, report: Report) -> bool | None:
    """True: all verified; False: something is wrong; None: something could not be checked."""
    counts = connection.verdicts
    if not report.has_keys:
        return None
    is_unknown_key = counts["no_key"] and connection.is_covered
    if (
        counts["mismatch"]
        or counts["unsigned"]
        or counts["malformed"]
        or is_unknown_key
        or connection.refused
    ):
        return False
    return None if counts["unverifiable"] or counts["no_key"] or not counts["verified"] else True


def _table(connections: list[ConnectionResult], report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column("#", justify="right")
    table.add_column("connection", no_wrap=True, overflow="fold")
    table.add_column("frames", no_wrap=True)
    table.add_column("keys a>b / b>a", overflow="fold")
    shown = [column for column in _COLUMNS if any(c.verdicts[column[0].member] for c in connections)]
    if not report.has_keys:
        shown = [column for column in shown if column[0] is not Verdict.NO_KEY]
        table.add_column("signed", justify="right")
    for _, heading, _ in shown:
        table.add_column(heading, justify="right")
    for connection in connections:
        mark, style = _MARKS[standing(connection, report)]
        counts = [] if report.has_keys else [str(sum(run.segments for run in connection.runs))]
        for verdict, _, colour in shown:
            count = connection.verdicts[verdict.member]
            counts.append(Text(str(count), style=colour) if count else Text("·", style="dim"))  # type: ignore[arg-type]
        table.add_row(
            Text(mark, style=style) if report.has_keys else "",
            str(connection.id),
            f"{connection.a} > {connection.b}",
            f"{connection.first_frame}–{connection.last_frame}",
            _keys(connection, "a>b") + " / " + _keys(connection, "b>a"),
            *counts,
        )
    return table


def _keys(connection: ConnectionResult, direction: str) -> str:
    """The keys of one direction in the order of use: "k1 (100), k2 (101)"; without keys the KeyIDs alone."""
    names: dict[str, None] = {}
    for run in connection.runs:
        if run.direction == direction:
            if run.method is Method.MD5:
                names.setdefault("MD5" if run.mkt is None else f"{run.mkt} (MD5)")
            else:
                names.setdefault(
                    f"{run.mkt} ({run.key_id})" if run.mkt is not None else f"KeyID {run.key_id}"
                )
    listed = list(names)
    if len(listed) > 4:
        listed = [*listed[:3], f"… {len(listed) - 3} more"]
    return ", ".join(listed) or "–"


def failure_lines(connection: ConnectionResult, report: Report) -> Iterator[Text]:
    """What failed on one connection: a headline, then two lines for each kind of failure."""
    if not report.has_keys:
        return
    samples = [sample for sample in connection.samples if _is_worth_telling(sample, connection)]
    if not samples:
        return
    mark, style = _MARKS[standing(connection, report)]
    yield Text.assemble((f"{mark} ", style), (f"#{connection.id} {connection.a} > {connection.b}", "bold"))
    for sample in samples:
        segment = sample.segment
        count = connection.verdicts[segment.verdict.member]
        sender, receiver = (
            (connection.a, connection.b) if sample.direction == "a>b" else (connection.b, connection.a)
        )
        place = (
            f"frame {segment.frame}"
            if len(report.captures) == 1
            else (f"{report.captures[segment.capture].path} frame {segment.frame}")
        )
        yield Text.assemble(
            "    ",
            (f"{segment.verdict.word} ×{count}", style),
            f", first in {place}: {flag_letters(segment.flags)} from {sender} to {receiver}, ",
            _signature(sample),
        )
        expected, remedy = explain_sample(sample, connection)
        yield Text(f"      {expected}")
        if remedy:
            yield Text(f"      try: {remedy}")


def _is_worth_telling(sample: FailureSample, connection: ConnectionResult) -> bool:
    return (
        sample.segment.verdict is not Verdict.NO_KEY
        or connection.is_covered
        or connection.verdicts["no_key"] > 0
    )


def _signature(sample: FailureSample) -> str:
    segment = sample.segment
    if segment.method is Method.AO:
        return (
            f"KeyID {segment.key_id}, RNextKeyID {segment.rnext_key_id}, MAC of {segment.mac_length} octets"
        )
    if segment.method is Method.MD5:
        return "TCP-MD5"
    return "no AO or MD5 option"


def explain_sample(sample: FailureSample, connection: ConnectionResult) -> tuple[str, str]:
    """What was expected of a failing segment, and what to try; one sentence each, the second may be empty."""
    segment = sample.segment
    keys = " or ".join(repr(name) for name in sample.candidates) or "none"
    sender = connection.a if sample.direction == "a>b" else connection.b
    match segment.verdict:
        case Verdict.MISMATCH if segment.reason is Reason.MAC_LENGTH:
            return (
                f"the key of this KeyID ({keys}) has a MAC of another length",
                "compare mac-length on both ends",
            )
        case Verdict.MISMATCH:
            return (
                f"the MAC is not the one that key {keys} gives",
                "compare secret, algorithm and tcp-options with the configuration of "
                f"{sender.address}; rewriting on the path (NAT, MSS) breaks the MAC as well",
            )
        case Verdict.NO_KEY if segment.method is Method.MD5:
            return (
                "the key file has no tcp-md5 key for this socket pair",
                'add a key with algorithm = "tcp-md5"',
            )
        case Verdict.NO_KEY if connection.is_covered:
            return (
                f"no key of this socket pair has KeyID {segment.key_id} for segments from {sender.address}",
                "check send-id and recv-id: from `local` the KeyID is send-id, the other way it is recv-id",
            )
        case Verdict.NO_KEY:
            return "the key file has no [[peer]] for this socket pair", "add a [[peer]] with local and remote"
        case Verdict.UNSIGNED if connection.verdicts["unsigned"] == sum(connection.verdicts.values()):
            return (
                "no segment of this connection was ever signed, and the key file covers its addresses",
                "add port to the [[peer]] if this is another application; otherwise the sender has no key for this peer",
            )
        case Verdict.UNSIGNED:
            return (
                "every segment of a protected connection must be signed",
                "a spoofed segment, or a stack that lost the key; the receiver drops it",
            )
        case Verdict.MALFORMED:
            return _MALFORMED.get(
                segment.reason, "the option is broken"
            ), "a receiver drops it; look at who sent it"
        case _:
            return _UNVERIFIABLE.get(segment.reason, ("the capture cannot prove it either way", ""))


_MALFORMED = {
    Reason.AO_LENGTH: "the AO option is shorter than 4 octets",
    Reason.MD5_LENGTH: "the MD5 option does not have 18 octets",
    Reason.OPTION_LENGTH: "an option is shorter than 2 octets or reaches past the header",
    Reason.TWO_AO: "more than one AO option (RFC 5925 2.2)",
    Reason.TWO_MD5: "more than one MD5 option",
    Reason.AO_AND_MD5: "AO and MD5 in one segment (RFC 5925 2.2)",
    Reason.TCP_HEADER: "the TCP data offset is below 5 or points past the segment",
}

_UNVERIFIABLE = {
    Reason.ISN_UNKNOWN: (
        "the handshake is not in the capture, and the MAC depends on both ISNs",
        "add a [[connection]] with the ISNs that the router shows, or capture from the start of the connection",
    ),
    Reason.TRUNCATED: (
        "the snap length cut octets that the MAC covers",
        "capture whole packets (tcpdump -s 0)",
    ),
    Reason.FRAGMENT: ("a piece of this datagram is not in the capture", ""),
    Reason.OFFLOADED: (
        "larger than the peer's MSS: captured before segmentation or after coalescing",
        "capture on the wire, or switch off tso, gso and gro on the capturing host",
    ),
    Reason.NO_SECRET: ("the key file has this key without its secret", "fill in the secret"),
}


def _finding_line(finding: Finding) -> Text:
    style = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}[finding.severity]
    place = "" if finding.frame is None else f" (frame {finding.frame})"
    connection = "" if finding.connection is None else f"#{finding.connection} "
    return Text.assemble(
        (f"{finding.severity.value}: {finding.ident}", style), f" {connection}{finding.message}{place}"
    )


def _closing_lines(report: Report) -> Iterator[Text | str]:
    totals = report.totals
    for capture in report.captures:
        yield from _capture_lines(capture)
    if totals.incomplete_datagrams:
        yield f"{totals.incomplete_datagrams} fragmented datagrams never became whole"
    if report.is_interrupted:
        yield Text("interrupted: this is what was read until then", style="yellow")
    signed = f"{totals.ao_segments} with AO, {totals.md5_segments} with MD5"
    yield f"{totals.frames} frames, {totals.tcp_segments} TCP segments, {totals.protected_segments} protected ({signed})"
    if not totals.protected_segments:
        yield "nothing here is protected: no segment carries an AO or MD5 option" + (
            ", and no [[peer]] covers one" if report.has_keys else ""
        )
        return
    if not report.has_keys:
        yield "no keys given: nothing was verified (--keys FILE)"
        return
    words = [f"{count} {verdict.word}" for verdict in Verdict if (count := totals.verdicts[verdict.member])]
    mark = {ExitCode.OK: True, ExitCode.WRONG: False}.get(report.exit_code)
    sign, style = _MARKS[mark]
    yield Text.assemble((f"{sign} ", style), (", ".join(words), style))


def _capture_lines(capture: CaptureCounts) -> Iterator[Text]:
    if capture.damage is not None:
        yield Text(
            f"{capture.path}: damaged at octet {capture.damage.offset}: {capture.damage.message}; "
            f"the {capture.frames} frames before it were read",
            style="yellow",
        )
    for number, count in sorted(capture.located.unknown_link_types.items()):
        yield Text(
            f"{capture.path}: {count} frames of link type {number} ({link_type_name(number)}) were not read: "
            "no dissector for it",
            style="yellow",
        )
    if capture.located.cut:
        yield Text(
            f"{capture.path}: {capture.located.cut} frames are cut before the TCP ports", style="yellow"
        )


__all__ = ["IsnSource", "explain_sample", "failure_lines", "print_report", "standing"]
