"""A capture together with the truth about it: what every frame is, and the key file to give with it.

`Conversation` makes these; `merge` puts several conversations into one. The facts are what the sender did,
never what a verifier found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import packets
from tests.packets import ByteOrder, Encapsulate, Record
from tests.planned_segment import Flag, PlannedSegment, Socket, build_packet
from tests.reference_signer import AO_KIND, MD5_KIND, TCP_MD5, Key

if TYPE_CHECKING:
    from tests.conversation import Conversation


@dataclass(frozen=True, slots=True)
class CapturedSegment:
    """One frame of a capture, and what a verifier who has the keys and both ISNs must say of it."""

    plan: PlannedSegment
    packet: bytes
    """From the IP header on."""
    time_ns: int
    direction: str
    """"a>b" or "b>a"; the client is a."""
    conversation: str
    """The same for all segments of one conversation, and for no other."""
    verdict: str | None
    """None: anything but "verified". Where a conversation has no keys at all, "unsigned" means no row."""
    reason: str | None = None
    cut_to: int | None = None
    """Octets of the packet that were captured; None: all."""

    @property
    def src(self) -> str:
        """Who sent it."""
        return str(self.plan.source)

    @property
    def dst(self) -> str:
        return str(self.plan.destination)

    @property
    def mkt(self) -> str | None:
        """Name of the key that signed it."""
        return None if self.plan.key is None else self.plan.key.name

    @property
    def method(self) -> str | None:
        """ "ao", "md5" or None."""
        if self.plan.key is None:
            return None
        return "md5" if self.plan.key.algorithm == TCP_MD5 else "ao"

    @property
    def segment(self) -> bytes:
        """From the TCP header on."""
        return self.packet[40:] if self.packet[0] >> 4 == 6 else self.packet[20:]

    @property
    def mac(self) -> bytes:
        """The MAC or digest in the option; empty where there is none."""
        if self.plan.key is None:
            return b""
        kind, header_octets = (MD5_KIND, 2) if self.method == "md5" else (AO_KIND, 4)
        start = 20 if self.plan.option_first else 20 + len(self.plan.other_options)
        if self.segment[start] != kind:
            return b""
        return self.segment[start + header_octets : start + self.segment[start + 1]]


def with_plan(segment: CapturedSegment, plan: PlannedSegment, verdict: str | None) -> CapturedSegment:
    """The same frame with other content."""
    return dataclasses.replace(segment, plan=plan, packet=build_packet(plan), verdict=verdict)


def tells_isns(segments: Iterable[CapturedSegment]) -> bool:
    """Whether one conversation's captured segments alone tell both ISNs (design.md, "Connections")."""
    saw_syn_of: set[str] = set()
    for segment in segments:
        plan = segment.plan
        ack_is_first = plan.ack == (plan.destination_isn + 1) % 2**32 and bool(plan.flags & Flag.ACK)
        if plan.flags & Flag.SYN:
            if plan.flags & Flag.ACK:
                return True
            saw_syn_of.add(segment.direction)
        elif ack_is_first and (plan.position == plan.source_isn + 1 or segment.direction in saw_syn_of):
            return True
        if len(saw_syn_of) == 2:
            return True
    return False


def known_connection(a: Socket, b: Socket, isns: tuple[int, int], segments: Sequence[CapturedSegment]) -> str:
    """A `[[connection]]` of a key file; the SNEs are those of the first segment captured from each end."""
    lines = ["[[connection]]", f'local = "{a}"', f'remote = "{b}"']
    for end, isn, direction in (("local", isns[0], "a>b"), ("remote", isns[1], "b>a")):
        lines.append(f"{end}-isn = {isn:#x}")
        first = next((segment for segment in segments if segment.direction == direction), None)
        if first is not None:
            lines.append(f"{end}-sne = {first.plan.sne}")
    return "\n".join(lines) + "\n"


