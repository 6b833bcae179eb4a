"""The Report as JSON (`aoinspect.report/1`), and segments as JSON Lines.

Scripts read this: members are added, and never change or go. docs/report.md and report.schema.json describe them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from aoinspect.engine.connections import I8
from aoinspect.engine.findings import Finding
from aoinspect.engine.pipeline import Analyzer, CaptureCounts
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, EndResult, KeyRun, KeyTransition
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import NO_MKT, IsnSource, Method, Reason, Verdict
from aoinspect.report.model import SCHEMA, Report, ReportTotals, iso_time

if TYPE_CHECKING:
    from aoinspect.engine.recovery import Recovery

JsonObject = dict[str, object]

_FLAG_LETTERS = (
    (0x02, "S"),
    (0x01, "F"),
    (0x04, "R"),
    (0x08, "P"),
    (0x10, "A"),
    (0x20, "U"),
    (0x40, "E"),
    (0x80, "C"),
)


def report_object(report: Report) -> JsonObject:
    """The Report as plain dictionaries and lists, ready for `json.dumps`."""
    several = len(report.captures) > 1
    return {
        "schema": SCHEMA,
        "keys": list(report.key_files),
        "interrupted": report.is_interrupted,
        "captures": [capture_object(capture) for capture in report.captures],
        "totals": totals_object(report.totals),
        "connections": _connections(report, several),
        "findings": [finding_object(finding, several) for finding in report.findings],
        "recovery": None if report.recovery is None else _recovery(report.recovery),
    }


def _recovery(recovery: Recovery) -> JsonObject:
    from aoinspect.keys.isn_sources import socket_text

    return {
        "candidates": recovery.candidates,
        "budget": recovery.budget,
        "interrupted": recovery.is_interrupted,
        "found": [
            {
                "connection": found.connection,
                "local": socket_text(found.known.local),
                "remote": socket_text(found.known.remote),
                "local_isn": found.known.local_isn,
                "remote_isn": found.known.remote_isn,
                "mkt": found.key,
                "octets_sent": found.octets_sent,
            }
            for found in recovery.found
        ],
        "missing": [
            {"connection": missing.connection, "searched_below": missing.searched_below} for missing in recovery.missing
        ],
    }


def report_json(report: Report) -> str:
    """The Report as JSON text, a line for each of its members, and for each element of its lists."""
    return json_lines_of(report_object(report))


def json_lines_of(document: JsonObject) -> str:
    """A JSON object as text, with a line for each of its members, and for each element of those that are lists.

    json indents in Python, which takes four times as long as all else for ten thousand connections.
    """

    def told(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    members = []
    for name, value in document.items():
        if isinstance(value, list) and value:
            elements = ",\n  ".join(map(told, value))
            members.append(f" {told(name)}: [\n  {elements}\n ]")
        else:
            members.append(f" {told(name)}: {told(value)}")
    return "{\n" + ",\n".join(members) + "\n}" if members else "{}"


def totals_object(totals: ReportTotals) -> JsonObject:
    """A member `totals`."""
    return {
        "frames": totals.frames,
        "tcp_segments": totals.tcp_segments,
        "ao_segments": totals.ao_segments,
        "md5_segments": totals.md5_segments,
        **totals.verdicts,
        "ends_disagree": totals.refused,
        "incomplete_datagrams": totals.incomplete_datagrams,
        "untracked": totals.untracked,
        **({} if totals.duplicates is None else {"duplicates": totals.duplicates}),
    }


def capture_object(capture: CaptureCounts) -> JsonObject:
    """One of `captures`."""
    damage = capture.damage
    return {
        "path": capture.path,
        "frames": capture.frames,
        "tcp_segments": capture.tcp_segments,
        "link_types": capture.link_types,
        "damage": None if damage is None else {"offset": damage.offset, "message": damage.message},
        "skipped_link_types": {
            str(number): count for number, count in sorted(capture.located.unknown_link_types.items())
        },
        "cut": capture.located.cut,
        "fragments": capture.located.fragments,
    }


def _connections(report: Report, several: bool) -> list[JsonObject]:
    members: dict[int, JsonObject] = {}
    if report.explanations:
        from aoinspect.report.explain_json import explanation_member

        members = {account.connection: explanation_member(account) for account in report.explanations}
    return [
        {**_connection(connection, several), "explanation": members.get(connection.id)}
        for connection in report.connections
    ]


def _connection(connection: ConnectionResult, several: bool) -> JsonObject:
    return {
        "id": connection.id,
        "a": end_object(connection.a),
        "b": end_object(connection.b),
        "opened_by": connection.opened_by,
        "isn_source": None if connection.isn_source is IsnSource.UNKNOWN else connection.isn_source.word,
        **_frame("first_", connection.first_capture, connection.first_frame, several),
        **_frame("last_", connection.last_capture, connection.last_frame, several),
        "first_time": iso_time(connection.first_time_ns),
        "last_time": iso_time(connection.last_time_ns),
        "stream": None,
        "vrf": list(connection.vrfs),
        "verdicts": connection.verdicts,
        "reasons": connection.reasons,
        "ends_disagree": connection.refused,
        "runs": [_run(run, several) for run in connection.runs],
        "transitions": [transition_object(transition, several) for transition in connection.transitions],
    }


def end_object(end: EndResult) -> JsonObject:
    """A member `a` or `b`."""
    return {"address": end.address, "port": end.port, "isn": end.isn}


def _frame(prefix: str, capture: int, frame: int, several: bool) -> JsonObject:
    return {f"{prefix}frame": frame, **({f"{prefix}capture": capture} if several else {})}


def _run(run: KeyRun, several: bool) -> JsonObject:
    return {
        "direction": run.direction,
        "method": run.method.word,
        "key_id": run.key_id,
        "rnext_key_id": run.rnext_key_id,
        "mkt": run.mkt,
        **_frame("first_", run.first_capture, run.first_frame, several),
        **_frame("last_", run.last_capture, run.last_frame, several),
        "first_time": iso_time(run.first_time_ns),
        "last_time": iso_time(run.last_time_ns),
        "segments": run.segments,
        "verified": run.verified,
        "verdicts": run.verdicts,
        "tcp_options": run.tcp_options,
    }


def transition_object(transition: KeyTransition, several: bool) -> JsonObject:
    """One of a connection's `transitions`; `several`: with its capture."""
    return {
        **_frame("", transition.capture, transition.frame, several),
        "time": iso_time(transition.time_ns),
        "direction": transition.direction,
        "field": transition.field,
        "old": transition.old,
        "new": transition.new,
        "trigger": transition.trigger,
        "latency_ns": transition.latency_ns,
    }


