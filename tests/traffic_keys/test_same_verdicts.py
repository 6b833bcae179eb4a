"""Under its log a capture has the verdicts that it has under the master keys, segment by segment."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.engine.recovery import recover_isns
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.json_form import JsonObject
from tests.conversation import Capture, Conversation, Key, merge
from tests.engine.judged import Judged, judge, store_of
from tests.engine.stories import ANY_STRAYS, Stray, examples, injected, stories
from tests.engine.test_batches import reconnections
from tests.packets import write_pcap
from tests.recorded import RecordedCapture, outcome, parameters
from tests.recorded import judge as judge_file
from tests.reference_signer import TCP_MD5
from tests.traffic_keys.logging import LOG, log_of, logged, traffic_keys

_ORIGIN = re.compile(r"[^\s\"'(]*(?:\.toml|\.log)(?::[0-9]+)?")
_MAY_DIFFER = ("explanation",)
"""What may differ: most hypotheses on keys take the master key."""
_RESTS_ON_SECRET = "linux-refuses-algorithm"
"""A finding that looks at the secret's length."""


def assert_same(capture: bytes, store: KeyStore, batch_frames: int = 32768) -> Judged:
    """The outcome under the master keys, which is that under the log too."""
    under_keys = judge(capture, store, batch_frames)
    under_log = judge(capture, logged(capture, store), batch_frames)
    assert under_log.lines == under_keys.lines
    assert shown(under_log.object) == shown(under_keys.object)
    return under_keys


def shown(report: JsonObject) -> str:
    """A report as text, without the places of its keys and without explanations."""
    connections = report["connections"]
    findings = report["findings"]
    assert isinstance(connections, list)
    assert isinstance(findings, list)
    kept = [{name: value for name, value in one.items() if name not in _MAY_DIFFER} for one in connections]
    told = [finding for finding in findings if finding["ident"] != _RESTS_ON_SECRET]
    return _ORIGIN.sub("KEYS", json.dumps({**report, "keys": None, "connections": kept, "findings": told}))


@pytest.mark.parametrize("capture", parameters())
def test_a_recorded_capture_has_the_same_verdicts_findings_and_key_runs(capture: RecordedCapture) -> None:
    if any(line.method == "md5" for line in outcome(capture).lines):
        pytest.skip("TCP-MD5 has no traffic keys: see the tests of what a log leaves out")
    under_log = judge_file(capture.path, logged(capture.path, load_keys([str(capture.keys)])))
    assert under_log.lines == outcome(capture).lines
    assert shown(under_log.report_object) == shown(outcome(capture).report_object)


@pytest.mark.parametrize("capture", parameters(lambda name: "md5" in name or name == "mixed"))
def test_what_is_not_tcp_md5_keeps_its_verdict_beside_it(capture: RecordedCapture) -> None:
    under_keys = [line for line in outcome(capture).lines if line.method != "md5"]
    under_log = judge_file(capture.path, logged(capture.path, load_keys([str(capture.keys)])))
    assert [line for line in under_log.lines if line.method != "md5"] == under_keys
    for line in under_log.lines:
        if line.method == "md5" and line.verdict not in ("malformed", "no-key"):
            assert (line.verdict, line.reason) == ("unverifiable", "no-secret")


@examples(25)
@given(stories())
def test_any_conversation_verifies_under_its_log(conversation: Conversation) -> None:
    judged = assert_same(conversation.to_pcap(), store_of(conversation.key_file()))
    assert set(judged.verdicts) == {"verified"}


@examples(25)
@given(stories(longest=6), ANY_STRAYS, st.sets(st.integers(0, 20), max_size=4), st.sampled_from([1, 3, 32768]))
def test_strays_and_lost_segments_are_judged_as_under_the_master_keys(
    conversation: Conversation, some: list[Stray], lost: set[int], batch_frames: int
) -> None:
    told, _ = injected(conversation, some)
    kept = [segment for index, segment in enumerate(told) if index not in lost]
    capture = write_pcap(Capture(tuple(kept)).records())
    under_keys = judge(capture, conversation.key_file(), batch_frames)
    under_log = judge(capture, logged(capture, store_of(conversation.key_file())), batch_frames)
    assert under_log.lines == under_keys.lines


@examples(15)
@given(reconnections(), st.sets(st.integers(0, 12), max_size=4))
def test_connections_of_one_socket_pair_keep_to_their_own_keys(
    conversations: list[Conversation], lost: set[int]
) -> None:
    segments = [segment for index, segment in enumerate(merge(conversations).segments) if index not in lost]
    assert_same(write_pcap(Capture(tuple(segments)).records()), store_of(conversations[0].key_file()))


