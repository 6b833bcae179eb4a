"""Captures written the way one would tell them, with the truth about every frame.

    Conversation([k1, k2]).handshake().data("a", 400).ack("b").rollover("a", to=2).wrap("a").abort("b")

"a" is the client and "b" the server. Every method acts at once and returns the conversation; `frame` in a
method is an index into `segments`, by default the last one. What is sent is signed by `reference_signer`,
which shares nothing with the product. `segments` say what a verifier must find; `key_file()` is the key file
to give it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, Self, TypedDict, Unpack

from tests import packets, told_capture
from tests.packets import ByteOrder, Encapsulate
from tests.planned_segment import Fault, Flag, PlannedSegment, Socket, build_packet, usual_options
from tests.reference_signer import AO_KIND, MD5_KIND, TCP_MD5, Key
from tests.told_capture import Capture, CapturedSegment, merge

__all__ = ["Capture", "CapturedSegment", "Conversation", "Flag", "Key", "Wire", "merge"]

End = Literal["a", "b"]
KeyChoice = Key | str | int
"""A key itself, its name, or its send-id."""

PEER: dict[End, End] = {"a": "b", "b": "a"}
DIRECTION: dict[End, str] = {"a": "a>b", "b": "b>a"}
WRAP_STEP = 2**30
"""Octets that `wrap` leaves uncaptured at once: below the 2^31 where "nearest" turns round (RFC 9187)."""


class Wire(TypedDict, total=False):
    """What a sending method may be told about its segment; everything has a default."""

    window: int
    identification: int
    timestamp: tuple[int, int]
    """TSval and TSecr."""
    other_options: bytes
    """All TCP options besides AO or MD5, in place of the usual ones."""
    option_first: bool
    """AO or MD5 before the other options."""


class Conversation:
    """One TCP connection, seen by somebody between its ends."""

    def __init__(
        self,
        keys: Sequence[Key] = (Key(),),
        *,
        client: str = "10.0.0.1:40000",
        server: str = "10.0.0.2:179",
        client_isn: int = 0x11223344,
        server_isn: int = 0x99AABBCC,
        server_keys: Sequence[Key] | None = None,
        timestamps: bool = False,
        traffic_class: int = 0,
        hop_limit: int = 64,
        start_ns: int = 1_790_000_000_000_000_001,
        step_ns: int = 1_000_003,
    ) -> None:
        """`keys` are as the client sees them, and the first one is used first; none: nothing is signed.

        `server_keys`, in the same order, are the server's own idea of them (other secret, algorithm, options
        flag; the ids still as the client sees them). `step_ns` passes before each frame.
        """
        self.keys: dict[End, list[Key]] = {
            "a": list(keys),
            "b": list(keys if server_keys is None else server_keys),
        }
        self.sockets: dict[End, Socket] = {"a": Socket.parse(client), "b": Socket.parse(server)}
        self.isns: dict[End, int] = {"a": client_isn, "b": server_isn}
        self.timestamps = timestamps
        self.traffic_class = traffic_class
        self.hop_limit = hop_limit
        self.segments: list[CapturedSegment] = []
        self.lost: list[CapturedSegment] = []
        """What was sent and not captured."""
        self.next_positions: dict[End, int] = {"a": client_isn + 1, "b": server_isn + 1}
        """Where each end's next octet lies in its endless sequence space."""
        self._now_ns = start_ns
        self._step_ns = step_ns
        self._key_indices: dict[End, int] = {"a": 0, "b": 0}
        self._rnext_indices: dict[End, int] = {"a": 0, "b": 0}
        self._identifications: dict[End, int] = {"a": 0, "b": 0}
        self._last_timestamps: dict[End, int] = {"a": 0, "b": 0}

    # Opening and closing.

    def syn(self, end: End = "a", **wire: Unpack[Wire]) -> Self:
        """The SYN; `end` "b" is for simultaneous opens."""
        return self._send(end, Flag.SYN, self.isns[end], b"", wire)

    def syn_ack(self, end: End = "b", **wire: Unpack[Wire]) -> Self:
        return self._send(end, Flag.SYN | Flag.ACK, self.isns[end], b"", wire)

    def handshake_ack(self, **wire: Unpack[Wire]) -> Self:
        """The third segment of the handshake."""
        return self.ack("a", **wire)

    def handshake(self) -> Self:
        return self.syn().syn_ack().handshake_ack()

    def simultaneous_open(self) -> Self:
        """Two SYNs that cross, and two SYN-ACKs (RFC 9293 figure 7)."""
        return self.syn("a").syn("b").syn_ack("a").syn_ack("b")

    def established(self, *, client_octets: int = 0, server_octets: int = 0) -> Self:
        """The handshake and so many octets each way, any number of wraps, happened before the capture."""
        return self._advance("a", client_octets)._advance("b", server_octets)

    def fin(self, end: End, **wire: Unpack[Wire]) -> Self:
        self._send(end, Flag.FIN | Flag.ACK, self.next_positions[end], b"", wire)
        return self._advance(end, 1)

    def close(self, end: End = "a") -> Self:
        """FIN, FIN, ACK; `end` closes first."""
        return self.fin(end).fin(PEER[end]).ack(end)

    def abort(self, end: End, **wire: Unpack[Wire]) -> Self:
        """A RST (with ACK)."""
        return self._send(end, Flag.RST | Flag.ACK, self.next_positions[end], b"", wire)

    # Talking.

    def data(self, end: End, payload: bytes | int, **wire: Unpack[Wire]) -> Self:
        """One segment with this payload, or with so many octets."""
        octets = bytes(i % 251 for i in range(payload)) if isinstance(payload, int) else payload
        self._send(end, Flag.PSH | Flag.ACK, self.next_positions[end], octets, wire)
        return self._advance(end, len(octets))

    def ack(self, end: End, **wire: Unpack[Wire]) -> Self:
        """A pure ACK of everything that the other end has sent."""
        return self._send(end, Flag.ACK, self.next_positions[end], b"", wire)

    def keepalive(self, end: End, garbage: bytes = b"") -> Self:
        """A probe one octet behind; some stacks send one octet of garbage with it (RFC 9293 3.8.4)."""
        return self._send(end, Flag.ACK, self.next_positions[end] - 1, garbage, {})

    def skip(self, end: End, octets: int) -> Self:
        """`end` sends so many octets that the capture misses; below 2^31, or nobody could follow."""
        if not 0 <= octets < 2**31:
            raise ValueError(
                f"a gap of {octets} octets cannot be followed: skip less than 2^31, then capture something"
            )
        return self._advance(end, octets)

    def wrap(self, end: End = "a") -> Self:
        """`end` sends over the next multiple of 2^32, one segment lying across it; the SNE goes up by one."""
        boundary = (self.next_positions[end] // 2**32 + 1) * 2**32
        while boundary - self.next_positions[end] > WRAP_STEP:
            self.skip(end, WRAP_STEP).data(end, 100).ack(PEER[end])
        self.skip(end, max(0, boundary - self.next_positions[end] - 250))
        for _ in range(4):
            self.data(end, 100).ack(PEER[end])
        return self

    def advance(self, nanoseconds: int) -> Self:
        """Time passes."""
        self._now_ns += nanoseconds
        return self

    # Keys.

    def rnext(self, end: End, to: KeyChoice) -> Self:
        """From now on `end` announces in RNextKeyID that it wants this key."""
        self._rnext_indices[end] = self._index_of(to)
        return self

    def switch(self, end: End, to: KeyChoice) -> Self:
        """From now on `end` signs with this key."""
        self._key_indices[end] = self._index_of(to)
        return self

    def rollover(self, end: End, to: KeyChoice) -> Self:
        """The other end asks for the key in an ACK, and `end` signs with it from then on (RFC 5925 7.5)."""
        return self.rnext(PEER[end], to).ack(PEER[end]).switch(end, to)

    # What networks and captures do.

    def retransmit(self, frame: int = -1) -> Self:
        """The same octets of the stream again, under the key and ACK of now (RFC 5925 says nothing else)."""
        return self._send_again(self.segments[frame])

    def retransmit_lost(self, frame: int = -1) -> Self:
        """The same for a segment that the capture misses."""
        return self._send_again(self.lost[frame])

    def duplicate(self, frame: int = -1) -> Self:
        """The very same packet is captured once more: a second interface, or a replay."""
        self._now_ns += self._step_ns
        self.segments.append(dataclasses.replace(self.segments[frame], time_ns=self._now_ns))
        return self

    def lose(self, frame: int = -1) -> Self:
        """The segment was sent and received, and the capture misses it."""
        self.lost.append(self.segments.pop(frame))
        return self

    def reorder(self, frame: int = -1, by: int = 1) -> Self:
        """The capture saw the segment `by` frames earlier than it was sent."""
        times = [segment.time_ns for segment in self.segments]
        index = frame % len(self.segments)
        self.segments.insert(max(0, index - by), self.segments.pop(index))
        self.segments = [
            dataclasses.replace(segment, time_ns=time_ns) for segment, time_ns in zip(self.segments, times, strict=True)
        ]
        return self

    def cut(self, captured_octets: int, frame: int = -1) -> Self:
        """A snap length left only the first octets of the packet (counted from its IP header)."""
        segment = self.segments[frame]
        if captured_octets >= len(segment.packet):
            raise ValueError(f"the packet has only {len(segment.packet)} octets")
        self.segments[frame] = dataclasses.replace(
            segment, cut_to=captured_octets, verdict="unverifiable", reason="truncated"
        )
        return self

    # Strangers and faults.

    def stray(
        self,
        end: End,
        seq: int,
        *,
        signed: Literal["correctly", "wrongly", "no"] = "no",
        sne: int = 0,
        payload: bytes = b"stray",
        flags: Flag = Flag.PSH | Flag.ACK,
    ) -> Self:
        """Somebody sends a segment in `end`'s name, anywhere in the sequence space; the ends take no notice.

        "correctly" needs the `sne` that a receiver would put to `seq`.
        """
        self._send(end, flags, sne * 2**32 + seq, payload, {})
        if signed == "wrongly":
            return self.sign_with_wrong_secret()
        return self.strip_option() if signed == "no" else self

    def sign_with_wrong_secret(self, frame: int = -1) -> Self:
        return self._fault(frame, Fault(secret=b"not the secret"), "mismatch")

    def sign_with_wrong_isns(self, frame: int = -1) -> Self:
        return self._fault(frame, Fault(isn_shift=1), "mismatch")

    def sign_with_wrong_sne(self, shift: int = 1, frame: int = -1) -> Self:
        return self._fault(frame, Fault(sne_shift=shift), "mismatch")

    def sign_with_other_options_flag(self, frame: int = -1) -> Self:
        """Still verified where AO is the only option, for then both flags cover the same octets."""
        plan = self.segments[frame].plan
        swapped = dataclasses.replace(plan, fault=Fault(swaps_options_flag=True))
        is_same = build_packet(plan) == build_packet(swapped)
        return self._fault(frame, swapped.fault, "verified" if is_same else "mismatch")

    def change_mac_length(self, octets: int, frame: int = -1) -> Self:
        """The MAC is cut (or lengthened) to another length; its octets are right."""
        return self._fault(frame, Fault(mac_length=octets), "mismatch", "mac-length")

    def name_unknown_key(self, key_id: int, frame: int = -1) -> Self:
        return self._fault(frame, Fault(key_id=key_id), "no-key")

    def break_option_length(self, length: int, frame: int = -1) -> Self:
        """Writes the option's length octet: below 4, or so much that it leaves the header."""
        return self._fault(frame, Fault(option_length=length), "malformed")

    def add_second_option(self, frame: int = -1) -> Self:
        """Two AO options in one segment (RFC 5925 2.2 forbids it)."""
        return self._fault(frame, Fault(more_options=bytes([AO_KIND, 4, 1, 1])), "malformed")

    def add_md5_option(self, frame: int = -1) -> Self:
        """AO and MD5 in one segment (RFC 5925 2.2 forbids it); only AO fits besides."""
        plan = dataclasses.replace(self.segments[frame].plan, other_options=b"")
        self.segments[frame] = dataclasses.replace(self.segments[frame], plan=plan)
        return self._fault(frame, Fault(more_options=bytes([MD5_KIND, 18]) + bytes(16)), "malformed")

    def strip_option(self, frame: int = -1) -> Self:
        """Removes AO or MD5."""
        segment = self.segments[frame]
        plan = dataclasses.replace(segment.plan, key=None)
        self.segments[frame] = told_capture.with_plan(segment, plan, "unsigned")
        return self

    def fault_everywhere(self, fault: Fault, end: End | None = None, *, beyond_syns: bool = False) -> Self:
        """Every signed segment so far (of one end) has the fault; `beyond_syns` leaves SYN and SYN-ACK alone."""
        for index, segment in enumerate(self.segments):
            is_of_end = end is None or segment.direction == DIRECTION[end]
            if is_of_end and segment.plan.key is not None and not (beyond_syns and segment.plan.flags & Flag.SYN):
                plan = dataclasses.replace(segment.plan, fault=fault)
                self.segments[index] = told_capture.with_plan(segment, plan, None)
        return self

    def flip_bit(self, octet: int, bit: int = 0, frame: int = -1) -> Self:
        """Inverts one bit of the TCP segment after signing: anything but "verified"."""
        segment = self.segments[frame]
        flipped = (*segment.plan.fault.flipped, (octet, 1 << bit))
        return self._fault(frame, dataclasses.replace(segment.plan.fault, flipped=flipped), None)

    # What comes out.

    def capture(self) -> Capture:
        """The frames and key file entries so far."""
        a, b = self.sockets["a"], self.sockets["b"]
        entries = []
        if self.keys["a"]:
            entries.append(told_capture.peer_with_keys(a, b, self.keys["a"], True, b.port))
        if self.keys["b"] != self.keys["a"]:
            entries.append(told_capture.peer_with_keys(b, a, self.keys["b"], False, b.port))
        known = told_capture.known_connection(a, b, (self.isns["a"], self.isns["b"]), self.segments)
        return Capture(tuple(self.segments), tuple(entries), (known,))

    def key_file(self, *, with_connections: bool = False) -> str:
        """The key file in TOML: both ends' entries where they differ; with the ISNs if asked for."""
        return self.capture().key_file(with_connections=with_connections)

    def to_pcap(
        self,
        *,
        byte_order: ByteOrder = "little",
        nanoseconds: bool = True,
        link_type: int = packets.ETHERNET,
        encapsulate: Encapsulate = packets.ethernet,
    ) -> bytes:
        """See `Capture.to_pcap`."""
        return self.capture().to_pcap(
            byte_order=byte_order, nanoseconds=nanoseconds, link_type=link_type, encapsulate=encapsulate
        )

    def to_pcapng(
        self,
        *,
        byte_order: ByteOrder = "little",
        link_type: int = packets.ETHERNET,
        encapsulate: Encapsulate = packets.ethernet,
    ) -> bytes:
        """See `Capture.to_pcapng`."""
        return self.capture().to_pcapng(byte_order=byte_order, link_type=link_type, encapsulate=encapsulate)

    # How it is done.

    def _advance(self, end: End, octets: int) -> Self:
        self.next_positions[end] += octets
        return self

    def _index_of(self, choice: KeyChoice) -> int:
        for index, key in enumerate(self.keys["a"]):
            if choice in (key, key.name, key.send_id):
                return index
        raise ValueError(f"no key {choice!r} in this conversation")

    def _send(self, end: End, flags: Flag, position: int, payload: bytes, wire: Wire) -> Self:
        self._now_ns += self._step_ns
        peer = PEER[end]
        key = self.keys[end][self._key_indices[end]] if self.keys[end] else None
        signature_octets = 0
        key_id = rnext_key_id = 0
        if key is not None:
            signature_octets = (2 if key.algorithm == TCP_MD5 else 4) + key.wire_mac_length
            rnext = self.keys[end][self._rnext_indices[end]]
            key_id, rnext_key_id = (key.send_id, rnext.recv_id) if end == "a" else (key.recv_id, rnext.send_id)
        timestamp = wire.get("timestamp")
        if timestamp is None and self.timestamps:
            echo = self._last_timestamps[peer] if flags & Flag.ACK else 0
            timestamp = (self._now_ns // 10**6 % 2**32, echo)
        if timestamp is not None:
            self._last_timestamps[end] = timestamp[0]
        room = 40 - (signature_octets + 3) // 4 * 4
        self._identifications[end] = (self._identifications[end] + 1) % 2**16
        is_ipv6 = ":" in self.sockets[end].address
        plan = PlannedSegment(
            source=self.sockets[end],
            destination=self.sockets[peer],
            position=position,
            ack=self.next_positions[peer] % 2**32 if flags & Flag.ACK else 0,
            flags=flags,
            source_isn=self.isns[end],
            destination_isn=self.isns[peer],
            payload=payload,
            window=wire.get("window", 65535 if flags & Flag.SYN else 512),
            key=key,
            key_id=key_id,
            rnext_key_id=rnext_key_id,
            other_options=wire.get("other_options", usual_options(flags, room, timestamp)),
            option_first=wire.get("option_first", False),
            identification=wire.get("identification", 0 if is_ipv6 else self._identifications[end]),
            traffic_class=self.traffic_class,
            hop_limit=self.hop_limit,
        )
        return self._record(end, plan)

    def _send_again(self, earlier: CapturedSegment) -> Self:
        plan = earlier.plan
        end: End = "a" if earlier.direction == DIRECTION["a"] else "b"
        return self._send(end, plan.flags, plan.position, plan.payload, {"option_first": plan.option_first})

    def _record(self, end: End, plan: PlannedSegment) -> Self:
        name = f"{self.sockets['a']} {self.isns['a']:#x} {self.sockets['b']} {self.isns['b']:#x}"
        verdict = "unsigned" if plan.key is None else "verified"
        packet = build_packet(plan)
        self.segments.append(CapturedSegment(plan, packet, self._now_ns, DIRECTION[end], name, verdict))
        return self

    def _fault(self, frame: int, fault: Fault, verdict: str | None, reason: str | None = None) -> Self:
        segment = self.segments[frame]
        changed = told_capture.with_plan(segment, dataclasses.replace(segment.plan, fault=fault), verdict)
        self.segments[frame] = dataclasses.replace(changed, reason=reason)
        return self
