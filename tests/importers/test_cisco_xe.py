"""IOS-XE and NX-OS: `key chain K tcp`, neighbours as lines and as blocks, groups, templates, TCP-MD5."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import (
    LONG_AGO,
    error_of,
    lifetime,
    only_chain,
    only_key,
    only_peer,
    peers_by_remote,
    read,
    warnings_of,
)

CHAIN = """\
key chain EDGE tcp
 key 7
  send-id 61
  recv-id 84
  cryptographic-algorithm hmac-sha-1
  key-string 7 011A08105E19091F
  accept-lifetime 00:00:00 Jan 1 2021 infinite
  send-lifetime 00:00:00 Jan 1 2021 infinite
"""
IOS_XE = f"""\
! Last configuration change at 10:00:00 UTC Mon Nov 23 2026
version 17.9
service password-encryption
hostname edge-1
!
key chain OSPF
 key 1
  key-string 7 14141B180F0B
{CHAIN}!
interface Loopback0
 ip address 198.51.100.7 255.255.255.255
 ipv6 address 2001:DB8::7/128
!
router bgp 64501
 template peer-session KEYS
  ao EDGE include-tcp-options
 exit-peer-session
 !
 bgp listen range 203.0.113.0/24 peer-group DYNAMIC
 neighbor DYNAMIC peer-group
 neighbor DYNAMIC remote-as 64502
 neighbor DYNAMIC password 7 011A08105E19091F
 neighbor 192.0.2.1 remote-as 64502
 neighbor 192.0.2.1 update-source Loopback0
 neighbor 192.0.2.1 ao EDGE
 neighbor 192.0.2.2 inherit peer-session KEYS
 neighbor 192.0.2.3 peer-group DYNAMIC
 neighbor 192.0.2.4 remote-as 64504
 neighbor 2001:DB8::1 ao EDGE include-tcp-options accept-ao-mismatch-connections
 neighbor 2001:DB8::1 update-source Loopback0
 !
 address-family ipv4
  neighbor 192.0.2.1 activate
 exit-address-family
 !
 address-family ipv4 vrf red
  neighbor 192.0.2.1 ao EDGE
 exit-address-family
!
mpls ldp neighbor 192.0.2.10 password 7 011A08105E19091F
mpls ldp neighbor vrf red 192.0.2.11 password ldp
mpls ldp neighbor 192.0.2.12 targeted
ip msdp password peer 192.0.2.13 0 msdp
end
"""
NX_OS = f"""\
!Command: show running-config
version 10.3(3) Bios:version 07.69
feature bgp
{CHAIN.replace("7 011A08105E19091F", '7 "070d265c"')}
interface loopback0
  ip address 198.51.100.7/32

router bgp 64501
  router-id 198.51.100.7
  template peer EDGES
    ao EDGE include-tcp-options
    update-source loopback0
  neighbor 192.0.2.1 remote-as 64502
    ao EDGE
  neighbor 192.0.2.2
    inherit peer EDGES
    remote-as 64502
  neighbor 198.51.100.0/24
    password 7 070d265c
  vrf red
    neighbor 192.0.2.1
      password 3 9125d59c18a9b015
