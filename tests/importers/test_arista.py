"""Arista EOS: shared-secret profiles, whose algorithm their neighbours say."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import DAY, LONG_AGO, error_of, lifetime, only_chain, only_key, read, warnings_of

PROFILE = """\
management security
   entropy source hardware
   !
   session shared-secret profile EDGE
      secret 61 0 interop receive-lifetime 2021-01-01 00:00:00 infinite transmit-lifetime 2021-01-01 00:00:00 infinite
"""
NEIGHBOUR = """\
router bgp 64501
   neighbor 192.0.2.1 remote-as 64502
   neighbor 192.0.2.1 password shared-secret profile EDGE algorithm hmac-sha1-96
"""
WHOLE = f"""\
! Command: show running-config
! device: edge-1 (vEOS-lab, EOS-4.30.1F)
!
! boot system flash:/vEOS-lab.swi
!
service routing protocols model multi-agent
!
banner login
router bgp 1
   neighbor 192.0.2.99 password 0 no
EOF
!
{PROFILE}      secret 62 7 $1c$x receive-lifetime infinite transmit-lifetime 01/03/2021 00:00:00 01/05/2021 00:00:00
      secret 63 8a $x$y receive-lifetime infinite transmit-lifetime infinite local-time
   !
   session shared-secret profile SPARE
      secret Secret1 0 "spare one" receive-lifetime infinite transmit-lifetime infinite
!
interface Loopback0
   ip address 198.51.100.7/32
!
router bgp 64501
   router-id 198.51.100.7
   bgp listen range 203.0.113.0/24 peer-group DYNAMIC remote-as 64502
   neighbor DYNAMIC peer group
   neighbor DYNAMIC password 7 Lzn0tCKHp3WJPFe1Vo8Alw==
   neighbor EDGES peer group
   neighbor EDGES update-source Loopback0
   neighbor EDGES password shared-secret profile EDGE algorithm aes-128-cmac-96
   neighbor 192.0.2.1 peer group EDGES
   neighbor 192.0.2.2 peer group EDGES
   neighbor 192.0.2.2 password 0 plain
   neighbor 192.0.2.3 remote-as 64504
   !
   vrf red
      neighbor 192.0.2.1 remote-as 64505
      neighbor 192.0.2.1 password shared-secret profile EDGE algorithm aes-128-cmac-96
!
end
"""


def test_one_number_is_both_ids_and_the_algorithm_is_the_neighbours() -> None:
    store = read("eos", PROFILE + NEIGHBOUR)
    mkt = only_key(store)
    assert (mkt.send_id, mkt.recv_id, mkt.secret, mkt.algorithm.name) == (61, 61, b"interop", "hmac-sha-1-96")
    assert mkt.tcp_options is TcpOptions.AUTO
    assert mkt.send_lifetime == mkt.accept_lifetime == lifetime(LONG_AGO)
    assert (only_chain(store).name, store.peers[0].keychain, str(mkt.origin)) == ("EDGE", "EDGE", "edge.cfg:5")


def test_a_profile_with_two_algorithms_is_two_key_chains() -> None:
    other = "   neighbor 192.0.2.2 password shared-secret profile EDGE algorithm aes-128-cmac-96\n"
    store = read("eos", PROFILE + NEIGHBOUR + other)
    assert [(chain.name, chain.mkts[0].algorithm.name) for chain in store.keychains] == [
        ("EDGE", "hmac-sha-1-96"),
        ("EDGE", "aes-128-cmac-96"),
    ]


def test_a_profile_that_nobody_uses_has_no_algorithm_and_that_is_said() -> None:
    told = error_of("eos", PROFILE)
    assert told.startswith("edge.cfg:4:4: no neighbour uses this profile, and only a neighbour says its algorithm")


def test_the_whole_configuration() -> None:
    store = read("eos", WHOLE)
    assert [(mkt.send_id, mkt.secret) for mkt in only_chain(store).mkts] == [(61, b"interop"), (62, None), (63, None)]
    second, third = only_chain(store).mkts[1:]
    assert second.send_lifetime == lifetime(LONG_AGO + 2 * DAY, LONG_AGO + 4 * DAY)
    assert second.accept_lifetime is None
    assert second.gap == "Arista type 7 cannot be read: fill in the secret (line 18)"
    assert third.gap == "Arista type 8a cannot be read: fill in the secret (line 19)"
    assert [
        (peer.vrf, str(peer.remote), str(peer.local), peer.keychain or peer.mkts[0].secret) for peer in store.peers
    ] == [
        (None, "203.0.113.0/24", "None", None),
        (None, "192.0.2.1/32", "198.51.100.7/32", "EDGE"),
        (None, "192.0.2.2/32", "198.51.100.7/32", b"plain"),
        ("red", "192.0.2.1/32", "None", "EDGE"),
    ]
    assert store.peers[0].mkts[0].gap is not None
    (told,) = warnings_of(store)
    assert told.startswith("19: times here are local")
    assert read("eos", WHOLE.replace("\n", "\r\n")) == store


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("secret 256 0 interop receive-lifetime infinite", "the id of a secret for TCP-AO must be a number"),
        ("secret 61 0 interop receive-lifetime 2021-13-01 00:00:00 infinite", "no lifetime that can be read"),
        ("secret 61 0 interop receive-lifetime 2021-01-01 00:00:00", "no lifetime that can be read"),
        ("secret 61 0 interop everlasting", "neither a lifetime nor local-time"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_secret_is_not_shown(line: str, message: str) -> None:
    text = PROFILE.replace(PROFILE.splitlines()[4].strip(), line) + NEIGHBOUR
    text += "   neighbor 192.0.2.9 password 0 other\n"
    (warning,) = [warning for warning in read("eos", text).warnings if message in warning.message]
    assert str(warning.origin) == "edge.cfg:5"
    assert "interop" not in warning.message
    assert "secret ***" in warning.message


def test_a_profile_that_is_missing_is_told() -> None:
    assert "no shared-secret profile of this file has that name" in error_of("eos", NEIGHBOUR)
