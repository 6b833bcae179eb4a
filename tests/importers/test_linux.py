"""Linux: dumps as JSON, as strace prints them, as lines, and the table of the tcp_authopt patches."""

from __future__ import annotations

import json

import pytest

from aoinspect.ao.mkt import Lifetime, TcpOptions
from aoinspect.keys.importers import recognise
from tests.importers.reading import SECOND, error_of, only_key, only_peer, peers_by_remote, read, warnings_of

STRACE = (
    "setsockopt(3, SOL_TCP, TCP_AO_ADD_KEY, {addr={sa_family=AF_INET, sin_port=htons(0), "
    'sin_addr=inet_addr("10.0.0.2")}, prefix=32, alg_name="hmac(sha1)", ifindex=0, set_current=1, set_rnext=0, '
    'sndid=200, rcvid=100, maclen=16, keyflags=0, key="\\x74\\x65\\x73\\x74vector", keylen=10}, 288) = 0\n'
    "setsockopt(3, SOL_TCP, TCP_AO_ADD_KEY, {addr={sa_family=AF_INET6, sin6_port=htons(0), "
    'sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::", &sin6_addr), sin6_scope_id=0}, prefix=32, '
    'alg_name="cmac(aes)", ifindex=0, set_current=0, set_rnext=0, sndid=201, rcvid=101, maclen=12, '
    'keyflags=TCP_AO_KEYF_IFINDEX|TCP_AO_KEYF_EXCLUDE_OPT, key="0123456789abcdef", keylen=16}, 288) = 0\n'
)
LINES = """\
local = 10.0.0.1:179
addr = 10.0.0.2
prefix = 32
alg_name = "hmac(sha1)"
sndid = 200
rcvid = 100
maclen = 16
keyflags = 0x0
keylen = 10
key = 74:65:73:74:76:65:63:74:6f:72

addr = 10.0.0.3, prefix = 24, alg_name = cmac(aes), sndid = 201, rcvid = 101, maclen = 0, keyflags = 2
key = 30313233343536373839616263646566
"""


def key(**members: object) -> dict[str, object]:
    """One key as the facts beside our captures tell it."""
    return {
        "peer": "10.0.0.2",
        "alg": "hmac(sha1)",
        "key_hex": "7465737476656374 6f72".replace(" ", ""),
        "keylen": 10,
        "is_current": True,
        "send_id": 200,
        "recv_id": 100,
        "prefix": 32,
        "maclen": 12,
        "keyflags": 0,
        "ifindex": 0,
        **members,
    }


def socket(*keys: dict[str, object]) -> str:
    return json.dumps({"socket_states": [{"local": ["10.0.0.1", 179], "remote": ["10.0.0.2", 39827], "keys": keys}]})


