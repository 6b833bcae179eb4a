"""The same traffic as somebody behind a middlebox captures it: each test rewrites one thing.

`Passing` is one segment on its way, open for changes; `seen_from_the_other_side` is the second capture, with lengths
and checksums right again.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from aoinspect.capture.reader import open_capture
from aoinspect.engine.comparison import Comparison, compare_captures
from aoinspect.engine.comparison.model import ConnectionComparison, FieldChange
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.single_frame import CaptureSource
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from tests.conversation import Capture, Conversation
from tests.packets import Record, ethernet, internet_checksum, with_tcp_checksum, write_pcap

WAY_NS = 200_000
"""Less than the time between two frames, so that both captures have them in the same order."""
CLOCK_NS = 3_600_000_000_000
"""The second capture's clock goes an hour before."""


@dataclass
class Passing:
    """One segment in an IPv4 or IPv6 packet."""

    direction: str
    header: bytearray
    """IP's, without extension headers."""
    fixed: bytearray
    """The first 20 octets of TCP's header."""
    options: bytes
    payload: bytes

    @classmethod
    def of(cls, packet: bytes, direction: str) -> Passing:
        length = 40 if packet[0] >> 4 == 6 else 20
        tcp = packet[length:]
        end = (tcp[12] >> 4) * 4
        return cls(direction, bytearray(packet[:length]), bytearray(tcp[:20]), tcp[20:end], tcp[end:])

    @property
    def is_ipv6(self) -> bool:
        return self.header[0] >> 4 == 6

    @property
    def is_syn(self) -> bool:
        return bool(self.fixed[13] & 2)

    @property
    def has_ack(self) -> bool:
        return bool(self.fixed[13] & 16)

    def number(self, at: int, width: int) -> int:
        """A field of the TCP header."""
        return int.from_bytes(self.fixed[at : at + width], "big")

    def write(self, at: int, width: int, value: int) -> None:
        self.fixed[at : at + width] = (value % 256**width).to_bytes(width, "big")

    def address(self, which: int) -> str:
        """Source (0) or destination (1)."""
        start, width = (8, 16) if self.is_ipv6 else (12, 4)
        return str(ip_address(bytes(self.header[start + which * width : start + (which + 1) * width])))

    def readdress(self, which: int, address: str) -> None:
        start, width = (8, 16) if self.is_ipv6 else (12, 4)
        self.header[start + which * width : start + (which + 1) * width] = ip_address(address).packed

    def replace_option(self, kind: int, replacement: bytes) -> None:
        """Writes `replacement` in the place of the option; the option space is padded with NOPs."""
        at = 0
        while at < len(self.options):
            length = 1 if self.options[at] < 2 else self.options[at + 1]
            if self.options[at] == kind:
                whole = self.options[:at] + replacement + self.options[at + length :]
                self.options = whole + b"\x01" * (-len(whole) % 4)
                return
            at += length

    def has_option(self, kind: int) -> bool:
        before = self.options
        self.replace_option(kind, b"")
        found, self.options = self.options != before, before
        return found

    def packet(self) -> bytes:
        """The packet, whole again."""
        self.fixed[12] = (20 + len(self.options)) // 4 << 4 | self.fixed[12] & 0x0F
        tcp = with_tcp_checksum(self.address(0), self.address(1), bytes(self.fixed) + self.options + self.payload)
        header = self.header
        if self.is_ipv6:
            header[4:6] = len(tcp).to_bytes(2, "big")
        else:
            header[2:4] = (20 + len(tcp)).to_bytes(2, "big")
            header[10:12] = bytes(2)
            header[10:12] = internet_checksum(bytes(header)).to_bytes(2, "big")
        return bytes(header) + tcp


Rewrite = Callable[[Passing], None]


def route(passing: Passing) -> None:
    """What any router does: from a to b the TTL is one lower in the second capture, the other way one higher."""
    at = 7 if passing.is_ipv6 else 8
    passing.header[at] += -1 if passing.direction == "a>b" else 1


