"""The conversation builder itself: its packets are the RFC's, other tools read them, its facts are
consistent.
"""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import packets
from tests import reference_signer as signer
from tests.conversation import Conversation, Flag, Key, merge
from tests.told_capture import tells_isns

TSHARK = shutil.which("tshark")
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")

RFC_9235_KEY = Key("rfc", 61, 84, "hmac-sha-1-96", b"testvector")
RFC_9235_4_1 = [
    "45e0004cdd0f4000ff06bf6b0a0b0c0dac1b1c1de9d700b3fbfbab5a00000000e002ffffcac40000020405b401030308"
    "0402080a00155ab7000000001d103d542ee437c6f8ede6d7c4d602e7",
    "45e0004c65064000ff063775ac1b1c1d0a0b0c0d00b3e9d711c14261fbfbab5be012ffff37760000020405b401030308"
    "0402080a84a50beb00155ab71d10543deeab0fe24c3010815116b3be",
    "45e0008736a14000ff06659f0a0b0c0dac1b1c1de9d700b3fbfbab5b11c14262c0180104a16200000101080a00155ac1"
    "84a50beb1d103d547064cf998cc6c315c2c2e2bfffffffffffffffffffffffffffffffff00430104dabf00b40a0b0c0d"
    "260206010400010001020280000202020002024200020641040000dabf02084006006400010100",
    "45e000871fa94000ff067c97ac1b1c1d0a0b0c0d00b3e9d711c14262fbfbab9ec0180100400c00000101080a84a50bf5"
    "00155ac11d10543da63f0ecbbb2e635c954deac7ffffffffffffffffffffffffffffffff00430104dac000b4ac1b1c1d"
    "260206010400010001020280000202020002024200020641040000dac002084006006400010100",
]
"""RFC 9235 4.1.1 to 4.1.4, from the IP header on."""

BASIC = [Key("k1", 1, 101), Key("k2", 2, 102, "aes-128-cmac-96", b"0123456789abcdef")]


def rfc_9235_conversation() -> Conversation:
    """The session of RFC 9235 4.1 told with the builder."""
    open_messages = [bytes.fromhex(packet)[68:] for packet in RFC_9235_4_1[2:]]
    return (
        Conversation(
            [RFC_9235_KEY],
            client="10.11.12.13:59863",
            server="172.27.28.29:179",
            client_isn=0xFBFBAB5A,
            server_isn=0x11C14261,
            traffic_class=0xE0,
            hop_limit=255,
        )
        .syn(identification=0xDD0F, timestamp=(0x00155AB7, 0))
        .syn_ack(identification=0x6506, timestamp=(0x84A50BEB, 0x00155AB7))
        .data("a", open_messages[0], identification=0x36A1, window=0x104, timestamp=(0x00155AC1, 0x84A50BEB))
        .data("b", open_messages[1], identification=0x1FA9, window=0x100, timestamp=(0x84A50BF5, 0x00155AC1))
    )


@pytest.mark.parametrize("index", range(4))
def test_the_packets_of_rfc_9235_come_out_bit_for_bit_but_for_the_tcp_checksum(index: int) -> None:
    """The TCP checksums in the RFC are wrong; everything else must agree."""
    published = bytearray.fromhex(RFC_9235_4_1[index])
    built = bytearray(rfc_9235_conversation().segments[index].packet)
    assert published[36:38] != built[36:38]
    published[36:38] = built[36:38] = b"\x00\x00"
    assert built.hex() == published.hex()


def read_with_tshark(capture: bytes, path: Path, *fields: str) -> list[list[str]]:
    """The named fields of every frame; several values of one field are parted by commas."""
    assert TSHARK is not None
    path.write_bytes(capture)
    command = [
        TSHARK,
        "-r",
        str(path),
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
        "-T",
        "fields",
    ]
    for field in fields:
        command += ["-e", field]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in output.splitlines()]


def told_of_everything(client: str, server: str) -> Conversation:
    return (
        Conversation(BASIC, client=client, server=server, timestamps=True)
        .handshake()
        .data("a", 400)
        .ack("b")
        .rollover("a", to=2)
        .data("a", 33)
        .retransmit()
        .wrap("a")
        .keepalive("b", b"\0")
        .close("a")
        .abort("b")
    )


ADDRESSES = [("10.0.0.1:40000", "10.0.0.2:179"), ("[fd00::1]:40000", "[fd00::2]:179")]


