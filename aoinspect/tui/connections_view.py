"""The connections view: one line a connection, and of the chosen one its counts."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from aoinspect.engine.results import ConnectionResult
from aoinspect.engine.verdicts import Verdict
from aoinspect.report.layout import printable
from aoinspect.report.model import Report
from aoinspect.tui.connection_facts import application_of, first_failure, keys_in_use, sparkline, state_of
from aoinspect.tui.line_list import LineList
from aoinspect.tui.session import Session

_STANDING = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}
_SHORT = {
    Verdict.VERIFIED: "✓ good",
    Verdict.MISMATCH: "✗ bad",
    Verdict.NO_KEY: "no key",
    Verdict.UNSIGNED: "no sig",
    Verdict.UNVERIFIABLE: "?",
}


class ConnectionsView(Vertical):
    """The view."""

    DEFAULT_CSS = "ConnectionsView #connection-facts { height: auto; max-height: 6; border-top: solid $primary; }"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._shown: tuple[ConnectionResult, ...] = ()
        self._width = 40

    def compose(self) -> ComposeResult:
        yield LineList(id="connection-list", header=self._header, widest=220)
        yield Static(id="connection-facts", markup=False)

    @property
    def list(self) -> LineList:
        return self.query_one("#connection-list", LineList)

    def refresh_session(self) -> None:
        """Shows what is known by now; the cursor stays on its connection."""
        session = self._session
        self._shown = session.connections
        self._width = max((len(_ends(connection)) for connection in self._shown), default=40)
        numbers = [connection.id for connection in self._shown]
        cursor = numbers.index(session.connection) if session.connection in numbers else None
        self.list.empty_text = empty_words(session)
        self.list.show(len(self._shown), self._line, cursor=cursor)
        if session.connection is None and self._shown:
            session.connection = self._shown[0].id
        self._tell_facts()

    def connection_at(self, position: int) -> ConnectionResult | None:
        return self._shown[position] if position < len(self._shown) else None

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        chosen = self.connection_at(event.position)
        if chosen is not None:
            self._session.connection = chosen.id
        self._tell_facts()

    def _header(self) -> str:
        counts = " ".join(f"{words:>6}" for words in _SHORT.values())
        return f"    # {'connection (a > b)':<{self._width}} app  state          packets {counts} first✗ keys now"

    def _line(self, position: int) -> Text:
        connection = self._shown[position]
        session = self._session
        report = session.analysis.report
        assert report is not None
        mark, style = _STANDING[report.standing(connection)]
        counts = connection.verdicts
        failure = first_failure(connection)
        numbers = " ".join(f"{counts[verdict.member] or '-':>6}" for verdict in _SHORT)
        return Text.assemble(
            (f"{mark} ", style),
            f"{connection.id:>3} {_ends(connection):<{self._width}} ",
            f"{application_of(connection, session.registry):<4.8} {state_of(connection):<14} ",
            f"{sum(counts.values()):>7} {numbers} {'-' if failure is None else failure[1]:>6} ",
            f"{keys_in_use(connection)}  {sparkline(session.analysis.activity.get(connection.id, ()))}",
        )

    def _tell_facts(self) -> None:
        chosen = self.connection_at(self.list.cursor)
        report = self._session.analysis.report
        if chosen is None or report is None:
            self.query_one("#connection-facts", Static).update("")
            return
        self.query_one("#connection-facts", Static).update(_facts(chosen, report))


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
        f"frames {connection.first_frame}–{connection.last_frame}, ISNs from {connection.isn_source.word}, "
        f"{len(connection.transitions)} changes of keys"
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