def peer_with_keys(local: Socket, remote: Socket, keys: Iterable[Key], seen_from_client: bool, port: int) -> str:
    """A `[[peer]]` of a key file with keys of its own."""
    lines = ["[[peer]]", f'local = "{local.address}"', f'remote = "{remote.address}"', f"port = {port}"]
    for key in keys:
        lines += ["", "  [[peer.key]]", f'  name = "{key.name}"']
        if key.algorithm != TCP_MD5:
            ids = (key.send_id, key.recv_id) if seen_from_client else (key.recv_id, key.send_id)
            lines += [f"  send-id = {ids[0]}", f"  recv-id = {ids[1]}"]
            lines.append(f"  mac-length = {key.wire_mac_length}")
            lines.append(f'  tcp-options = "{"include" if key.include_options else "exclude"}"')
        lines += [f'  algorithm = "{key.algorithm}"', f'  secret-hex = "{key.secret.hex()}"']
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Capture:
    """Segments in capture order: frame number n is `segments[n - 1]`."""

    segments: tuple[CapturedSegment, ...]
    key_entries: tuple[str, ...] = ()
    connection_entries: tuple[str, ...] = ()

    def key_file(self, *, with_connections: bool = False) -> str:
        """The key file in TOML; `with_connections` adds the ISNs of every conversation."""
        entries = self.key_entries + (self.connection_entries if with_connections else ())
        return "\n".join(["version = 1\n", *dict.fromkeys(entries)])

    def verdicts(self, *, isns_known: bool = False) -> list[tuple[str | None, str | None]]:
        """(verdict, reason) of each frame; ISNs that the capture does not tell are known if `isns_known`."""
        by_conversation: dict[str, list[CapturedSegment]] = {}
        for segment in self.segments:
            by_conversation.setdefault(segment.conversation, []).append(segment)
        known = {name: isns_known or tells_isns(segments) for name, segments in by_conversation.items()}
        expected: list[tuple[str | None, str | None]] = []
        for segment in self.segments:
            needs_isns = segment.method == "ao" and segment.plan.flags & (Flag.SYN | Flag.ACK) != Flag.SYN
            depends_on_mac = segment.verdict in ("verified", "mismatch") and segment.reason != "mac-length"
            if needs_isns and depends_on_mac and not known[segment.conversation]:
                expected.append(("unverifiable", "isn-unknown"))
            else:
                expected.append((segment.verdict, segment.reason))
        return expected

    def records(self, encapsulate: Encapsulate = packets.ethernet) -> list[Record]:
        """The frames as a capture file holds them."""
        records = []
        for segment in self.segments:
            frame = encapsulate(segment.packet)
            captured = len(frame)
            if segment.cut_to is not None:
                captured = frame.index(segment.packet) + segment.cut_to
            records.append(Record(frame[:captured], len(frame), segment.time_ns))
        return records

    def to_pcap(
        self,
        *,
        byte_order: ByteOrder = "little",
        nanoseconds: bool = True,
        link_type: int = packets.ETHERNET,
        encapsulate: Encapsulate = packets.ethernet,
    ) -> bytes:
        """The capture as a pcap file; `link_type` must be what `encapsulate` makes."""
        records = self.records(encapsulate)
        return packets.write_pcap(records, byte_order=byte_order, nanoseconds=nanoseconds, link_type=link_type)

    def to_pcapng(
        self,
        *,
        byte_order: ByteOrder = "little",
        link_type: int = packets.ETHERNET,
        encapsulate: Encapsulate = packets.ethernet,
        comment: str | None = None,
    ) -> bytes:
        """The capture as a pcapng file with nanosecond times; `comment` goes to the first frame."""
        return packets.write_pcapng(
            self.records(encapsulate), byte_order=byte_order, link_type=link_type, comment=comment
        )


def merge(conversations: Iterable[Conversation]) -> Capture:
    """One capture of several conversations, in order of time."""
    captures = [conversation.capture() for conversation in conversations]
    segments = sorted((s for capture in captures for s in capture.segments), key=lambda segment: segment.time_ns)
    return Capture(
        segments=tuple(segments),
        key_entries=tuple(entry for capture in captures for entry in capture.key_entries),
        connection_entries=tuple(entry for capture in captures for entry in capture.connection_entries),
    )
