"""Ids that overlap where socket pairs do."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.algorithms import find_algorithm
from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, Origin, TcpOptions
from aoinspect.keys.model import Network, Peer
from aoinspect.keys.overlaps import warn_of_overlaps


def mkt(
    send_id: int, recv_id: int, secret: bytes = b"s", *, line: int = 1, lifetime: Lifetime | None = None
) -> MasterKeyTuple:
    return MasterKeyTuple(
        name=f"k{line}",
        send_id=send_id,
        recv_id=recv_id,
        algorithm=find_algorithm("hmac-sha-1-96"),
        secret=secret,
        mac_length=12,
        tcp_options=TcpOptions.INCLUDE,
        origin=Origin("k.toml", line),
        send_lifetime=lifetime,
        accept_lifetime=lifetime,
    )


def peer(
    local: str | None,
    remote: str | None,
    *mkts: MasterKeyTuple,
    port: int | None = None,
    local_port: int | None = None,
    remote_port: int | None = None,
    vlan: int | None = None,
) -> Peer:
    return Peer(
        local=None if local is None else ip_network(local),
        remote=None if remote is None else ip_network(remote),
        mkts=mkts,
        keychain=None,
        origin=Origin("k.toml", 1),
        port=port,
        local_port=local_port,
        remote_port=remote_port,
        vlan=vlan,
    )


def warned_lines(*peers: Peer) -> list[int]:
    return [warning.origin.line for warning in warn_of_overlaps(peers)]


class TestIdsMustNotOverlap:
    """The IDs of MKTs MUST NOT overlap where their TCP connection identifiers overlap. -- RFC 5925 3.1"""

    @pytest.mark.parametrize("ids", [(1, 2), (1, 9), (9, 2)])
    def test_one_shared_id_is_enough(self, ids: tuple[int, int]) -> None:
        keys = (mkt(1, 2), mkt(*ids, b"other", line=7))
        assert warned_lines(peer("10.0.0.1", "10.0.0.2", *keys)) == [7]

    def test_the_warning_names_both_keys_and_the_id(self) -> None:
        keys = (mkt(1, 2, line=3), mkt(9, 2, b"other", line=7))
        (warning,) = warn_of_overlaps([peer("10.0.0.1", "10.0.0.2", *keys)])
        assert warning.message.startswith('key "k7" has the recv-id 2 of key "k3" (k.toml:3) and may apply to the same')

    def test_a_send_id_equal_to_another_keys_recv_id_is_no_overlap(self) -> None:
        assert warned_lines(peer("10.0.0.1", "10.0.0.2", mkt(1, 2), mkt(2, 1, b"other"))) == []

    def test_the_two_ends_of_a_session_are_two_devices(self) -> None:
        one, other = (
            peer("10.0.0.1", "10.0.0.2", mkt(1, 1)),
            peer("10.0.0.2", "10.0.0.1", mkt(1, 1, b"other")),
        )
        assert warned_lines(one, other) == []

    def test_equal_keys_do_not_overlap(self) -> None:
        assert warned_lines(peer("10.0.0.1", "10.0.0.2", mkt(1, 2)), peer(None, "10.0.0.0/8", mkt(1, 2, line=7))) == []

    def test_tcp_md5_has_no_ids(self) -> None:
        keys = [
            MasterKeyTuple("m", None, None, find_algorithm("tcp-md5"), secret, 16, TcpOptions.EXCLUDE, Origin("k", 1))
            for secret in (b"a", b"b")
        ]
        assert warned_lines(peer("10.0.0.1", "10.0.0.2", *keys)) == []

    def test_every_later_key_is_warned_of_once_and_in_order(self) -> None:
        keys = [mkt(1, 2, bytes([line]), line=line) for line in range(1, 6)]
        assert warned_lines(peer("10.0.0.1", "10.0.0.2", *keys)) == [2, 3, 4, 5]
        peers = [peer(f"10.0.0.0/{24 + line}", "10.0.0.2", keys[line - 1]) for line in range(1, 6)]
        assert warned_lines(*peers) == [2, 3, 4, 5]
        assert warned_lines(*reversed(peers)) == [4, 3, 2, 1]


class TestWhatPartsThem:
    SPANS = (
        (None, None, True),
        (0, 5, False),
        (0, 6, True),
        (9, None, False),
        (8, 20, True),
        (6, 7, True),
        (None, 5, False),
    )

    @pytest.mark.parametrize(("from_ns", "until_ns", "overlaps"), SPANS)
    def test_lifetimes_part_keys_when_they_share_no_instant(
        self, from_ns: int | None, until_ns: int | None, overlaps: bool
    ) -> None:
        keys = (mkt(1, 2, lifetime=Lifetime(5, 9)), mkt(1, 2, b"other", lifetime=Lifetime(from_ns, until_ns)))
        assert warned_lines(peer(None, None, *keys)) == [1] * overlaps
        assert warned_lines(peer(None, None, *reversed(keys))) == [1] * overlaps

    @pytest.mark.parametrize(
        ("one", "other", "overlaps"),
        [
            ({"vlan": 1}, {"vlan": 2}, False),
            ({"vlan": 1}, {}, True),
            ({"port": 179}, {"port": 639}, False),
            ({"port": 179}, {"remote_port": 179}, True),
            ({"port": 179}, {"local_port": 179, "remote_port": 1}, True),
            ({"port": 179}, {"local_port": 2, "remote_port": 1}, False),
            ({"local_port": 1}, {"local_port": 2}, False),
            ({"local_port": 1}, {"remote_port": 2}, True),
            ({"remote_port": 1}, {"remote_port": 2}, False),
        ],
    )
    def test_vlans_and_ports_part_peers(self, one: dict[str, int], other: dict[str, int], overlaps: bool) -> None:
        first = peer("10.0.0.1", None, mkt(1, 2), **one)
        second = peer("10.0.0.1", None, mkt(1, 2, b"other"), **other)
        assert warned_lines(first, second) == [1] * overlaps

    def test_vrfs_and_interfaces_part_peers(self) -> None:
        def in_vrf(vrf: str | None, interface: str | None, secret: bytes) -> Peer:
            return Peer(None, None, (mkt(1, 2, secret),), None, Origin("k", 1), vrf=vrf, interface=interface)

        assert warned_lines(in_vrf("red", None, b"a"), in_vrf("blue", None, b"b")) == []
        assert warned_lines(in_vrf(None, "eth0", b"a"), in_vrf(None, "eth1", b"b")) == []
        assert warned_lines(in_vrf("red", None, b"a"), in_vrf(None, "eth1", b"b")) == [1]


def prefixes_overlap(one: Network | None, other: Network | None) -> bool:
    return one is None or other is None or (one.version == other.version and one.overlaps(other))


NETWORKS = st.sampled_from(
    [None]
    + [
        ip_network(text)
        for text in ("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25", "10.0.0.1")
    ]
    + [ip_network(text) for text in ("10.0.0.129", "10.1.0.0/16", "::/0", "::a00:0/104", "fd00::/8", "fd00::1")]
)


@given(st.lists(st.tuples(NETWORKS, NETWORKS), max_size=6))
def test_the_prefix_index_finds_what_comparing_every_two_peers_finds(
    pairs: Sequence[tuple[Network | None, Network | None]],
) -> None:
    peers = [
        Peer(local, remote, (mkt(1, 2, bytes([number]), line=number),), None, Origin("k", 1))
        for number, (local, remote) in enumerate(pairs)
    ]
    expected = [
        number
        for number, (local, remote) in enumerate(pairs)
        if any(prefixes_overlap(local, other[0]) and prefixes_overlap(remote, other[1]) for other in pairs[:number])
    ]
    assert warned_lines(*peers) == expected
