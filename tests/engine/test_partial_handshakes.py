"""Both ISNs come from whatever is there of the handshake, and a guess counts once a MAC confirms it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.engine.verdicts import IsnSource
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import assert_alike_in_any_batches, judge_told
from tests.engine.stories import NUMBERS, examples

ISN_UNKNOWN = ("unverifiable", "isn-unknown")
VERIFIED = ("verified", None)
ISNS = st.tuples(NUMBERS, NUMBERS)


def begun(isns: tuple[int, int] = (1000, 2**32 - 2)) -> Conversation:
    return Conversation(client_isn=isns[0], server_isn=isns[1])


def assert_verified(conversation: Conversation, source: IsnSource) -> None:
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file(), (1, 2))
    assert judged.outcomes == [VERIFIED] * len(conversation.segments)
    assert [line.sne for line in judged.lines] == [segment.plan.sne for segment in conversation.segments]
    (connection,) = judged.report.connections
    assert {connection.a.isn, connection.b.isn} == set(conversation.isns.values())
    assert connection.isn_source is source


@examples(15)
@given(ISNS)
def test_a_syn_ack_alone_tells_both(isns: tuple[int, int]) -> None:
    conversation = begun(isns).handshake().data("a", 10).data("b", 10).lose(0)
    assert_verified(conversation, IsnSource.HANDSHAKE)


@examples(15)
@given(ISNS, st.booleans())
def test_the_last_ack_alone_tells_both(isns: tuple[int, int], goes_on: bool) -> None:
    conversation = begun(isns).handshake().lose(0).lose(0)
    if goes_on:
        conversation.data("a", 10).data("b", 10)
    assert_verified(conversation, IsnSource.INFERRED)


@examples(15)
@given(ISNS)
def test_the_first_data_segment_alone_tells_both(isns: tuple[int, int]) -> None:
    conversation = begun(isns).handshake().data("a", 10).data("b", 10)
    assert_verified(conversation.lose(0).lose(0).lose(0), IsnSource.INFERRED)


@examples(15)
@given(ISNS)
def test_a_syn_and_the_next_segment_of_the_same_end_tell_both(isns: tuple[int, int]) -> None:
    """One direction was captured."""
    conversation = begun(isns).handshake().data("a", 1000).data("b", 10).data("a", 10)
    conversation.lose(4).lose(1)
    assert_verified(conversation, IsnSource.INFERRED)


@examples(15)
@given(ISNS, st.integers(0, 2**20))
def test_a_syn_and_a_later_segment_of_the_same_end_tell_both_while_nothing_came_back(
    isns: tuple[int, int], octets: int
) -> None:
    conversation = begun(isns).syn().established(client_octets=octets).data("a", 10)
    assert_verified(conversation, IsnSource.INFERRED)


@examples(15)
@given(ISNS)
def test_a_syn_and_the_first_data_of_the_other_end_tell_both(isns: tuple[int, int]) -> None:
    conversation = begun(isns).syn().data("b", 10).data("a", 10)
    assert_verified(conversation, IsnSource.INFERRED)


def test_the_other_direction_alone_tells_both_by_its_syn_ack() -> None:
    conversation = begun().syn_ack().data("b", 10).data("b", 10)
    assert_verified(conversation, IsnSource.HANDSHAKE)


def test_two_syns_that_crossed_tell_both() -> None:
    assert_verified(begun().syn("a").syn("b").data("a", 5).data("b", 5), IsnSource.HANDSHAKE)


def test_without_any_of_the_handshake_the_isns_are_unknown() -> None:
    conversation = begun().established(client_octets=9, server_octets=9).data("a", 10).data("b", 10).close()
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file())
    assert judged.outcomes == [ISN_UNKNOWN] * 5
    assert [line.sne for line in judged.lines] == [None] * 5
    (connection,) = judged.report.connections
    assert (connection.a.isn, connection.b.isn, connection.opened_by) == (None, None, None)


def test_a_syn_verifies_though_the_other_isn_stays_unknown() -> None:
    conversation = begun().syn().established(client_octets=9, server_octets=9).data("a", 10).data("b", 10)
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file())
    assert judged.outcomes == [VERIFIED, ISN_UNKNOWN, ISN_UNKNOWN]


def test_what_came_before_the_isns_were_known_stays_unknown() -> None:
    conversation = begun().handshake().data("a", 10).data("a", 10).lose(0).lose(0)
    conversation.segments.insert(0, conversation.segments.pop())
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file())
    assert judged.outcomes == [ISN_UNKNOWN, VERIFIED, VERIFIED]


def test_a_wrong_secret_is_a_mismatch_once_segments_continue_the_handshake() -> None:
    conversation = begun().handshake().data("a", 10).data("b", 10).wrap("a").lose(0)
    wrong = conversation.key_file().replace(Key().secret.hex(), "00")
    judged = assert_alike_in_any_batches(conversation.to_pcap(), wrong)
    assert set(judged.outcomes) == {("mismatch", None)}


def test_segments_of_another_connection_are_no_mismatch_for_a_handshake_that_failed() -> None:
    """Nothing says that they continue it: their ISNs are unknown."""
    handshake = Conversation(client_isn=1000, server_isn=2000).handshake()
    handshake.lose(2)
    other = Conversation(client_isn=2**31, server_isn=2**30, start_ns=1_790_000_001_000_000_001).established(
        client_octets=7, server_octets=7
    )
    other.data("a", 10).data("b", 10)
    wrong = handshake.key_file().replace(Key().secret.hex(), "00")
    judged = assert_alike_in_any_batches(merge([handshake, other]).to_pcap(), wrong)
    assert judged.outcomes == [("mismatch", None)] * 2 + [ISN_UNKNOWN] * 2


def entry(conversation: Conversation, *, snes: tuple[int | None, int | None] = (None, None), shift: int = 0) -> str:
    """A [[connection]] of the conversation; ISNs moved by `shift`, and the SNEs that are given."""
    a, b = conversation.sockets["a"], conversation.sockets["b"]
    lines = ["\n[[connection]]", f'local = "{a}"', f'remote = "{b}"']
    for end, isn, sne in (("local", conversation.isns["a"], snes[0]), ("remote", conversation.isns["b"], snes[1])):
        lines.append(f"{end}-isn = {(isn + shift) % 2**32:#x}")
        if sne is not None:
            lines.append(f"{end}-sne = {sne}")
    return "\n".join(lines) + "\n"


@examples(25)
@given(ISNS, st.tuples(st.integers(0, 2**34), st.integers(0, 2**34)))
def test_the_key_file_tells_isns_and_snes(isns: tuple[int, int], octets: tuple[int, int]) -> None:
    conversation = begun(isns).established(client_octets=octets[0], server_octets=octets[1])
    conversation.data("a", 10).data("b", 10).wrap("a").wrap("b")
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file(with_connections=True), (1, 2))
    assert judged.outcomes == [VERIFIED] * len(conversation.segments)
    assert [line.sne for line in judged.lines] == [segment.plan.sne for segment in conversation.segments]
    (connection,) = judged.report.connections
    assert connection.isn_source is IsnSource.KEY_FILE


@examples(15)
@given(ISNS, st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)))
def test_an_sne_left_out_is_0_or_1_behind_a_wrap_of_the_isn(isns: tuple[int, int], octets: tuple[int, int]) -> None:
    conversation = begun(isns).established(client_octets=octets[0], server_octets=octets[1])
    conversation.data("a", 10).data("b", 10).wrap("a")
    judged = judge_told(conversation, conversation.key_file() + entry(conversation))
    assert judged.outcomes == [VERIFIED] * len(conversation.segments)


@pytest.mark.parametrize("high_sne", [2**32 - 1, 2**31])
def test_the_highest_snes_verify_and_wrap(high_sne: int) -> None:
    """The counter has 32 bits, and goes on from 0."""
    conversation = begun((77, 99)).established(client_octets=high_sne << 32)
    conversation.data("a", 10).wrap("a").data("a", 10).retransmit(-4)
    judged = judge_told(conversation, with_connections=True)
    assert judged.outcomes == [VERIFIED] * len(conversation.segments)
    assert [line.sne for line in judged.lines] == [segment.plan.sne for segment in conversation.segments]


def test_the_sne_of_the_key_file_may_be_that_of_a_first_segment_that_cannot_be_checked() -> None:
    """`local-sne` is that of the first segment shown; the second one lies behind the wrap already."""
    conversation = begun((10, 20)).established(client_octets=2**32 + 2**32 - 30)
    conversation.data("a", 40).cut(50).data("a", 40).data("b", 5)
    judged = assert_alike_in_any_batches(
        conversation.to_pcap(), conversation.key_file() + entry(conversation, snes=(1, 0))
    )
    assert judged.outcomes == [("unverifiable", "truncated"), VERIFIED, VERIFIED]
    assert judged.lines[1].sne == 2


def test_several_entries_of_one_pair_are_tried_in_turn() -> None:
    first = begun((1000, 2000)).established(client_octets=50).data("a", 10).data("b", 10)
    second = Conversation(client_isn=10**9, server_isn=7, start_ns=1_790_000_009_000_000_000)
    second.established(server_octets=2**33).data("b", 10).data("a", 10)
    keys = first.key_file() + entry(second, snes=(0, 2)) + entry(first) + entry(second, shift=5)
    judged = assert_alike_in_any_batches(merge([first, second]).to_pcap(), keys)
    assert judged.outcomes == [VERIFIED] * 4
    assert [line.connection for line in judged.lines] == [0, 0, 1, 1]


def test_an_entry_is_told_from_either_end() -> None:
    conversation = begun().established(client_octets=50, server_octets=70).data("a", 10).data("b", 10)
    a, b = conversation.sockets["a"], conversation.sockets["b"]
    turned = (
        f'\n[[connection]]\nlocal = "{b}"\nremote = "{a}"\n'
        f"local-isn = {conversation.isns['b']}\nremote-isn = {conversation.isns['a']}\nlocal-sne = 1\n"
    )
    assert judge_told(conversation, conversation.key_file() + turned).outcomes == [VERIFIED] * 2


def test_a_wrong_entry_verifies_nothing_and_does_no_harm_to_a_handshake() -> None:
    conversation = begun().handshake().data("a", 10).data("b", 10)
    keys = conversation.key_file() + entry(conversation, shift=1)
    judged = assert_alike_in_any_batches(conversation.to_pcap(), keys)
    assert judged.outcomes == [VERIFIED] * 5
    judged = judge_told(begun().established(client_octets=5).data("a", 10), keys)
    assert judged.outcomes == [("mismatch", None)]


def test_an_entry_for_a_connection_whose_handshake_is_there_after_all_is_the_same_connection() -> None:
    conversation = begun().handshake().data("a", 10).data("b", 10).wrap("a")
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file(with_connections=True))
    assert judged.outcomes == [VERIFIED] * len(conversation.segments)
    (connection,) = judged.report.connections
    assert connection.isn_source is IsnSource.HANDSHAKE


def test_a_connection_without_a_handshake_behind_one_with_it_is_served_by_its_entry() -> None:
    first = begun((1000, 2000)).handshake().data("a", 10).close()
    second = Conversation(client_isn=10**9, server_isn=7, start_ns=1_790_000_009_000_000_000)
    second.established(server_octets=90).data("b", 10).data("a", 10)
    keys = first.key_file() + entry(second)
    judged = assert_alike_in_any_batches(merge([first, second]).to_pcap(), keys)
    assert judged.verdicts == ["verified"] * 9
    assert [line.connection for line in judged.lines] == [0] * 7 + [1] * 2


def test_a_handshake_that_its_own_last_ack_overtook_is_of_the_connection_of_the_key_file() -> None:
    conversation = begun((1, 2**31)).handshake().data("a", 10).data("b", 10).wrap("b")
    conversation.segments.insert(0, conversation.segments.pop(2))
    judged = assert_alike_in_any_batches(conversation.to_pcap(), conversation.key_file(with_connections=True))
    assert judged.outcomes == [VERIFIED] * len(conversation.segments)
    assert len(judged.report.connections) == 1
