"""`aoinspect verify - --follow`: what happens on a capture that is still being made, as it comes.

A pipe or FIFO ends with its writer; a file goes on until SIGINT or SIGTERM, also under a new file of its name. However
it ends, the rest is told, a summary printed, and the verdicts decide the exit status. A second signal ends at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from aoinspect.capture.frames import Damage
from aoinspect.capture.reader import CaptureReader, open_capture
from aoinspect.capture.stored import Attendance
from aoinspect.commands.event_lines import JsonTeller, Teller, TextTeller
from aoinspect.commands.shared import SharedParts, apply_filter, limits_of
from aoinspect.commands.verify import EVENT_KINDS, demand_something_read, narrate, print_report_as
from aoinspect.engine.findings import Policy
from aoinspect.engine.reading import analyse
from aoinspect.engine.table import EMPTY, Rows
from aoinspect.errors import CaptureError
from aoinspect.progress import InterruptibleAnalyzer, Interruption
from aoinspect.report.model import build_report

if TYPE_CHECKING:
    from aoinspect.engine.filtering import Filter
    from aoinspect.keys.model import KeyStore
    from dissectors.registry import Registry

ALL_BUT_SEGMENTS = frozenset(EVENT_KINDS) - {"segment"}


def follow(
    options: argparse.Namespace, store: KeyStore, registry: Registry, chosen: Filter | None, shared: SharedParts
) -> int:
    """Follows the one capture that `options` name; the exit status. CaptureError where it cannot be opened."""
    policy = Policy(options.policy)
    with Interruption(takes_sigterm=True) as interruption:
        following = _Following(options, store, registry, chosen, shared, interruption)
        following.run()
        report = build_report(following.analyzer, policy)
        demand_something_read(report)
        if following.teller is not None:
            following.teller.finish(report)
        else:
            print_report_as(report, options, shared.open_console)
        if not options.quiet:
            narrate(report, registry, shared.tell, is_text=options.format == "text")
    return report.exit_code


class _Following:
    """One capture being followed."""

    def __init__(
        self,
        options: argparse.Namespace,
        store: KeyStore,
        registry: Registry,
        chosen: Filter | None,
        shared: SharedParts,
        interruption: Interruption,
    ) -> None:
        self._path: str = options.captures[0]
        self._interruption = interruption
        self._say: Callable[[str], None] = (lambda line: None) if options.quiet else shared.tell
        self._asks_for_handshakes = bool(store.peers)
        self.analyzer = InterruptibleAnalyzer(
            store,
            registry,
            interruption,
            make_rows=options.format != "json",
            count_streams=chosen is not None and chosen.names_stream,
            dedupe_ns=options.dedupe_ns,
            limits=limits_of(options),
        )
        apply_filter(chosen, self.analyzer)
        self.teller: Teller | None = None
        """None where there is only a report at the end."""
        kinds = options.events or ALL_BUT_SEGMENTS
        policy = Policy(options.policy)
        if options.format == "jsonl":
            self.teller = JsonTeller(self.analyzer, kinds, policy)
        elif options.format == "text":
            self.teller = TextTeller(self.analyzer, kinds, policy, shared.open_console, list_all=options.all)

    def run(self) -> None:
        """Reads until the capture or the user ends it."""
        # Where it is not noted by `analyse`, a capture's first octets were waited for.
        with suppress(KeyboardInterrupt):
            for reader in self._readers():
                analyse([reader], self.analyzer, on_rows=self._take, progress=self._after_batch)
        # It is how this ends.
        self.analyzer.totals.is_interrupted = False

    def _readers(self) -> Iterator[CaptureReader]:
        """The capture, and what has its name after it."""
        attendance = Attendance(self._idle, _descriptor_of_stdout())
        is_first = True
        while True:
            try:
                reader = open_capture(self._path, is_followed=True, attendance=attendance)
            except CaptureError as error:
                if is_first:
                    raise
                message = str(error).removeprefix(f"{self._path}: ")
                self.analyzer.begin_capture(self._path, []).damage = Damage(0, message)
                return
            is_first = False
            with reader:
                yield reader
            if reader.succession is None or self.analyzer.totals.is_interrupted:
                return
            if self._path == "-":
                self._say(f"-: {reader.succession}, and standard input cannot be opened again")
                return
            self._say(f"{self._path}: {reader.succession}: going on with what is there now")

    def _take(self, rows: Rows) -> None:
        if self.teller is not None:
            with self._interruption.held():
                self.teller.take(rows)

    def _idle(self) -> float | None:
        pause = None
        if self.teller is not None:
            with self._interruption.held():
                pause = self.teller.idle()
            self._interruption.raise_if_pending()
        return pause

    def _after_batch(self, reader: CaptureReader) -> None:
        # Nobody asks for them, and there may be one on every packet.
        reader.comments.clear()
        if self._asks_for_handshakes and self.analyzer.unplaced.by_connection:
            self._asks_for_handshakes = False
            self._say(
                "the ISNs of connections whose handshake is missing are not searched while following: "
                "name them in [[connection]], or save the capture and verify it"
            )
        # Frames that nothing is told of are time that passes.
        self._take(EMPTY)
        self._interruption.raise_if_pending()


def _descriptor_of_stdout() -> int | None:
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return None
