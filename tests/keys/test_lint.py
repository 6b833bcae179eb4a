"""`keys lint`: each rule finds what it is for and nothing else, and its page tells of every rule."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from aoinspect.ao.mkt import Origin
from aoinspect.keys.compare import compare
from aoinspect.keys.importers import ImportContext
from aoinspect.keys.importers.cisco_xr import IOS_XR
from aoinspect.keys.lint import RULES, encoded_form, lint
from aoinspect.keys.model import KeyStore, KeyWarning
from aoinspect.keys.obfuscation import disguise_cisco7, disguise_junos9
from aoinspect.report.key_remarks import lint_json, lint_text
from tests.keys.two_ends import days, end, key, md5_key, other_end

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "keys-lint.md").read_text(encoding="utf-8")


FIRST = key(1, 2, send_lifetime=days(1, 5))
OLDER_WITH_SAME_IDS = key(1, 2, secret="another sixteen!", send_lifetime=days(5, 9), accept_lifetime=days(5, 9))


def idents(*stores: KeyStore) -> list[str]:
    return [remark.ident for remark in lint(stores)]


def test_good_keys_have_no_remarks() -> None:
    first = key(1, 2, send_lifetime=days(1, 10), accept_lifetime=days(None, 11))
    second = key(3, 4, secret="another sixteen!", send_lifetime=days(10, None), accept_lifetime=days(9, None))
    assert idents(end(first, second)) == []
    assert lint_text([]) == "nothing to remark"


FOUND = [
    ("overlapping-ids", [key(1, 2), key(1, 3, secret="another sixteen!")]),
    ("never-accepted-when-sent", [key(send_lifetime=days(1, 5), accept_lifetime=days(5, 9))]),
    ("sent-longer-than-accepted", [key(send_lifetime=days(1, 5), accept_lifetime=days(1, 4))]),
    ("options-flag-unset", [key(tcp_options='"auto"')]),
    ("short-secret", [key(secret="eleven octs")]),
    ("short-secret", [md5_key("eleven octs")]),
    ("blank-around-secret", [key(secret="sixteen octets! ")]),
    ("blank-around-secret", [key(secret="sixteen octets!\\n")]),
    ("encoded-secret", [key(secret="c2l4dGVlbiBvY3RldHMhIQ==")]),
    ("same-secret-after-rollover", [key(1, 2), key(3, 4)]),
    ("cmac-key-length", [key(secret="seventeen octets!", algorithm='"aes-128-cmac-96"')]),
    ("refused-by-linux", [key(algorithm='"hmac(sha512)"')]),
    ("refused-by-linux", [key(mac_length="17")]),
    ("refused-by-linux", [key(secret="x" * 81)]),
    ("missing-secret", ['[[peer.key]]\nsend-id = 1\nrecv-id = 2\nalgorithm = "sha1"\ngap = "Junos $8$"']),
]
NEAR = [
    ("overlapping-ids", [key(1, 2), key(3, 1, secret="another sixteen!")]),
    ("overlapping-ids", [key(1, 2, send_lifetime=days(1, 5), accept_lifetime=days(1, 5)), OLDER_WITH_SAME_IDS]),
    ("never-accepted-when-sent", [key(send_lifetime=days(1, 5), accept_lifetime=days(4, 9))]),
    ("lifetime-gap", [FIRST, key(3, 4, secret="another sixteen!", send_lifetime=days(5, 9))]),
    ("sent-longer-than-accepted", [key(send_lifetime=days(1, 5), accept_lifetime=days(1, 5))]),
    ("options-flag-unset", [key(tcp_options='"exclude"')]),
    ("options-flag-unset", [md5_key("twelve octets")]),
    ("short-secret", [key(secret="twelve octet")]),
    ("blank-around-secret", [key(secret="sixteen  octets!")]),
    ("encoded-secret", [key(secret="a secret of words =")]),
    ("same-secret-after-rollover", [key(1, 2), key(3, 4, secret="sixteen octets!!!")]),
    ("cmac-key-length", [key(secret="sixteen octets!!", algorithm='"aes-128-cmac-96"')]),
    ("cmac-key-length", [key(secret="seventeen octets!")]),
    ("refused-by-linux", [key(algorithm='"hmac-sha-256-128"')]),
    ("refused-by-linux", [key(mac_length="16")]),
    ("refused-by-linux", [key(secret="x" * 80)]),
    ("missing-secret", [key()]),
]


@pytest.mark.parametrize(("ident", "keys"), FOUND)
def test_each_rule_finds_what_it_is_for(ident: str, keys: list[str]) -> None:
    assert idents(end(*keys)) == [ident]


@pytest.mark.parametrize(("ident", "keys"), NEAR)
def test_no_rule_finds_what_is_merely_near(ident: str, keys: list[str]) -> None:
    assert ident not in idents(end(*keys))


def test_every_rule_has_something_that_it_finds_and_something_near() -> None:
    """Those that need several peers or a configuration have tests of their own below."""
    found, near = ({ident for ident, _ in cases} for cases in (FOUND, NEAR))
    apart = {"shared-secret", "enhanced-authentication", "readable-by-all", "mac-length-assumed"}
    assert found | {"lifetime-gap"} == {rule.ident for rule in RULES} - apart
    assert near == {rule.ident for rule in RULES} - apart


XR = (
    "key chain OLD\n key 1\n  key-string clear sixteen octets!!\n  cryptographic-algorithm HMAC-SHA1-96\n"
    "tcp ao\n keychain OLD\n  key 1 SendID 1 ReceiveID 1\n"
    "router bgp 1\n neighbor 10.0.0.1\n  ao OLD include-tcp-options enable\n"
)


def of_xr(text: str) -> list[tuple[str, str]]:
    return [(remark.ident, str(remark.origin)) for remark in lint([IOS_XR.read(text, "xr.cfg", ImportContext())])]


def test_a_length_that_the_system_does_not_say_is_told_where_the_algorithm_stands() -> None:
    assert ("mac-length-assumed", "xr.cfg:4") in of_xr(XR.replace("HMAC-SHA1-96", "HMAC-SHA-256"))
    assert "mac-length-assumed" not in [ident for ident, _ in of_xr(XR)]


def test_a_key_chain_for_tcp_ao_is_not_the_older_option() -> None:
    assert "enhanced-authentication" not in [ident for ident, _ in of_xr(XR)]


def test_two_peers_with_a_secret_each_share_none() -> None:
    stores = [end(key(1, 2), remote="10.0.0.9"), end(key(1, 2, secret="another sixteen!"), remote="10.0.0.8")]
    assert "shared-secret" not in idents(*stores)
    assert "readable-by-all" not in idents(*stores)


@pytest.mark.parametrize(("verb", "field"), [("sent with", "send_lifetime"), ("accepted", "accept_lifetime")])
def test_a_gap_between_lifetimes_is_told_with_its_time(verb: str, field: str) -> None:
    first = key(1, 2, **{field: days(1, 5)})
    second = key(3, 4, secret="another sixteen!", **{field: days(6, 9)})
    gaps = [remark for remark in lint([end(first, second)]) if remark.ident == "lifetime-gap"]
    assert [remark.message for remark in gaps] == [
        f"from 2026-01-05T00:00:00Z until 2026-01-06T00:00:00Z no key of this peer may be {verb}"
    ]


def test_a_secret_of_several_peers_is_told_once_with_them() -> None:
    peers = [end(key(), remote=f"10.0.0.{number}").peers[0] for number in range(2, 10)]
    store = KeyStore(tuple(replace(peer, origin=Origin("a.toml", 1)) for peer in peers))
    (remark,) = [remark for remark in lint([store]) if remark.ident == "shared-secret"]
    assert remark.message == (
        "one secret protects the sessions with 8 peers: "
        "10.0.0.2/32, 10.0.0.3/32, 10.0.0.4/32, 10.0.0.5/32, 10.0.0.6/32, ..."
    )


def test_the_same_secret_at_both_ends_of_a_session_is_as_it_should_be() -> None:
    assert idents(end(key(1, 2)), other_end(key(2, 1))) == []


def test_lifetimes_of_two_ends_are_held_against_each_other() -> None:
    mine = end(key(1, 2, send_lifetime=days(1, 9)))
    assert idents(mine, other_end(key(2, 1, accept_lifetime=days(1, 8), send_lifetime=days(1, 8)))) == [
        "lifetimes-do-not-meet"
    ]
    assert idents(mine, other_end(key(2, 1, accept_lifetime=days(9, None), send_lifetime=days(9, None)))) == [
        "never-accepted-when-sent"
    ]
    assert idents(mine, other_end(key(2, 1, accept_lifetime=days(1, 9), send_lifetime=days(1, 9)))) == []


def test_the_older_option_is_told_with_its_place() -> None:
    text = (
        "key chain OLD\n key 1\n  key-string clear sixteen octets!!\n  cryptographic-algorithm HMAC-SHA1-96\n"
        "tcp ao\n keychain OLD\n  key 1 SendID 1 ReceiveID 1\n"
        "router bgp 1\n neighbor 10.0.0.1\n  keychain OLD\n"
    )
    remarks = lint([IOS_XR.read(text, "xr.cfg", ImportContext())])
    assert [(remark.ident, str(remark.origin)) for remark in remarks if remark.severity.value == "error"] == [
        ("enhanced-authentication", "xr.cfg:10")
    ]


def test_files_that_everybody_can_read_are_told() -> None:
    warning = KeyWarning(
        Origin("a.toml", 1), "every user of this machine can read this file and its secrets (chmod o-r)"
    )
    assert idents(replace(end(key()), warnings=(warning,))) == ["readable-by-all"]


def test_the_gravest_come_first_and_then_the_order_of_the_files() -> None:
    remarks = lint([end(key(1, 2, secret="short", algorithm='"hmac(md5)"'), key(1, 3, secret="tiny"))])
    ranks = [remark.severity.rank for remark in remarks]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3


@pytest.mark.parametrize(
    ("secret", "form"),
    [
        (b"$9$.PT3REyv87CtMX-waJz36", "a Junos $9$ or $8$ string"),
        (disguise_junos9(b"interop").encode(), "a Junos $9$ or $8$ string"),
        (b"$8$aes256-gcm$hmac-sha2-256$100$x", "a Junos $9$ or $8$ string"),
        (b"011A08105E19091F", "a Cisco type 7 string"),
        (disguise_cisco7(b"interop").encode(), "a Cisco type 7 string"),
        (b"$1c$abcdef==", "an Arista type 7 string"),
        (b"%^%#abc def%^%#", "a Huawei cipher text"),
        (b"0x7365637265742121", "hexadecimal digits"),
        (b"73656372657421217365637265742121", "hexadecimal digits"),
        (b"c2VjcmV0ISE=", "base64"),
        (b"a plain secret", None),
        (b"correcthorsebattery", None),
        (b"0123456789", None),
        (bytes(range(16)), None),
    ],
)
def test_what_looks_encoded(secret: bytes, form: str | None) -> None:
    assert encoded_form(secret) == form


def test_no_output_holds_a_secret_or_anything_of_it() -> None:
    keys = [key(1, 2, secret="Canary7f3a"), key(1, 3, secret="Canary7f3a "), key(3, 4, secret="Canary7f3a")]
    remarks = lint([end(*keys), end(key(1, 2, secret="Canary7f3a"), remote="10.0.0.9")])
    assert {"overlapping-ids", "short-secret", "blank-around-secret", "shared-secret"} <= {r.ident for r in remarks}
    for shown in (lint_text(remarks), lint_json(remarks), repr(remarks)):
        assert "Canary" not in shown
        assert "7f3a" not in shown


def test_the_page_tells_of_every_rule_with_its_severity_remedy_and_clause() -> None:
    sections = {
        section.partition("\n")[0]: " ".join(section.partition("\n")[2].split()) for section in PAGE.split("\n## ")[1:]
    }
    for rule in RULES:
        assert sections[rule.ident].startswith(f"*{rule.severity.value}")
        assert "**Remedy:**" in sections[rule.ident]
        assert rule.reference in sections[rule.ident]


def test_the_page_tells_of_what_is_found_between_ends() -> None:
    headings = set(re.findall(r"^## (\S+)$", PAGE, re.MULTILINE))
    stories = [
        (key(1, 2), other)
        for other in (
            *(key(2, 1, secret="sixteen octets!?"), key(2, 1, algorithm='"aes-128-cmac-96"')),
            *(key(2, 1, mac_length="10"), key(2, 1, tcp_options='"exclude"'), key(2, 1, tcp_options='"auto"')),
            *(key(1, 2), key(2, 9), key(7, 8), md5_key(), key(2, 1, accept_lifetime=days(10, None))),
        )
    ]
    found = {remark.ident for mine, theirs in stories for remark in compare(end(mine), other_end(theirs)).remarks}
    assert found | {rule.ident for rule in RULES} == headings
