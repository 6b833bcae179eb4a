"""The list of packets, one line each, as tshark lists them: every row of the engine's table, as it is made.

Nothing is kept of a line that was printed but the widths of the columns, so a list of ten million packets starts at
once. Sequence numbers are those of the wire. Rows of IP datagrams that never became whole come behind the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from ipaddress import ip_address

from rich.text import Text

from aoinspect.engine.ordering import distinct
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import EndResult
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import NO_MKT, Method, Reason, Verdict
from aoinspect.report.json_form import flag_letters
from aoinspect.report.model import iso_time
from aoinspect.report.show_text import VERDICT_MARKS

_NARROWEST_ENDPOINT = 18


class TimeFormat(Enum):
    """How a line says when a packet was captured; the letters are those of tshark's -t."""

    ABSOLUTE = "a"
    """Date and time of day, UTC."""
    RELATIVE = "r"
    """Seconds since the capture's first frame."""
    EPOCH = "e"
    """Seconds since 1970 (UTC)."""


class PacketLines:
    """Makes lines of rows; one instance serves one capture, from its first row to its last."""

    def __init__(self, analyzer: Analyzer, time_format: TimeFormat) -> None:
        self._analyzer = analyzer
        self._time_format = time_format
        self._names = [mkt.name for mkt in analyzer.keyring.mkts]
        self._ends: dict[int, tuple[str, str, bool]] = {}
        """Connection -> a, b, and whether a peer entry covers it."""
        self._width = _NARROWEST_ENDPOINT
        self.count = 0
        """Lines made so far."""

    def lines(self, rows: Rows, first_time_ns: int) -> Iterator[Text]:
        """One line a row; `first_time_ns` is the time of the capture's first frame."""
        self._meet(rows)
        for values in zip(*(column.tolist() for column in rows[:-1]), strict=True):
            self.count += 1
            yield self._line(dict(zip(Rows._fields, values, strict=False)), first_time_ns)

    def _meet(self, rows: Rows) -> None:
        """Learns the ends of connections that are new."""
        fresh = set(distinct(rows.connection).tolist()) - self._ends.keys()
        if not fresh:
            return
        analyzer = self._analyzer
        index_of = {number: index for index, number in enumerate(analyzer.tallies.column("number").tolist())}
        a_sides = analyzer.connections.a_sides()
        for number in fresh:
            index = index_of[number]
            pair = int(analyzer.connections.pairs[index])
            ends = [str(EndResult(str(ip_address(end.address)), end.port, None)) for end in analyzer.pairs.ends[pair]]
            a_side = int(a_sides[index])
            self._ends[number] = (ends[a_side], ends[1 - a_side], analyzer.pairs.keys[pair] is not None)
            self._width = max(self._width, *map(len, ends))

    def _line(self, row: dict[str, int], first_time_ns: int) -> Text:
        a, b, is_covered = self._ends[row["connection"]]
        source, destination = (a, b) if row["direction"] == 0 else (b, a)
        place = f"{row['frame']:>6} {self._time(row['time_ns'], first_time_ns):>12}"
        ends = f"{source:>{self._width}} → {destination:<{self._width}}"
        numbers = f"seq {row['seq']:<10} ack {row['ack']:<10} len {row['payload_length']:<5}"
        signature = {
            Method.AO: f"AO {row['key_id']}/{row['rnext_key_id']}",
            Method.MD5: "MD5",
            Method.NONE: "–",
        }[Method(row["method"])]
        text = Text(f"{place}  {ends}  {flag_letters(row['flags']):<4} {numbers}  {signature:<10}  ")
        return text.append_text(self._verdict(row, is_covered))

    def _time(self, time_ns: int, first_time_ns: int) -> str:
        if self._time_format is TimeFormat.ABSOLUTE:
            return iso_time(time_ns)
        if self._time_format is TimeFormat.EPOCH:
            return _seconds(time_ns, 9)
        return _seconds(time_ns - first_time_ns, 6)

    def _verdict(self, row: dict[str, int], is_covered: bool) -> Text:
        verdict, reason = Verdict(row["verdict"]), Reason(row["reason"])
        mark, style = VERDICT_MARKS[verdict]
        if verdict is Verdict.NO_KEY and not is_covered:
            mark, style = VERDICT_MARKS[Verdict.UNVERIFIABLE]  # The key file does not speak of this socket pair.
        text = Text.assemble((f"{mark} {verdict.word}", style))
        if reason is not Reason.NONE:
            text.append(f" ({reason.word})")
        if row["mkt"] != NO_MKT:
            name = self._names[row["mkt"]]
            text.append(" " + "".join(letter if letter.isprintable() else "\ufffd" for letter in name))
        if row["is_refused"]:
            text.append(", ends disagree", style="red")
        return text


def _seconds(time_ns: int, digits: int) -> str:
    """Nanoseconds as seconds with so many decimal digits, the rest cut off."""
    sign = "-" if time_ns < 0 else ""
    seconds, nanoseconds = divmod(abs(time_ns), 1_000_000_000)
    return f"{sign}{seconds}.{nanoseconds:09d}"[: len(sign) + len(str(seconds)) + 1 + digits]
