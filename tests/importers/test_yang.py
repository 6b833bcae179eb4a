"""RFC 8177 and RFC 9648 in JSON, and zebra-rs in its four forms."""

from __future__ import annotations

import json

import pytest

from aoinspect.ao.mkt import Lifetime, TcpOptions
from aoinspect.keys.importers import recognise
from tests.importers.reading import (
    DAY,
    LONG_AGO,
    SECOND,
    error_of,
    lifetime,
    only_chain,
    only_key,
    only_peer,
    peers_by_remote,
    read,
    warnings_of,
)


def chain(*keys: dict[str, object], **members: object) -> str:
    """A document of RFC 8177 with one key chain."""
    return json.dumps({"ietf-key-chain:key-chains": {"key-chain": [{"name": "EDGE", **members, "key": list(keys)}]}})


def key(**members: object) -> dict[str, object]:
    """One key; `_` in names of members stands for `-`."""
    return {
        "key-id": "55",
        "crypto-algorithm": "ietf-key-chain:hmac-sha-1",
        "key-string": {"keystring": "teststring"},
        "ietf-tcp:authentication": {"ao": {"send-id": 65, "recv-id": 87}},
        **{name.replace("_", "-"): member for name, member in members.items()},
    }


class TestIetf:
    def test_ids_algorithm_and_default_flag(self) -> None:
        mkt = only_key(read("ietf", chain(key())))
        assert (mkt.send_id, mkt.recv_id, mkt.secret, mkt.algorithm.name) == (65, 87, b"teststring", "hmac-sha-1-96")
        assert (mkt.tcp_options, mkt.name) == (TcpOptions.INCLUDE, "EDGE 55")

    @pytest.mark.parametrize(
        ("identity", "name"),
        [
            ("ietf-tcp:aes-128", "aes-128-cmac-96"),
            ("ietf-key-chain:aes-cmac-prf-128", "aes-128-cmac-96"),
            ("hmac-sha-1-96", "hmac-sha-1-96"),
            ("ietf-key-chain:hmac-sha-256", "hmac-sha-256-96"),
            ("ietf-key-chain:hmac-sha-512", "hmac(sha512)"),
        ],
    )
    def test_identities_of_both_rfcs(self, identity: str, name: str) -> None:
        assert only_key(read("ietf", chain(key(crypto_algorithm=identity)))).algorithm.name == name

    def test_the_flag_may_exclude(self) -> None:
        ao = {"ao": {"send-id": 0, "recv-id": 255, "include-tcp-options": False}}
        mkt = only_key(read("ietf", chain(key(**{"ietf-tcp:authentication": ao}))))
        assert (mkt.tcp_options, mkt.send_id, mkt.recv_id) == (TcpOptions.EXCLUDE, 0, 255)

    def test_octets_in_hexadecimal(self) -> None:
        assert only_key(read("ietf", chain(key(key_string={"hexadecimal-string": "de:ad:be:ef"})))).secret == (
            bytes.fromhex("deadbeef")
        )
        store = read("ietf", chain(key(key_string={"hexadecimal-string": "canary"})))
        assert only_key(store).secret is None
        assert "canary" not in store.warnings[0].message

    def test_one_lifetime_or_two(self) -> None:
        start, end = "2021-01-01T00:00:00Z", "2021-01-02T05:30:00+05:30"
        both = key(lifetime={"send-accept-lifetime": {"start-date-time": start, "end-date-time": end}})
        mkt = only_key(read("ietf", chain(both)))
        assert mkt.send_lifetime == mkt.accept_lifetime == lifetime(LONG_AGO, LONG_AGO + DAY)
        two = key(
            lifetime={
                "send-lifetime": {"start-date-time": start, "duration": 60},
                "accept-lifetime": {"start-date-time": start, "no-end-time": [None]},
            }
        )
        mkt = only_key(read("ietf", chain(two)))
        assert (mkt.send_lifetime, mkt.accept_lifetime) == (
            lifetime(LONG_AGO, LONG_AGO + 60 * SECOND),
            lifetime(LONG_AGO),
        )
        assert only_key(read("ietf", chain(key(lifetime={"send-lifetime": {"always": [None]}})))).send_lifetime is None

    def test_tolerance_widens_what_is_accepted(self) -> None:
        both = key(lifetime={"send-accept-lifetime": {"start-date-time": "2021-01-01T00:00:00Z", "duration": 60}})
        text = chain(both, **{"accept-tolerance": {"duration": 10}})
        mkt = only_key(read("ietf", text))
        assert mkt.accept_lifetime == lifetime(LONG_AGO - 10 * SECOND, LONG_AGO + 70 * SECOND)
        endless = chain(both, **{"accept-tolerance": {"forever": [None]}})
        assert only_key(read("ietf", endless)).accept_lifetime == Lifetime(LONG_AGO, None)

    def test_an_md5_key_has_no_ids(self) -> None:
        text = chain(key(crypto_algorithm="ietf-key-chain:md5", **{"ietf-tcp:authentication": {"md5": {}}}))
        mkt = only_key(read("ietf", text))
        assert (mkt.algorithm.name, mkt.send_id, mkt.secret) == ("tcp-md5", None, b"teststring")

    def test_wrapped_secrets_are_gaps(self) -> None:
        document = json.loads(chain(key()))
        document["ietf-key-chain:key-chains"]["aes-key-wrap"] = {"enable": True}
        assert "AES key wrap" in (only_key(read("ietf", json.dumps(document))).gap or "")

    def test_keys_without_ids_are_told_with_their_line(self) -> None:
        text = json.dumps(json.loads(chain(key(**{"ietf-tcp:authentication": {"ao": {"send-id": 1}}}))), indent=1)
        told = error_of("ietf", text)
        assert told.startswith("edge.cfg:8:17: this key has no recv-id, so TCP-AO cannot use it")
        assert "teststring" not in told

    def test_the_device_that_the_caller_names_has_the_keys(self) -> None:
        assert read("ietf", chain(key())).peers == ()
        assert str(only_peer(read("ietf", chain(key()), local="192.0.2.1")).local) == "192.0.2.1/32"


