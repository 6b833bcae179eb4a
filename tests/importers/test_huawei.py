"""Huawei VRP: `tcp ao`, the keychain that it binds, peers and groups, TCP-MD5."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import (
    DAY,
    LONG_AGO,
    SECOND,
    error_of,
    lifetime,
    line_of,
    only_chain,
    only_key,
    read,
    warnings_of,
)

KEYCHAIN = """\
keychain EDGE mode absolute
 receive-tolerance 5
 #
 key-id 1
  algorithm hmac-sha-256
  key-string plain interop
  send-time 00:00 2021-01-01 to 00:00 2021-01-03
  receive-time 00:00 2021-01-01 duration infinite
#
"""
TCP_AO = """\
tcp ao EDGE-AO
 binding keychain EDGE
 #
 key-id 1
  send-id 61 receive-id 84
#
"""
WHOLE = f"""\
!Software Version V800R022C00
#
sysname edge-1
#
ip vpn-instance red
 ipv4-family
  route-distinguisher 1:1
#
{KEYCHAIN}keychain OLD mode periodic weekly
 tcp-kind 182
 key-id 1
  algorithm md5
  key-string cipher %^%#x%^%#
#
{TCP_AO}interface LoopBack0
 ip address 198.51.100.7 255.255.255.255
#
bgp 64501
 router-id 198.51.100.7
 group EDGES external
 peer EDGES tcp-ao policy EDGE-AO
 peer EDGES connect-interface LoopBack0
 peer 192.0.2.1 as-number 64502
 peer 192.0.2.1 group EDGES
 peer 192.0.2.2 as-number 64502
 peer 192.0.2.2 group EDGES
 peer 192.0.2.2 tcp-ao disable
 peer 192.0.2.3 password cipher %^%#1h29-c>>[H,XTu>Q}}##;"}}JOQ%^%#
 peer 192.0.2.4 password simple hunter2
 peer 192.0.2.5 keychain OLD
 #
 ipv4-family unicast
  undo synchronization
  peer EDGES enable
 #
 ipv4-family vpn-instance red
  peer 192.0.2.1 as-number 64505
  peer 192.0.2.1 tcp-ao policy EDGE-AO
#
msdp
 peer 192.0.2.6 tcp-ao EDGE-AO
#
mpls ldp
 md5-password cipher 192.0.2.7 %^%#z%^%#
