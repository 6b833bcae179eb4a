"""What the save menu offers, entry by entry: its key, its words, the name proposed, and what writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from aoinspect.engine.pipeline import Progress
from aoinspect.engine.results import ConnectionResult
from aoinspect.errors import UsageError
from aoinspect.report.model import Report
from aoinspect.tui.saving import (
    save_annotated,
    save_keys,
    save_packets,
    save_page,
    save_report,
    save_resigned,
    save_timeline,
)
from aoinspect.tui.session import Session

_CAPTURE_SUFFIXES = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz")

Write = Callable[[Session, str, bool, Progress], str]
"""(session, path, whether a file there is replaced, progress) -> what was done, in words."""


@dataclass(frozen=True, slots=True)
class Saving:
    """One entry. What it writes raises UsageError and CaptureError, and KeyboardInterrupt that `progress` raised."""

    key: str
    words: str
    ending: str
    """Of the name that is proposed; `{suffix}` is that of the capture."""
    write: Write
    tells_what_was_read: bool = True
    """It has only what was read by then, where reading goes on."""
    reads_anew: bool = False
    """It reads the file again, and so has only what came by then of a pipe."""

    def proposed(self, capture: str) -> str:
        """A name in the present directory for what is made from `capture`."""
        name = PurePath("capture.pcap" if capture == "-" else capture).name
        stem = name.partition(".")[0] or "capture"
        suffix = next((suffix for suffix in _CAPTURE_SUFFIXES if name == stem + suffix), ".pcap")
        return stem + self.ending.format(suffix=suffix)


def _keys(session: Session, path: str, replaces: bool, progress: Progress) -> str:
    return save_keys(session.store, path, replaces=replaces)


def _packets(session: Session, path: str, replaces: bool, progress: Progress) -> str:
    return save_packets(session, path, progress, replaces=replaces)


def _resigned(session: Session, path: str, replaces: bool, progress: Progress) -> str:
    return save_resigned(session, path, progress, replaces=replaces)


def _annotated(session: Session, path: str, replaces: bool, progress: Progress) -> str:
    return save_annotated(session, path, progress, replaces=replaces)


def _timeline(session: Session, path: str, replaces: bool, progress: Progress) -> str:
    return save_timeline(_chosen(session), _report(session), session.axis_unit, path, replaces=replaces)


def _json(session: Session, path: str, replaces: bool, progress: Progress) -> str:
    return save_report(_report(session), path, replaces=replaces)


def _page(session: Session, path: str, replaces: bool, progress: Progress) -> str:
    return save_page(_report(session), path, replaces=replaces)


def _report(session: Session) -> Report:
    if session.analysis.report is None:
        raise UsageError("nothing is known yet")
    return session.analysis.report


def _chosen(session: Session) -> ConnectionResult:
    chosen = session.connection_of(session.connection)
    if chosen is None:
        raise UsageError("no connection is chosen")
    return chosen


SAVINGS = (
    Saving("k", "the keys as they are now, as a key file", "-keys.toml", _keys, tells_what_was_read=False),
    Saving("p", "the packets that are shown, as a capture", "-shown{suffix}", _packets),
    Saving(
        "s",
        "the whole capture, signed right under these keys",
        "-resigned{suffix}",
        _resigned,
        reads_anew=True,
    ),
    Saving("a", "the whole capture, with the verdicts as comments for Wireshark", "-annotated.pcapng", _annotated),
    Saving("t", "the timeline of the chosen connection, as SVG", "-timeline.svg", _timeline),
    Saving("r", "the Report, as JSON", "-report.json", _json),
    Saving("h", "the Report, as a page for a browser", "-report.html", _page),
)