ZEBRA_YAML = """\
key-chains:
  key-chain:
  - name: BGP-AO
    key:
    - key-id: 100
      crypto-algorithm: hmac-sha-1
      send-id: 100
      recv-id: 101
      key-string:
        keystring: "shared-ao-secret"
    - key-id: 200
      crypto-algorithm: aes-cmac-prf-128
      send-id: 200
      recv-id: 201
      key-string:
        hexadecimal-string: "00112233"
router:
  bgp:
    global:
      as: 65001
      identifier: 192.168.0.1
    neighbor-group:
    - name: SENDERS
      tcp-ao:
        key-chain: BGP-AO
    listen-range:
    - prefix: 192.168.7.0/24
      neighbor-group: SENDERS
    neighbor:
    - remote-address: 192.168.0.2
      peer-as: 65002
      afi-safi:
      - name: ipv4-unicast
        enabled: true
      tcp-ao:
        key-chain: BGP-AO
        include-tcp-options: false
    - remote-address: 192.168.0.3
      transport:
        local-address: 192.168.0.1
      tcp-md5:
        encoding: clear
        password: "shared-md5-secret"
    - remote-address: 192.168.0.4
      tcp-md5:
        encoding: encrypted
        password: "0123"
    vrf:
    - name: red
      neighbor:
      - remote-address: 192.168.0.2
        tcp-md5: { password: red-secret }
"""
ZEBRA_BRACES = """\
key-chains {
  key-chain BGP-AO {
    key 100 {
      crypto-algorithm hmac-sha-1;
      send-id 100;
      recv-id 101;
      key-string { keystring "shared-ao-secret"; }
    }
    key 200 {
      crypto-algorithm aes-cmac-prf-128;
      send-id 200; recv-id 201;
      key-string { hexadecimal-string 00112233; }
    }
  }
}
router bgp {
  global { as 65001; }
  neighbor-group SENDERS { tcp-ao { key-chain BGP-AO; } }
  listen-range 192.168.7.0/24 { neighbor-group SENDERS; }
  neighbor 192.168.0.2 {
    remote-as 65002;
    tcp-ao { key-chain BGP-AO; include-tcp-options false; }
  }
  neighbor 192.168.0.3 {
    transport { local-address 192.168.0.1; }
    tcp-md5 { encoding clear; password "shared-md5-secret"; }
  }
  neighbor 192.168.0.4 { tcp-md5 { encoding encrypted; password 0123; } }
  vrf red { neighbor 192.168.0.2 { tcp-md5 { password red-secret; } } }
}
"""
ZEBRA_SET = """\
set key-chains key-chain BGP-AO key 100 crypto-algorithm hmac-sha-1
set key-chains key-chain BGP-AO key 100 send-id 100
set key-chains key-chain BGP-AO key 100 recv-id 101
set key-chains key-chain BGP-AO key 100 key-string keystring "shared-ao-secret"
set key-chains key-chain BGP-AO key 200 crypto-algorithm aes-cmac-prf-128
set key-chains key-chain BGP-AO key 200 send-id 200
set key-chains key-chain BGP-AO key 200 recv-id 201
set key-chains key-chain BGP-AO key 200 key-string hexadecimal-string 00112233
set router bgp global as 65001
set router bgp neighbor-group SENDERS tcp-ao key-chain BGP-AO
set router bgp listen-range 192.168.7.0/24 neighbor-group SENDERS
set router bgp neighbor 192.168.0.2 remote-as 65002
set router bgp neighbor 192.168.0.2 tcp-ao key-chain BGP-AO
set router bgp neighbor 192.168.0.2 tcp-ao include-tcp-options false
set router bgp neighbor 192.168.0.3 transport local-address 192.168.0.1
set router bgp neighbor 192.168.0.3 tcp-md5 encoding clear
set router bgp neighbor 192.168.0.3 tcp-md5 password "shared-md5-secret"
set router bgp neighbor 192.168.0.4 tcp-md5 encoding encrypted
set router bgp neighbor 192.168.0.4 tcp-md5 password 0123
set router bgp vrf red neighbor 192.168.0.2 tcp-md5 password red-secret
"""
FORMS = [ZEBRA_YAML, ZEBRA_BRACES, ZEBRA_SET, ZEBRA_BRACES.replace("\n", "\r\n"), ZEBRA_SET.replace("\n", "\r\n")]