def two_ends(**changed: object) -> Conversation:
    """A session of which each end has its own idea of the key."""
    key = Key(name="k", send_id=1, recv_id=2)
    return Conversation([key], server_keys=[dataclasses.replace(key, **changed)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": b"another secret"},
        {"algorithm": "hmac-sha-256-96"},
        {"mac_length": 10},
        {"include_options": False},
    ],
)
def test_where_the_ends_disagree_the_log_says_so_too(changed: dict[str, object]) -> None:
    conversation = two_ends(**changed).handshake().data("a", 400).data("b", 400)
    judged = assert_same(conversation.to_pcap(), store_of(conversation.key_file()))
    assert any(line.is_refused for line in judged.lines)
    assert "ends-disagree" in {finding.ident for finding in judged.report.findings}


def test_an_options_flag_that_is_not_known_stays_so() -> None:
    conversation = Conversation(timestamps=True).handshake().data("a", 400)
    keys = conversation.key_file().replace('tcp-options = "include"', 'tcp-options = "auto"')
    judged = assert_same(conversation.to_pcap(), store_of(keys))
    assert {line.coverage for line in judged.lines} == {"include"}
    assert "tcp-options=auto" in log_of(conversation.to_pcap(), store_of(keys))


def test_of_several_candidates_the_one_that_held_is_named() -> None:
    conversation = Conversation([Key(name="right")]).handshake().data("a", 400)
    other = Conversation([Key(name="wrong", secret=b"yet another secret")])
    keys = other.key_file() + conversation.key_file().partition("\n")[2]
    judged = assert_same(conversation.to_pcap(), store_of(keys))
    assert {line.mkt for line in judged.lines} == {"right"}


def test_a_log_tells_isns_that_a_key_file_told() -> None:
    conversation = Conversation().established(client_octets=2**33, server_octets=5).data("a", 400).data("b", 30)
    store = store_of(conversation.key_file(with_connections=True))
    judged = assert_same(conversation.to_pcap(), store)
    assert set(judged.verdicts) == {"verified"}
    assert "isns=told" in log_of(conversation.to_pcap(), store)


def test_isns_that_a_search_found_need_no_second_search() -> None:
    conversation = Conversation().established(client_octets=100, server_octets=50).data("a", 400).data("b", 30)
    capture, store = conversation.to_pcap(), store_of(conversation.key_file())
    recovery = recover_isns(judge(capture, store).analyzer, 100_000)
    text = log_of(capture, recovery.extend(store))
    assert "isns=recovered" in text
    assert set(judge(capture, logged(capture, recovery.extend(store))).verdicts) == {"verified"}


class TestAnotherCapture:
    """A log made of one capture, given with another."""

    def test_of_the_same_connection_it_verifies_what_lacks_the_handshake(self) -> None:
        conversation = Conversation().handshake().data("a", 400).data("b", 2000).data("a", 7)
        store = logged(conversation.to_pcap(), store_of(conversation.key_file()))
        late = Capture(tuple(conversation.segments[5:])).to_pcap()
        first = judge(late, store)
        assert {line.outcome for line in first.lines} == {("unverifiable", "isn-unknown")}
        recovery = recover_isns(first.analyzer, 1)
        assert recovery.candidates == 0
        assert set(judge(late, recovery.extend(store)).verdicts) == {"verified"}

    def test_of_another_connection_nothing_is_proven_and_nothing_mismatches(self) -> None:
        logged_one = Conversation().handshake().data("a", 400)
        other = Conversation(client_isn=7, server_isn=8).handshake().data("a", 400).data("b", 30)
        judged = judge(other.to_pcap(), logged(logged_one.to_pcap(), store_of(logged_one.key_file())))
        assert set(judged.outcomes) == {("unverifiable", "no-secret")}
        assert judged.report.exit_code == 4

    def test_a_key_that_the_capture_did_not_use_is_there_only_with_all(self) -> None:
        keys = [Key(name="k1"), Key(name="k2", send_id=2, recv_id=102, secret=b"second")]
        short = Conversation(keys).handshake().data("a", 40)
        long = Conversation(keys).handshake().data("a", 40).rollover("a", to=2).data("a", 9)
        store = store_of(short.key_file())
        under_log = judge(long.to_pcap(), logged(short.to_pcap(), store))
        assert under_log.lines[-1].outcome == ("unverifiable", "no-secret")
        under_all = judge(long.to_pcap(), logged(short.to_pcap(), store, holds_all=True))
        assert set(under_all.verdicts) == {"verified"}


