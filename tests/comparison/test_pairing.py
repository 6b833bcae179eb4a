"""Segments find their counterparts through loss, copies and retransmissions; what has none is told with its fate."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoinspect.engine.comparison.model import Fate, Flow, How, Outcome
from aoinspect.engine.comparison.option_changes import option_changes
from tests.comparison.other_side import (
    Passing,
    compare,
    compare_rewritten,
    rewritten,
    seen_from_the_other_side,
)
from tests.conversation import Conversation, Key

KEY = Key(name="k1", secret=b"a secret of this peer")


def strip(passing: Passing) -> None:
    passing.replace_option(29, b"\x01" * 16)


def transfer() -> Conversation:
    """Handshake, then ten messages from a, each acknowledged: frames 4, 6, 8, ... are a's."""
    conversation = Conversation([KEY]).handshake()
    for number in range(10):
        conversation.data("a", 100 + number).ack("b")
    return conversation


@pytest.mark.parametrize("strips", [False, True], ids=["signed", "stripped"])
def test_lost_segments_are_named(strips: bool, tmp_path: Path) -> None:
    connection = compare_rewritten(transfer(), tmp_path, strip if strips else lambda passing: None, lost={6, 10})
    direction = connection.directions[0]
    assert [(segment.frame, segment.fate) for segment in direction.unpaired] == [(6, Fate.LOST), (10, Fate.LOST)]
    assert (direction.only_a, direction.only_b) == (2, 0)
    assert direction.fates == ((Fate.LOST, "A", 2),)
    assert "2 segments from 10.0.0.1 passed A and never came to B" in connection.conclusion.details


def test_what_the_receiver_sends_gets_lost_on_its_way_to_a(tmp_path: Path) -> None:
    """Frames that only the second capture has: b's, lost before they came to the first."""
    capture = transfer().capture()
    a = transfer().lose(4).capture()
    (connection,) = compare(a.to_pcap(), seen_from_the_other_side(capture), capture.key_file(), tmp_path).connections
    (segment,) = connection.directions[1].unpaired
    assert (segment.capture, segment.frame, segment.fate) == ("B", 5, Fate.LOST)


@pytest.mark.parametrize("strips", [False, True], ids=["signed", "stripped"])
def test_the_retransmission_arrived_and_not_the_lost_original(strips: bool, tmp_path: Path) -> None:
    """The same octets of the stream twice, under another acknowledgment: times and MACs tell which one came through."""
    conversation = Conversation([KEY]).handshake().data("a", 100)
    conversation.data("b", 40).advance(200_000_000).retransmit(3).ack("b")
    connection = compare_rewritten(conversation, tmp_path, strip if strips else lambda passing: None, lost={4})
    (lost,) = connection.directions[0].unpaired
    assert (lost.capture, lost.frame, lost.fate) == ("A", 4, Fate.LOST)
    assert "acknowledgment-number" not in {change.field.value for change in connection.changes}


def test_equal_retransmissions_are_paired_by_time(tmp_path: Path) -> None:
    """Three SYNs of the same octets, the middle one lost."""
    conversation = Conversation([KEY]).syn()
    for _ in range(2):
        conversation.advance(10**9).duplicate(0)
    conversation.syn_ack().handshake_ack()
    connection = compare_rewritten(conversation, tmp_path, lost={2})
    assert [segment.frame for segment in connection.directions[0].unpaired] == [2]


def test_a_copy_made_on_the_way_is_no_loss(tmp_path: Path) -> None:
    connection = compare_rewritten(transfer(), tmp_path, copied={8})
    assert connection.directions[0].fates == ((Fate.DUPLICATED, "B", 1),)
    assert connection.conclusion.outcome is Outcome.INTACT


def test_a_segment_that_only_the_receivers_side_has_was_inserted_or_missed(tmp_path: Path) -> None:
    capture = transfer().capture()
    a = transfer().lose(7).capture()
    (connection,) = compare(a.to_pcap(), seen_from_the_other_side(capture), capture.key_file(), tmp_path).connections
    assert connection.directions[0].fates == ((Fate.INSERTED, "B", 1),)


def test_a_capture_that_began_later_lost_nothing(tmp_path: Path) -> None:
    connection = compare_rewritten(transfer(), tmp_path, lost=set(range(1, 9)))
    assert {fate for direction in connection.directions for fate, _, _ in direction.fates} == {Fate.OUTSIDE}
    assert [direction.pairs for direction in connection.directions] == [7, 8]


