"""Lengths and checksums of everything around a segment follow when it changes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from aoinspect.engine.resign.wishes import Left, Wishes
from aoinspect.errors import UsageError
from tests.conversation import Conversation, Key
from tests.packets import Record, ethernet, ethertype, internet_checksum, ip_packet, linux_cooked, raw, write_pcap
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import lines_of, store_of, written
from tests.resign.strategies import key_file_for
from tests.resign.test_identity import records_of

Encapsulate = Callable[[bytes], bytes]
OUTER = "2001:db8::a", "2001:db8::b"


def udp_over_ipv6(payload: bytes, port: int) -> bytes:
    """An Ethernet frame with a UDP checksum, which IPv6 demands."""
    datagram = struct.pack("!HHHH", 49152, port, 8 + len(payload), 0) + payload
    pseudo_header = b"".join(ip_address(end).packed for end in OUTER) + struct.pack("!II", len(datagram), 17)
    checksum = internet_checksum(pseudo_header + datagram) or 0xFFFF
    return ethernet(ip_packet(*OUTER, datagram[:6] + checksum.to_bytes(2, "big") + datagram[8:], protocol=17))


def vxlan_with_checksum(packet: bytes) -> bytes:
    return udp_over_ipv6(struct.pack("!II", 0x08000000, 77 << 8) + ethernet(packet), 4789)


def geneve_with_checksum(packet: bytes) -> bytes:
    return udp_over_ipv6(struct.pack("!BBHI", 1, 0, ethertype(packet), 77 << 8) + b"\0\0\x01\0" + packet, 6081)


def gre_with_checksum(packet: bytes) -> bytes:
    body = struct.pack("!HHHH", 0x8000, ethertype(packet), 0, 0) + packet
    body = body[:4] + internet_checksum(body).to_bytes(2, "big") + body[6:]
    return ethernet(ip_packet("192.0.2.1", "192.0.2.2", body, protocol=47))


def vxlan_in_gre(packet: bytes) -> bytes:
    """A UDP checksum that a GRE checksum covers."""
    return gre_with_checksum(vxlan_with_checksum(packet)[14:])


def pppoe(packet: bytes) -> bytes:
    session = struct.pack("!BBHHH", 0x11, 0, 7, len(packet) + 2, 0x0021) + packet
    return ethernet(session, ethertype_inside=0x8864)


def ieee_802_3(packet: bytes) -> bytes:
    """LLC and SNAP behind a length."""
    body = bytes.fromhex("aaaa03000000") + struct.pack("!H", ethertype(packet)) + packet
    return ethernet(body, ethertype_inside=len(body))


def in_ipip(packet: bytes) -> bytes:
    return ethernet(ip_packet("192.0.2.1", "192.0.2.2", packet, protocol=4))


def nflog(packet: bytes) -> bytes:
    attributes = struct.pack("<HHI", 8, 2, 99) + struct.pack("<HH", 4 + len(packet), 9) + packet
    return struct.pack("!BBH", 2, 0, 5) + attributes + bytes(-len(packet) % 4)


def with_fcs(packet: bytes) -> bytes:
    frame = ethernet(packet)
    return frame + zlib.crc32(frame).to_bytes(4, "little")


def talk(keys: list[Key]) -> Conversation:
    return Conversation(keys).handshake().data("a", 331).data("b", 40).data("b", 1).close()


OLD = [Key(mac_length=12)]
SAME_LENGTH = [Key(mac_length=12, secret=b"other", algorithm="hmac-sha-256-96", send_id=77)]
LONGER = [Key(mac_length=20, secret=b"other")]
SHORTER = [Key(mac_length=4, secret=b"other")]
NEW_KEYS = pytest.mark.parametrize("new", [SAME_LENGTH, LONGER, SHORTER], ids=["same", "longer", "shorter"])


def rekeyed(folder: Path, told: Conversation, octets: bytes, new: list[Key]) -> tuple[Path, dict[Left, list[int]]]:
    source, out = folder / "in", folder / "out"
    source.write_bytes(octets)
    new_store = store_of(folder, key_file_for(told, new), "new.toml")
    resigned = written(source, out, store_of(folder, told.key_file()), Wishes(new_keys=new_store))
    return out, {why: frames.tolist() for why, frames in resigned.left.items()}


@NEW_KEYS
@pytest.mark.parametrize(
    ("encapsulate", "link_type"),
    [
        (ethernet, 1),
        (raw, 101),
        (linux_cooked, 113),
        (vxlan_with_checksum, 1),
        (geneve_with_checksum, 1),
        (gre_with_checksum, 1),
        (vxlan_in_gre, 1),
        (in_ipip, 1),
        (pppoe, 1),
        (ieee_802_3, 1),
        (nflog, 239),
    ],
)
def test_every_header_is_what_the_sender_would_have_written(
    encapsulate: Encapsulate, link_type: int, new: list[Key], tmp_path: Path
) -> None:
    """The same conversation is built and signed twice, by a builder that knows nothing of re-signing."""
    told, expected = talk(OLD), talk(new)
    out, left = rekeyed(tmp_path, told, told.to_pcap(encapsulate=encapsulate, link_type=link_type), new)
    (tmp_path / "expected").write_bytes(expected.to_pcap(encapsulate=encapsulate, link_type=link_type))
    assert left == {}
    pairs = list(zip(records_of(out)[0], records_of(tmp_path / "expected")[0], strict=True))
    if encapsulate in (vxlan_with_checksum, vxlan_in_gre):
        # A frame inside of a tunnel keeps the padding that it had, so only those without any can be compared.
        pairs = [pair for pair in pairs if len(pair[0].octets) > 300]
    assert pairs
    for found, wanted in pairs:
        assert found == wanted


@NEW_KEYS
def test_a_right_frame_check_sequence_is_right_again_and_a_wrong_one_stays(new: list[Key], tmp_path: Path) -> None:
    told = talk(OLD)
    records = []
    for number, segment in enumerate(told.segments):
        octets = with_fcs(segment.packet)
        octets = octets[:-1] + bytes([octets[-1] ^ (number == 3)])
        records.append(Record(octets, len(octets), segment.time_ns))
    fcs_length = (13, b"\x04")
    source = rich_pcapng(records, byte_order="big", interface_options=(fcs_length,))
    out, _ = rekeyed(tmp_path, told, source, new)
    for number, record in enumerate(records_of(out)[0]):
        is_right = zlib.crc32(record.octets[:-4]).to_bytes(4, "little") == record.octets[-4:]
        assert is_right == (number != 3)


def test_a_length_of_zero_from_segmentation_offload_stays_zero(tmp_path: Path) -> None:
    def offloaded(packet: bytes) -> bytes:
        header = packet[:2] + bytes(2) + packet[4:10] + bytes(2) + packet[12:20]
        return ethernet_unpadded(header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:] + packet[20:])

    told, expected = talk(OLD), talk(LONGER)
    out, _ = rekeyed(tmp_path, told, told.to_pcap(encapsulate=offloaded), LONGER)
    assert out.read_bytes() == expected.to_pcap(encapsulate=offloaded)


def ethernet_unpadded(packet: bytes) -> bytes:
    return bytes.fromhex("020000000002020000000001") + struct.pack("!H", ethertype(packet)) + packet


def test_a_partial_outer_checksum_stays_off_by_as_much_as_it_was(tmp_path: Path) -> None:
    """What an offloading sender leaves to its card is not ours to finish: it follows, and stays partial."""

    def partial(packet: bytes) -> bytes:
        frame = bytearray(udp_over_ipv6(struct.pack("!II", 0x08000000, 77 << 8) + ethernet_unpadded(packet), 4789))
        frame[14 + 40 + 6] ^= 0x40
        return bytes(frame)

    told, expected = talk(OLD), talk(LONGER)
    out, _ = rekeyed(tmp_path, told, told.to_pcap(encapsulate=partial), LONGER)
    (tmp_path / "expected").write_bytes(expected.to_pcap(encapsulate=partial))
    for found, old, wanted in zip(
        records_of(out)[0], records_of(tmp_path / "in")[0], records_of(tmp_path / "expected")[0], strict=True
    ):
        at = 14 + 40 + 6
        assert (found.octets[:at], found.octets[at + 2 :]) == (wanted.octets[:at], wanted.octets[at + 2 :])
        assert _error_of(found.octets) == _error_of(old.octets) != 0


def _error_of(frame: bytes) -> int:
    """By how much the UDP checksum of Ethernet / IPv6 / UDP is wrong, modulo 65535."""
    datagram = frame[54:]
    pseudo_header = frame[22:54] + struct.pack("!II", len(datagram), 17)
    return internet_checksum(pseudo_header + datagram) % 0xFFFF


def test_a_packet_that_grows_beyond_its_length_field_is_named(tmp_path: Path) -> None:
    told = Conversation(OLD).handshake().data("a", 65535 - 20 - 36)
    with pytest.raises(UsageError, match=r"^frame 4: the IPv4 total length would be 65543, and is at most 65535$"):
        rekeyed(tmp_path, told, told.to_pcap(encapsulate=raw, link_type=101), LONGER)
    assert not (tmp_path / "out").exists()


def test_nothing_is_resized_inside_of_a_header_that_is_not_known(tmp_path: Path) -> None:
    """AH authenticates the whole packet (RFC 4302): no header but its own could be made right."""

    def in_ah(packet: bytes) -> bytes:
        header = struct.pack("!BBHII", 6, 4, 0, 1, 1) + bytes(12)
        payload = header + packet[20:]
        source, destination = str(ip_address(packet[12:16])), str(ip_address(packet[16:20]))
        return ethernet(ip_packet(source, destination, payload, protocol=51))

    told = talk(OLD)
    out, left = rekeyed(tmp_path, told, told.to_pcap(encapsulate=in_ah), LONGER)
    assert out.read_bytes() == told.to_pcap(encapsulate=in_ah)
    assert left == {Left.UNKNOWN_HEADER: list(range(1, len(told.segments) + 1))}


def test_a_cut_segment_is_stripped_and_its_checksum_follows(tmp_path: Path) -> None:
    told = Conversation(OLD).handshake().data("a", 301)
    plain = Conversation([]).handshake().data("a", 301)
    source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    source.write_bytes(told.cut(200).to_pcap())
    written(source, out, store_of(tmp_path, told.key_file()), Wishes(strips=True))
    expected = tmp_path / "expected.pcap"
    expected.write_bytes(plain.cut(184).to_pcap())
    assert records_of(out)[0][3] == records_of(expected)[0][3]


@NEW_KEYS
def test_padding_to_ethernets_shortest_frame_is_as_long_as_it_has_to_be(new: list[Key], tmp_path: Path) -> None:
    told = Conversation(SHORTER).handshake().ack("a")
    expected = Conversation(new).handshake().ack("a")
    out, _ = rekeyed(tmp_path, told, told.to_pcap(), new)
    assert out.read_bytes() == expected.to_pcap()
    assert {line.verdict for line in lines_of(out, store_of(tmp_path, expected.key_file()))} == {"verified"}


def test_what_a_pcap_has_behind_the_packet_stays(tmp_path: Path) -> None:
    told = Conversation(OLD).handshake().data("a", 40)
    trailer = b"a switch's trailer"
    records = [
        Record(ethernet(segment.packet) + trailer, len(ethernet(segment.packet)) + len(trailer), segment.time_ns)
        for segment in told.segments
    ]
    out, _ = rekeyed(tmp_path, told, write_pcap(records), LONGER)
    assert all(record.octets.endswith(trailer) for record in records_of(out)[0])