class TestDumps:
    def test_a_socket_in_json(self) -> None:
        peer = only_peer(read("linux", socket(key())))
        (mkt,) = peer.mkts
        assert (str(peer.local), str(peer.remote), peer.port, peer.vrf) == ("10.0.0.1/32", "10.0.0.2/32", None, None)
        assert (mkt.send_id, mkt.recv_id, mkt.secret, mkt.mac_length) == (200, 100, b"testvector", 12)
        assert mkt.tcp_options is TcpOptions.INCLUDE

    @pytest.mark.parametrize("text", [STRACE, LINES, LINES.replace("\n", "\r\n")])
    def test_strace_and_lines(self, text: str) -> None:
        importer = recognise(text)
        assert importer is not None
        assert importer.name == "linux"
        first, second = (mkt for peer in read("linux", text).peers for mkt in peer.mkts)
        assert (first.send_id, first.recv_id, first.secret, first.mac_length) == (200, 100, b"testvector", 16)
        assert (second.algorithm.name, second.secret, second.tcp_options, second.mac_length) == (
            "aes-128-cmac-96",
            b"0123456789abcdef",
            TcpOptions.EXCLUDE,
            12,
        )

    def test_addresses_and_prefixes(self) -> None:
        assert set(peers_by_remote(read("linux", STRACE))) == {"10.0.0.2/32", "2001:db8::/32"}
        peers = peers_by_remote(read("linux", LINES))
        assert set(peers) == {"10.0.0.2/32", "10.0.0.0/24"}
        assert {str(peer.local) for peer in peers.values()} == {"10.0.0.1/32"}

    def test_an_ipv4_mapped_prefix_is_ipv4(self) -> None:
        peer = only_peer(read("linux", socket(key(peer="::ffff:10.0.0.2", prefix=120))))
        assert str(peer.remote) == "10.0.0.0/24"

    def test_any_address_is_any_peer(self) -> None:
        assert only_peer(read("linux", socket(key(peer="0.0.0.0", prefix=0)))).remote is None

    def test_a_cmac_key_of_16_octets_is_aes_128_cmac(self) -> None:
        """`TCP_AO_GET_KEYS` returns the derived 16 octets of a CMAC key and the name `cmac(aes)`."""
        mkt = only_key(read("linux", socket(key(alg="cmac(aes)", key_hex="00" * 16, keylen=16))))
        assert mkt.algorithm.name == "aes-128-cmac-96"
        mkt = only_key(read("linux", socket(key(alg="cmac(aes)", key_hex="00" * 24, keylen=24))))
        assert mkt.algorithm.name == "cmac(aes)"

    def test_a_key_told_of_several_sockets_is_one(self) -> None:
        assert len(only_peer(read("linux", socket(key(), key(), key(send_id=1, recv_id=2)))).mkts) == 2

    def test_a_key_of_a_vrf_device_has_its_number(self) -> None:
        assert only_peer(read("linux", socket(key(ifindex=7, keyflags=1)))).vrf == "ifindex 7"

    def test_the_whole_field_of_the_structure_is_filled_with_zeros(self) -> None:
        padded = "74657374766563746f72" + "00" * 70
        assert only_key(read("linux", socket(key(key_hex=padded)))).secret == b"testvector"

    @pytest.mark.parametrize("octets", ["7465737", "no hex", "74657374"])
    def test_a_damaged_secret_is_a_gap_and_not_shown(self, octets: str) -> None:
        text = json.dumps(json.loads(socket(key(key_hex=octets))), indent=1)
        store = read("linux", text)
        mkt = only_key(store)
        if octets != "no hex":
            assert mkt.secret is None
        assert all(octets not in warning.message for warning in store.warnings)

    def test_a_secret_that_strace_has_cut_is_a_gap(self) -> None:
        mkt = only_key(read("linux", STRACE.splitlines()[0].replace('vector"', 'vect"...')))
        assert "strace -s 80" in (mkt.gap or "")

    def test_errors_in_place_of_keys_are_no_keys(self) -> None:
        assert "no keys of TCP-AO" in error_of("linux", json.dumps({"keys": [{"errno": 2}]}))

    def test_an_algorithm_that_is_not_known_and_a_length_that_does_not_fit_are_told(self) -> None:
        assert "no algorithm of TCP-AO" in error_of("linux", socket(key(alg="rot13")))
        store = read("linux", socket(key(maclen=21)))
        assert (only_key(store).mac_length, warnings_of(store)) == (12, ["1: maclen must be a number from 0 to 20"])


TABLE = (
    "flags\tsend_id\trecv_id\talg\taddr\tl3index\n"
    "0x44\t0\t0\t1\t10.10.2.2/31\t0\n"
    "0x6\t1\t2\t2\t10.10.2.9\t5\n"
    "0x0\t3\t4\t1\t*\t0\n"
    "0x10\t5\t6\t1\t*\t0\n"
)


class TestNetworkNamespace:
    def test_the_table_is_recognised_and_its_numbered_algorithms_are_read(self) -> None:
        importer = recognise(TABLE)
        assert importer is not None
        assert importer.name == "linux"
        keys = [mkt for peer in read("linux", TABLE).peers for mkt in peer.mkts]
        assert [(mkt.send_id, mkt.recv_id, mkt.algorithm.name) for mkt in keys] == [
            (0, 0, "hmac-sha-1-96"),
            (1, 2, "aes-128-cmac-96"),
            (3, 4, "hmac-sha-1-96"),
            (5, 6, "hmac-sha-1-96"),
        ]

    def test_flags_are_those_of_the_patches(self) -> None:
        keys = [mkt for peer in read("linux", TABLE).peers for mkt in peer.mkts]
        assert [mkt.tcp_options for mkt in keys[:2]] == [TcpOptions.INCLUDE, TcpOptions.EXCLUDE]
        assert keys[3].send_lifetime == Lifetime(None, 0)
        assert keys[3].accept_lifetime is None

    def test_a_key_without_an_address_is_for_every_peer(self) -> None:
        peers = read("linux", TABLE).peers
        assert [(str(peer.remote), peer.vrf) for peer in peers] == [
            ("10.10.2.2/31", None),
            ("10.10.2.9/32", "ifindex 5"),
            ("None", None),
        ]

    def test_the_kernel_tells_no_secrets_there(self) -> None:
        gaps = {mkt.gap for peer in read("linux", TABLE).peers for mkt in peer.mkts}
        assert "the kernel does not tell the secret: fill it in (line 2)" in gaps
        assert None not in gaps

    def test_lifetimes_and_secrets_where_a_dump_has_them(self) -> None:
        text = (
            "flags send_id recv_id alg addr l3index send_lifetime_begin send_lifetime_end key\n"
            "0x4 1 2 1 10.0.0.2 0 100 200 74657374\n"
        )
        mkt = only_key(read("linux", text))
        assert (mkt.send_lifetime, mkt.secret) == (Lifetime(100 * SECOND, 200 * SECOND), b"test")
