"""Whatever a path rewrites is named, with both values, how many segments, and whether the MAC covers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from aoinspect.engine.comparison.model import Flow, MatchedBy, Outcome
from tests.comparison.other_side import (
    Passing,
    Rewrite,
    compare,
    compare_rewritten,
    rewritten,
    seen_from_the_other_side,
    signed_on_both_sides,
)
from tests.conversation import Conversation, Key, merge

INCLUDED = Key(name="k1", secret=b"a secret of this peer")
EXCLUDED = Key(name="k1", secret=b"a secret of this peer", include_options=False)


def session(key: Key = INCLUDED, **options: object) -> Conversation:
    """Seven segments from a and three from b; SYNs with MSS, window scale, SACK-permitted and timestamps."""
    conversation = Conversation([key], timestamps=True, **options)  # type: ignore[arg-type]
    return conversation.handshake().data("a", 45).data("b", 49).ack("a").data("a", 19).close("a")


class Rewriting(NamedTuple):
    """One thing that a path does to segments from a to b."""

    rewrite: Rewrite
    field: str
    how: str
    segments: int
    values: tuple[object, object] | None
    """Of the first segment; None: they are no constants."""
    protection: str
    """always, options or never."""


def on(choose: Callable[[Passing], bool], rewrite: Rewrite) -> Rewrite:
    def chosen(passing: Passing) -> None:
        if passing.direction == "a>b" and choose(passing):
            rewrite(passing)

    return chosen


def every(passing: Passing) -> bool:
    return True


def is_syn(passing: Passing) -> bool:
    return passing.is_syn


def has_payload(passing: Passing) -> bool:
    return bool(passing.payload)


def change_ip(at: int, value: int) -> Rewrite:
    def rewrite(passing: Passing) -> None:
        passing.header[at] = value

    return rewrite


def reorder_options(passing: Passing) -> None:
    """MSS (4 octets) behind the NOP and window scale (4 octets) that follow it."""
    passing.options = passing.options[4:8] + passing.options[:4] + passing.options[8:]


def move_padding(passing: Passing) -> None:
    """MSS, NOP, window scale: the NOP behind the window scale."""
    passing.options = passing.options[:4] + passing.options[5:8] + b"\x01" + passing.options[8:]


def shift_clock(passing: Passing) -> None:
    at = passing.options.index(b"\x08\x0a")
    value = int.from_bytes(passing.options[at + 2 : at + 6], "big") + 1_000
    passing.options = passing.options[: at + 2] + (value % 2**32).to_bytes(4, "big") + passing.options[at + 6 :]


def alter_mac(passing: Passing) -> None:
    at = passing.options.index(b"\x1d\x10")
    passing.options = passing.options[: at + 15] + bytes([passing.options[at + 15] ^ 1]) + passing.options[at + 16 :]


def alter_key_id(passing: Passing) -> None:
    at = passing.options.index(b"\x1d\x10")
    passing.options = passing.options[: at + 2] + b"\x63" + passing.options[at + 3 :]


def alter_payload(passing: Passing) -> None:
    passing.payload = bytes([passing.payload[0] ^ 0x20]) + passing.payload[1:]


REWRITINGS: dict[str, Rewriting] = {
    "mss": Rewriting(
        on(is_syn, lambda p: p.replace_option(2, b"\x02\x04\x04\xb0")), "mss", "changed", 1, (1460, 1200), "options"
    ),
    "window scale": Rewriting(
        on(is_syn, lambda p: p.replace_option(3, b"\x03\x03\x02")), "window-scale", "changed", 1, (8, 2), "options"
    ),
    "SACK-permitted replaced": Rewriting(
        on(is_syn, lambda p: p.replace_option(4, b"\x01\x01")),
        "sack-permitted",
        "replaced-by-nops",
        1,
        ("present", None),
        "options",
    ),
    "timestamps replaced": Rewriting(
        on(has_payload, lambda p: p.replace_option(8, b"\x01" * 10)),
        "timestamp-value",
        "replaced-by-nops",
        2,
        None,
        "options",
    ),
    "timestamps shifted": Rewriting(on(every, shift_clock), "timestamp-value", "changed", 7, None, "options"),
    "options reordered": Rewriting(on(is_syn, reorder_options), "option-order", "changed", 1, None, "options"),
    "padding moved": Rewriting(on(is_syn, move_padding), "option-padding", "changed", 1, None, "options"),
    "AO stripped": Rewriting(
        on(has_payload, lambda p: p.replace_option(29, b"\x01" * 16)),
        "ao",
        "replaced-by-nops",
        2,
        ("KeyID 1, RNextKeyID 101", None),
        "always",
    ),
    "MAC altered": Rewriting(on(has_payload, alter_mac), "mac", "changed", 2, None, "always"),
    "KeyID altered": Rewriting(on(has_payload, alter_key_id), "key-id", "changed", 2, (1, 99), "always"),
    "payload": Rewriting(on(has_payload, alter_payload), "payload", "changed", 2, None, "always"),
    "window": Rewriting(on(every, lambda p: p.write(14, 2, 100)), "window", "changed", 7, None, "always"),
    "urgent pointer": Rewriting(
        on(every, lambda p: p.write(18, 2, 7)), "urgent-pointer", "changed", 7, (0, 7), "always"
    ),
    "ECN flags": Rewriting(
        on(is_syn, lambda p: p.write(13, 1, p.fixed[13] | 0xC0)), "ecn-flags", "changed", 1, (0, 3), "always"
    ),
    "reserved flags": Rewriting(
        on(every, lambda p: p.write(12, 1, p.fixed[12] | 0x0E)), "reserved-flags", "changed", 7, (0, 7), "always"
    ),
    "PSH": Rewriting(
        on(has_payload, lambda p: p.write(13, 1, p.fixed[13] & ~8)), "flags", "changed", 2, (0x18, 0x10), "always"
    ),
    "source address": Rewriting(
        on(every, lambda p: p.readdress(0, "192.0.2.7")),
        "source-address",
        "changed",
        7,
        ("10.0.0.1", "192.0.2.7"),
        "always",
    ),
    "source port": Rewriting(
        on(every, lambda p: p.write(0, 2, 1024)), "source-port", "changed", 7, (40000, 1024), "always"
    ),
    "DSCP": Rewriting(on(every, change_ip(1, 48 << 2)), "dscp", "changed", 7, (0, 48), "never"),
    "ECN of IP": Rewriting(on(every, change_ip(1, 3)), "ip-ecn", "changed", 7, (0, 3), "never"),
    "IP ID": Rewriting(on(every, change_ip(4, 9)), "ip-id", "changed", 7, None, "never"),
}


@pytest.mark.parametrize("key", [INCLUDED, EXCLUDED], ids=["options included", "options excluded"])
@pytest.mark.parametrize("name", REWRITINGS)
def test_a_rewritten_field_is_named_with_what_it_breaks(name: str, key: Key, tmp_path: Path) -> None:
    told = REWRITINGS[name]
    connection = compare_rewritten(session(key), tmp_path, told.rewrite)
    found = rewritten(connection)
    change = found["a>b", told.field, told.how]
    assert change.segments == told.segments
    if told.values is not None:
        assert (change.values[0].value_a, change.values[0].value_b) == told.values
    breaks = told.protection == "always" or (told.protection == "options" and key.include_options)
    assert (change.verified_in_a, change.verified_in_both) == ((told.segments, 0) if breaks else (0, told.segments))
    assert connection.conclusion.outcome is (Outcome.BROKEN if breaks else Outcome.HARMLESS)
    assert bool(connection.conclusion.remedies) is breaks
    assert change.is_covered is breaks
    assert set(found) == {("a>b", told.field, told.how)}


def test_an_option_without_a_field_of_its_own_is_named_by_its_kind(tmp_path: Path) -> None:
    conversation = Conversation([INCLUDED]).syn(other_options=b"\x02\x04\x05\xb4\xfd\x04\xca\xfe")
    rewrite = on(is_syn, lambda p: p.replace_option(253, b"\xfd\x04\xca\xff"))
    change = rewritten(compare_rewritten(conversation, tmp_path, rewrite))["a>b", "option", "changed"]
    assert change.option == "Experiment 253"
    assert (change.values[0].value_a, change.values[0].value_b) == ("cafe", "caff")
    assert change.verified_in_a == 1


def test_an_option_that_is_cut_out_breaks_the_mac_by_the_header_length_alone(tmp_path: Path) -> None:
    """The data offset and the pseudo-header's length are covered whether options are or not (RFC 5925 5.1)."""
    connection = compare_rewritten(session(EXCLUDED), tmp_path, on(has_payload, lambda p: p.replace_option(8, b"")))
    found = rewritten(connection)
    assert found["a>b", "timestamp-value", "removed"].is_covered is False
    length = found["a>b", "header-length", "changed"]
    assert (length.is_covered, length.verified_in_a) == (True, 2)
    assert connection.conclusion.outcome is Outcome.BROKEN
    assert "overwrite options with NOPs" in connection.conclusion.remedies[0]


