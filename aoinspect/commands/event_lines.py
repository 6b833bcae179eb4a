"""Printing what happens while a capture is read, in either form. Every line is whole and flushed before the next.

A teller is given the rows of each batch, asked when nothing comes, and given the Report at the end.
"""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from aoinspect.engine.findings import Policy
from aoinspect.engine.live import (
    ConnectionEvent,
    Event,
    FindingEvent,
    RollOverEvent,
    TransitionEvent,
    VerdictEvent,
    Watch,
)
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.table import Rows
from aoinspect.report.event_json import event_object, summary_object
from aoinspect.report.json_form import JsonObject, SegmentLines
from aoinspect.report.model import Report

if TYPE_CHECKING:
    from rich.console import Console

_KINDS: dict[str, type[Event]] = {
    "connection": ConnectionEvent,
    "verdict": VerdictEvent,
    "transition": TransitionEvent,
    "sne": RollOverEvent,
    "finding": FindingEvent,
}
"""What `--events` calls them."""


class Teller(ABC):
    """Tells the events of a run, those of the kinds that are wanted."""

    def __init__(self, analyzer: Analyzer, kinds: frozenset[str], policy: Policy) -> None:
        self._analyzer = analyzer
        self._has_summary = "summary" in kinds
        self._wanted = tuple(kind for name, kind in _KINDS.items() if name in kinds)
        self._watch = Watch(analyzer, policy) if self._wanted or self._has_summary else None

    def take(self, rows: Rows) -> None:
        """Tells what a batch brings; these are its rows."""
        if self._watch is not None:
            self._tell(self._watch.take(rows))
        self._analyzer.forget_long_macs()

    def idle(self) -> float | None:
        """Tells what can be told when nothing comes; after how many seconds to ask again, None: there is no need."""
        if self._watch is None:
            return None
        events, pause = self._watch.idle()
        self._tell(events)
        return pause

    def finish(self, report: Report) -> None:
        """Tells the rest, and the summary."""
        if self._watch is not None:
            self._tell(self._watch.finish(report.connections, report.findings))
        if self._has_summary:
            self._sum_up(report)

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, self._wanted):
                self._print(event)

    @abstractmethod
    def _print(self, event: Event) -> None: ...

    @abstractmethod
    def _sum_up(self, report: Report) -> None: ...


class JsonTeller(Teller):
    """JSON Lines on stdout."""

    def __init__(
        self, analyzer: Analyzer, kinds: frozenset[str], policy: Policy, *, names_captures: bool = False
    ) -> None:
        """`names_captures`: the run has several captures, so each frame has its capture's index beside it."""
        super().__init__(analyzer, kinds, policy)
        self._names_captures = names_captures
        self._segments = SegmentLines(analyzer, names_captures=names_captures) if "segment" in kinds else None

    def take(self, rows: Rows) -> None:
        if self._segments is not None:
            sys.stdout.writelines(f"{line}\n" for line in self._segments.lines(rows))
            # Whoever reads a live pipe's verdicts wants them now.
            sys.stdout.flush()
        super().take(rows)

    def _print(self, event: Event) -> None:
        self._write(event_object(event, names_captures=self._names_captures))

    def _sum_up(self, report: Report) -> None:
        untold = 0 if self._watch is None else self._watch.untold_findings
        self._write(summary_object(report, untold_findings=untold))

    def _write(self, told: JsonObject) -> None:
        print(json.dumps(told, ensure_ascii=False), flush=True)


class TextTeller(Teller):
    """Lines for a person, and the Report's page at the end."""

    def __init__(
        self,
        analyzer: Analyzer,
        kinds: frozenset[str],
        policy: Policy,
        open_console: Callable[[], Console],
        *,
        list_all: bool = False,
    ) -> None:
        """`list_all`: the page leaves nothing out."""
        from aoinspect.report.event_text import EventLines

        super().__init__(analyzer, kinds, policy)
        self._console = open_console()
        self._lines = EventLines(self._console.encoding, has_keys=bool(analyzer.keyring.store.paths))
        self._lists_all = list_all
        self._has_told = False

    def _print(self, event: Event) -> None:
        line = self._lines.line(event)
        if line is not None:
            # It flushes by itself.
            self._console.print(line, soft_wrap=True)
            self._has_told = True

    def _sum_up(self, report: Report) -> None:
        from aoinspect.report.text import print_report

        if self._has_told:
            self._console.print()
        print_report(report, self._console, list_all=self._lists_all)
