"""What survives of a frame, told by other code: dpkt, and plain searches through the file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import dpkt
import pytest

from aoinspect.capture.reader import open_capture
from tests.anonymise.sharing import Shared, share, telling
from tests.conversation import Conversation, Key
from tests.packets import (
    Encapsulate,
    Record,
    ethernet,
    in_gre,
    in_vlan,
    in_vxlan,
    internet_checksum,
    ip_fragments,
    ip_packet,
    linux_cooked,
    linux_cooked_on,
    raw,
    tcp_segment,
    with_tcp_checksum,
    write_pcap,
    write_pcapng,
)
from tests.resign.pcapng import rich_pcapng
from tests.resign.test_identity import records_of

CLIENT, SERVER = "10.20.30.40", "10.20.30.41"
PAYLOAD = b"the customer's very own routes and names"
SECRET = b"correct horse battery staple"
MAC_ADDRESSES = (bytes.fromhex("3c5282abcdef"), bytes.fromhex("0017a4123456"))


def told() -> Conversation:
    conversation = Conversation(
        [Key(name="customer-key", secret=SECRET)], client=f"{CLIENT}:40000", server=f"{SERVER}:179", timestamps=True
    )
    return conversation.handshake().data("a", PAYLOAD).ack("b").data("b", PAYLOAD[::-1]).close()


def shared_records(tmp_path: Path, records: list[Record], link_type: int = 1, *arguments: str) -> Shared:
    source, keys = tmp_path / "in.pcap", tmp_path / "in.toml"
    source.write_bytes(write_pcap(records, link_type=link_type))
    keys.write_text(told().key_file())
    return share(source, keys, tmp_path, *arguments)


def session(tmp_path: Path, encapsulate: Encapsulate = ethernet, link_type: int = 1) -> list[Record]:
    path = tmp_path / "session.pcap"
    path.write_bytes(told().to_pcap(encapsulate=encapsulate, link_type=link_type))
    return records_of(path)[0]


def with_mac_addresses(packet: bytes, kind: int | None = None) -> bytes:
    return b"".join(MAC_ADDRESSES) + ethernet(packet, ethertype_inside=kind)[12:]


def one(packet: bytes) -> Record:
    return Record(packet, len(packet), 1_790_000_000_000_000_000)


ENCAPSULATIONS: list[tuple[Encapsulate, int]] = [
    (ethernet, 1),
    (raw, 101),
    (in_vlan(77), 1),
    (in_gre("198.51.100.7", "198.51.100.8"), 1),
    (in_vxlan(4242, "198.51.100.7", "198.51.100.8"), 1),
    (linux_cooked, 113),
    (linux_cooked_on(7), 276),
    (lambda packet: b"\x00\x00\x00\x02" + packet, 0x6C),
    (lambda packet: bytes.fromhex("4d47438200060102deadbeef00000002") + packet, 178),
    (lambda packet: bytes.fromhex("0200000708000a00c0ffee00") + struct.pack("<HH", 4 + len(packet), 9) + packet, 239),
]


class TestNothingOfTheOriginal:
    @pytest.mark.parametrize("number", range(len(ENCAPSULATIONS)))
    @pytest.mark.parametrize("payload", ["zero", "drop"])
    def test_in_any_encapsulation(self, number: int, payload: str, tmp_path: Path) -> None:
        encapsulate, link_type = ENCAPSULATIONS[number]
        records = session(tmp_path, encapsulate, link_type)
        shared = shared_records(tmp_path, records, link_type, "--payload", payload)
        before, now = shared.lines()
        assert [(line.frame, line.verdict, line.seq, line.sne) for line in now] == [
            (line.frame, line.verdict, line.seq, line.sne) for line in before
        ]
        assert before
        if payload == "zero":
            assert [len(record.octets) for record in records_of(shared.path)[0]] == [len(one.octets) for one in records]
        written = shared.path.read_bytes()
        for address in (CLIENT, SERVER, "198.51.100.7", "198.51.100.8"):
            assert ip_address(address).packed not in written
        assert PAYLOAD[:8] not in written
        assert b"\xc0\xff\xee" not in written
        assert b"\xde\xad\xbe\xef" not in written

    def test_of_what_stands_behind_the_packet(self, tmp_path: Path) -> None:
        records = [one(record.octets + b"left over from memory") for record in session(tmp_path)]
        shared = shared_records(tmp_path, records)
        assert b"memory" not in shared.path.read_bytes()
        assert {line.verdict for line in shared.lines()[1]} == {"verified"}

    def test_of_a_pcapng_files_blocks_and_options(self, tmp_path: Path) -> None:
        source, keys = tmp_path / "in.pcapng", tmp_path / "in.toml"
        records = [one(with_mac_addresses(record.octets[14:])) for record in session(tmp_path)]
        source.write_bytes(rich_pcapng(records, byte_order="big", interface_options=((3, b"uplink to ACME"),)))
        keys.write_text(told().key_file())
        shared = share(source, keys, tmp_path)
        written = shared.path.read_bytes()
        for trace in (b"comment", b"two sections", b"eth0", b"ACME", b"kept as it is", b"own", *MAC_ADDRESSES):
            assert trace in source.read_bytes()
            assert trace not in written
        before, now = shared.lines()
        assert [line.time_ns for line in now] == [line.time_ns for line in before]
        assert {line.verdict for line in now} == {"verified"}

    def test_of_names_in_the_key_file(self, tmp_path: Path) -> None:
        text = shared_records(tmp_path, session(tmp_path)).key_path.read_text()
        for trace in ("customer", CLIENT, SERVER, SECRET.decode()):
            assert trace not in text
        assert 'secret = "testvector"' in text


def icmp(kind: int, code: int, rest: bytes) -> bytes:
    bare = struct.pack("!BBH", kind, code, 0) + rest
    return bare[:2] + internet_checksum(bare).to_bytes(2, "big") + bare[4:]


class TestBesideTheSession:
    def test_arp_has_the_same_addresses_as_the_session(self, tmp_path: Path) -> None:
        request = bytes.fromhex("0001080006040001") + MAC_ADDRESSES[0] + ip_address(CLIENT).packed
        request += bytes(6) + ip_address(SERVER).packed
        shared = shared_records(tmp_path, [one(with_mac_addresses(request, 0x0806)), *session(tmp_path)])
        frames = [dpkt.ethernet.Ethernet(record.octets) for record in records_of(shared.path)[0]]
        arp, syn = frames[0].data, frames[1].data
        assert (arp.spa, arp.tpa) == (syn.src, syn.dst)
        assert arp.sha == arp.tha == bytes(6)

    def test_an_icmp_error_quotes_what_the_session_has_become(self, tmp_path: Path) -> None:
        records = session(tmp_path)
        quoted = records[3].octets[14:]
        error = ip_packet("10.20.30.1", CLIENT, icmp(3, 4, struct.pack("!HH", 0, 1400) + quoted), protocol=1)
        shared = shared_records(tmp_path, [*records, one(with_mac_addresses(error))])
        written = records_of(shared.path)[0]
        packet = dpkt.ethernet.Ethernet(written[-1].octets).data
        segment = dpkt.ethernet.Ethernet(written[3].octets).data
        told_again = dpkt.ip.IP(bytes(packet.data.data)[4:])
        assert (packet.dst, told_again.src, told_again.dst) == (segment.src, segment.src, segment.dst)
        assert bytes(told_again.data)[:8] == bytes(segment.data)[:8]
        assert bytes(packet.data.data)[2:4] == struct.pack("!H", 1400)
        assert not any(bytes(told_again.data)[8:])
        assert internet_checksum(bytes(packet.data)) == 0

    def test_neighbour_discovery_keeps_targets_and_no_link_layer_addresses(self, tmp_path: Path) -> None:
        target = ip_address("2001:db8:1::7").packed
        solicited = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + MAC_ADDRESSES[0]
        packet = ip_packet("2001:db8:1::9", "ff02::1:ff00:7", solicited, protocol=58)
        answer = ip_packet("2001:db8:1::7", "2001:db8:1::9", icmp(136, 0, bytes(4) + target), protocol=58)
        shared = shared_records(
            tmp_path, [one(with_mac_addresses(packet)), one(with_mac_addresses(answer)), *session(tmp_path)]
        )
        first, second = (record.octets for record in records_of(shared.path)[0][:2])
        assert first[14 + 40 + 8 : 14 + 40 + 24] == second[14 + 8 : 14 + 24]
        assert first[14 + 40 + 24 :][:2] == b"\x01\x01"
        assert MAC_ADDRESSES[0] not in first

    @pytest.mark.parametrize(
        "make",
        [
            lambda: ip_packet(CLIENT, SERVER, struct.pack("!HHHH", 1000, 53, 24, 0) + b"customer.example", protocol=17),
            lambda: ip_packet(
                CLIENT,
                "10.9.9.9",
                with_tcp_checksum(CLIENT, "10.9.9.9", tcp_segment((5, 443), 1, 0, 0x18, 9, b"", b"GET /customer")),
            ),
            lambda: ip_packet(CLIENT, SERVER, b"customer tunnel", protocol=99),
        ],
        ids=["dns", "https", "unknown"],
    )
    def test_other_frames_are_empty_and_keep_their_places(self, make: Callable[[], bytes], tmp_path: Path) -> None:
        other = with_mac_addresses(make())
        records = session(tmp_path)
        shared = shared_records(tmp_path, [*records[:3], one(other), *records[3:]])
        written = records_of(shared.path)[0]
        assert written[3].octets == bytes(12) + b"\x88\xb5" + bytes(len(other) - 14)
        assert "1 other frames: nothing of them is left" in shared.ended.out
        (tmp_path / "second").mkdir()
        dropped = share(shared.source, tmp_path / "in.toml", tmp_path / "second", "--other-frames", "drop")
        assert len(records_of(dropped.path)[0]) == len(records)
        assert f"shared.pcap: {len(records)} frames, " in dropped.ended.out
        assert "1 other frames: left out" in dropped.ended.out
        assert {line.verdict for line in dropped.lines()[1]} == {"verified"}


class TestHeaders:
    def test_a_routing_headers_addresses_become_others(self, tmp_path: Path) -> None:
        told_v6 = Conversation([Key()], client="[2001:db8::1]:40000", server="[2001:db8::2]:179").handshake()
        via = ip_address("2001:db8::5555").packed

        def routed(packet: bytes) -> bytes:
            header = bytes([6, 2, 2, 1, 0, 0, 0, 0]) + packet[24:40]
            length = struct.pack("!H", len(packet) - 40 + len(header))
            return ethernet(packet[:4] + length + b"\x2b" + packet[7:24] + via + header + packet[40:])

        source, keys = tmp_path / "in.pcap", tmp_path / "in.toml"
        source.write_bytes(told_v6.to_pcap(encapsulate=routed))
        keys.write_text(told_v6.key_file())
        shared = share(source, keys, tmp_path)
        before, now = shared.lines()
        assert [line.verdict for line in before] == [line.verdict for line in now] == ["verified"] * 3
        written = shared.path.read_bytes()
        assert via not in written
        assert ip_address("2001:db8::1").packed not in written
        assert ip_address("2001:db8::2").packed not in written

    def test_flow_labels_go(self, tmp_path: Path) -> None:
        source = tmp_path / "in.pcap"
        keys = tmp_path / "in.toml"
        told_v6 = Conversation([Key()], client="[2001:db8::1]:40000", server="[2001:db8::2]:179").handshake()
        source.write_bytes(
            told_v6.to_pcap(encapsulate=lambda packet: ethernet(packet[:1] + bytes.fromhex("0abcde") + packet[4:]))
        )
        keys.write_text(told_v6.key_file())
        shared = share(source, keys, tmp_path)
        assert {record.octets[14:18] for record in records_of(shared.path)[0]} == {bytes.fromhex("60000000")}

    def test_unknown_tcp_options_keep_their_kind_and_length(self, tmp_path: Path) -> None:
        cookie = b"\x22\x0a" + b"COOKIES!" + b"\x01\x01"
        records = session(tmp_path)
        syn = records[0].octets[14:]
        header_length = (syn[32] >> 4) * 4
        unsigned = syn[20:32] + bytes([(20 + len(cookie)) << 2]) + syn[33:40] + cookie
        packet = ip_packet(CLIENT, SERVER, with_tcp_checksum(CLIENT, SERVER, unsigned))
        assert header_length > 20
        shared = shared_records(tmp_path, [*records, one(ethernet(packet))])
        written = records_of(shared.path)[0][-1].octets
        assert b"COOKIES!" not in written
        assert b"\x22\x0a" + bytes(8) + b"\x01\x01" in written

    def test_segments_in_fragments_go_back_into_them(self, tmp_path: Path) -> None:
        listed = []
        for record in session(tmp_path):
            packet = record.octets[14:]
            total = int.from_bytes(packet[2:4], "big")
            listed += [one(ethernet(piece)) for piece in ip_fragments(packet[:total], 24)]
        shared = shared_records(tmp_path, listed)
        before, now = shared.lines()
        assert list(map(telling, now)) == list(map(telling, before))
        assert {line.verdict for line in now} == {"verified"}

    def test_an_incomplete_datagram_stays_one(self, tmp_path: Path) -> None:
        records = session(tmp_path)
        packet = records[3].octets[14:]
        pieces = ip_fragments(packet[: int.from_bytes(packet[2:4], "big")], 48)
        shared = shared_records(tmp_path, [*records[:3], one(ethernet(pieces[0])), *records[4:]])
        before, now = shared.lines()
        assert [(line.frame, line.verdict, line.reason) for line in now] == [
            (line.frame, line.verdict, line.reason) for line in before
        ]
        assert ("unverifiable", "fragment") in [(line.verdict, line.reason) for line in now]

    def test_a_named_interface_that_keys_are_bound_to_has_another_name(self, tmp_path: Path) -> None:
        source, keys = tmp_path / "in.pcapng", tmp_path / "in.toml"
        source.write_bytes(write_pcapng(session(tmp_path), interface_name="cust-acme"))
        keys.write_text(told().key_file().replace("[[peer]]", '[[peer]]\nvrf = "acme"\ninterface = "cust-acme"', 1))
        shared = share(source, keys, tmp_path)
        assert 'interface = "interface-1"' in shared.key_path.read_text()
        with open_capture(shared.path) as reader:
            list(reader.batches())
            assert [interface.name for interface in reader.interfaces] == ["interface-1"]
        assert {line.verdict for line in shared.lines()[1]} == {"verified"}


def test_ports_can_become_others(tmp_path: Path) -> None:
    shared = shared_records(tmp_path, session(tmp_path), 1, "--ports", "shuffle")
    before, now = shared.lines()
    assert {line.verdict for line in now} == {"verified"}
    ports = {line.src.rpartition(":")[2] for line in now}
    assert "179" in ports
    assert ports != {line.src.rpartition(":")[2] for line in before}
