"""The connections view: one line a connection, and of the chosen one its counts."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from aoinspect.engine.results import ConnectionResult
from aoinspect.engine.verdicts import Verdict
from aoinspect.report.layout import printable
from aoinspect.report.model import Report
from aoinspect.tui.cells import counted, frames_text, padded
from aoinspect.tui.connection_facts import application_of, first_failure, keys_in_use, sparkline, state_of
from aoinspect.tui.line_list import LineList
from aoinspect.tui.session import Session
from aoinspect.tui.text_pane import TextPane

_STANDING = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}
_SHORT = {
    Verdict.VERIFIED: "✓good",
    Verdict.MISMATCH: "✗bad",
    Verdict.NO_KEY: "nokey",
    Verdict.UNSIGNED: "nosig",
    Verdict.UNVERIFIABLE: "?open",
}
_MEASURED = 500
"""Connections that say how wide the columns are; another one's words may stand out of line."""


class ConnectionsView(Vertical):
    """The view."""

    DEFAULT_CSS = "ConnectionsView #connection-facts { height: 5; border-top: solid $primary; }"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._shown: tuple[ConnectionResult, ...] = ()
        self._widths = (1, 20, 3, 11, 4, 5)

    def compose(self) -> ComposeResult:
        yield LineList(id="connection-list", header=self._header, widest=260)
        yield TextPane(id="connection-facts")

    @property
    def list(self) -> LineList:
        return self.query_one("#connection-list", LineList)

    def refresh_session(self) -> None:
        """Shows what is known by now; the cursor stays on its connection."""
        session = self._session
        self._shown = session.connections
        self._widths = self._measure(self._shown[:_MEASURED])
        numbers = [connection.id for connection in self._shown]
        cursor = numbers.index(session.connection) if session.connection in numbers else None
        self.list.empty_text = empty_words(session)
        self.list.show(len(self._shown), self._line, cursor=cursor)
        if session.connection is None and self._shown:
            session.connection = self._shown[0].id
        self._tell_facts()

    def _measure(self, measured: tuple[ConnectionResult, ...]) -> tuple[int, int, int, int, int, int]:
        """The widths of number, ends, application, state, a count, and keys."""
        registry = self._session.registry
        most = max((sum(one.verdicts.values()) for one in measured), default=0)
        words = [
            (str(one.id), _ends(one), application_of(one, registry), state_of(one), str(most), keys_in_use(one))
            for one in measured
        ]
        names = ("#", "connection", "app", "state", "pkts", "keys")
        number, ends, app, state, count, keys = (
            max([len(name), *(cell_len(line[column]) for line in words)]) for column, name in enumerate(names)
        )
        return number, ends, app, state, count, keys

    def connection_at(self, position: int) -> ConnectionResult | None:
        return self._shown[position] if position < len(self._shown) else None

    def on_line_list_moved(self) -> None:
        chosen = self.connection_at(self.list.cursor)
        if chosen is not None:
            self._session.choose_connection(chosen.id)
        self._tell_facts()

    def _header(self) -> str:
        number, ends, app, state, count, keys = self._widths
        counts = " ".join(f"{words:>{max(count, len(words))}}" for words in _SHORT.values())
        return (
            f"  {'#':>{number}} {'connection':<{ends}} {'app':<{app}} {'state':<{state}} {'pkts':>{count}} {counts} "
            f"{'first✗':>6} {'keys':<{keys}} over time"
        )

    def _line(self, position: int) -> Text:
        connection = self._shown[position]
        session = self._session
        report = session.analysis.report
        assert report is not None
        number, ends, app, state, count, keys = self._widths
        mark, style = _STANDING[report.standing(connection)]
        counts = connection.verdicts
        failure = first_failure(connection)
        numbers = " ".join(
            f"{counts[verdict.member] or '-':>{max(count, len(words))}}" for verdict, words in _SHORT.items()
        )
        return Text.assemble(
            (f"{mark} ", style),
            f"{connection.id:>{number}} {_ends(connection):<{ends}} ",
            f"{application_of(connection, session.registry):<{app}} {state_of(connection):<{state}} ",
            f"{sum(counts.values()):>{count}} {numbers} {'-' if failure is None else failure[1]:>6} ",
            f"{padded(keys_in_use(connection), keys)} {sparkline(session.analysis.activity.get(connection.id, ()))}",
        )

    def _tell_facts(self) -> None:
        chosen = self.connection_at(self.list.cursor)
        report = self._session.analysis.report
        facts = "" if chosen is None or report is None else _facts(chosen, report)
        self.query_one("#connection-facts", TextPane).show(facts)


def _ends(connection: ConnectionResult) -> str:
    return f"{connection.a} > {connection.b}"


def _facts(connection: ConnectionResult, report: Report) -> Text:
    counts = ", ".join(
        f"{connection.verdicts[verdict.member]} {verdict.word}"
        for verdict in Verdict
        if connection.verdicts[verdict.member]
    )
    reasons = ", ".join(f"{count} {reason}" for reason, count in connection.reasons.items() if reason != "none")
    words = [
        f"#{connection.id} {_ends(connection)}: {counts}" + (f" ({reasons})" if reasons else ""),
        f"{frames_text(connection.first_frame, connection.last_frame)}, ISNs from {connection.isn_source.word}, "
        f"{counted(len(connection.transitions), 'change')} of keys"
        + (f", VRF {printable(', '.join(connection.vrfs))}" if connection.vrfs else ""),
    ]
    if report.has_keys and not connection.is_covered:
        words.append("no [[peer]] of the key files covers it")
    return Text("\n".join(words))


def empty_words(session: Session) -> str:
    """Why there is no connection to show."""
    analysis = session.analysis
    totals = analysis.analyzer.totals
    if not analysis.is_finished:
        return "reading …" if analysis.size is not None else "waiting for packets …"
    damage = analysis.analyzer.captures[0].damage if analysis.analyzer.captures else None
    behind = "" if damage is None else f" (damaged at octet {damage.offset}: {printable(damage.message)})"
    if not totals.frames:
        return f"the capture holds no packet{behind}"
    if not totals.tcp_segments:
        return f"no TCP segment in {totals.frames} packets{behind}"
    return f"nothing is protected: none of {totals.tcp_segments} TCP segments is signed or covered by a key{behind}"
