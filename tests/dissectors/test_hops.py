"""What single hops say of frames made by hand: places, ends, fragments, final destinations, cuts."""

from __future__ import annotations

import gc
import struct
import sys
from ipaddress import IPv4Address, IPv6Address
from types import FrameType

import numpy as np
import pytest

from dissectors import ethernet, ipv4, ipv6, llc, mpls, null, sll2, tcp, udp, vlan
from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.registry import BUILT_IN, Registry
from tests.dissectors import frames as made
from tests.dissectors.frames import EXAMPLES, Example
from tests.dissectors.walking import lay_out, walk_by_description, walk_by_hops

REGISTRY = Registry(use_entry_points=False)


def ask(dissector: Dissector, octets: bytes, wire_length: int | None = None) -> Hop:
    """The answer for one frame; positions count from its first octet."""
    assert dissector.hop is not None
    hop = dissector.hop(lay_out([octets], None if wire_length is None else [wire_length]).headers)
    destinations = None if hop.destinations is None else hop.destinations - 64
    return hop._replace(starts=hop.starts - 64, ends=hop.ends - 64, destinations=destinations)


def destination(dissector: Dissector, octets: bytes, size: int) -> bytes:
    destinations = ask(dissector, octets).destinations
    assert destinations is not None
    at = int(destinations[0])
    return octets[at : at + size]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_tcp_header_is_found_behind_every_wrapping(example: Example) -> None:
    key = ("linktype", example.link_type)
    (steps,) = walk_by_hops(REGISTRY, lay_out([example.octets]), key)
    assert tuple(name for name, _, _ in steps) == example.path
    assert steps[-1][1] == example.tcp_start
    assert walk_by_description(REGISTRY, example.octets, key, len(example.octets)) == steps


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_frame_cut_anywhere_before_the_tcp_payload_never_reaches_it(example: Example) -> None:
    key = ("linktype", example.link_type)
    header_end = example.tcp_start + (example.octets[example.tcp_start + 12] >> 4) * 4
    cuts = [example.octets[:length] for length in range(header_end)]
    wire_lengths = [len(example.octets)] * len(cuts)
    for steps in walk_by_hops(REGISTRY, lay_out(cuts, wire_lengths, gap=example.octets), key):
        assert not steps or steps[-1][0] != "tcp"


def test_ethernet_padding_and_trailer_are_behind_the_end_of_the_datagram() -> None:
    packet = made.ipv4(made.tcp(b"", b""))
    hop = ask(ipv4.DISSECTOR, packet + b"padding and FCS")
    assert int(hop.ends[0]) == len(packet) == int(hop.starts[0]) + 20


def test_a_length_field_ends_an_llc_frame() -> None:
    hop = ask(ethernet.DISSECTOR, made.ethernet(b"\xaa\xaa\x03" + bytes(43), 20))
    assert (int(hop.numbers[0]), int(hop.starts[0]), int(hop.ends[0])) == (ethernet.LLC, 14, 34)


def test_a_snap_header_of_another_organisation_leads_nowhere() -> None:
    assert int(ask(llc.DISSECTOR, bytes.fromhex("aaaa0300000c2000") + bytes(20)).numbers[0]) == NOTHING


def test_a_vlan_tag_tells_its_identifier_without_the_priority() -> None:
    vlans = ask(vlan.DISSECTOR, struct.pack("!HH", 0xF014, 0x0800) + bytes(20)).vlans
    assert vlans is not None
    assert vlans.dtype == np.uint16
    assert int(vlans[0]) == 20


def test_linux_cooked_v2_tells_the_interface() -> None:
    numbers = ask(sll2.DISSECTOR, struct.pack("!HHIHBB8s", 0x0800, 0, 3, 1, 4, 6, bytes(8))).interface_numbers
    assert numbers is not None
    assert int(numbers[0]) == 3


def test_a_family_is_read_in_either_byte_order() -> None:
    assert (
        int(ask(null.DISSECTOR, b"\x1e\0\0\0").numbers[0]) == int(ask(null.DISSECTOR, b"\0\0\0\x1e").numbers[0]) == 30
    )


@pytest.mark.parametrize("first", [0x44, 0x55, 0x40, 0x05, 0xFF])
def test_an_ipv4_header_with_another_version_or_too_short_a_length_leads_nowhere(first: int) -> None:
    packet = bytes([first]) + made.ipv4(made.tcp())[1:] + bytes(60)
    assert int(ask(ipv4.DISSECTOR, packet).numbers[0]) == NOTHING


def test_a_total_length_below_the_header_leads_nowhere() -> None:
    hop = ask(ipv4.DISSECTOR, made.ipv4(made.tcp(), total=19))
    assert int(hop.numbers[0]) == NOTHING
    assert not hop.is_cut[0]


