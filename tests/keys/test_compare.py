"""Both ends compared: ids crossed, algorithms, lengths, flags, lifetimes; of secrets only whether they are equal."""

from __future__ import annotations

import pytest

from aoinspect.keys.compare import Comparison, compare
from aoinspect.keys.remarks import Severity
from aoinspect.report.key_remarks import comparison_json, comparison_text
from tests.keys.two_ends import days, end, key, md5_key, other_end


def idents(comparison: Comparison) -> list[str]:
    return [remark.ident for remark in comparison.remarks]


def test_equal_keys_with_ids_crossed_agree() -> None:
    found = compare(end(key(61, 84)), other_end(key(84, 61)))
    assert idents(found) == []
    (session,) = found.sessions
    assert [pair.is_secret_equal for pair in session.keys] == [True]
    assert "secrets equal: yes" in comparison_text(found)
    assert comparison_text(found).endswith("both ends agree")


@pytest.mark.parametrize(
    ("theirs", "ident"),
    [
        (key(2, 1, secret="sixteen octets!?"), "secret-differs"),
        (key(2, 1, algorithm='"aes-128-cmac-96"'), "algorithm-differs"),
        (key(2, 1, mac_length="10"), "mac-length-differs"),
        (key(2, 1, tcp_options='"exclude"'), "options-flag-differs"),
        (key(2, 1, tcp_options='"auto"'), "options-flag-unknown"),
        (key(1, 2), "ids-not-crossed"),
        (key(2, 9), "ids-half-crossed"),
        (key(7, 8), "key-missing"),
        (md5_key(), "method-differs"),
        (key(2, 1, accept_lifetime=days(10, None)), "lifetimes-do-not-meet"),
    ],
)
def test_each_difference_has_its_ident_and_both_places(theirs: str, ident: str) -> None:
    found = compare(end(key(1, 2)), other_end(theirs))
    assert set(idents(found)) == {ident}
    remark = found.remarks[0]
    assert {remark.origin.path, getattr(remark.other_origin, "path", None)} == {"a.toml", "b.toml"}
    assert remark.origin.line >= 5


def test_every_key_of_either_end_is_told() -> None:
    found = compare(end(key(1, 2), key(3, 4)), other_end(key(2, 1), key(6, 5)))
    (session,) = found.sessions
    assert [(pair.mine is None, pair.theirs is None) for pair in session.keys] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    assert idents(found) == ["key-missing", "key-missing"]


@pytest.mark.parametrize(
    ("send", "accept", "expected"),
    [
        (days(1, 10), days(1, 10), []),
        (days(2, 9), days(1, 10), []),
        (days(1, 10), days(1, 9), ["lifetimes-do-not-meet"]),
        (days(1, 10), days(2, None), ["lifetimes-do-not-meet"]),
        (days(1, 5), days(5, 9), ["never-accepted-when-sent"]),
        (days(1, 5), days(None, 20), []),
        (days(1, None), days(1, 20), ["lifetimes-do-not-meet"]),
    ],
)
def test_what_is_sent_has_to_be_accepted_at_the_other_end(send: str, accept: str, expected: list[str]) -> None:
    mine = end(key(1, 2, send_lifetime=send))
    theirs = other_end(key(2, 1, accept_lifetime=accept, send_lifetime=days(1, 2)))
    assert idents(compare(mine, theirs)) == expected
    assert idents(compare(theirs, mine)) == expected


def test_the_time_that_is_not_accepted_is_told() -> None:
    mine = end(key(1, 2, send_lifetime=days(1, 10)))
    (remark,) = compare(mine, other_end(key(2, 1, accept_lifetime=days(1, 9)))).remarks
    assert "is sent from 2026-01-09T00:00:00Z until 2026-01-10T00:00:00Z" in remark.message


def test_a_secret_that_is_not_known_is_neither_equal_nor_not() -> None:
    gap = key(2, 1).replace('secret = "sixteen octets!!"', 'gap = "Cisco type 6"')
    found = compare(end(key(1, 2)), other_end(gap))
    assert [pair.is_secret_equal for pair in found.sessions[0].keys] == [None]
    assert idents(found) == []
    assert "secrets equal: not known" in comparison_text(found)


def test_a_cmac_key_and_the_16_octets_that_linux_tells_of_it_are_equal() -> None:
    """RFC 4615 3: AES-CMAC(0^128, key) of a key of another length, computed with openssl."""
    derived = "951b3e95ff87f7dcae482f7c70725022"
    mine = end(key(1, 2, secret="longer than 16 octets", algorithm='"aes-128-cmac-96"'))
    theirs = other_end(f'[[peer.key]]\nsend-id = 2\nrecv-id = 1\nalgorithm = "cmac(aes)"\nsecret-hex = "{derived}"')
    assert idents(compare(mine, theirs)) == []
    assert [pair.is_secret_equal for pair in compare(mine, theirs).sessions[0].keys] == [True]


def test_passwords_are_compared_as_well() -> None:
    assert idents(compare(end(md5_key()), other_end(md5_key()))) == []
    assert idents(compare(end(md5_key("one password")), other_end(md5_key("another one!")))) == ["secret-differs"]


class TestWhichSessionsAreTheSame:
    def test_an_end_without_its_own_address_is_recognised_by_the_others(self) -> None:
        found = compare(end(key(1, 2), local=None), other_end(key(2, 1)))
        assert len(found.sessions) == 1

    def test_two_ends_without_any_local_address_are_the_same_session_only_if_they_have_no_other(self) -> None:
        mine, theirs = end(key(1, 2), local=None), other_end(key(2, 1), local=None)
        assert len(compare(mine, theirs).sessions) == 1

    def test_other_peers_are_told_as_being_on_one_end_only(self) -> None:
        found = compare(end(key(1, 2), remote="10.0.0.9"), other_end(key(2, 1)))
        assert (len(found.sessions), len(found.only_mine), len(found.only_theirs)) == (0, 1, 1)
        assert "only in the first file" in comparison_text(found)

    def test_a_prefix_holds_the_address(self) -> None:
        assert len(compare(end(key(1, 2), remote="10.0.0.0/24"), other_end(key(2, 1))).sessions) == 1


def test_no_output_holds_a_secret_or_anything_of_it() -> None:
    mine = end(key(1, 2, secret="Canary-7f3a-Canary"), md5_key("Canary-7f3a-Canary"))
    theirs = other_end(key(2, 1, secret="Canary-9b1c-Canary"), md5_key("Canary-9b1c-Canary"))
    found = compare(mine, theirs)
    for shown in (comparison_text(found), comparison_json(found), repr(found)):
        assert "Canary" not in shown
        assert "7f3a" not in shown
    assert {remark.severity for remark in found.remarks} == {Severity.ERROR}
