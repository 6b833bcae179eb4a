"""A pcap becomes a pcapng that says the same."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from tests.annotate.blocks import ENHANCED, INTERFACE, SECTION, blocks_of, packets
from tests.annotate.running import annotated
from tests.capture.builders import PCAP_MAGIC_KUZNETZOV, PCAP_MAGIC_NS, PCAP_MAGIC_US, pcap_header, pcap_record, told
from tests.conversation import Conversation, Key
from tests.resign.running import store_of

FRAMES = [bytes(range(60 + extra)) for extra in range(9)]
"""Of all lengths modulo 4; they hold no IP."""


def converted(octets: bytes, folder: Path) -> bytes:
    source, out = folder / "in.pcap", folder / "out.pcapng"
    source.write_bytes(octets)
    annotated(source, out)
    with open_capture(source) as before, open_capture(out) as after:
        frames = [(one.number, one.octets, one.wire_length, one.time_ns, one.link_type) for one in told(before)]
        assert [(one.number, one.octets, one.wire_length, one.time_ns, one.link_type) for one in told(after)] == frames
        assert after.damage is None
        assert after.interfaces == before.interfaces
    return out.read_bytes()


def interface_options(octets: bytes) -> dict[int, bytes]:
    """The options of the one Interface Description Block."""
    (interface,) = [block for block in blocks_of(octets) if block.block_type == INTERFACE]
    rest, found = interface.body[8:], {}
    while rest[:2] != b"\0\0":
        code, length = struct.unpack_from("<HH", rest)
        found[code] = rest[4 : 4 + length]
        rest = rest[4 + length + -length % 4 :]
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "resolution"), [(PCAP_MAGIC_US, 6), (PCAP_MAGIC_NS, 9)])
def test_times_keep_the_files_resolution(order: str, magic: int, resolution: int, tmp_path: Path) -> None:
    records = [pcap_record(frame, order, 1_790_000_000 + n, 999_999 - n) for n, frame in enumerate(FRAMES)]
    late = pcap_record(b"late", order, 0xFFFF_FFFF, 1)
    octets = converted(pcap_header(order, magic, link_field=101, snap_length=4321) + b"".join(records) + late, tmp_path)
    section, interface, *rest = blocks_of(octets)
    assert (section.block_type, section.order, {block.block_type for block in rest}) == (SECTION, "<", {ENHANCED})
    assert struct.unpack_from("<HHI", interface.body) == (101, 0, 4321)
    assert interface_options(octets) == {9: bytes([resolution])}
    high, low = struct.unpack_from("<II", rest[-1].body, 4)
    assert high << 32 | low == 0xFFFF_FFFF * 10**resolution + 1


def test_padding_is_zero(tmp_path: Path) -> None:
    octets = converted(pcap_header() + b"".join(pcap_record(b"\xff" * n) for n in range(9)), tmp_path)
    for block in packets(octets):
        assert block.body[20:] == block.frame + bytes(-len(block.frame) % 4)


def test_the_length_of_the_fcs_is_kept(tmp_path: Path) -> None:
    octets = converted(pcap_header(link_field=0x2400_0001) + pcap_record(FRAMES[0]), tmp_path)
    assert interface_options(octets)[13] == b"\x04"


def test_cut_frames_keep_both_lengths(tmp_path: Path) -> None:
    octets = converted(pcap_header() + pcap_record(FRAMES[0], wire_length=1500), tmp_path)
    assert struct.unpack_from("<II", packets(octets)[0].body, 12) == (60, 1500)


def test_a_file_from_before_2_3_has_its_lengths_the_other_way_round(tmp_path: Path) -> None:
    record = pcap_record(FRAMES[0], captured=1500, wire_length=len(FRAMES[0]))
    octets = converted(pcap_header(version=(2, 2)) + record, tmp_path)
    assert struct.unpack_from("<II", packets(octets)[0].body, 12) == (60, 1500)


def test_longer_record_headers_are_left_out(tmp_path: Path) -> None:
    records = [pcap_record(frame, more=b"\1\2\3\4\5\6\7\xff") for frame in FRAMES]
    assert len(packets(converted(pcap_header(magic=PCAP_MAGIC_KUZNETZOV) + b"".join(records), tmp_path))) == 9


def test_a_capture_without_frames_is_a_section_and_an_interface(tmp_path: Path) -> None:
    assert [block.block_type for block in blocks_of(converted(pcap_header(), tmp_path))] == [SECTION, INTERFACE]


def test_what_lies_behind_damage_is_left_out_and_said(tmp_path: Path) -> None:
    source, out = tmp_path / "in.pcap", tmp_path / "out.pcapng"
    conversation = Conversation([Key()]).handshake().data("a", 300).close()
    source.write_bytes(conversation.to_pcap() + b"\xff" * 30)
    written = annotated(source, out, store_of(tmp_path, conversation.key_file()))
    assert written.damage is not None
    assert written.damage.offset == len(conversation.to_pcap())
    assert len(packets(out.read_bytes())) == sum(written.counts.values()) == len(conversation.segments)
