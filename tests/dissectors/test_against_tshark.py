"""Where tshark and the hops see TCP, they see the same: addresses, ports, header's place, payload's
length.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from dissectors.base import NOTHING, Headers
from dissectors.registry import Registry
from tests.dissectors.recorded import Recorded, corpus_files, needs_shared, read
from tests.dissectors.walking import Batch, lay_out, next_numbers

REGISTRY = Registry(use_entry_points=False)
TSHARK = shutil.which("tshark")
UNREASSEMBLED = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")


class Seen(NamedTuple):
    """One frame's first TCP header."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    start: int
    header_length: int
    payload_length: int


TRANSPARENT = frozenset(
    (
        *(
            "geninfo",
            "frame",
            "fake-field-wrapper",
            "eth",
            "vlan",
            "ieee8021ad",
            "llc",
            "mpls",
            "pwethheuristic",
        ),
        *(
            "pwethcw",
            "sll",
            "raw",
            "null",
            "loop",
            "ppp",
            "chdlc",
            "pppoes",
            "nflog",
            "juniper",
            "ip",
            "ipv6",
            "ah",
        ),
        *("gre", "erspan", "udp", "vxlan", "vxlan_gpe", "geneve"),
    )
)
"""Protocols that a TCP header may lie behind and that we know: tshark also looks into ICMP errors, for
one.
"""


def as_capture(frames: list[Recorded]) -> bytes:
    """One pcapng file with all frames and an interface for each link type."""
    link_types = sorted({frame.link_type for frame in frames})
    blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    blocks += [_block(1, struct.pack("<HHI", link_type, 0, 0)) for link_type in link_types]
    for number, frame in enumerate(frames):
        wire_length = max(frame.wire_length, len(frame.octets))
        head = struct.pack("<IIIII", link_types.index(frame.link_type), 0, number, len(frame.octets), wire_length)
        blocks.append(_block(6, head + frame.octets + bytes(-len(frame.octets) % 4)))
    return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def seen_by_tshark(capture: Path) -> dict[int, Seen]:
    """Frame index (from 0) -> its first TCP header, where only protocols that we know lie before it."""
    assert TSHARK is not None
    preferences = [word for preference in UNREASSEMBLED for word in ("-o", preference)]
    command = [TSHARK, "-n", "-r", str(capture), "-T", "pdml", "-j", "ip ipv6 tcp", *preferences]
    output = subprocess.run(command, capture_output=True, check=False).stdout
    seen: dict[int, Seen] = {}
    for index, text in enumerate(re.findall(rb"<packet>.*?</packet>", output, re.DOTALL)):
        packet = ElementTree.fromstring(text)
        addresses = ("", "")
        for protocol in packet.iterfind("proto"):
            name = protocol.get("name", "")
            if name in ("ip", "ipv6"):
                addresses = (_shown(protocol, f"{name}.src"), _shown(protocol, f"{name}.dst"))
            if name == "tcp":
                if _shown(protocol, "tcp.len"):
                    seen[index] = Seen(
                        *addresses,
                        int(_shown(protocol, "tcp.srcport")),
                        int(_shown(protocol, "tcp.dstport")),
                        int(protocol.get("pos", "0")),
                        int(_shown(protocol, "tcp.hdr_len")),
                        int(_shown(protocol, "tcp.len")),
                    )
                break
            if name not in TRANSPARENT and not name.startswith("_ws"):
                break
    return seen


def _shown(protocol: ElementTree.Element, field: str) -> str:
    """The field's last value: IPv6 shows the final destination of a routing header behind the next one."""
    values = [element.get("show", "") for element in protocol.iter("field") if element.get("name") == field]
    return values[-1] if values else ""


def seen_by_hops(frames: list[Recorded]) -> dict[int, Seen]:
    """The same by the hops, frame by frame."""
    seen: dict[int, Seen] = {}
    for index, frame in enumerate(frames):
        found = _hop_to_tcp(frame)
        if found is not None:
            seen[index] = found
    return seen


def _hop_to_tcp(frame: Recorded) -> Seen | None:
    batch: Batch = lay_out([frame.octets], [frame.wire_length])
    question: Headers = batch.headers
    dissector = REGISTRY.lookup(("linktype", frame.link_type))
    addresses = ("", "")
    for _ in range(64):
        if dissector is None or dissector.hop is None or dissector.leads_to is None:
            return None
        hop = dissector.hop(question)
        start = int(question.starts[0])
        if hop.is_cut[0] or (hop.is_fragment is not None and hop.is_fragment[0]):
            return None
        if dissector.is_network and hop.destinations is not None:
            size = 4 if dissector.name == "ip" else 16
            source = start + (12 if size == 4 else 8)
            at = int(hop.destinations[0])
            octets = batch.octets.tobytes()
            addresses = (
                str(ip_address(octets[source : source + size])),
                str(ip_address(octets[at : at + size])),
            )
        if dissector.name == "tcp":
            if hop.numbers[0] == NOTHING or hop.fallbacks is None:
                return None
            payload = int(hop.starts[0])
            head = batch.octets[start : start + 4].tobytes()
            ports = int.from_bytes(head[:2]), int.from_bytes(head[2:])
            assert sorted(ports) == [int(hop.numbers[0]), int(hop.fallbacks[0])]
            return Seen(*addresses, *ports, start - 64, payload - start, int(hop.ends[0]) - payload)
        number = int(next_numbers(REGISTRY, dissector, hop)[0])
        dissector = None if number == NOTHING else REGISTRY.lookup((dissector.leads_to, number))
        question = Headers(batch.octets, hop.starts, hop.ends, question.limits)
    return None


@needs_shared
@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
def test_every_tcp_header_that_tshark_finds_is_found_in_the_same_place(tmp_path: Path) -> None:
    frames = [
        frame
        for path in corpus_files()
        for frame in read(path, most=150)
        if REGISTRY.lookup(("linktype", frame.link_type)) is not None
    ]
    capture = tmp_path / "all.pcapng"
    capture.write_bytes(as_capture(frames))
    theirs, ours = seen_by_tshark(capture), seen_by_hops(frames)
    assert len(theirs) > 5000
    for index in theirs.keys() | ours.keys():
        frame, one, other = frames[index], theirs.get(index), ours.get(index)
        if one is not None and other is None:
            # tshark shows the ports of a header whose options the snap length cut; the hop calls it cut.
            assert one.start + one.header_length > len(frame.octets)
        elif one is None and other is not None:
            # tshark 4.0 does not know packets above 64 KiB, whose length field is 0.
            assert other.payload_length > 0xFFFF - 60
        else:
            assert one == other
