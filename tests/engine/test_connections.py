"""Several connections of one socket pair: each segment is given to its own (design: Connections)."""

from __future__ import annotations

import pytest

from aoinspect.engine.connections import ALIVE_LIMIT
from tests import packets
from tests.conversation import Conversation, Flag, Key, merge
from tests.engine.judged import assert_alike_in_any_batches, judge, judge_told
from tests.packets import Record, write_pcap
from tests.told_capture import Capture

SECOND = 10**9


def assert_parted(capture: Capture, key_file: str | None = None, parts: int = 2) -> None:
    """Every segment is verified, and those of one conversation, and no others, share a connection."""
    judged = assert_alike_in_any_batches(capture.to_pcap(), key_file or capture.key_file(), (1, 3))
    assert judged.verdicts == ["verified"] * len(capture.segments)
    parted = {
        (line.connection, segment.conversation) for line, segment in zip(judged.lines, capture.segments, strict=True)
    }
    assert len(parted) == len(judged.report.connections) == parts
    for connection in judged.report.connections:
        assert {connection.a.isn, connection.b.isn} <= {
            isn for segment in capture.segments for isn in (segment.plan.source_isn, segment.plan.destination_isn)
        }


def talk(client_isn: int, server_isn: int, start: int, *, pace_ns: int = 1_000_003) -> Conversation:
    return Conversation(
        client_isn=client_isn,
        server_isn=server_isn,
        start_ns=1_790_000_000 * SECOND + start * SECOND,
        step_ns=pace_ns,
    ).handshake()


@pytest.mark.parametrize("later_isns", [(900_000_000, 7), (5, 3_000_000_000), (2**32 - 1, 0), (1001, 2001)])
def test_a_reused_port_is_another_connection(later_isns: tuple[int, int]) -> None:
    first = talk(1000, 2000, 0).data("a", 50).data("b", 60).close("a")
    second = talk(*later_isns, 10).data("a", 50).data("b", 60).abort("a")
    assert_parted(merge([first, second]))


def test_a_quick_reconnect_leaves_late_segments_to_the_old_connection() -> None:
    first = talk(1000, 2_000_000_000, 0, pace_ns=100_000_000).data("a", 50).data("b", 60).data("a", 5).close("a")
    second = talk(50_000, 2_500_000_000, 0, pace_ns=90_000_000).data("a", 50).data("b", 60).data("a", 5)
    capture = merge([first, second])
    assert [segment.conversation for segment in capture.segments] != sorted(
        segment.conversation for segment in capture.segments
    )
    assert_parted(capture)


def test_two_vrfs_with_equal_addresses_and_interleaved_traffic_are_two_connections() -> None:
    red = Conversation([Key(name="red", secret=b"red")], client_isn=1000, server_isn=4_000_000_000).handshake()
    blue = Conversation(
        [Key(name="blue", secret=b"blue")], client_isn=3_000_000_000, server_isn=9, start_ns=1_790_000_000_000_500_000
    ).handshake()
    for conversation in (red, blue):
        for end in ("a", "b", "b", "a"):
            conversation.data(end, 500).wrap(end)
        conversation.close()
    capture = merge([red, blue])
    assert_parted(capture)
    judged = judge_told(capture)
    assert [line.mkt for line in judged.lines] == [segment.mkt for segment in capture.segments]


def test_an_injected_syn_takes_no_segment_from_the_connection() -> None:
    conversation = talk(1000, 2000, 0).data("a", 50)
    conversation.stray("a", 1040, flags=Flag.SYN, payload=b"", signed="wrongly")
    conversation.data("a", 20).data("b", 9).wrap("a").close()
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file())
    assert [line.frame for line in judged.lines if line.connection != 0] == [5]
    assert [line.frame for line in judged.lines if line.verdict != "verified"] == [5]


def test_failed_segments_stay_with_the_connection_whose_sequence_space_they_fit() -> None:
    first = talk(1000, 2000, 0).data("a", 50).data("b", 60)
    second = talk(3_000_000_000, 3_500_000_000, 10).data("a", 50).sign_with_wrong_secret().data("b", 60)
    second.data("a", 10).strip_option()
    judged = judge_told(merge([first, second]))
    assert [line.connection for line in judged.lines] == [0] * 5 + [1] * 6
    assert judged.verdicts[-3:] == ["mismatch", "verified", "unsigned"]


def test_more_connections_of_a_pair_than_are_kept_alive_are_all_verified_in_turn() -> None:
    conversations = [talk(number * 77_777_777, number * 99_999_999, number).data("a", 9) for number in range(40)]
    capture = merge(conversations)
    assert len(conversations) > 2 * ALIVE_LIMIT
    assert_parted(capture, parts=40)


def test_one_session_seen_on_two_interfaces_is_one_connection() -> None:
    conversation = talk(1000, 2000, 0).data("a", 50).data("b", 60).close()
    records = [
        Record(frame, len(frame), segment.time_ns + copy)
        for segment in conversation.segments
        for copy, interface in enumerate((2, 5))
        for frame in [packets.linux_cooked_on(interface)(segment.packet)]
    ]
    judged = judge(write_pcap(records, link_type=packets.LINUX_SLL2), conversation.key_file())
    assert judged.verdicts == ["verified"] * (2 * len(conversation.segments))
    assert len(judged.report.connections) == 1


def test_a_simultaneous_open_is_one_connection_opened_by_both() -> None:
    conversation = Conversation().simultaneous_open().data("a", 5).data("b", 5)
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file())
    assert judged.verdicts == ["verified"] * 6
    (connection,) = judged.report.connections
    assert connection.opened_by == "both"


def test_a_syn_ack_of_fast_open_acknowledges_the_syns_payload_too() -> None:
    """A SYN-ACK's destination ISN is the SYN's when that was seen (RFC 7413 4.2 acknowledges data in the SYN)."""
    conversation = Conversation().syn()
    conversation.next_positions["a"] += 33
    conversation.syn_ack().retransmit().handshake_ack().data("b", 10).data("a", 10)
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file())
    assert judged.verdicts == ["verified"] * 6
    assert len(judged.report.connections) == 1


def test_a_fast_open_handshake_that_no_key_can_check_is_one_connection_too() -> None:
    conversation = Conversation().syn()
    conversation.next_positions["a"] += 33
    conversation.syn_ack().handshake_ack().data("b", 10)
    judged = judge(conversation.to_pcap(), "version = 1\n")
    (connection,) = judged.report.connections
    assert (connection.a.isn, connection.b.isn) == (conversation.isns["a"], conversation.isns["b"])


def test_connections_are_numbered_in_the_order_of_their_first_segments() -> None:
    first = talk(1000, 2000, 0).data("a", 50)
    other = Conversation(client="10.0.0.9:1", server="10.0.0.8:179", start_ns=1_790_000_000 * SECOND - 1).handshake()
    capture = merge([first, other])
    judged = judge_told(capture)
    assert [connection.id for connection in judged.report.connections] == [0, 1]
    assert judged.report.connections[0].first_frame < judged.report.connections[1].first_frame
    assert judged.report.connections[0].a.address == "10.0.0.9"