"""


def test_a_key_holds_its_ids_and_the_number_after_key_is_only_a_name() -> None:
    mkt = only_key(read("ios-xe", CHAIN))
    assert (mkt.name, mkt.send_id, mkt.recv_id, mkt.secret) == ("EDGE 7", 61, 84, b"interop")
    assert (mkt.algorithm.name, str(mkt.origin)) == ("hmac-sha-1-96", "edge.cfg:2")
    assert mkt.send_lifetime == mkt.accept_lifetime == lifetime(LONG_AGO)


@pytest.mark.parametrize(
    ("in_key", "on_neighbour", "expected"),
    [
        (True, True, TcpOptions.INCLUDE),
        (True, False, TcpOptions.INCLUDE),
        (False, True, TcpOptions.INCLUDE),
        (False, False, TcpOptions.EXCLUDE),
    ],
)
def test_options_are_covered_where_the_key_or_the_neighbour_says_so(
    in_key: bool, on_neighbour: bool, expected: TcpOptions
) -> None:
    chain = CHAIN.replace("  send-id", "  include-tcp-options\n  send-id") if in_key else CHAIN
    flag = " include-tcp-options" if on_neighbour else ""
    store = read("ios-xe", chain + f"router bgp 1\n neighbor 192.0.2.1 ao EDGE{flag}\n")
    assert only_key(store).tcp_options is expected
    assert only_chain(store).mkts[0].tcp_options is expected


def test_a_key_chain_without_neighbours_leaves_the_flag_open() -> None:
    assert only_key(read("ios-xe", CHAIN)).tcp_options is TcpOptions.AUTO


def test_ios_xe_lines_groups_templates_ranges_and_vrfs() -> None:
    store = read("ios-xe", IOS_XE)
    assert [chain.name for chain in store.keychains] == ["EDGE"]
    assert store.warnings == ()
    told = [
        (peer.vrf, str(peer.remote), str(peer.local), peer.mkts[0].algorithm.name, peer.mkts[0].tcp_options.value)
        for peer in store.peers
        if peer.port == 179
    ]
    assert told == [
        (None, "203.0.113.0/24", "None", "tcp-md5", "exclude"),
        (None, "192.0.2.1/32", "198.51.100.7/32", "hmac-sha-1-96", "exclude"),
        (None, "192.0.2.2/32", "None", "hmac-sha-1-96", "include"),
        (None, "192.0.2.3/32", "None", "tcp-md5", "exclude"),
        (None, "2001:db8::1/128", "2001:db8::7/128", "hmac-sha-1-96", "include"),
        ("red", "192.0.2.1/32", "None", "hmac-sha-1-96", "exclude"),
    ]


def test_ldp_and_msdp_passwords_of_ios_xe() -> None:
    peers = [peer for peer in read("ios-xe", IOS_XE).peers if peer.port != 179]
    assert [(str(peer.remote), peer.port, peer.vrf, peer.mkts[0].secret) for peer in peers] == [
        ("192.0.2.10/32", 646, None, b"interop"),
        ("192.0.2.11/32", 646, "red", b"ldp"),
        ("192.0.2.13/32", 639, None, b"msdp"),
    ]
    assert only_key(read("ios-xe", "mpls ldp password fallback 0 all of them\n")).secret == b"all of them"


def test_nx_os_blocks_templates_and_vrfs() -> None:
    store = read("nx-os", NX_OS)
    peers = {(peer.vrf, str(peer.remote)): peer for peer in store.peers}
    assert peers[None, "192.0.2.1/32"].mkts[0].tcp_options is TcpOptions.EXCLUDE
    assert peers[None, "192.0.2.2/32"].mkts[0].tcp_options is TcpOptions.INCLUDE
    assert str(peers[None, "192.0.2.2/32"].local) == "198.51.100.7/32"
    assert peers[None, "192.0.2.2/32"].mkts[0].secret == b"bgp"
    assert peers[None, "198.51.100.0/24"].mkts[0].secret == b"bgp"
    gap = peers["red", "192.0.2.1/32"].mkts[0].gap
    assert gap is not None
    assert gap.startswith("Cisco type 3 cannot be read")


def test_each_reads_the_others_form() -> None:
    assert read("ios-xe", NX_OS).peers == read("nx-os", NX_OS).peers
    assert read("nx-os", IOS_XE).peers == read("ios-xe", IOS_XE).peers


@pytest.mark.parametrize("missing", ["send-id", "recv-id", "cryptographic-algorithm"])
def test_a_key_that_lacks_something_is_told_at_its_line(missing: str) -> None:
    text = "\n".join(line for line in CHAIN.split("\n") if missing not in line)
    told = error_of("ios-xe", text)
    assert told.startswith(f"edge.cfg:2:2: this key has no {missing}")
    assert told.splitlines()[1:] == ["    key 7", "    ^^^^^"]


def test_a_neighbour_with_a_key_chain_of_another_kind_is_told() -> None:
    text = CHAIN.replace(" tcp", "") + "router bgp 1\n neighbor 192.0.2.1 ao EDGE\n"
    assert "this key chain is none of `tcp`" in error_of("ios-xe", text)


def test_type_6_is_a_gap_and_local_times_are_told_once() -> None:
    text = CHAIN.replace("7 011A08105E19091F", "6 JDYkqyIFWeBvzpljSfWmRZrmRSRE8syx")
    store = read("ios-xe", text.replace("00:00:00 Jan", "local 00:00:00 Jan"))
    mkt = only_key(store)
    assert (mkt.secret, mkt.gap) == (None, "Cisco type 6 cannot be read: fill in the secret (line 6)")
    assert mkt.send_lifetime == lifetime(LONG_AGO)
    (told,) = warnings_of(store)
    assert "local to the router" in told


def test_a_group_that_inherits_itself_ends() -> None:
    text = "router bgp 1\n neighbor A peer-group B\n neighbor B peer-group A\n neighbor 192.0.2.1 peer-group A\n"
    assert "no keys of TCP-AO or TCP-MD5" in error_of("ios-xe", text)


def test_windows_line_ends_change_nothing() -> None:
    assert read("ios-xe", IOS_XE.replace("\n", "\r\n")) == read("ios-xe", IOS_XE)
    assert peers_by_remote(read("nx-os", NX_OS.replace("\n", "\r\n"))) == peers_by_remote(read("nx-os", NX_OS))


def test_no_peer_is_made_of_a_neighbour_without_keys() -> None:
    text = CHAIN + "router bgp 1\n neighbor 10.0.0.1 remote-as 1\n neighbor 10.0.0.2 ao EDGE\n"
    assert str(only_peer(read("ios-xe", text)).remote) == "10.0.0.2/32"


def test_a_neighbour_in_the_scope_of_a_vrf_is_of_that_vrf() -> None:
    text = CHAIN + "router bgp 1\n scope vrf blue\n  neighbor 192.0.2.1 ao EDGE\n"
    assert [(peer.vrf, str(peer.remote)) for peer in read("ios-xe", text).peers] == [("blue", "192.0.2.1/32")]