def test_a_path_that_only_routes_leaves_everything_alone(tmp_path: Path) -> None:
    connection = compare_rewritten(session(), tmp_path)
    assert connection.conclusion.outcome is Outcome.INTACT
    assert rewritten(connection) == {}
    assert {change.field.value: change.is_covered for change in connection.changes} == {"ttl": False}
    assert [direction.pairs for direction in connection.directions] == [7, 3]


def test_ipv6_is_compared_like_ipv4(tmp_path: Path) -> None:
    def rewrite(passing: Passing) -> None:
        passing.header[3] ^= 1
        if passing.direction == "a>b":
            passing.readdress(0, "2001:db8::7")

    conversation = session(client="[fd00::1]:40000", server="[fd00::2]:179")
    found = rewritten(compare_rewritten(conversation, tmp_path, rewrite))
    assert found["a>b", "source-address", "changed"].values[0].value_b == "2001:db8::7"
    assert found["a>b", "flow-label", "changed"].is_covered is False


# Sequence numbers.


def randomise(offset: int, *, translates_acks: bool = True) -> Rewrite:
    """A firewall that shifts the client's sequence numbers."""

    def rewrite(passing: Passing) -> None:
        if passing.direction == "a>b":
            passing.write(4, 4, passing.number(4, 4) + offset)
        elif translates_acks and passing.has_ack:
            passing.write(8, 4, passing.number(8, 4) + offset)

    return rewrite


