"""pcapng: blocks, sections, interfaces, comments, and every block that makes no sense."""

from __future__ import annotations

import struct
import time

import pytest

from aoinspect.capture import block_name
from tests.capture.builders import block, epb, idb, obsolete_pb, option, read, shb, spb

BOTH_ORDERS = pytest.mark.parametrize("order", ["<", ">"])
COMMENT = 1


@BOTH_ORDERS
def test_the_three_packet_blocks_give_frames(order: str) -> None:
    octets = (
        shb(order)
        + idb(order, link_type=101, snap_length=4)
        + epb(b"enhanced", order, ticks=(5 << 32) + 6, wire_length=99)
        + spb(b"simp", order, wire_length=60)
        + obsolete_pb(b"old", order, ticks=7)
        + spb(b"abc", order)
    )
    frames, reader = read(octets)
    assert reader.damage is None
    assert [frame.octets for frame in frames] == [b"enhanced", b"simp", b"old", b"abc"]
    assert [frame.wire_length for frame in frames] == [99, 60, 3, 3]
    assert [frame.time_ns for frame in frames] == [((5 << 32) + 6) * 1000, 0, 7000, 0]
    assert {frame.link_type for frame in frames} == {101}
    for frame in frames:
        again = reader.frame_at(frame.offset)
        assert (again.octets, again.wire_length, again.time_ns) == (
            frame.octets,
            frame.wire_length,
            frame.time_ns,
        )
        assert again.interface == reader.interfaces[frame.interface]


@BOTH_ORDERS
def test_each_interface_has_its_own_link_type_clock_and_offset(order: str) -> None:
    nanoseconds = option(9, b"\x09", order)
    binary = option(9, b"\x8a", order)
    shifted = option(14, struct.pack(order + "q", -3), order) + option(2, b"eth1", order) + option(13, b"\4", order)
    octets = (
        shb(order)
        + idb(order, 1, 100, nanoseconds)
        + idb(order, 113, 0, binary + option(0, b"", order))
        + epb(b"a", order, 0, 5)
        + idb(order, 276, 0, shifted)
        + epb(b"b", order, 2, 4_000_001)
        + epb(b"c", order, 1, 1536)
    )
    frames, reader = read(octets)
    assert [(frame.link_type, frame.interface, frame.time_ns) for frame in frames] == [
        (1, 0, 5),
        (276, 2, 1_000_001_000),
        (113, 1, 1_500_000_000),
    ]
    assert [(one.index, one.name, one.snap_length, one.fcs_length) for one in reader.interfaces] == [
        (0, None, 100, None),
        (1, None, 0, None),
        (2, "eth1", 0, 4),
    ]


def test_sections_of_both_byte_orders_follow_each_other_with_interfaces_of_their_own() -> None:
    octets = (
        shb("<") + idb("<", 1) + epb(b"1", "<", ticks=1)
        + shb(">") + idb(">", 101) + idb(">", 113) + epb(b"2", ">", 1, 2) + spb(b"3", ">")
        + shb("<") + idb("<", 276) + epb(b"4", "<", ticks=4)
    )  # fmt: skip
    frames, reader = read(octets)
    assert reader.damage is None
    assert [(frame.octets, frame.link_type, frame.interface) for frame in frames] == [
        (b"1", 1, 0),
        (b"2", 113, 2),
        (b"3", 101, 1),
        (b"4", 276, 3),
    ]
    assert [reader.frame_at(frame.offset).octets for frame in frames] == [b"1", b"2", b"3", b"4"]


@BOTH_ORDERS
def test_comments_are_kept_by_frame_and_other_options_are_passed_over(order: str) -> None:
    flags = option(2, b"\0\0\0\1", order)
    octets = (
        shb(order, option(COMMENT, b"the section", order) + option(4, b"a tool", order))
        + idb(order, options=option(COMMENT, b"the interface", order))
        + epb(b"a", order, options=flags)
        + epb(
            b"b",
            order,
            options=flags + option(COMMENT, "zwölf".encode(), order) + option(COMMENT, b"two", order),
        )
        + epb(b"c", order, options=option(0, b"", order) + option(COMMENT, b"behind the end", order))
        + epb(b"d", order, options=option(2988, b"custom", order) + option(COMMENT, b"\xff", order))
    )
    frames, reader = read(octets)
    assert reader.comments == {2: ("zwölf", "two"), 4: ("\ufffd",)}
    assert reader.file_comments == ["the section", "the interface"]
    assert reader.malformed_options == 0
    assert reader.frame_at(frames[1].offset).comments == ("zwölf", "two")


@pytest.mark.parametrize("options", [struct.pack("<HH", COMMENT, 400), option(2, b"good") + struct.pack("<HH", 5, 9)])
def test_options_that_leave_their_block_are_counted_and_the_frame_is_kept(options: bytes) -> None:
    frames, reader = read(shb() + idb() + epb(b"frame", options=options) + epb(b"next"))
    assert [frame.octets for frame in frames] == [b"frame", b"next"]
    assert (reader.malformed_options, reader.comments, reader.damage) == (1, {}, None)


def test_blocks_without_packets_are_passed_over_and_counted() -> None:
    octets = (
        shb()
        + block(4, b"names")
        + idb()
        + epb(b"a")
        + block(5, b"s" * 8)
        + block(0x77, b"")
        + epb(b"b")
        + block(5, b"")
    )
    frames, reader = read(octets)
    assert [frame.number for frame in frames] == [1, 2]
    assert reader.skipped_blocks == {4: 1, 5: 2, 0x77: 1}
    assert block_name(5) == "Interface Statistics Block"
    assert "0x00000077" in block_name(0x77)