def test_octets_that_are_cut_differently_are_told_as_such(tmp_path: Path) -> None:
    """A capture before segmentation has in one segment what the wire has in two."""
    whole = Conversation([KEY]).handshake().data("a", bytes(600)).ack("b")
    cut = Conversation([KEY]).handshake().data("a", bytes(400)).data("a", bytes(200)).ack("b")
    (connection,) = compare(
        whole.to_pcap(), seen_from_the_other_side(cut.capture()), whole.key_file(), tmp_path
    ).connections
    assert set(connection.directions[0].fates) == {(Fate.RECUT, "A", 1), (Fate.RECUT, "B", 2)}


def test_times_tell_the_way_where_no_ttl_does(tmp_path: Path) -> None:
    """One clock is an hour ahead: a direction that takes longer to B than the other one goes there."""
    connection = compare_rewritten(transfer(), tmp_path, hops=False)
    assert [direction.flow for direction in connection.directions] == [Flow.A_TO_B, Flow.B_TO_A]


def test_the_captures_may_be_given_in_either_order(tmp_path: Path) -> None:
    capture = transfer().capture()
    other = seen_from_the_other_side(capture, strip, lost={6})
    (forth,) = compare(capture.to_pcap(), other, capture.key_file(), tmp_path).connections
    (back,) = compare(other, capture.to_pcap(), capture.key_file(), tmp_path).connections
    assert [direction.flow for direction in back.directions] == [Flow.B_TO_A, Flow.A_TO_B]
    assert [direction.pairs for direction in back.directions] == [direction.pairs for direction in forth.directions]
    assert (
        rewritten(back)["a>b", "ao", "nops-replaced"].segments
        == rewritten(forth)["a>b", "ao", "replaced-by-nops"].segments
    )
    assert back.directions[0].fates == ((Fate.LOST, "B", 1),)


def test_mid_captures_are_paired_without_isns(tmp_path: Path) -> None:
    conversation = Conversation([KEY]).established(client_octets=9_000, server_octets=4_000)
    conversation.data("a", 50).ack("b").data("b", 60).ack("a")
    connection = compare_rewritten(conversation, tmp_path)
    assert [direction.pairs for direction in connection.directions] == [2, 2]
    assert connection.conclusion.outcome is Outcome.INTACT


def test_sequence_numbers_may_wrap_between_the_segments(tmp_path: Path) -> None:
    connection = compare_rewritten(Conversation([KEY], client_isn=2**32 - 400).handshake().wrap("a"), tmp_path)
    assert connection.directions[0].only_a == connection.directions[0].only_b == 0
    assert connection.conclusion.outcome is Outcome.INTACT


def test_captures_of_other_sessions_have_nothing_in_common(tmp_path: Path) -> None:
    a = transfer()
    b = Conversation([KEY], client="10.9.0.1:1024", server="10.9.0.2:179").handshake()
    comparison = compare(a.to_pcap(), b.to_pcap(), a.key_file(), tmp_path)
    assert comparison.connections == ()
    assert [connection.segments for connection in comparison.only_a] == [23]
    assert [connection.segments for connection in comparison.only_b] == [3]


def test_an_empty_capture_is_compared_as_well(tmp_path: Path) -> None:
    a = transfer()
    comparison = compare(a.to_pcap(), Conversation([KEY]).to_pcap(), a.key_file(), tmp_path)
    assert comparison.connections == ()
    assert comparison.b.frames == 0


def test_snap_cut_segments_are_compared_as_far_as_they_go(tmp_path: Path) -> None:
    conversation = transfer()
    other = seen_from_the_other_side(conversation.capture())
    cut = transfer()
    for frame in range(3, 23, 2):
        cut.cut(70, frame)
    (connection,) = compare(cut.to_pcap(), other, conversation.key_file(), tmp_path).connections
    assert connection.directions[0].pairs == 12
    assert rewritten(connection) == {}
    assert {(pair.verdict_a.word, pair.verdict_b.word) for pair in connection.directions[0].verdicts} == {
        ("verified", "verified"),
        ("unverifiable", "verified"),
    }


@settings(max_examples=200)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_two_option_spaces_are_compared_and_equal_ones_alike(one: bytes, other: bytes) -> None:
    """Padded to whole words, as a data offset counts them."""
    one, other = (space[: len(space) // 4 * 4] for space in (one, other))
    assert list(option_changes(one, one)) == []
    forth, back = list(option_changes(one, other)), list(option_changes(other, one))
    assert len(forth) == len(back)
    turned = {How.REMOVED: How.ADDED, How.REPLACED_BY_NOPS: How.NOPS_REPLACED, How.CHANGED: How.CHANGED}
    turned |= {value: key for key, value in turned.items()}
    assert {(change.field, turned[change.how], change.value_b, change.value_a) for change in forth} == {
        (change.field, change.how, change.value_a, change.value_b) for change in back
    }
    assert bool(forth) is (one != other)