@pytest.mark.parametrize("offset", [1, 0x12345678, -5, 0x7FFFFFFF])
def test_randomised_sequence_numbers_show_as_one_offset(offset: int, tmp_path: Path) -> None:
    connection = compare_rewritten(session(client_isn=0xFFFFFFF0), tmp_path, randomise(offset))
    found = rewritten(connection)
    assert found["a>b", "sequence-number", "changed"].offset == offset
    assert found["a>b", "sequence-number", "changed"].segments == 7
    assert found["b>a", "acknowledgment-number", "changed"].offset == offset
    assert len(found) == 2
    assert connection.conclusion.outcome is Outcome.BROKEN
    assert any("one offset for the whole connection" in detail for detail in connection.conclusion.details)
    assert "sequence number randomisation" in connection.conclusion.remedies[0]


def test_the_side_that_signed_is_the_side_that_verifies(tmp_path: Path) -> None:
    """What a sends verifies in A, where a is; what b sends, with the acknowledgments that b knows, verifies in B."""
    own, shifted = session(client_isn=5_000), session(client_isn=6_000)
    a, b = signed_on_both_sides(own.capture(), shifted.capture(), to_b=randomise(1_000), to_a=randomise(-1_000))
    (connection,) = compare(a, b, own.key_file(), tmp_path).connections
    to_b, to_a = connection.directions
    assert (to_b.flow, to_a.flow) == (Flow.A_TO_B, Flow.B_TO_A)
    assert (to_b.pairs, to_a.pairs) == (7, 3)
    assert [(pair.verdict_a.word, pair.verdict_b.word) for pair in to_b.verdicts] == [("verified", "mismatch")]
    assert [(pair.verdict_a.word, pair.verdict_b.word) for pair in to_a.verdicts] == [("mismatch", "verified")]


def test_sequence_numbers_without_one_offset_are_said_to_be_so(tmp_path: Path) -> None:
    def rewrite(passing: Passing) -> None:
        passing.write(4, 4, passing.number(4, 4) + len(passing.payload))

    connection = compare_rewritten(session(), tmp_path, on(has_payload, rewrite))
    change = rewritten(connection)["a>b", "sequence-number", "changed"]
    assert (change.segments, change.offset, change.different_values) == (2, None, 2)
    assert any("octets are inserted or removed" in detail for detail in connection.conclusion.details)


# Signatures gone or wrong altogether: what else tells segments apart.


def strip(passing: Passing) -> None:
    passing.replace_option(29, b"\x01" * 16)


def test_a_stripped_session_is_still_paired_segment_by_segment(tmp_path: Path) -> None:
    connection = compare_rewritten(session(), tmp_path, strip)
    assert connection.matched_by is MatchedBy.ENDS_AND_ISNS
    assert [direction.pairs for direction in connection.directions] == [7, 3]
    assert set(rewritten(connection)) == {("a>b", "ao", "replaced-by-nops"), ("b>a", "ao", "replaced-by-nops")}
    assert "29 (TCP-AO)" in connection.conclusion.remedies[0]


def test_stripped_and_with_shifted_sequence_numbers_it_is_still_paired(tmp_path: Path) -> None:
    def rewrite(passing: Passing) -> None:
        randomise(77_000)(passing)
        strip(passing)

    connection = compare_rewritten(session(), tmp_path, rewrite)
    assert [direction.pairs for direction in connection.directions] == [7, 3]
    assert rewritten(connection)["a>b", "sequence-number", "changed"].offset == 77_000


def test_a_translated_session_without_a_word_of_payload_is_found_by_its_macs(tmp_path: Path) -> None:
    """Every SYN of a translated client fails: there is never more than SYNs."""

    def rewrite(passing: Passing) -> None:
        passing.readdress(0, "198.51.100.4")
        passing.write(0, 2, 61_000)

    connection = compare_rewritten(Conversation([INCLUDED]).syn().advance(10**9).retransmit(), tmp_path, rewrite)
    assert connection.matched_by is MatchedBy.MACS
    assert str(connection.in_b.a) == "198.51.100.4:61000"
    assert set(rewritten(connection)) == {("a>b", "source-address", "changed"), ("a>b", "source-port", "changed")}
    assert "RFC 6978" in connection.conclusion.remedies[0]