@pytest.mark.parametrize("text", FORMS)
class TestZebra:
    def test_is_recognised(self, text: str) -> None:
        importer = recognise(text)
        assert importer is not None
        assert importer.name == "zebra-rs"

    def test_keys_ids_and_secrets(self, text: str) -> None:
        first, second = only_chain(read("zebra-rs", text)).mkts
        assert (first.send_id, first.recv_id, first.secret) == (100, 101, b"shared-ao-secret")
        assert (second.send_id, second.recv_id, second.secret) == (200, 201, bytes.fromhex("00112233"))
        assert (first.algorithm.name, second.algorithm.name) == ("hmac-sha-1-96", "aes-128-cmac-96")

    def test_the_flag_is_the_neighbours_and_covers_by_default(self, text: str) -> None:
        peers = {(peer.vrf, str(peer.remote)): peer for peer in read("zebra-rs", text).peers}
        assert peers[None, "192.168.0.2/32"].mkts[0].tcp_options is TcpOptions.EXCLUDE
        assert peers[None, "192.168.7.0/24"].mkts[0].tcp_options is TcpOptions.INCLUDE
        assert peers["red", "192.168.0.2/32"].mkts[0].secret == b"red-secret"

    def test_passwords_clear_and_encrypted(self, text: str) -> None:
        peers = peers_by_remote(read("zebra-rs", text))
        assert peers["192.168.0.3/32"].mkts[0].secret == b"shared-md5-secret"
        assert str(peers["192.168.0.3/32"].local) == "192.168.0.1/32"
        assert (peers["192.168.0.4/32"].mkts[0].gap or "").startswith("a password in zebra-rs's encrypted form")

    def test_a_chain_that_is_missing_is_told(self, text: str) -> None:
        store = read(
            "zebra-rs",
            text.replace("key-chain BGP-AO;", "key-chain GONE;", 1)
            .replace("tcp-ao key-chain BGP-AO", "tcp-ao key-chain GONE", 1)
            .replace("key-chain: BGP-AO", "key-chain: GONE", 1),
        )
        assert any('it has: "BGP-AO"' in warning for warning in warnings_of(store))
