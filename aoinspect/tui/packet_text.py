"""One packet as a line of the list, made from the table's columns: the verdict first, since that is what is looked for.

A line fits 80 columns up to the ids; what comes behind is seen by scrolling.
"""

from __future__ import annotations

from ipaddress import ip_address

from rich.text import Text

from aoinspect.engine.results import EndResult
from aoinspect.engine.verdicts import NO_MKT, Method, Reason, Verdict
from aoinspect.report.json_form import flag_letters
from aoinspect.report.layout import printable
from aoinspect.report.model import iso_time
from aoinspect.report.show_text import VERDICT_MARKS
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.session import Session, TimeFormat

_TIME_WIDTHS = {TimeFormat.RELATIVE: 11, TimeFormat.DELTA: 11, TimeFormat.ABSOLUTE: 18, TimeFormat.EPOCH: 20}
_VERDICT_WIDTH = max(len(verdict.word) for verdict in Verdict) + 2
_NANOSECONDS = 1_000_000_000
WIDEST = 260
"""Columns that a line may take."""


class PacketText:
    """Makes lines of rows of one analysis."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._analysis: Analysis = session.analysis
        self._ends: dict[int, tuple[str, str]] = {}
        self._indices: dict[int, int] = {}
        self.width = 14
        """Of an address with its port; grows as longer ones are met."""

    def header(self) -> str:
        """The columns' names, above the lines."""
        time = "time".rjust(_TIME_WIDTHS[self._session.time_format])
        ends = "from".rjust(self.width) + " → " + "to".ljust(self.width)
        return f"  {'frame':>7} {time} {'verdict':<{_VERDICT_WIDTH}} {ends} {'ids':<10} flags   len seq        ack"

    def line(self, row: int, before: int | None) -> Text:
        """The line of a row; `before` is the row that is listed above it."""
        session = self._session
        values = self._analysis.table.row(row)
        source, destination = self._ends_of(values["connection"], values["direction"])
        verdict, reason = Verdict(values["verdict"]), Reason(values["reason"])
        mark, style = VERDICT_MARKS[verdict]
        if values["is_refused"]:
            mark, style = "✗", "red"
        ids = {
            Method.AO: f"AO {values['key_id']}/{values['rnext_key_id']}",
            Method.MD5: "MD5",
            Method.NONE: "–",
        }[Method(values["method"])]
        text = Text("● " if values["frame"] in session.marked else "  ", style="bold yellow", end="")
        text.append(f"{values['frame']:>7} ", "not bold default")
        text.append(
            f"{self._time(values['time_ns'], before):>{_TIME_WIDTHS[session.time_format]}} ", "not bold default"
        )
        text.append(
            f"{mark} {verdict.word}".ljust(_VERDICT_WIDTH), f"not bold {style}" if "bold" not in style else style
        )
        rest = f" {source:>{self.width}} → {destination:<{self.width}} {ids:<10} "
        rest += (
            f"{flag_letters(values['flags']):<4} {values['payload_length']:>6} {values['seq']:<10} {values['ack']:<10}"
        )
        if values["mkt"] != NO_MKT:
            rest += f" {printable(self._analysis.analyzer.keyring.mkts[values['mkt']].name)}"
        if reason is not Reason.NONE:
            rest += f" ({reason.word})"
        if values["is_refused"]:
            rest += " ends disagree"
        return text.append(rest, "not bold default")

    def _time(self, time_ns: int, before: int | None) -> str:
        kind = self._session.time_format
        if kind is TimeFormat.ABSOLUTE:
            return iso_time(time_ns)[11:-1]
        if kind is TimeFormat.EPOCH:
            return seconds_text(time_ns, 9)
        if kind is TimeFormat.DELTA:
            origin = time_ns if before is None else int(self._analysis.table.rows.time_ns[before])
        else:
            origin = self._analysis.analyzer.captures[0].first_time_ns or 0
        return seconds_text(time_ns - origin, 6)

    def _ends_of(self, connection: int, direction: int) -> tuple[str, str]:
        analyzer = self._analysis.analyzer
        if connection not in self._ends:
            if connection not in self._indices:
                self._indices = {
                    number: index for index, number in enumerate(analyzer.tallies.column("number").tolist())
                }
            index = self._indices[connection]
            pair = analyzer.pairs.ends[int(analyzer.connections.pairs[index])]
            ends = [str(EndResult(str(ip_address(end.address)), end.port, None)) for end in pair]
            a_side = analyzer.connections.a_side(index)
            self._ends[connection] = ends[a_side], ends[1 - a_side]
            self.width = max(self.width, *map(len, ends))
        ends_ab = self._ends[connection]
        return ends_ab if direction == 0 else ends_ab[::-1]


def seconds_text(time_ns: int, digits: int) -> str:
    """Nanoseconds as seconds with `digits` decimals, cut."""
    whole, rest = divmod(abs(time_ns), _NANOSECONDS)
    return f"{'-' if time_ns < 0 else ''}{whole}.{f'{rest:09d}'[:digits]}"