def test_connections_of_one_server_are_not_mixed_up_behind_a_translator(tmp_path: Path) -> None:
    """Same payloads, same times, same KeyIDs: MACs and ISNs tell them apart."""
    conversations = [
        session(client=f"10.0.0.{host}:40000", client_isn=host * 1_000, server_isn=host * 7_000) for host in range(1, 6)
    ]
    capture = merge(conversations)

    def rewrite(passing: Passing) -> None:
        which = 0 if passing.direction == "a>b" else 1
        host = int(passing.address(which).rpartition(".")[2])
        passing.readdress(which, "192.0.2.1")
        passing.write(0 if which == 0 else 2, 2, 50_000 - host)

    other = seen_from_the_other_side(capture, rewrite)
    comparison = compare(capture.to_pcap(), other, capture.key_file(), tmp_path)
    assert len(comparison.connections) == 5
    for connection in comparison.connections:
        host = int(connection.in_a.a.address.rpartition(".")[2])
        assert connection.in_b.a.port == 50_000 - host
        assert connection.in_a.a.isn == host * 1_000


# Who is to blame.


def test_failures_that_both_captures_show_are_not_the_paths(tmp_path: Path) -> None:
    conversation = session()
    conversation.data("a", 30).sign_with_wrong_secret()
    connection = compare_rewritten(conversation, tmp_path)
    assert connection.conclusion.outcome is Outcome.KEYS
    assert "1 segment from 10.0.0.1 is wrong in both captures alike (mismatch)" in connection.conclusion.details


def test_a_rewritten_session_without_a_key_is_unproven(tmp_path: Path) -> None:
    capture = session().capture()
    other = seen_from_the_other_side(capture, randomise(9))
    (connection,) = compare(capture.to_pcap(), other, "", tmp_path).connections
    assert connection.conclusion.outcome is Outcome.UNPROVEN
    assert connection.options_covered is None


def test_a_proxy_that_signs_anew_is_seen(tmp_path: Path) -> None:
    """The second capture is of a conversation with other windows, signed correctly by whoever made them."""
    a = Conversation([INCLUDED]).handshake().data("a", 45, window=500)
    b = Conversation([INCLUDED]).handshake().data("a", 45, window=900)
    (connection,) = compare(a.to_pcap(), b.to_pcap(), a.key_file(), tmp_path).connections
    # One segment of many with another MAC is another transmission; here the only one that could be its counterpart.
    assert [direction.only_a for direction in connection.directions] == [1, 0]
    everything = Conversation([INCLUDED], client="10.0.0.1:40000")
    everything.syn(window=1).syn_ack(window=1).ack("a", window=1).data("a", 45, window=500)
    (connection,) = compare(everything.to_pcap(), b.to_pcap(), a.key_file(), tmp_path).connections
    assert connection.conclusion.outcome is Outcome.RE_SIGNED
    assert rewritten(connection)["a>b", "window", "changed"].verified_in_both == 3


def test_a_checksum_is_told_only_where_it_differs_alone(tmp_path: Path) -> None:
    """Offload leaves the sum to the network card; what is rewritten takes the checksum with it."""
    capture = session().capture()
    frames = bytearray(capture.to_pcap())
    # The first frame: pcap's header, the record's, Ethernet, IP, then the checksum's place in TCP's header.
    frames[24 + 16 + 14 + 20 + 16] ^= 0xFF
    (connection,) = compare(bytes(frames), seen_from_the_other_side(capture), capture.key_file(), tmp_path).connections
    assert rewritten(connection)["a>b", "tcp-checksum", "changed"].segments == 1
    assert connection.conclusion.outcome is Outcome.HARMLESS
    for name in ("mss", "source address"):
        connection = compare_rewritten(session(), tmp_path, REWRITINGS[name].rewrite)
        assert "tcp-checksum" not in {change.field.value for change in connection.changes}


def test_tcp_md5_never_covers_options(tmp_path: Path) -> None:
    key = Key(name="md5", algorithm="tcp-md5", secret=b"password")
    conversation = Conversation([key]).handshake().data("a", 45)
    connection = compare_rewritten(conversation, tmp_path, REWRITINGS["mss"].rewrite)
    assert connection.options_covered is False
    assert connection.conclusion.outcome is Outcome.HARMLESS
    connection = compare_rewritten(conversation, tmp_path, REWRITINGS["window"].rewrite)
    assert connection.conclusion.outcome is Outcome.BROKEN
