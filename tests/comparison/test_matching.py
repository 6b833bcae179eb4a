"""Connections find each other by the strongest evidence that a path has left, and a wrong pair is worse than none."""

from __future__ import annotations

from pathlib import Path

from aoinspect.engine.comparison.model import MatchedBy
from tests.comparison.other_side import Passing, compare, compare_rewritten, seen_from_the_other_side
from tests.conversation import Conversation, Key, merge

KEY = Key(name="k1", secret=b"a secret of this peer")


def strip(passing: Passing) -> None:
    passing.replace_option(29, b"\x01" * 16)


def alter_mac(passing: Passing) -> None:
    at = passing.options.index(b"\x1d\x10")
    passing.options = passing.options[: at + 4] + bytes(12) + passing.options[at + 16 :]


def translate(passing: Passing) -> None:
    which = 0 if passing.direction == "a>b" else 1
    passing.readdress(which, "192.0.2.1")
    passing.write(2 * which, 2, 60_000)


def randomise(passing: Passing) -> None:
    at = 4 if passing.direction == "a>b" else 8
    if passing.direction == "a>b" or passing.has_ack:
        passing.write(at, 4, passing.number(at, 4) + 123_456)


def test_macs_of_four_octets_serve_together_with_what_they_are_on(tmp_path: Path) -> None:
    key = Key(name="k1", secret=b"a secret of this peer", mac_length=4)
    conversation = Conversation([key]).handshake().data("a", 40).data("b", 50)
    assert compare_rewritten(conversation, tmp_path, translate).matched_by is MatchedBy.MACS


def test_equal_macs_on_everything_name_nobody(tmp_path: Path) -> None:
    """Something zeroes all MACs: ten connections share one MAC, and their addresses and ISNs have to do."""
    conversations = [
        Conversation([KEY], client=f"10.0.0.{host}:40000", client_isn=host, server_isn=host * 5).handshake()
        for host in range(1, 11)
    ]
    capture = merge(conversations)
    zeroed = seen_from_the_other_side(capture, alter_mac, hops=False)
    comparison = compare(zeroed, seen_from_the_other_side(capture, alter_mac), capture.key_file(), tmp_path)
    assert len(comparison.connections) == 10
    for connection in comparison.connections:
        assert connection.matched_by is MatchedBy.ENDS_AND_ISNS
        assert connection.in_a.a == connection.in_b.a


def test_a_translated_session_with_altered_macs_is_found_by_its_isns(tmp_path: Path) -> None:
    def rewrite(passing: Passing) -> None:
        translate(passing)
        alter_mac(passing)

    connection = compare_rewritten(Conversation([KEY]).handshake(), tmp_path, rewrite)
    assert connection.matched_by is MatchedBy.ISNS
    assert [direction.pairs for direction in connection.directions] == [2, 1]


def test_with_other_isns_as_well_it_is_found_by_its_payloads(tmp_path: Path) -> None:
    def rewrite(passing: Passing) -> None:
        translate(passing)
        randomise(passing)
        alter_mac(passing)

    conversation = Conversation([KEY]).handshake().data("a", 45).data("b", b"quite another payload, and longer")
    connection = compare_rewritten(conversation, tmp_path, rewrite)
    assert connection.matched_by is MatchedBy.PAYLOADS
    assert [direction.pairs for direction in connection.directions] == [3, 2]


def test_a_reconnect_of_the_same_sockets_is_not_taken_for_the_session_before(tmp_path: Path) -> None:
    """Two sessions in A, the second of them alone in B; signatures are gone, ISNs tell."""
    first = Conversation([KEY], client_isn=100, server_isn=200).handshake().data("a", 45).close("a")
    second = Conversation([KEY], client_isn=7_000, server_isn=8_000, start_ns=1_790_000_009_000_000_000)
    second.handshake().data("a", 45)
    capture = merge([first, second])
    other = seen_from_the_other_side(second.capture(), strip)
    comparison = compare(capture.to_pcap(), other, capture.key_file(), tmp_path)
    (connection,) = comparison.connections
    assert connection.in_a.a.isn == 7_000
    assert [only.a.isn for only in comparison.only_a] == [100]


def test_other_isns_at_another_time_are_another_session(tmp_path: Path) -> None:
    """The same sockets a minute later, other payloads, no MAC in common: nothing is paired."""
    first = Conversation([KEY], client_isn=100, server_isn=200).handshake().data("a", b"one payload of twenty octets")
    second = Conversation([KEY], client_isn=7_000, server_isn=8_000, start_ns=1_790_000_060_000_000_000)
    second.handshake().data("a", b"another payload, also of twenty octets")
    comparison = compare(first.to_pcap(), second.to_pcap(), first.key_file(), tmp_path)
    assert comparison.connections == ()
    assert (len(comparison.only_a), len(comparison.only_b)) == (1, 1)


def test_the_end_that_opened_may_be_known_on_one_side_alone(tmp_path: Path) -> None:
    """B begins behind the handshake, with a segment from the server: its a is A's b, and is turned."""
    conversation = Conversation([KEY]).handshake().data("b", 45).data("a", 50).data("b", 19).ack("a")
    connection = compare_rewritten(conversation, tmp_path, lost={1, 2, 3})
    assert connection.in_a.a.port == connection.in_b.a.port == 40_000
    assert [direction.pairs for direction in connection.directions] == [2, 2]
    assert connection.directions[0].sender_b.port == 40_000
