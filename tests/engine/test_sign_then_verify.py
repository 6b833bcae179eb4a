"""A conversation made at random, signed by a signer that shares nothing with the product, is all `verified`."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests import packets
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import Judged, judge, judge_told
from tests.engine.stories import chains, examples, md5_stories, openings, stories, tell, told_in_words
from tests.packets import Encapsulate, Record
from tests.planned_segment import Flag
from tests.reference_signer import option_ranges
from tests.told_capture import CapturedSegment

ENCAPSULATIONS: list[tuple[int, Encapsulate]] = [
    (packets.ETHERNET, packets.ethernet),
    (packets.ETHERNET, packets.in_vlan(20)),
    (packets.ETHERNET, lambda packet: packets.ethernet(packet, [(0x88A8, 7), (0x8100, 20)])),
    (packets.ETHERNET, packets.in_gre()),
    (packets.ETHERNET, packets.in_vxlan(7)),
    (packets.RAW, packets.raw),
    (packets.LINUX_SLL, packets.linux_cooked),
    (packets.LINUX_SLL2, packets.linux_cooked_on(3)),
]


def assert_facts(told: Conversation, judged: Judged) -> None:
    """Verdict, key, direction and SNE of each frame, and the connection's ISNs, are what the sender did."""
    assert judged.outcomes == [("verified", None)] * len(told.segments), told_in_words(told)
    for line, segment in zip(judged.lines, told.segments, strict=True):
        assert line.mkt == segment.mkt
        assert line.direction == segment.direction
        assert line.sne == (segment.plan.sne if segment.method == "ao" else None)
        assert line.connection == 0
    (connection,) = judged.report.connections
    if told.keys["a"][0].algorithm != "tcp-md5":
        assert (connection.a.isn, connection.b.isn) == (told.isns["a"], told.isns["b"])


@examples(60)
@given(stories(), st.sampled_from(ENCAPSULATIONS))
def test_a_random_conversation_is_all_verified(story: Conversation, carrier: tuple[int, Encapsulate]) -> None:
    link_type, encapsulate = carrier
    capture = story.to_pcap(link_type=link_type, encapsulate=encapsulate)
    assert_facts(story, judge(capture, story.key_file()))


@examples(15)
@given(md5_stories())
def test_a_random_tcp_md5_conversation_is_all_verified(story: Conversation) -> None:
    assert_facts(story, judge_told(story))


@examples(15)
@given(stories(longest=6))
def test_a_random_conversation_in_fragments_is_all_verified(story: Conversation) -> None:
    """RFC 791 3.2, RFC 8200 4.5: the pieces are one datagram again."""
    records = [
        Record(packets.ethernet(piece), len(packets.ethernet(piece)), segment.time_ns)
        for segment in story.segments
        for piece in packets.ip_fragments(segment.packet, 24)
    ]
    assert_facts(story, judge(packets.write_pcap(records), story.key_file()))


@examples(20)
@given(stories(longest=6))
def test_keys_that_say_auto_verify_the_same(story: Conversation) -> None:
    key_file = story.key_file().replace('tcp-options = "include"', 'tcp-options = "auto"')
    judged = judge_told(story, key_file.replace('tcp-options = "exclude"', 'tcp-options = "auto"'))
    assert_facts(story, judged)
    for line, segment in zip(judged.lines, story.segments, strict=True):
        key = segment.plan.key
        assert key is not None
        kinds = [kind for kind, _, _ in option_ranges(segment.segment)]
        is_alone = kinds == [29] and (len(segment.mac) + 4) % 4 == 0
        expected = "undetermined" if is_alone else "include" if key.include_options else "exclude"
        assert line.coverage == expected


def _covered_octets(segment: CapturedSegment) -> list[int]:
    """Octets of the packet that the MAC covers, its own included."""
    addresses = list(range(8, 40)) if segment.packet[0] >> 4 == 6 else list(range(12, 20))
    start = len(segment.packet) - len(segment.segment)
    header_length = (segment.segment[12] >> 4) * 4
    key = segment.plan.key
    assert key is not None
    options = [
        octet
        for kind, first, end in option_ranges(segment.segment)
        for octet in range(first, end)
        if key.include_options or kind == 29
    ]
    tcp = [*range(16), 18, 19, *options, *range(header_length, len(segment.segment))]
    return addresses + [start + octet for octet in tcp]


@examples(60)
@given(stories(minimum_mac_length=8, longest=6), st.data())
def test_one_changed_bit_under_the_mac_is_never_verified(story: Conversation, data: st.DataObject) -> None:
    frame = data.draw(st.integers(0, len(story.segments) - 1))
    segment = story.segments[frame]
    octet = data.draw(st.sampled_from(_covered_octets(segment)))
    packet = bytearray(segment.packet)
    packet[octet] ^= 1 << data.draw(st.integers(0, 7))
    story.segments[frame] = dataclasses.replace(segment, packet=bytes(packet))
    line = judge_told(story).by_frame.get(frame + 1)
    assert line is None or line.verdict != "verified"


@st.composite
def crowds(draw: st.DrawFn) -> list[Conversation]:
    """Conversations of as many socket pairs, each with keys of its own."""
    conversations = []
    for number in range(draw(st.integers(2, 4))):
        conversation = draw(openings(draw(chains())))
        for end, address in (("a", f"10.1.{number}.1"), ("b", f"10.1.{number}.2")):
            socket = conversation.sockets[end]  # type: ignore[index]
            conversation.sockets[end] = dataclasses.replace(socket, address=address)  # type: ignore[index]
        conversations.append(tell(draw, conversation.handshake(), longest=5))
    return conversations


@examples(20)
@given(crowds())
def test_several_conversations_in_one_capture_are_each_all_verified(conversations: list[Conversation]) -> None:
    capture = merge(conversations)
    judged = judge_told(capture)
    assert judged.verdicts == ["verified"] * len(capture.segments)
    assert [line.mkt for line in judged.lines] == [segment.mkt for segment in capture.segments]
    assert [line.sne for line in judged.lines] == [segment.plan.sne for segment in capture.segments]
    assert len(judged.report.connections) == len(conversations)


@pytest.mark.parametrize("algorithm", ["hmac-sha-1-96", "aes-128-cmac-96", "hmac(sha3-512)"])
@pytest.mark.parametrize("mac_length", [4, 13, 16])
def test_every_mac_length_verifies(algorithm: str, mac_length: int) -> None:
    story = Conversation([Key(algorithm=algorithm, mac_length=mac_length)]).handshake().data("a", 9).close()
    assert_facts(story, judge_told(story))


@examples(20)
@given(stories(longest=6), st.data())
def test_a_segment_of_another_options_flag_is_a_mismatch_where_its_options_tell(
    story: Conversation, data: st.DataObject
) -> None:
    frame = data.draw(st.integers(0, len(story.segments) - 1))
    assume(not story.segments[frame].plan.flags & Flag.SYN)
    story.sign_with_other_options_flag(frame)
    assert judge_told(story).lines[frame].verdict == story.segments[frame].verdict
