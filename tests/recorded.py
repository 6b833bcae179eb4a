"""Captures of real kernels and daemons, where they lie, and what the product says of them.

A capture is `NAME.pcap` with `NAME.json` (its facts) and `NAME.toml` (its keys). Small ones are in tests/captures or
samples/pcaps; the larger ones lie beside the project in ../shared/captures, and what reads them is skipped where that
folder is absent.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from aoinspect.capture.reader import open_capture
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.table import Rows
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.json_form import JsonObject, SegmentLines, report_object
from aoinspect.report.model import Report, build_report
from tests.recorded_facts import Facts, read_facts

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SAMPLES = PROJECT_ROOT / "samples" / "pcaps"
SMALL = PROJECT_ROOT / "tests" / "captures"
SHARED = PROJECT_ROOT.parent / "shared" / "captures"

LARGER = (
    "both-wrap-linux6.18",
    "ecn-ce",
    "exopt-sackblocks",
    "mid-both-wrap-linux6.18",
    "mid-sne-5-nowrap",
    "mid-sne-high",
    "netem-A",
    "netem-B",
    "offload-on-A",
    "offload-on-B",
    "offload-on-md5",
    "offload-on-plain",
    "rotation-lossy",
    "rotation-lossy-B",
    "router-any",
    "rr-1000-start",
    "rxdrop-A",
    "rxdrop-B",
    "wrap-2MiB-linux6.18",
    "wrap-lossy",
    "wrap-lossy-B",
)
"""Of 32 KB and more; they are not kept in the project."""


@dataclass(frozen=True, slots=True)
class RecordedCapture:
    """One capture with what belongs to it."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name.partition(".pcap")[0]

    @property
    def facts(self) -> Facts:
        return read_facts(self.path.with_name(f"{self.name}.json"))

    @property
    def keys(self) -> Path:
        return self.path.with_name(f"{self.name}.toml")


def captures_in(folder: Path) -> list[RecordedCapture]:
    """The captures of one folder, compressed ones included, in the order of their names."""
    return sorted(
        (RecordedCapture(path) for path in folder.glob("*.pcap*") if path.suffix in (".pcap", ".pcapng", ".gz")),
        key=lambda capture: capture.name,
    )


OWN_CAPTURES = sorted(captures_in(SMALL) + captures_in(SAMPLES), key=lambda capture: capture.name)


def larger_capture(name: str) -> RecordedCapture:
    packed = SHARED / f"{name}.pcap.gz"
    return RecordedCapture(packed if packed.exists() else SHARED / f"{name}.pcap")


def parameters(is_wanted: Callable[[str], bool] = lambda name: True, *, own_only: bool = False) -> list[ParameterSet]:
    """The captures whose name is wanted, as pytest's parameters."""
    own = [pytest.param(capture, id=capture.name) for capture in OWN_CAPTURES if is_wanted(capture.name)]
    if own_only:
        return own
    absent = pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project")
    return own + [
        pytest.param(larger_capture(name), id=name, marks=[pytest.mark.shared, absent])
        for name in LARGER
        if is_wanted(name)
    ]


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """One object of `--format jsonl`; members that are not told apart here are in no test."""

    frame: int
    time: str
    connection: int
    direction: str
    src: str
    dst: str
    flags: str
    seq: int
    payload_length: int
    method: str
    key_id: int | None
    rnext_key_id: int | None
    mac: str | None
    sne: int | None
    mkt: str | None
    verdict: str
    reason: str | None
    ends_disagree: bool = False

    @property
    def time_ns(self) -> int:
        seconds, _, nanoseconds = self.time.removesuffix("Z").partition(".")
        return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(nanoseconds)

    @property
    def position_behind(self) -> int:
        """SNE and sequence number, as one number, of the octet that follows this segment's last."""
        assert self.sne is not None
        return (self.sne << 32 | self.seq) + self.payload_length + ("S" in self.flags) + ("F" in self.flags)


_FIELDS = frozenset(field.name for field in dataclasses.fields(SegmentLine))


def segment_line(text: str) -> SegmentLine:
    told = json.loads(text)
    assert told["type"] == "segment"
    return SegmentLine(**{name: value for name, value in told.items() if name in _FIELDS})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the product says of a capture."""

    report: Report
    report_object: JsonObject
    texts: tuple[str, ...]
    """The JSON Lines as printed."""
    lines: tuple[SegmentLine, ...]


def judge(path: Path, store: KeyStore, batch_frames: int | None = None) -> Outcome:
    """`aoinspect verify` on `path`, told as objects; `batch_frames` is the size of a batch."""
    analyzer = Analyzer(store)
    lines = SegmentLines(analyzer)
    texts: list[str] = []

    def take(rows: Rows) -> None:
        texts.extend(lines.lines(rows))

    with open_capture(path) if batch_frames is None else open_capture(path, batch_frames=batch_frames) as reader:
        analyse([reader], analyzer, on_rows=take)
    report = build_report(analyzer)
    return Outcome(report, report_object(report), tuple(texts), tuple(map(segment_line, texts)))


@cache
def outcome(capture: RecordedCapture) -> Outcome:
    """What the product says of `capture` with the keys of both ends, read in batches of the usual size."""
    return judge(capture.path, load_keys([str(capture.keys)]))


def keys_of_host(capture: RecordedCapture, host: str) -> KeyStore:
    """The key file of `capture` with nothing but the peers that `host` itself has; `[[connection]]` entries stay."""
    store = load_keys([str(capture.keys)])
    facts = capture.facts
    own_addresses, own_mkts = facts.addresses[host], facts.one_host[host].mkts
    peers = tuple(
        peer
        for peer in store.peers
        if peer.local is not None
        and str(peer.local.network_address) in own_addresses
        and {mkt.name for mkt in peer.mkts} <= own_mkts
    )
    return dataclasses.replace(store, peers=peers)


def by_direction(lines: Iterable[SegmentLine]) -> dict[tuple[int, str, str], list[SegmentLine]]:
    """(connection, src, dst) -> its segments, in capture order."""
    found: dict[tuple[int, str, str], list[SegmentLine]] = {}
    for line in lines:
        found.setdefault((line.connection, line.src, line.dst), []).append(line)
    return found