#
return
"""


def test_ids_come_from_tcp_ao_and_everything_else_from_its_keychain() -> None:
    store = read("vrp", KEYCHAIN + TCP_AO + "bgp 1\n peer 192.0.2.1 tcp-ao policy EDGE-AO\n")
    mkt = only_key(store)
    assert (mkt.send_id, mkt.recv_id, mkt.secret, mkt.algorithm.name) == (61, 84, b"interop", "hmac-sha-256-96")
    assert mkt.tcp_options is TcpOptions.INCLUDE
    assert mkt.send_lifetime == lifetime(LONG_AGO, LONG_AGO + 2 * DAY)
    assert mkt.accept_lifetime == lifetime(LONG_AGO - 300 * SECOND)
    assert (only_chain(store).name, str(mkt.origin)) == ("EDGE-AO", "edge.cfg:4")


def test_the_whole_configuration() -> None:
    store = read("vrp", WHOLE)
    assert [
        (peer.vrf, str(peer.remote), str(peer.local), peer.port, peer.keychain or peer.mkts[0].secret)
        for peer in store.peers
    ] == [
        (None, "192.0.2.1/32", "198.51.100.7/32", 179, "EDGE-AO"),
        (None, "192.0.2.3/32", "None", 179, None),
        (None, "192.0.2.4/32", "None", 179, b"hunter2"),
        ("red", "192.0.2.1/32", "None", 179, "EDGE-AO"),
        (None, "192.0.2.6/32", "None", 639, "EDGE-AO"),
        (None, "192.0.2.7/32", "None", 646, None),
    ]
    place = line_of(WHOLE, "password cipher")
    assert store.peers[1].mkts[0].gap == f"Huawei cipher text cannot be read: fill in the secret (line {place})"
    assumed, told = warnings_of(store)
    assert assumed.startswith(f"{line_of(WHOLE, 'algorithm hmac-sha-256')}: how long the MAC of HMAC-SHA-256 is")
    assert told.startswith(f"{line_of(WHOLE, 'peer 192.0.2.5')}: this peer's keychain is for the older")
    assert read("vrp", WHOLE.replace("\n", "\r\n")) == store


def test_cipher_is_a_gap_and_the_rest_is_kept() -> None:
    text = KEYCHAIN.replace("plain interop", 'cipher %^%#;"}JO QO%^%#') + TCP_AO
    mkt = only_key(read("vrp", text))
    assert (mkt.secret, mkt.gap) == (None, "Huawei cipher text cannot be read: fill in the secret (line 6)")
    assert (mkt.send_id, mkt.send_lifetime) == (61, lifetime(LONG_AGO, LONG_AGO + 2 * DAY))


def test_the_word_before_a_secret_is_none_where_the_file_is_cut_after_it() -> None:
    for kind in ("plain", "simple", "cipher"):
        assert only_key(read("vrp", KEYCHAIN.replace("plain interop", kind) + TCP_AO)).secret is None


@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [
        ("receive-tolerance 1", lifetime(LONG_AGO - 60 * SECOND)),
        ("receive-tolerance seconds 7", lifetime(LONG_AGO - 7 * SECOND)),
        ("receive-tolerance infinite", None),
        ("description none", lifetime(LONG_AGO)),
    ],
)
def test_tolerance_is_in_minutes_unless_it_says_seconds(tolerance: str, expected: object) -> None:
    text = KEYCHAIN.replace("receive-tolerance 5", tolerance) + TCP_AO
    assert only_key(read("vrp", text)).accept_lifetime == expected


def test_periodic_lifetimes_are_told_and_left_out() -> None:
    text = KEYCHAIN.replace("absolute", "periodic daily")
    text = text.replace("send-time 00:00 2021-01-01 to 00:00 2021-01-03", "send-time daily 01:00 to 02:00")
    store = read("vrp", text + TCP_AO)
    assert only_key(store).send_lifetime is None
    assert any(told.startswith("7: a periodic lifetime") for told in warnings_of(store))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (KEYCHAIN + TCP_AO.replace("keychain EDGE", "keychain GONE"), "no keychain of this file has that name"),
        (KEYCHAIN + TCP_AO.replace("key-id 1", "key-id 2"), "the bound keychain has no key of that number"),
        (KEYCHAIN + TCP_AO.replace("61", "661"), "send-id must be a number from 0 to 255"),
        (KEYCHAIN.replace("hmac-sha-256", "sm3") + TCP_AO, "no algorithm of TCP-AO"),
        (KEYCHAIN.replace("  algorithm hmac-sha-256\n", "") + TCP_AO, "this key has no algorithm"),
        (KEYCHAIN + TCP_AO.replace("  send-id 61 receive-id 84\n", ""), "this key has no `send-id n receive-id n`"),
        (KEYCHAIN + "tcp ao\n", "tcp ao needs a name"),
    ],
)
def test_mistakes_are_told_at_their_line(text: str, message: str) -> None:
    told = error_of("vrp", text)
    assert message in told
    assert told.startswith("edge.cfg:")


def test_the_default_key_is_sent_at_any_time() -> None:
    line = next(line for line in KEYCHAIN.splitlines() if "send-time" in line)
    text = KEYCHAIN.replace(line, f"{line}\n  default send-key-id", 1) + TCP_AO
    with_default, without = (only_chain(read("vrp", told)).mkts[0] for told in (text, KEYCHAIN + TCP_AO))
    assert with_default.send_lifetime is None
    assert without.send_lifetime is not None
    assert with_default.accept_lifetime == without.accept_lifetime