def seen_from_the_other_side(
    capture: Capture,
    rewrite: Rewrite = lambda passing: None,
    *,
    lost: Container[int] = (),
    copied: Container[int] = (),
    hops: bool = True,
) -> bytes:
    """The second capture; `lost` and `copied` are frame numbers of the first. `hops`: the TTL tells the way."""
    records = []
    for number, segment in enumerate(capture.segments, 1):
        if number in lost:
            continue
        passing = Passing.of(segment.packet, segment.direction)
        if hops:
            route(passing)
        rewrite(passing)
        frame = ethernet(passing.packet())
        time_ns = segment.time_ns + CLOCK_NS + (WAY_NS if segment.direction == "a>b" else -WAY_NS)
        records.append(Record(frame, len(frame), time_ns))
        if number in copied:
            records.append(Record(frame, len(frame), time_ns + 1))
    return write_pcap(sorted(records, key=lambda record: record.time_ns))


def signed_on_both_sides(a_knows: Capture, b_knows: Capture, *, to_b: Rewrite, to_a: Rewrite) -> tuple[bytes, bytes]:
    """Two captures of a session whose ends each sign what they know, with a middlebox between.

    `a_knows` and `b_knows` are the same conversation as each end has it: what a sends is taken from the one and
    rewritten by `to_b` for the second capture, what b sends from the other and rewritten by `to_a` for the first.
    """
    first: list[Record] = []
    second: list[Record] = []
    for one, other in zip(a_knows.segments, b_knows.segments, strict=True):
        sent = one if one.direction == "a>b" else other
        passing = Passing.of(sent.packet, sent.direction)
        passing.header[7 if passing.is_ipv6 else 8] -= 1
        (to_b if sent.direction == "a>b" else to_a)(passing)
        frames = (ethernet(sent.packet), ethernet(passing.packet()))
        if sent.direction == "b>a":
            frames = frames[::-1]
        way_ns = WAY_NS if sent.direction == "a>b" else -WAY_NS
        for records, frame, time_ns in ((first, frames[0], 0), (second, frames[1], CLOCK_NS + way_ns)):
            records.append(Record(frame, len(frame), sent.time_ns + time_ns))
    return write_pcap(first), write_pcap(sorted(second, key=lambda record: record.time_ns))


def compare_files(path_a: Path | str, path_b: Path | str, store: KeyStore) -> Comparison:
    """The two captures through the engine."""
    with CaptureSource(str(path_a)) as source_a, CaptureSource(str(path_b)) as source_b:
        analyzers = []
        for source in (source_a, source_b):
            analyzer = Analyzer(store)
            with open_capture(source.path) as reader:
                analyse([reader], analyzer)
            analyzers.append(analyzer)
        return compare_captures(analyzers[0], analyzers[1], source_a, source_b)


def compare(a: bytes, b: bytes, keys: str, folder: Path) -> Comparison:
    """Two captures as octets, with a key file as text; no keys where that is empty."""
    (folder / "a.pcap").write_bytes(a)
    (folder / "b.pcap").write_bytes(b)
    (folder / "keys.toml").write_text(keys)
    store = load_keys([str(folder / "keys.toml")]) if keys else KeyStore()
    return compare_files(folder / "a.pcap", folder / "b.pcap", store)


def compare_rewritten(
    conversation: Conversation,
    folder: Path,
    rewrite: Rewrite = lambda passing: None,
    *,
    lost: Container[int] = (),
    copied: Container[int] = (),
    hops: bool = True,
) -> ConnectionComparison:
    """The one connection of a conversation, from both sides."""
    capture = conversation.capture()
    other = seen_from_the_other_side(capture, rewrite, lost=lost, copied=copied, hops=hops)
    comparison = compare(capture.to_pcap(), other, capture.key_file(), folder)
    (connection,) = comparison.connections
    return connection


def rewritten(connection: ConnectionComparison) -> dict[tuple[str, str, str], FieldChange]:
    """(direction, field, how) -> what was found, without what routers do to the TTL."""
    return {
        (change.direction, change.field.value, change.how.value): change
        for change in connection.changes
        if change.field.value != "ttl"
    }