def finding_object(finding: Finding, several: bool) -> JsonObject:
    """One of `findings`; `several`: with its capture."""
    return {
        "ident": finding.ident,
        "severity": finding.severity.value,
        "connection": finding.connection,
        "frame": finding.frame,
        **({"capture": finding.capture} if several else {}),
        "message": finding.message,
        "evidence": finding.evidence,
        "remedy": finding.remedy,
        "reference": finding.reference,
    }


def flag_letters(flags: int) -> str:
    """TCP flags as letters, in the order of tcpdump: "S", "SA", "PA"; "." for none of them."""
    return "".join(letter for bit, letter in _FLAG_LETTERS if flags & bit) or "."


class SegmentLines:
    """Segments as JSON Lines, one object a segment, in the order of the rows.

    This is output, one step per segment: a run that prints no segments never comes here.
    """

    def __init__(self, analyzer: Analyzer, *, names_captures: bool = False) -> None:
        """`names_captures`: the run has several captures, so each frame has its capture's index beside it.

        Where that is not known beforehand, those of the first capture do without.
        """
        self._analyzer = analyzer
        self._names_captures = names_captures
        self._ends: dict[tuple[int, int], tuple[str, str]] = {}
        """(connection, side that is a) -> a and b. The opener may become known while the connection is read."""

    def lines(self, rows: Rows) -> Iterator[str]:
        """The objects of `rows`, one JSON text each, without line ends."""
        names = [mkt.name for mkt in self._analyzer.keyring.mkts]
        macs = rows.mac.tobytes()
        a_sides = self._analyzer.connections.a_sides()
        columns = (column.tolist() for column in rows[:-1])
        for position, values in enumerate(zip(*columns, strict=True)):
            row = dict(zip(Rows._fields, values, strict=False))
            method = Method(row["method"])
            ends = self._ends_of(row["connection"], a_sides)
            source, destination = ends if row["direction"] == 0 else (ends[1], ends[0])
            is_signed = method is not Method.NONE
            is_ao = method is Method.AO
            mac = macs[position * 16 : position * 16 + min(row["mac_length"], 16)]
            if row["mac_length"] > 16:
                mac = self._analyzer.long_macs.get((row["capture"], row["frame"]), mac)
            yield json.dumps(
                {
                    "type": "segment",
                    "frame": row["frame"],
                    **({"capture": row["capture"]} if self._names_captures or row["capture"] else {}),
                    "time": iso_time(row["time_ns"]),
                    "connection": row["connection"],
                    "direction": DIRECTIONS[row["direction"]],
                    "src": source,
                    "dst": destination,
                    "flags": flag_letters(row["flags"]),
                    "seq": row["seq"],
                    "ack": row["ack"],
                    "payload_length": row["payload_length"],
                    "method": method.word,
                    "key_id": row["key_id"] if is_ao else None,
                    # An option of 2 or 3 octets ends before it.
                    "rnext_key_id": row["rnext_key_id"] if is_ao and row["reason"] != Reason.AO_LENGTH else None,
                    "mac": mac.hex() if is_signed else None,
                    "sne": row["sne"] if row["has_sne"] else None,
                    "mkt": None if row["mkt"] == NO_MKT else names[row["mkt"]],
                    "verdict": Verdict(row["verdict"]).word,
                    "reason": None if row["reason"] == Reason.NONE else Reason(row["reason"]).word,
                    **({"ends_disagree": True} if row["is_refused"] else {}),
                },
                ensure_ascii=False,
            )

    def _ends_of(self, connection: int, a_sides: I8) -> tuple[str, str]:
        index = self._analyzer.tallies.indices[connection]
        a_side = int(a_sides[index])
        known = self._ends.get((connection, a_side))
        if known is None:
            pair = int(self._analyzer.connections.pairs[index])
            a, b = (
                str(EndResult(str(ip_address(end.address)), end.port, None)) for end in self._analyzer.pairs.ends[pair]
            )
            known = self._ends[connection, a_side] = (a, b) if a_side == 0 else (b, a)
        return known
