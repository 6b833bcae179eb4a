"""Which verdict a segment gets where several would fit, one hand-made segment a case (design: Verdicts)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from aoinspect.engine.judge import OFFLOADED_WITHOUT_MSS
from aoinspect.keys.model import KeyStore
from tests import packets
from tests.conversation import Conversation, Key
from tests.engine.judged import Judged, assert_alike_in_any_batches, judge, judge_told
from tests.packets import Record, write_pcap
from tests.reference_signer import TCP_MD5
from tests.told_capture import CapturedSegment

Edit = Callable[[Conversation], object]
AO = bytes([29, 16, 1, 101]) + bytes(12)
NO_KEY_NO_MAC = b"\x1d\x04\x09\x09"


def talk(**told: object) -> Conversation:
    return Conversation(**told).handshake().data("a", 400)  # type: ignore[arg-type]


def last(conversation: Conversation, key_file: str | None = None) -> tuple[str, str | None]:
    """Verdict and reason of the last segment, whatever the batches."""
    keys = conversation.key_file() if key_file is None else key_file
    judged = assert_alike_in_any_batches(conversation.to_pcap(), keys, (1,))
    return judged.lines[-1].outcome


def with_options(options: bytes, payload: bytes = b"payload") -> Conversation:
    """An unsigned segment with these options, behind a handshake."""
    conversation = Conversation().handshake().data("a", payload)
    segment = conversation.segments[-1]
    plan = segment.plan
    octets = packets.tcp_segment(
        (plan.source.port, plan.destination.port), plan.seq, plan.ack, plan.flags, 512, options, payload
    )
    packet = packets.ip_packet(plan.source.address, plan.destination.address, octets)
    conversation.segments[-1] = dataclasses.replace(segment, packet=packet)
    return conversation


@pytest.mark.parametrize(
    "options, reason",
    [
        (bytes([29, 3, 1]) + b"\x01", "ao-length"),
        (bytes([29, 2]) + b"\x01\x01", "ao-length"),
        (bytes([29, 1]) + b"\x01\x01", "option-length"),
        (bytes([29, 0]) + b"\x01\x01", "option-length"),
        (bytes([29, 20, 1, 101]), "option-length"),
        (b"\x01\x01\x01\x1d", "option-length"),
        (AO + AO, "two-ao"),
        (AO + NO_KEY_NO_MAC, "two-ao"),
        (AO + bytes([19, 18]) + bytes(16) + b"\x01\x01", "ao-and-md5"),
        (bytes([19, 18]) + bytes(16) + b"\x01\x01" + AO, "ao-and-md5"),
        (bytes([19, 18]) + bytes(16) + bytes([19, 18]) + bytes(16), "two-md5"),
        (bytes([19, 16]) + bytes(14), "md5-length"),
        (bytes([2, 1, 1, 1]) + AO, "option-length"),
    ],
)
def test_a_broken_option_is_malformed(options: bytes, reason: str) -> None:
    assert last(with_options(options)) == ("malformed", reason)


@pytest.mark.parametrize("options", [bytes([29, 20, 1, 101]), bytes([29, 0, 1, 1]), bytes([19, 40, 0, 0])])
def test_a_broken_signature_option_protects_a_pair_that_no_peer_covers(options: bytes) -> None:
    """The connection is protected from its first segment with an AO or MD5 option on, broken or not (design)."""
    conversation = with_options(options)
    conversation.data("a", b"more").strip_option()
    for segment in range(3):
        conversation.strip_option(segment)
    judged = assert_alike_in_any_batches(conversation.to_pcap(), KeyStore(), (1, 2))
    assert judged.outcomes == [("malformed", "option-length"), ("unsigned", None)]


def test_another_broken_option_protects_nothing() -> None:
    conversation = with_options(bytes([2, 40, 0, 0]))
    for segment in range(3):
        conversation.strip_option(segment)
    assert judge(conversation.to_pcap(), KeyStore()).outcomes == []


@pytest.mark.parametrize("option_octets", [b"\x00" + AO[:3], b"\x00\x1d\x01\x00"])
def test_what_follows_the_end_of_the_option_list_is_no_option(option_octets: bytes) -> None:
    assert last(with_options(option_octets)) == ("unsigned", None)


def test_malformed_comes_before_everything_else() -> None:
    conversation = with_options(AO + NO_KEY_NO_MAC)
    octets = conversation.segments[-1].packet
    conversation.segments[-1] = dataclasses.replace(conversation.segments[-1], cut_to=len(octets) - 3)
    assert last(conversation) == ("malformed", "two-ao")


@pytest.mark.parametrize("data_offset", [0, 4])
def test_a_data_offset_below_five_is_malformed(data_offset: int) -> None:
    conversation = talk()
    conversation.segments[-1] = with_data_offset(conversation, data_offset)
    assert last(conversation) == ("malformed", "tcp-header")


def test_a_data_offset_past_the_segment_is_malformed() -> None:
    conversation = Conversation().handshake()
    conversation.segments[-1] = with_data_offset(conversation, 15)
    assert last(conversation) == ("malformed", "tcp-header")


def with_data_offset(conversation: Conversation, data_offset: int) -> CapturedSegment:
    """The last segment with another data offset."""
    segment = conversation.segments[-1]
    packet = bytearray(segment.packet)
    packet[32] = data_offset << 4
    return dataclasses.replace(segment, packet=bytes(packet))


@pytest.mark.parametrize("captured", [20 + 4, 20 + 19, 20 + 20, 20 + 24, 20 + 35])
def test_a_segment_cut_before_its_options_end_is_unverifiable(captured: int) -> None:
    assert last(talk().cut(captured)) == ("unverifiable", "truncated")


def test_it_is_so_even_unsigned_or_with_an_unknown_key() -> None:
    """Nobody sees whether it is signed."""
    assert last(with_options(b"\x01" * 12).cut(20 + 22)) == ("unverifiable", "truncated")
    assert last(talk().name_unknown_key(9).cut(20 + 30)) == ("unverifiable", "truncated")


def test_a_frame_cut_before_the_ports_is_counted_and_has_no_row() -> None:
    judged = judge_told(talk().cut(20 + 3))
    assert len(judged.lines) == 3
    assert judged.report.captures[0].located.cut == 1


def test_unsigned_comes_before_what_cannot_be_checked() -> None:
    assert last(with_options(b"", payload=bytes(100)).cut(20 + 60)) == ("unsigned", None)


def test_no_key_comes_before_what_cannot_be_checked() -> None:
    assert last(talk().name_unknown_key(9).cut(20 + 60)) == ("no-key", None)


def test_the_mac_length_comes_before_what_cannot_be_checked() -> None:
    assert last(talk().change_mac_length(8).cut(20 + 60)) == ("mismatch", "mac-length")


def test_a_mac_of_another_length_is_a_mismatch_even_where_its_octets_agree() -> None:
    assert last(talk().change_mac_length(8)) == ("mismatch", "mac-length")
    assert last(talk().change_mac_length(0)) == ("mismatch", "mac-length")


@pytest.mark.parametrize("captured", [20 + 36, 20 + 36 + 399])
def test_a_snap_cut_segment_is_unverifiable_not_a_mismatch(captured: int) -> None:
    assert last(talk().cut(captured)) == ("unverifiable", "truncated")


def test_a_cut_comes_before_unknown_isns() -> None:
    conversation = Conversation().established(client_octets=9, server_octets=9).data("a", 400).data("a", 400).cut(80)
    assert last(conversation) == ("unverifiable", "truncated")


def test_unknown_isns_come_before_offloading() -> None:
    conversation = Conversation().established(client_octets=9, server_octets=9).data("a", 20_000)
    assert last(conversation) == ("unverifiable", "isn-unknown")


def test_what_is_larger_than_the_announced_mss_and_fails_is_offloaded() -> None:
    assert last(Conversation().handshake().data("a", 1461).sign_with_wrong_secret()) == ("unverifiable", "offloaded")
    assert last(Conversation().handshake().data("a", 1460).sign_with_wrong_secret()) == ("mismatch", None)


def test_what_is_larger_than_the_announced_mss_and_verifies_is_verified() -> None:
    assert last(Conversation().handshake().data("a", 9000)) == ("verified", None)


def test_without_an_announced_mss_only_giants_are_offloaded() -> None:
    for octets, outcome in (
        (OFFLOADED_WITHOUT_MSS, ("mismatch", None)),
        (OFFLOADED_WITHOUT_MSS + 1, ("unverifiable", "offloaded")),
    ):
        conversation = Conversation().syn(other_options=b"").syn_ack(other_options=b"").handshake_ack()
        assert last(conversation.data("a", octets).sign_with_wrong_secret()) == outcome


def test_tcp_md5_is_offloaded_and_truncated_likewise() -> None:
    key = Key("m", algorithm=TCP_MD5)
    conversation = Conversation([key]).handshake().data("a", 3000)
    assert last(conversation.sign_with_wrong_secret()) == ("unverifiable", "offloaded")
    assert last(Conversation([key]).handshake().data("a", 3000).cut(90)) == ("unverifiable", "truncated")


@pytest.mark.parametrize("is_ipv6", [False, True])
def test_a_fragment_without_its_rest_is_unverifiable(is_ipv6: bool) -> None:
    sockets = {"client": "[fd00::1]:40000", "server": "[fd00::2]:179"} if is_ipv6 else {}
    judged = without_pieces(talk(**sockets), {1})
    assert judged.lines[-1].outcome == ("unverifiable", "fragment")
    assert judged.report.totals.incomplete_datagrams == 1


def test_a_fragment_without_its_first_piece_is_only_counted() -> None:
    judged = without_pieces(talk(), {0})
    assert len(judged.lines) == 3
    assert judged.report.totals.incomplete_datagrams == 1


@pytest.mark.parametrize("octets", [8, 16, 24, 32])
def test_a_first_piece_that_ends_within_the_tcp_header_is_unverifiable_and_not_malformed(octets: int) -> None:
    conversation = talk()
    pieces = packets.ip_fragments(conversation.segments[-1].packet, octets)
    judged = of_packets(conversation, pieces[:1])
    assert judged.lines[-1].outcome == ("unverifiable", "fragment")


def test_an_unsigned_fragment_is_unsigned() -> None:
    judged = without_pieces(talk().strip_option(), {1})
    assert judged.lines[-1].outcome == ("unsigned", None)


def test_fragments_in_any_order_are_one_segment() -> None:
    judged = without_pieces(talk(), set(), is_reversed=True)
    assert judged.lines[-1].outcome == ("verified", None)


def test_a_copy_of_a_piece_changes_nothing() -> None:
    conversation = talk()
    pieces = packets.ip_fragments(conversation.segments[-1].packet, 64)
    judged = of_packets(conversation, [*pieces[:2], pieces[0], b"", *pieces[1:]])
    assert judged.lines[-1].outcome == ("verified", None)


def test_datagrams_of_two_vlans_with_equal_addresses_and_identifications_are_two() -> None:
    conversation = talk()
    other = Conversation(client_isn=5).handshake().data("a", 400)
    pieces = packets.ip_fragments(conversation.segments[-1].packet, 64)
    others = packets.ip_fragments(other.segments[-1].packet, 64)
    frames = [packets.in_vlan(1)(segment.packet) for segment in conversation.segments[:-1]]
    frames += [packets.in_vlan(2)(segment.packet) for segment in other.segments[:-1]]
    for own, theirs in zip(pieces, others, strict=True):
        frames += [packets.in_vlan(2)(theirs), packets.in_vlan(1)(own)]
    records = [Record(frame, len(frame), 10**18 + index) for index, frame in enumerate(frames)]
    judged = judge(write_pcap(records), conversation.key_file())
    assert judged.verdicts == ["verified"] * 8


def test_an_empty_piece_stands_in_nobodys_way() -> None:
    conversation = talk()
    packet = conversation.segments[-1].packet
    pieces = packets.ip_fragments(packet, 64)
    empty = bytearray(pieces[0][:20])
    empty[2:4] = (20).to_bytes(2, "big")
    judged = of_packets(conversation, [bytes(empty), *pieces])
    assert judged.lines[-1].outcome == ("verified", None)


def without_pieces(conversation: Conversation, missing: set[int], *, is_reversed: bool = False) -> Judged:
    """The last segment in fragments, some of which are not in the capture."""
    pieces = packets.ip_fragments(conversation.segments[-1].packet, 64)
    kept = [piece for index, piece in enumerate(pieces) if index not in missing]
    return of_packets(conversation, kept[::-1] if is_reversed else kept)


def of_packets(conversation: Conversation, pieces: list[bytes]) -> Judged:
    """The conversation with these packets in place of its last one."""
    told = [segment.packet for segment in conversation.segments[:-1]] + [piece for piece in pieces if piece]
    records = [
        Record(packets.ethernet(packet), len(packets.ethernet(packet)), 10**18 + index)
        for index, packet in enumerate(told)
    ]
    return assert_alike_in_any_batches(write_pcap(records), conversation.key_file(), (1, 2))


class TestProtection:
    """A connection is protected when a [[peer]] covers its socket pair, or from its first segment with an AO or MD5
    option on. -- design: Verdicts
    """

    def test_unprotected_traffic_leaves_only_counts(self) -> None:
        conversation = Conversation([]).handshake().data("a", 100).data("b", 100).close()
        judged = judge(conversation.to_pcap(), "version = 1\n")
        assert judged.lines == ()
        assert judged.report.connections == ()
        assert judged.report.totals.tcp_segments == len(conversation.segments)
        assert len(judged.analyzer.pairs) == 0
        assert len(judged.analyzer.connections) == 0

    def test_covered_traffic_is_protected_from_its_first_segment(self) -> None:
        conversation = Conversation([]).handshake().data("a", 100)
        judged = judge(conversation.to_pcap(), Conversation().key_file())
        assert judged.verdicts == ["unsigned"] * 4

    @pytest.mark.parametrize("batch_frames", [1, 2, 3, 32768])
    def test_uncovered_traffic_is_protected_from_its_first_signed_segment(self, batch_frames: int) -> None:
        conversation = Conversation().handshake().data("a", 10).data("b", 10).data("a", 10)
        for frame in (0, 1, 2, 4):
            conversation.strip_option(frame)
        judged = judge(conversation.to_pcap(), "version = 1\n", batch_frames)
        assert [(line.frame, line.verdict) for line in judged.lines] == [(4, "no-key"), (5, "unsigned"), (6, "no-key")]

    def test_a_broken_ao_option_protects_too(self) -> None:
        conversation = with_options(bytes([29, 3, 1, 1]))
        for frame in range(3):
            conversation.strip_option(frame)
        judged = judge(conversation.to_pcap(), "version = 1\n")
        assert judged.outcomes == [("malformed", "ao-length")]

    def test_another_broken_option_protects_nothing(self) -> None:
        conversation = with_options(bytes([8, 1, 1, 1]))
        for frame in range(3):
            conversation.strip_option(frame)
        conversation.data("a", 10).strip_option()
        assert judge(conversation.to_pcap(), "version = 1\n").lines == ()