@needs_tshark
@pytest.mark.parametrize("client, server", ADDRESSES)
@pytest.mark.parametrize("form", ["pcap", "pcap-big-microseconds", "pcapng", "pcapng-big"])
def test_tshark_reads_the_captures_with_right_checksums_and_the_ao_fields_that_the_facts_tell(
    client: str, server: str, form: str, tmp_path: Path
) -> None:
    conversation = told_of_everything(client, server)
    forms: dict[str, Callable[[], bytes]] = {
        "pcap": conversation.to_pcap,
        "pcap-big-microseconds": lambda: conversation.to_pcap(byte_order="big", nanoseconds=False),
        "pcapng": conversation.to_pcapng,
        "pcapng-big": lambda: conversation.to_pcapng(byte_order="big"),
    }
    rows = read_with_tshark(
        forms[form](),
        tmp_path / "capture",
        "_ws.malformed",
        "tcp.checksum.status",
        "tcp.seq_raw",
        "tcp.options.ao.keyid",
        "tcp.options.ao.rnextkeyid",
        "tcp.options.ao.mac",
        "frame.time_epoch",
    )
    assert len(rows) == len(conversation.segments)
    for row, segment in zip(rows, conversation.segments, strict=True):
        plan = segment.plan
        assert row[:3] == ["", "1", str(plan.seq)]
        assert (int(row[3]), int(row[4])) == (plan.wire_key_id, plan.rnext_key_id)
        assert row[5].replace(":", "") == segment.mac.hex()
        tick_ns = 1000 if "microseconds" in form else 1
        seconds, fraction = row[6].split(".")
        assert int(seconds) * 10**9 + int(fraction) == segment.time_ns // tick_ns * tick_ns


@needs_tshark
@pytest.mark.parametrize(
    "encapsulate, link_type, protocols",
    [
        (packets.raw, packets.RAW, "raw:ip:tcp"),
        (packets.linux_cooked, packets.LINUX_SLL, "sll:ethertype:ip:tcp"),
        (packets.linux_cooked_on(7), packets.LINUX_SLL2, "sll:ethertype:ip:tcp"),
        (packets.in_vlan(20), packets.ETHERNET, "eth:ethertype:vlan:ethertype:ip:tcp"),
        (packets.in_gre(), packets.ETHERNET, "eth:ethertype:ip:gre:ip:tcp"),
        (packets.in_vxlan(7), packets.ETHERNET, "eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:tcp"),
    ],
)
def test_tshark_finds_the_segment_within_every_encapsulation(
    encapsulate: packets.Encapsulate, link_type: int, protocols: str, tmp_path: Path
) -> None:
    capture = Conversation().handshake().to_pcap(encapsulate=encapsulate, link_type=link_type)
    rows = read_with_tshark(capture, tmp_path / "capture", "frame.protocols", "_ws.malformed")
    assert rows == [[protocols, ""]] * 3


@needs_tshark
@pytest.mark.parametrize("client, server", ADDRESSES)
def test_tshark_puts_fragments_together_again(client: str, server: str, tmp_path: Path) -> None:
    (segment,) = Conversation(client=client, server=server).data("a", 3000).segments
    fragments = packets.ip_fragments(segment.packet, 1024)
    records = [packets.Record(packets.ethernet(piece), 2000, index) for index, piece in enumerate(fragments)]
    rows = read_with_tshark(packets.write_pcap(records), tmp_path / "capture", "tcp.len", "tcp.checksum.status")
    assert rows == [["", ""]] * (len(fragments) - 1) + [["3000", "1"]]


def test_a_wrap_crosses_2_to_the_32_once_and_leaves_no_gap_of_2_to_the_31() -> None:
    conversation = Conversation(client_isn=5).handshake().wrap("a")
    positions = [segment.plan.position for segment in conversation.segments if segment.direction == "a>b"]
    assert (positions[0] >> 32, positions[-1] >> 32) == (0, 1)
    assert all(later - earlier < 2**31 for earlier, later in itertools.pairwise(positions))
    crossing = [s for s in conversation.segments if s.plan.seq + len(s.plan.payload) > 2**32]
    assert len(crossing) == 1
    assert len(conversation.wrap("a").segments) < 60
    assert conversation.segments[-2].plan.sne == 2


def test_the_sne_after_a_syn_with_isn_ffffffff_is_one() -> None:
    segments = Conversation(client_isn=2**32 - 1).handshake().segments
    assert [(segment.plan.seq, segment.plan.sne) for segment in segments if segment.direction == "a>b"] == [
        (2**32 - 1, 0),
        (0, 1),
    ]


def test_a_rollover_is_announced_by_the_peer_before_the_key_changes() -> None:
    segments = Conversation(BASIC).handshake().rollover("a", to=2).data("a", 1).ack("b").segments[3:]
    assert [(s.direction, s.plan.key_id, s.plan.rnext_key_id, s.mkt) for s in segments] == [
        ("b>a", 101, 2, "k1"),
        ("a>b", 2, 101, "k2"),
        ("b>a", 101, 2, "k1"),
    ]