class TestWhatALogHolds:
    def test_the_traffic_keys_of_rfc_9235(self) -> None:
        """Traffic key of the SYN: 6d 63 ef 1b 02 fe 15 09 d4 b1 40 27 07 fd 7b 04 16 ab b7 4f -- RFC 9235 4.1.1"""
        conversation = Conversation(
            [Key(send_id=61, recv_id=84)],
            client="10.11.12.13:59863",
            server="172.27.28.29:179",
            client_isn=0xFBFBAB5A,
            server_isn=0x11C14261,
        ).handshake()
        text = log_of(conversation.to_pcap(), store_of(conversation.key_file()))
        assert "syn mkt=1 from=a source-isn=0xfbfbab5a key=6d63ef1b02fe1509d4b1402707fd7b0416abb74f\n" in text

    def test_a_handshake_and_data_take_three_traffic_keys(self) -> None:
        conversation = Conversation().handshake().data("a", 400).data("b", 30)
        text = log_of(conversation.to_pcap(), store_of(conversation.key_file()))
        assert [line.split()[0] for line in text.splitlines() if " key=" in line] == ["syn", "other", "other"]

    def test_a_simultaneous_open_takes_the_syn_key_of_both_ends(self) -> None:
        conversation = Conversation().simultaneous_open().data("a", 400)
        text = log_of(conversation.to_pcap(), store_of(conversation.key_file()))
        assert len([line for line in text.splitlines() if line.startswith("syn ")]) == 2

    def test_a_syn_that_is_sent_again_takes_no_further_key(self) -> None:
        conversation = Conversation().syn().retransmit().syn_ack().retransmit().handshake_ack()
        text = log_of(conversation.to_pcap(), store_of(conversation.key_file()))
        assert len(traffic_keys(text)) == 3

    def test_all_are_four_traffic_keys_for_each_mkt(self) -> None:
        keys = [Key(name="k1"), Key(name="k2", send_id=2, recv_id=102, secret=b"second")]
        conversation = Conversation(keys).handshake()
        text = log_of(conversation.to_pcap(), store_of(conversation.key_file()), holds_all=True)
        assert len(traffic_keys(text)) == 8

    def test_no_master_key_and_no_other_peer_is_in_it(self) -> None:
        conversation = Conversation([Key(secret=b"Canary-7f3a-Canary")]).handshake()
        elsewhere = Conversation([Key(name="far")], client="192.0.2.1:9", server="192.0.2.2:179")
        keys = conversation.key_file() + elsewhere.key_file().partition("\n")[2]
        text = log_of(conversation.to_pcap(), store_of(keys))
        assert "Canary" not in text
        assert b"Canary".hex() not in text
        assert "far" not in text
        assert "192.0.2" not in text

    def test_a_tcp_md5_password_is_left_out_and_its_segments_are_unverifiable(self) -> None:
        conversation = Conversation([Key(name="m", algorithm=TCP_MD5, secret=b"password")]).handshake()
        text = log_of(conversation.to_pcap(), store_of(conversation.key_file()))
        assert 'algorithm=tcp-md5 gap="' in text
        assert b"password".hex() not in text
        assert "=password" not in text
        judged = judge(conversation.to_pcap(), logged(conversation.to_pcap(), store_of(conversation.key_file())))
        assert set(judged.outcomes) == {("unverifiable", "no-secret")}

    def test_a_log_can_be_made_of_a_log(self) -> None:
        conversation = Conversation().handshake().data("a", 400)
        capture = conversation.to_pcap()
        text = log_of(capture, store_of(conversation.key_file()))
        assert log_of(capture, logged(capture, store_of(conversation.key_file()))) == text

    def test_its_keys_are_of_these_master_keys_and_show_in_no_repr(self) -> None:
        conversation = Conversation().handshake()
        store = logged(conversation.to_pcap(), store_of(conversation.key_file()))
        text = log_of(conversation.to_pcap(), store_of(conversation.key_file()))
        assert all(
            key not in repr(store) and bytes.fromhex(key) not in repr(store).encode() for key in traffic_keys(text)
        )
        assert {mkt.logged.path for peer in store.peers for mkt in peer.mkts if mkt.logged} == {LOG}