def test_a_total_length_of_zero_ends_with_the_frame_also_where_that_is_cut() -> None:
    packet = made.ipv4(made.tcp(), total=0)
    assert int(ask(ipv4.DISSECTOR, packet, 70000).ends[0]) == 70000


def test_a_total_length_beyond_the_frame_ends_with_the_frame() -> None:
    packet = made.ipv4(made.tcp(), total=60000)
    assert int(ask(ipv4.DISSECTOR, packet).ends[0]) == len(packet)


@pytest.mark.parametrize("word, is_fragment", [(0x4000, False), (0x2000, True), (0x0001, True), (0x8000, False)])
def test_more_fragments_or_an_offset_make_a_fragment(word: int, is_fragment: bool) -> None:
    flagged = ask(ipv4.DISSECTOR, made.ipv4(made.tcp(), fragment=word)).is_fragment
    assert flagged is not None
    assert bool(flagged[0]) is is_fragment


class TestSourceRoutes:
    """The pseudo-header takes the final destination. -- RFC 1122 4.2.3.8"""

    ROUTE = IPv4Address("10.0.0.8").packed + IPv4Address("10.0.0.9").packed

    @pytest.mark.parametrize("kind", [131, 137])
    @pytest.mark.parametrize("pointer", [4, 8])
    def test_a_route_that_is_not_used_up_ends_at_its_last_address(self, kind: int, pointer: int) -> None:
        options = b"\x01" + bytes([kind, 11, pointer]) + self.ROUTE
        packet = made.ipv4(made.tcp(), options=options)
        assert destination(ipv4.DISSECTOR, packet, 4) == IPv4Address("10.0.0.9").packed

    def test_a_route_that_is_used_up_leaves_the_headers_destination(self) -> None:
        packet = made.ipv4(made.tcp(), options=b"\x01" + bytes([131, 11, 12]) + self.ROUTE)
        assert destination(ipv4.DISSECTOR, packet, 4) == IPv4Address("10.0.0.2").packed

    @pytest.mark.parametrize(
        "options", [b"\x00\x83\x07\x04\x0a\0\0\x09", b"\x83\x0f\x04\x0a\0\0\x09\0", b"\x83\x00" + bytes(6)]
    )
    def test_a_route_behind_the_end_or_past_the_header_is_none(self, options: bytes) -> None:
        packet = made.ipv4(made.tcp(), options=options)
        assert destination(ipv4.DISSECTOR, packet, 4) == IPv4Address("10.0.0.2").packed


class TestRoutingHeaders:
    """At the originating node, that address will be in the last element of the Routing header.

    -- RFC 8200 8.1
    """

    FIRST, LAST = IPv6Address("fd00::8").packed, IPv6Address("fd00::9").packed

    def packet(self, kind: int, segments_left: int) -> bytes:
        routing = bytes([6, 4, kind, segments_left, 0, 0, 0, 0]) + self.FIRST + self.LAST
        return made.ipv6(routing + made.tcp(), 43)

    @pytest.mark.parametrize(
        "kind, segments_left, expected",
        [
            (0, 2, LAST),
            (0, 1, LAST),
            (2, 1, LAST),
            (4, 1, FIRST),
            (0, 0, IPv6Address("fd00::2").packed),
            (4, 0, IPv6Address("fd00::2").packed),
            (0, 3, IPv6Address("fd00::2").packed),
            (253, 1, IPv6Address("fd00::2").packed),
        ],
    )
    def test_the_destination_is_the_final_one(self, kind: int, segments_left: int, expected: bytes) -> None:
        assert destination(ipv6.DISSECTOR, self.packet(kind, segments_left), 16) == expected


class TestIpv6Fragments:
    def fragment(self, word: int) -> Hop:
        header = struct.pack("!BBHI", 60, 0, word, 77)
        return ask(ipv6.DISSECTOR, made.ipv6(header + bytes([6, 0, 1, 4, 0, 0, 0, 0]) + made.tcp(), 44))

    @pytest.mark.parametrize("word", [0x0001, 0x0008, 0x0009])
    def test_the_chain_ends_right_behind_the_fragment_header(self, word: int) -> None:
        hop = self.fragment(word)
        assert hop.is_fragment is not None
        assert bool(hop.is_fragment[0])
        assert (int(hop.numbers[0]), int(hop.starts[0])) == (60, 48)

    def test_an_atomic_fragment_is_no_fragment(self) -> None:
        hop = self.fragment(0x0006)
        assert hop.is_fragment is not None
        assert not hop.is_fragment[0]
        assert (int(hop.numbers[0]), int(hop.starts[0])) == (6, 56)

    def test_a_chain_behind_reassembly_can_be_followed_on_its_own(self) -> None:
        dissector = REGISTRY.lookup(("ip.proto", 60))
        assert dissector is not None
        hop = ask(dissector, bytes([6, 0, 1, 4, 0, 0, 0, 0]) + made.tcp())
        assert (int(hop.numbers[0]), int(hop.starts[0])) == (6, 8)


