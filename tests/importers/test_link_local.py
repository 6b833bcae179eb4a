"""Neighbours with link-local addresses, and those that are named by their interface alone."""

from __future__ import annotations

import pytest

from tests.importers import test_cisco_xr, test_nokia
from tests.importers.reading import only_peer, read

GOBGP_CHAIN = """\
[[keychains]]
  [keychains.config]
    name = "K"
  [[keychains.keys]]
    [keychains.keys.config]
      key-id = 0
      receive-id = 10
      crypto-algorithm = "hmac_sha_1_96"
      secret-key = "emVybw=="
[[neighbors]]
  [neighbors.config]
    NEIGHBOUR
  [neighbors.tcp-ao.config]
    keychain = "K"
"""
MD5 = "router bgp 1\n neighbor {} remote-as 2\n neighbor {} password clear-text-of-it\n"
ADDRESSES = {
    "ios-xe": MD5.replace("{}", "FE80::2%GigabitEthernet1"),
    "eos": MD5.replace("{}", "fe80::2%Et1"),
    "ios-xr": test_cisco_xr.CHAIN + test_cisco_xr.IDS + "router bgp 1\n neighbor fe80::2%BVI1\n  ao EDGE\n",
    "sros": test_nokia.LINES.replace("neighbor 192.0.2.1 ", 'neighbor "fe80::2-to-pe2" '),
    "bird": 'protocol bgp { neighbor fe80::2%eth0 as 2; password "clear"; }',
    "gobgp": GOBGP_CHAIN.replace("NEIGHBOUR", 'neighbor-address = "fe80::2%eth0"'),
    "openconfig": '{"neighbors": {"neighbor": [{"neighbor-address": "fe80::2%eth0",'
    '"config": {"auth-password": "x"}}]}}',
    "junos": "protocols { bgp { group g { authentication-key x; neighbor fe80::2 { local-interface ge-0/0/0.0; } } } }",
}
INTERFACES = {
    "eos": "router bgp 1\n neighbor G peer group\n neighbor G password x\n neighbor interface Et1-3 peer-group G\n",
    "nx-os": "feature bgp\nrouter bgp 1\n template peer T\n  password 0 x\n neighbor Ethernet1/1\n  inherit peer T\n",
    "gobgp": GOBGP_CHAIN.replace("NEIGHBOUR", 'neighbor-interface = "eth0"'),
}


@pytest.mark.parametrize("system", ADDRESSES)
def test_the_interface_behind_a_link_local_address_is_dropped(system: str) -> None:
    remotes = {str(peer.remote) for peer in read(system, ADDRESSES[system]).peers}
    assert remotes == {"fe80::2/128"}


@pytest.mark.parametrize("system", INTERFACES)
def test_a_neighbour_on_an_interface_has_any_link_local_address(system: str) -> None:
    peer = only_peer(read(system, INTERFACES[system]))
    assert (str(peer.remote), peer.local, peer.port) == ("fe80::/10", None, 179)


def test_a_group_with_a_hyphen_is_no_address() -> None:
    text = (
        "router bgp 1\n neighbor abc-1 peer-group\n neighbor abc-1 password x\n neighbor 192.0.2.1 peer-group abc-1\n"
    )
    assert [str(peer.remote) for peer in read("ios-xe", text).peers] == ["192.0.2.1/32"]