def signs_rightly(packet: bytes, key: Key, isns: tuple[int, int], sne: int) -> bool:
    """Whether the AO option of an IPv4 packet holds the right MAC for these (source, destination) ISNs."""
    source, destination = (".".join(map(str, packet[start : start + 4])) for start in (12, 16))
    segment = packet[20:]
    source_port, destination_port = struct.unpack("!HH", segment[:4])
    option = next(segment[start:end] for kind, start, end in signer.option_ranges(segment) if kind == signer.AO_KIND)
    context = signer.kdf_context(source, destination, source_port, destination_port, *isns)
    message = signer.mac_input(sne, source, destination, segment, key.include_options)
    return signer.mac(key, signer.traffic_key(key, context), message)[: len(option) - 4] == option[4:]


FAULTS = {
    "sign_with_wrong_secret": ("mismatch", None),
    "sign_with_wrong_isns": ("mismatch", None),
    "sign_with_wrong_sne": ("mismatch", None),
    "sign_with_other_options_flag": ("mismatch", None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrongly_signed_segment_has_a_wrong_mac_and_says_so(name: str) -> None:
    key = Key()
    conversation = Conversation([key], timestamps=True).handshake().data("a", 40)
    isns = conversation.isns["a"], conversation.isns["b"]
    assert signs_rightly(conversation.segments[-1].packet, key, isns, 0)
    getattr(conversation, name)()
    (segment,) = conversation.segments[-1:]
    assert (segment.verdict, segment.reason) == FAULTS[name]
    assert not signs_rightly(segment.packet, key, isns, 0)


def test_the_options_flag_makes_no_difference_where_ao_is_the_only_option() -> None:
    conversation = Conversation().handshake().data("a", 40).sign_with_other_options_flag()
    assert conversation.segments[-1].verdict == "verified"


def option_kinds(packet: bytes) -> list[int]:
    return [kind for kind, _, _ in signer.option_ranges(packet[20:])]


def test_faults_of_the_option_change_what_lies_on_the_wire() -> None:
    def spoken() -> Conversation:
        return Conversation(timestamps=True).handshake().data("a", 40)

    assert option_kinds(spoken().segments[-1].packet) == [8, 29]
    assert option_kinds(spoken().strip_option().segments[-1].packet) == [8]
    assert option_kinds(spoken().add_second_option().segments[-1].packet) == [8, 29, 29]
    assert option_kinds(spoken().add_md5_option().segments[-1].packet) == [29, 19]
    cut_mac, whole_mac = (
        spoken().change_mac_length(8).segments[-1].mac,
        spoken().change_mac_length(20).segments[-1].mac,
    )
    assert (len(cut_mac), len(whole_mac)) == (8, 20)
    broken = spoken().break_option_length(3).segments[-1].packet
    assert broken[20 + 20 + 12 : 20 + 20 + 14] == b"\x1d\x03"
    flipped = spoken().flip_bit(19, 7).segments[-1].packet
    differing = [i for i, (x, y) in enumerate(zip(flipped, spoken().segments[-1].packet, strict=True)) if x != y]
    assert set(differing) - {36, 37} == {39}


def test_lost_segments_are_sent_but_not_captured_and_come_again_under_the_key_of_now() -> None:
    conversation = Conversation(BASIC).handshake().data("a", 40).lose().ack("b").switch("a", "k2").retransmit_lost()
    first, again = conversation.lost[0].plan, conversation.segments[-1].plan
    assert (first.position, first.payload) == (again.position, again.payload)
    assert (first.key_id, again.key_id) == (1, 2)
    assert len(conversation.segments) == 5
    assert conversation.segments[3].plan.ack == (conversation.isns["a"] + 41) % 2**32


def test_reordering_changes_the_order_and_not_the_times() -> None:
    conversation = Conversation().handshake().data("a", 1).data("a", 2).data("a", 3).reorder(by=2)
    assert [len(segment.plan.payload) for segment in conversation.segments] == [0, 0, 0, 3, 1, 2]
    times = [segment.time_ns for segment in conversation.segments]
    assert times == sorted(set(times))


def test_merging_interleaves_by_time_and_keeps_one_copy_of_equal_key_entries() -> None:
    conversations = [Conversation(client=f"10.0.0.1:{port}").handshake() for port in (1000, 1001)]
    capture = merge(conversations)
    assert [segment.plan.source.port for segment in capture.segments] == [1000, 1001, 179, 179, 1000, 1001]
    keys = tomllib.loads(capture.key_file(with_connections=True))
    assert (len(keys["peer"]), len(keys["connection"])) == (1, 2)


def test_the_key_file_tells_both_ends_where_they_differ() -> None:
    conversation = Conversation([Key(secret=b"one")], server_keys=[Key(secret=b"two", include_options=False)])
    client, server = tomllib.loads(conversation.key_file())["peer"]
    assert (client["local"], server["local"]) == ("10.0.0.1", "10.0.0.2")
    assert (client["key"][0]["send-id"], client["key"][0]["recv-id"]) == (1, 101)
    assert (server["key"][0]["send-id"], server["key"][0]["recv-id"]) == (101, 1)
    assert (client["key"][0]["secret-hex"], server["key"][0]["secret-hex"]) == (b"one".hex(), b"two".hex())
    assert (client["key"][0]["tcp-options"], server["key"][0]["tcp-options"]) == ("include", "exclude")


def test_without_a_handshake_the_isns_are_unknown_unless_the_key_file_tells_them() -> None:
    conversation = Conversation().established(client_octets=2**33, server_octets=10).data("a", 10).ack("b")
    capture = conversation.capture()
    assert capture.verdicts() == [("unverifiable", "isn-unknown")] * 2
    assert capture.verdicts(isns_known=True) == [("verified", None)] * 2
    (known,) = tomllib.loads(capture.key_file(with_connections=True))["connection"]
    assert (known["local-isn"], known["local-sne"], known["remote-sne"]) == (0x11223344, 2, 0)


@pytest.mark.parametrize(
    "captured, told",
    [
        (lambda c: c.syn_ack().data("a", 5), True),
        (lambda c: c.syn().data("a", 5), True),
        (lambda c: c.handshake_ack(), True),
        (lambda c: c.syn("a").syn("b"), True),
        (lambda c: c.syn(), False),
        (lambda c: c.skip("a", 10).ack("a"), False),
    ],
)
def test_what_is_left_of_a_handshake_tells_both_isns_or_not(
    captured: Callable[[Conversation], Conversation], told: bool
) -> None:
    assert tells_isns(captured(Conversation()).segments) is told


def test_tcp_md5_segments_carry_the_digest_of_rfc_2385() -> None:
    key = Key(algorithm=signer.TCP_MD5, secret=b"lolcats")
    conversation = Conversation([key]).handshake().data("a", 20)
    segment = conversation.segments[-1]
    assert option_kinds(segment.packet) == [19]
    assert segment.mac == signer.md5_digest(b"lolcats", "10.0.0.1", "10.0.0.2", segment.segment)
    assert "send-id" not in conversation.key_file()


def test_the_reference_signer_agrees_with_a_published_tcp_md5_self_test() -> None:
    message = bytes.fromhex("c0a83814c0a838280006002800b3d10515f72762291b6878a010007300000000")
    segment = message[12:] + b"\x01" * 20
    assert signer.md5_digest(b"lolcats", "192.168.56.20", "192.168.56.40", segment).hex() == (
        "eaf8d1f1da3f03c90b42709e9508fc73"
    )


@pytest.mark.parametrize("algorithm", signer.ALGORITHMS)
@pytest.mark.parametrize("mac_length", [None, 4, 16])
def test_every_algorithm_signs_and_fits_into_the_options(algorithm: str, mac_length: int | None) -> None:
    key = Key(algorithm=algorithm, mac_length=mac_length)
    segments = Conversation([key], timestamps=True).handshake().data("b", 9).segments
    assert {len(segment.mac) for segment in segments} == {key.wire_mac_length}
    assert all(len(segment.segment) - len(segment.plan.payload) <= 60 for segment in segments)


def test_strays_leave_the_conversation_untouched() -> None:
    plain = Conversation().handshake().data("a", 40)
    disturbed = (
        Conversation()
        .handshake()
        .stray("a", 7)
        .stray("b", 2**31, signed="wrongly", flags=Flag.RST)
        .stray("a", 9, signed="correctly", sne=3)
        .data("a", 40)
    )
    assert [segment.verdict for segment in disturbed.segments[3:6]] == ["unsigned", "mismatch", "verified"]
    assert disturbed.segments[5].plan.sne == 3
    assert disturbed.segments[-1].segment == plain.segments[-1].segment


def test_a_cut_segment_keeps_its_wire_length() -> None:
    conversation = Conversation().handshake().data("a", 400).cut(60)
    record = conversation.capture().records()[-1]
    assert (len(record.octets), record.wire_length) == (74, 14 + 20 + 36 + 400)
    assert (conversation.segments[-1].verdict, conversation.segments[-1].reason) == (
        "unverifiable",
        "truncated",
    )


def test_a_secret_stands_in_no_repr() -> None:
    conversation = Conversation([Key(secret=b"hush-hush")]).handshake().sign_with_wrong_secret()
    assert "hush" not in repr(conversation.segments)