def test_frame_numbers_leap_over_blocks_that_wireshark_numbers() -> None:
    octets = (
        shb() + block(0xBAD, b"\0\0\0\1x") + idb() + epb(b"a") + epb(b"b") + block(0x40000BAD, b"\0\0\0\1") + epb(b"c")
    )
    for batch_frames in (1, 2, 100):
        frames, reader = read(octets, batch_frames=batch_frames)
        assert [(frame.number, frame.octets) for frame in frames] == [(2, b"a"), (3, b"b"), (5, b"c")]
        assert reader.frames_read == 3


def test_times_beyond_int64_are_clamped_and_counted() -> None:
    seconds = option(9, b"\0")
    frames, reader = read(shb() + idb(options=seconds) + epb(b"a", ticks=(1 << 64) - 1) + epb(b"b", ticks=1))
    assert [frame.time_ns for frame in frames] == [(1 << 63) - 1, 10**9]
    assert reader.clamped_times == 1


GOOD = shb() + idb(snap_length=200) + epb(b"good")

NONSENSE = {
    "length 0": block(6, bytes(20), length=0),
    "length 4": block(6, bytes(20), length=4),
    "length 8": block(6, bytes(20), length=8),
    "length 33": block(6, bytes(24), length=33),
    "length 4 GiB": block(6, bytes(20), length=0xFFFF_FFFC),
    "length 2 GiB": block(6, bytes(20), length=0x8000_0000),
    "unknown block of length 0": block(0x999, bytes(20), length=0),
    "trailing length": block(6, bytes(20), trailer=36),
    "trailing length of an unknown block": block(0x999, bytes(20), trailer=36),
    "enhanced block too short": block(6, bytes(16)),
    "simple block too short": block(3, b""),
    "obsolete block too short": block(2, bytes(16)),
    "unknown interface": epb(b"x", interface=1),
    "interface beyond int32": epb(b"x", interface=0xFFFF_FFFF),
    "captured length beyond the block": epb(b"x", captured=5),
    "captured length of 4 GiB": epb(b"x", captured=0xFFFF_FFFF),
    "captured length beyond the snap length": epb(bytes(262_148)),
    "simple block shorter than its wire length": spb(b"x", wire_length=30),
    "interface block too short": block(1, bytes(4)),
    "section of length 24": block(0x0A0D0D0A, struct.pack("<IHHI", 0x1A2B3C4D, 1, 0, 0), length=24),
    "section of length 0": block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), length=0),
    "section of 4 GiB": block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), length=0xFFFF_FFFC),
    "section with another trailing length": block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), trailer=32),
    "section of unknown byte order": shb(magic=0x11223344),
    "section of version 2": shb(version=(2, 0)),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
@pytest.mark.parametrize("batch_octets", [64, 4 << 20])
def test_nonsense_is_damage_at_its_block_and_what_comes_before_is_read(nonsense: bytes, batch_octets: int) -> None:
    for behind in (b"", epb(b"never read") * 2):
        frames, reader = read(GOOD + epb(b"also good") + nonsense + behind, batch_octets=batch_octets)
        assert [frame.octets for frame in frames] == [b"good", b"also good"]
        assert reader.damage is not None
        assert reader.damage.offset == len(GOOD + epb(b"also good"))


@pytest.mark.parametrize("packet", [spb(b"x"), epb(b"x"), obsolete_pb(b"x")], ids=["simple", "enhanced", "obsolete"])
@pytest.mark.parametrize("before", [shb(), GOOD + shb()], ids=["first section", "second section"])
def test_a_packet_before_any_interface_of_its_section_is_damage(packet: bytes, before: bytes) -> None:
    _, reader = read(before + packet)
    assert reader.damage is not None
    assert reader.damage.offset == len(before)
    assert "before any Interface Description Block" in reader.damage.message


def test_an_interface_described_behind_its_packet_is_unknown_to_it() -> None:
    frames, reader = read(GOOD + epb(b"early", interface=1) + idb() + epb(b"late", interface=1))
    assert [frame.octets for frame in frames] == [b"good"]
    assert reader.damage is not None


@pytest.mark.parametrize("kept", range(1, len(epb(b"cut"))))
def test_a_block_cut_short_is_damage_at_its_start(kept: int) -> None:
    frames, reader = read(GOOD + epb(b"cut")[:kept])
    assert [frame.octets for frame in frames] == [b"good"]
    assert reader.damage is not None
    assert reader.damage.offset == len(GOOD)


def test_more_interfaces_than_a_frame_can_name_are_damage() -> None:
    _, reader = read(shb() + idb() * 65_536)
    assert len(reader.interfaces) == 65_535
    assert reader.damage is not None
    assert reader.damage.offset == 28 + 20 * 65_535


def test_a_frame_larger_than_a_batch_is_read() -> None:
    large = bytes(2_000_000)
    frames, reader = read(shb() + idb(snap_length=3_000_000) + epb(large) + epb(b"end"), batch_octets=1000)
    assert [len(frame.octets) for frame in frames] == [2_000_000, 3]
    assert reader.damage is None


def test_thousands_of_sections_and_clocks_take_time_in_proportion() -> None:
    section = {order: shb(order) + idb(order) + epb(b"x", order) for order in "<>"}
    clocks = b"".join(idb(options=option(14, struct.pack("<q", index))) for index in range(4000))
    packets = b"".join(epb(b"y", interface=index) for index in range(4000))
    started = time.process_time()
    frames, reader = read((section["<"] + section[">"]) * 1000 + shb() + clocks + packets)
    assert time.process_time() - started < 10
    assert reader.damage is None
    assert len(frames) == 6000
    assert [frame.time_ns for frame in frames[2000:]] == [index * 10**9 for index in range(4000)]
