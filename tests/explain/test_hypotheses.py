"""Each fault is explained by the hypothesis that names it, first and alone; what is right is never explained away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoinspect.engine.explain import HYPOTHESES, Confidence
from aoinspect.engine.explain.encodings import written_otherwise
from aoinspect.engine.explain.model import PROOF_BITS
from tests.conversation import Conversation
from tests.explain.explaining import Told, accounts_of_told
from tests.explain.scenes import ENCODINGS, KEY, MD5, SCENES, SHA256, Make, read_with, talk


@pytest.mark.parametrize(("ident", "make"), [pytest.param(i, make, id=f"{i}-{name}") for i, name, make in SCENES])
def test_a_fault_is_explained_by_its_hypothesis_and_no_other(ident: str, make: Make, tmp_path: Path) -> None:
    accounts = [account for account in accounts_of_told(make(), tmp_path) if account.explanations or account.failing]
    assert [account.explanations[0].ident for account in accounts] == [ident]
    (account,) = accounts
    assert {explanation.ident for explanation in account.explanations} == {ident}
    assert account.unexplained == ()
    for explanation in account.explanations:
        if explanation.confidence is Confidence.PROOF:
            assert explanation.bits >= PROOF_BITS
            assert explanation.senders
            assert explanation.device_remedy


def test_every_hypothesis_has_a_scene() -> None:
    shown = {single for ident, _, _ in SCENES for single in ident.split("+")}
    assert shown == {hypothesis.ident for hypothesis in HYPOTHESES} == {f"H{number}" for number in range(1, 33)}


@pytest.mark.parametrize("name", ENCODINGS)
def test_each_other_form_of_a_secret_is_found(name: str, tmp_path: Path) -> None:
    signed, written = ENCODINGS[name]
    told = read_with(talk(replace(KEY, secret=signed)), replace(KEY, secret=written))
    (account,) = accounts_of_told(told, tmp_path)
    (explanation,) = account.explanations
    assert explanation.ident == "H8"
    assert explanation.matched == explanation.tried == 7


@pytest.mark.parametrize("secret", [b"interop", b"\xff\x00", b"0xdeadbeef", b"'quoted'", b"a" * 90])
def test_the_forms_of_a_secret_are_distinct_and_never_the_secret_itself(secret: bytes) -> None:
    forms = [way.secret for way in written_otherwise(secret)]
    assert secret not in forms
    assert len(forms) == len(set(forms))
    assert b"" not in forms


@pytest.mark.parametrize(
    "conversation",
    [
        talk(),
        talk(timestamps=True),
        talk(MD5),
        talk(replace(SHA256, include_options=False), timestamps=True),
        talk(replace(KEY, mac_length=4)),
        Conversation([KEY]).simultaneous_open().data("a", 9),
        talk(client_isn=2**32 - 1000).wrap("a"),
    ],
    ids=["plain", "timestamps", "md5", "options excluded", "short MAC", "simultaneous open", "wrap"],
)
def test_a_right_capture_is_never_explained(conversation: Conversation, tmp_path: Path) -> None:
    assert accounts_of_told(Told(conversation.to_pcap(), conversation.key_file()), tmp_path) == []


def test_only_the_failing_end_is_named(tmp_path: Path) -> None:
    conversation = talk(server_keys=[replace(KEY, include_options=False)], timestamps=True)
    ((explanation,),) = (account.explanations for account in accounts_of_told(read_with(conversation, KEY), tmp_path))
    assert explanation.senders == ("10.0.0.2",)
    assert explanation.failing == 3
    assert "signs with TCP options left out of the MAC" in explanation.summary
    assert explanation.summary.startswith("10.0.0.2 ")


def test_a_key_of_the_other_end_is_compared_with_what_the_sender_signs(tmp_path: Path) -> None:
    """The key file describes both ends, so every segment verifies; the receiver drops them all the same."""
    conversation = Conversation([KEY], server_keys=[replace(KEY, algorithm="aes-128-cmac-96")]).syn()
    (account,) = accounts_of_told(Told(conversation.to_pcap(), conversation.key_file()), tmp_path)
    (explanation,) = account.explanations
    assert explanation.ident == "H5"
    assert "hmac-sha-1-96" in explanation.summary
    assert explanation.file_remedy == ""


def test_one_short_mac_proves_nothing(tmp_path: Path) -> None:
    short = replace(KEY, mac_length=4)
    signed = replace(short, secret=b"deadbeef")
    one = Conversation([signed]).syn()
    told = read_with(one, replace(short, secret=b"\xde\xad\xbe\xef"))
    (account,) = accounts_of_told(told, tmp_path)
    assert account.explanations == ()
    assert "H8" in account.ruled_out


def test_short_macs_prove_together(tmp_path: Path) -> None:
    short = replace(KEY, mac_length=4)
    told = read_with(talk(replace(short, secret=b"deadbeef")), replace(short, secret=b"\xde\xad\xbe\xef"))
    ((explanation,),) = (account.explanations for account in accounts_of_told(told, tmp_path))
    assert explanation.ident == "H8"
    assert explanation.bits == 7 * 32


def test_the_same_short_mac_seen_again_adds_nothing(tmp_path: Path) -> None:
    short = replace(KEY, mac_length=4)
    one = Conversation([replace(short, secret=b"deadbeef")]).syn()
    for _ in range(5):
        one.duplicate()
    (account,) = accounts_of_told(read_with(one, replace(short, secret=b"\xde\xad\xbe\xef")), tmp_path)
    assert account.explanations == ()


def test_several_faults_on_one_connection_are_told_apart(tmp_path: Path) -> None:
    conversation = talk(timestamps=True).data("a", 5).sign_with_other_options_flag().data("a", 6).sign_with_wrong_sne()
    conversation.data("a", 7).sign_with_wrong_secret()
    (account,) = accounts_of_told(Told(conversation.to_pcap(), conversation.key_file()), tmp_path)
    assert {explanation.ident: explanation.frames for explanation in account.explanations} == {
        "H1": ((0, 8),),
        "H13": ((0, 9),),
    }
    assert account.unexplained == ((0, 10),)
    assert any("other segments of the same sender" in words for words in account.would_decide)


def test_nothing_that_matches_is_said_with_what_was_ruled_out_and_what_would_decide(tmp_path: Path) -> None:
    told = read_with(talk(replace(KEY, secret=b"of nobody here")), KEY)
    (account,) = accounts_of_told(told, tmp_path)
    assert account.explanations == ()
    assert len(account.unexplained) == account.tried == account.failing == 7
    assert {"H1", "H8", "H5", "H12", "H13", "H1+H8"} <= set(account.ruled_out)
    assert account.not_tried == ()
    # Segments beyond the SYNs fail as well, so no MSS was searched for; and nothing here is TCP-MD5.
    assert not {"H19", "H32"} & set(account.ruled_out)
    assert any("another key" in words for words in account.would_decide)


def test_segments_of_which_octets_are_missing_prove_nothing(tmp_path: Path) -> None:
    conversation = Conversation([KEY]).handshake()
    conversation.data("a", 400).name_unknown_key(9).cut(100).data("a", 400).change_mac_length(8).cut(100)
    (account,) = accounts_of_told(Told(conversation.to_pcap(), conversation.key_file()), tmp_path)
    assert account.failing == 2
    assert account.macs == 0
    assert [explanation.ident for explanation in account.explanations] == ["H4"]
    assert any("the whole segments" in words for words in account.would_decide)


@given(flips=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 7)), min_size=1, max_size=6), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets_are_explained_or_not_but_never_raise(
    flips: list[tuple[int, int]], data: st.DataObject, tmp_path: Path
) -> None:
    conversation = talk(timestamps=True)
    for octet, bit in flips:
        frame = data.draw(st.integers(0, len(conversation.segments) - 1))
        if octet < len(conversation.segments[frame].segment):
            conversation.flip_bit(octet, bit, frame)
    for account in accounts_of_told(Told(conversation.to_pcap(), conversation.key_file()), tmp_path):
        assert account.tried <= account.failing


def test_an_offset_of_a_time_zone_is_named(tmp_path: Path) -> None:
    make = next(make for ident, _, make in SCENES if ident == "H18")
    (account,) = accounts_of_told(make(), tmp_path)
    assert all("+01:00" in explanation.summary for explanation in account.explanations)


def test_the_rewritten_mss_is_named_with_its_value(tmp_path: Path) -> None:
    make = next(make for ident, name, make in SCENES if name == "the_mss_of_a_syn_is_clamped")
    (account,) = accounts_of_told(make(), tmp_path)
    (explanation,) = account.explanations
    assert explanation.changed == "the MSS was 8960 and is 1460"
    assert explanation.matched == 3


def test_isns_that_the_key_file_tells_are_doubted_where_no_mac_holds(tmp_path: Path) -> None:
    """An entry is taken as right, so its segments are mismatches; what would decide names it all the same."""
    conversation = Conversation([KEY], client_isn=5000).established(client_octets=500, server_octets=300)
    conversation.data("a", 30).ack("b")
    capture = conversation.to_pcap()
    right = conversation.key_file(with_connections=True)
    assert accounts_of_told(Told(capture, right), tmp_path) == []
    other = right.replace("local-isn = 0x1388", "local-isn = 4711")
    assert other != right
    (account,) = accounts_of_told(Told(capture, other), tmp_path)
    assert account.explanations == ()
    assert any("those in [[connection]]" in words for words in account.would_decide)
