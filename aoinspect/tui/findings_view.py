"""The findings view: what was found, worst first, and of the chosen one evidence and remedy."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from aoinspect.engine.findings import Finding
from aoinspect.engine.findings.model import Severity
from aoinspect.report.layout import printable
from aoinspect.tui.line_list import LineList
from aoinspect.tui.session import Session
from aoinspect.tui.text_pane import TextPane

_MARKS = {Severity.ERROR: ("✗", "bold red"), Severity.WARNING: ("!", "yellow"), Severity.NOTE: ("i", "cyan")}
_ORDER = list(Severity)


class FindingsView(Vertical):
    """The view."""

    DEFAULT_CSS = "FindingsView #finding-facts { height: 1fr; border-top: solid $primary; }"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._findings: list[Finding] = []

    def compose(self) -> ComposeResult:
        yield LineList(id="finding-list", header=lambda: "  severity frame      what", widest=400)
        yield TextPane(id="finding-facts")

    @property
    def list(self) -> LineList:
        return self.query_one("#finding-list", LineList)

    @property
    def chosen(self) -> Finding | None:
        """The finding under the cursor."""
        return self._findings[self.list.cursor] if self.list.cursor < len(self._findings) else None

    def refresh_session(self) -> None:
        """Shows the findings as known by now; the cursor stays on its finding."""
        chosen = self.chosen
        report = self._session.analysis.report
        found = () if report is None else report.findings
        self._findings = sorted(found, key=lambda finding: _ORDER.index(finding.severity))
        is_whole = self._session.analysis.is_finished
        self.list.empty_text = "nothing was found" if is_whole else "nothing was found yet"
        places = [place for place, finding in enumerate(self._findings) if chosen and _is_same(finding, chosen)]
        self.list.show(len(self._findings), self._line, cursor=places[0] if places else None)
        self._tell_details()

    def on_line_list_moved(self) -> None:
        if self.list.has_focus:
            self.choose()
        self._tell_details()

    def choose(self) -> None:
        """Chooses the packet and the connection that the finding under the cursor is about."""
        finding, session = self.chosen, self._session
        row = None if finding is None or finding.frame is None else session.row_of_frame(finding.frame)
        if row is not None:
            session.choose(row)
        elif finding is not None and finding.connection is not None:
            session.choose_connection(finding.connection)

    def _line(self, position: int) -> Text:
        finding = self._findings[position]
        mark, style = _MARKS[finding.severity]
        place = "-" if finding.frame is None else str(finding.frame)
        words = f"{finding.ident}: {printable(finding.message)}"
        return Text.assemble((f"{mark} {finding.severity.value:<8}", style), f" {place:<10} {words}")

    def _tell_details(self) -> None:
        finding = self.chosen
        details = Text()
        if finding is not None:
            connection = "" if finding.connection is None else f" on connection #{finding.connection}"
            for label, words in (
                (f"{finding.ident} ({finding.reference}){connection}", ""),
                ("", finding.message),
                ("evidence: ", finding.evidence),
                ("try: ", finding.remedy),
            ):
                details.append(label, "bold").append(f"{printable(words)}\n")
        self.query_one("#finding-facts", TextPane).show(details)


def _is_same(one: Finding, other: Finding) -> bool:
    """Whether both are about one thing, of which more may be known by now."""
    return (one.ident, one.connection, one.frame) == (other.ident, other.connection, other.frame)