def test_a_jumbo_payload_option_ends_the_packet() -> None:
    options = bytes([6, 0, 0xC2, 4]) + struct.pack("!I", 8 + 70000)
    hop = ask(ipv6.DISSECTOR, made.ipv6(options + made.tcp(), 0, length=0), 90000)
    assert int(hop.ends[0]) == 40 + 8 + 70000


def test_a_payload_length_of_zero_without_the_option_ends_with_the_frame() -> None:
    assert int(ask(ipv6.DISSECTOR, made.ipv6(made.tcp(), length=0), 80000).ends[0]) == 80000


def test_no_next_header_leads_nowhere() -> None:
    assert int(ask(ipv6.DISSECTOR, made.ipv6(made.tcp(), 59)).numbers[0]) == NOTHING


def test_a_chain_of_extension_headers_without_end_leads_nowhere() -> None:
    endless = bytes([60, 0, 1, 4, 0, 0, 0, 0]) * 40
    assert int(ask(ipv6.DISSECTOR, made.ipv6(endless, 60)).numbers[0]) == NOTHING


def test_a_label_stack_without_end_leads_nowhere() -> None:
    assert int(ask(mpls.DISSECTOR, bytes(4 * 40)).numbers[0]) == NOTHING


def test_udp_offers_the_source_port_as_a_fallback_and_takes_a_length_of_zero_as_all() -> None:
    hop = ask(udp.DISSECTOR, made.udp(bytes(30), 9, 4789, length=0))
    assert hop.fallbacks is not None
    assert (int(hop.numbers[0]), int(hop.fallbacks[0]), int(hop.ends[0])) == (9, 4789, 38)


@pytest.mark.parametrize("length", [1, 7])
def test_a_udp_length_below_its_header_leads_nowhere(length: int) -> None:
    assert int(ask(udp.DISSECTOR, made.udp(bytes(30), 4789, length=length)).numbers[0]) == NOTHING


def test_a_tcp_header_that_its_datagram_cuts_short_leads_nowhere_and_is_not_cut() -> None:
    packet = made.ipv4(made.tcp(), total=20 + 30)
    around = ask(ipv4.DISSECTOR, packet)
    octets = np.frombuffer(bytes(64) + packet + bytes(64), np.uint8)
    limits = np.array([64 + len(packet)], np.int64)
    assert tcp.DISSECTOR.hop is not None
    hop = tcp.DISSECTOR.hop(Headers(octets, around.starts + 64, around.ends + 64, limits))
    assert int(hop.numbers[0]) == NOTHING
    assert not hop.is_cut[0]


@pytest.mark.parametrize("words", range(5))
def test_a_data_offset_below_five_leads_nowhere(words: int) -> None:
    assert int(ask(tcp.DISSECTOR, made.tcp(offset=words)).numbers[0]) == NOTHING


def test_a_tcp_header_is_cut_where_the_octets_end_inside_its_options() -> None:
    segment = made.tcp()
    assert ask(tcp.DISSECTOR, segment[:35], len(segment)).is_cut[0]
    assert not ask(tcp.DISSECTOR, segment[:36], len(segment)).is_cut[0]


def python_calls(dissector: Dissector, batch_frames: list[bytes]) -> int:
    """Calls of Python and of C functions while the hop answers."""
    headers = lay_out(batch_frames).headers
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    assert dissector.hop is not None
    dissector.hop(headers)
    gc.disable()  # what test tools do when a collection starts would be counted
    sys.setprofile(count)
    try:
        dissector.hop(headers)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


@pytest.mark.parametrize("dissector", [one for one in BUILT_IN if one.hop is not None], ids=lambda one: one.name)
def test_twice_the_frames_make_no_more_calls(dissector: Dissector) -> None:
    generator = np.random.default_rng(5)
    headers = [example.octets for example in EXAMPLES]
    headers += [example.octets[14:] for example in EXAMPLES]
    headers += [example.octets[start:] for example in EXAMPLES for start in (34, 42, 54) if start < len(example.octets)]
    headers += [generator.bytes(80) for _ in range(100)]
    assert python_calls(dissector, headers * 2) == python_calls(dissector, headers)
