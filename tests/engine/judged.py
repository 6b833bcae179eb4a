"""What the engine says of captures that tests make, in words."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.verdicts import NO_MKT, Coverage, Reason, Verdict
from aoinspect.keys.model import KeyStore
from aoinspect.keys.toml_file import parse_key_file
from aoinspect.report.json_form import JsonObject, report_object
from aoinspect.report.model import Report, build_report
from tests.conversation import Capture, Conversation
from tests.packets import ETHERNET, Encapsulate, Record, ethernet, write_pcap


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    frame: int
    connection: int
    direction: str
    verdict: str
    reason: str | None
    mkt: str | None
    sne: int | None
    coverage: str
    is_refused: bool

    @property
    def outcome(self) -> tuple[str, str | None]:
        """Verdict and reason."""
        return self.verdict, self.reason


@dataclass(frozen=True, slots=True)
class Judged:
    """An analysed capture."""

    lines: tuple[Line, ...]
    analyzer: Analyzer
    report: Report

    @property
    def by_frame(self) -> dict[int, Line]:
        return {line.frame: line for line in self.lines}

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """Verdict and reason of each row, in order."""
        return [line.outcome for line in self.lines]

    @property
    def verdicts(self) -> list[str]:
        return [line.verdict for line in self.lines]

    @property
    def object(self) -> JsonObject:
        """The report as JSON has it."""
        return report_object(self.report)


@cache
def store_of(key_file: str) -> KeyStore:
    """The keys of a TOML text."""
    return parse_key_file(key_file, "keys.toml")


def judge(capture: bytes, keys: str | KeyStore, batch_frames: int = 32768) -> Judged:
    """Analyses a capture file in batches of so many frames."""
    analyzer = Analyzer(store_of(keys) if isinstance(keys, str) else keys)
    with open_capture(io.BytesIO(capture), batch_frames=batch_frames) as reader:
        analyse([reader], analyzer)
    assert analyzer.table is not None
    rows = analyzer.table.rows
    lines = tuple(
        Line(
            frame=int(rows.frame[row]),
            connection=int(rows.connection[row]),
            direction="b>a" if rows.direction[row] else "a>b",
            verdict=Verdict(int(rows.verdict[row])).word,
            reason=None if rows.reason[row] == Reason.NONE else Reason(int(rows.reason[row])).word,
            mkt=None if rows.mkt[row] == NO_MKT else analyzer.keyring.mkts[int(rows.mkt[row])].name,
            sne=int(rows.sne[row]) if rows.has_sne[row] else None,
            coverage=Coverage(int(rows.coverage[row])).word,
            is_refused=bool(rows.is_refused[row]),
        )
        for row in range(len(rows.frame))
    )
    return Judged(lines, analyzer, build_report(analyzer))


def judge_told(
    told: Conversation | Capture,
    key_file: str | None = None,
    *,
    with_connections: bool = False,
    batch_frames: int = 32768,
) -> Judged:
    """Analyses a conversation with its own key file, or another."""
    keys = told.key_file(with_connections=with_connections) if key_file is None else key_file
    return judge(told.to_pcap(), keys, batch_frames)


def judge_packets(
    packets: list[bytes],
    keys: str | KeyStore,
    *,
    encapsulate: Encapsulate = ethernet,
    link_type: int = ETHERNET,
    batch_frames: int = 32768,
) -> Judged:
    """Analyses IP packets, each in a frame of its own."""
    return judge(capture_of([encapsulate(packet) for packet in packets], link_type), keys, batch_frames)


def capture_of(frames: list[bytes], link_type: int = ETHERNET) -> bytes:
    """A capture of whole frames, a millisecond apart."""
    records = [
        Record(frame, len(frame), 1_790_000_000_000_000_000 + number * 1_000_000) for number, frame in enumerate(frames)
    ]
    return write_pcap(records, link_type=link_type)


def assert_alike_in_any_batches(capture: bytes, keys: str | KeyStore, sizes: tuple[int, ...] = (1, 2, 3, 7)) -> Judged:
    """The outcome, the same rows and Report whatever the batches."""
    whole = judge(capture, keys)
    for size in sizes:
        pieces = judge(capture, keys, size)
        assert pieces.lines == whole.lines, [
            (size, ours, theirs) for ours, theirs in zip(pieces.lines, whole.lines, strict=False) if ours != theirs
        ]
        assert pieces.object == whole.object, size
    return whole
