"""What is written for a system and read back is what it was; what the system cannot say is an error that names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoinspect.ao.algorithms import ALGORITHMS, TCP_MD5, Algorithm, find_algorithm
from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, Origin, TcpOptions
from aoinspect.errors import KeyFileError, UsageError
from aoinspect.keys.addresses import parse_prefix
from aoinspect.keys.export import SYSTEMS, bird, export, gobgp, ios_xe, ios_xr, junos, rfc9648
from aoinspect.keys.export.plan import Abilities
from aoinspect.keys.importers import IMPORTERS, ImportContext
from aoinspect.keys.importers.model import ASSUMED_LENGTH
from aoinspect.keys.model import KeyChain, KeyStore, KnownConnection, Network, Peer
from aoinspect.keys.toml_key import LONGEST_MAC

SECOND = 1_000_000_000
YEAR_1993 = 725_846_400
YEAR_2000 = 946_684_801
"""A second later, which is the first moment that Junos's keys are told to start at."""
YEAR_2036 = 2_082_758_400
YEAR_2100 = 4_102_444_800
LOCAL = parse_prefix("192.0.2.254")
REMOTE = parse_prefix("192.0.2.1")
HERE = Origin("keys.toml", 1)
READERS = {importer.name: importer.read for importer in IMPORTERS}
ABILITIES = {
    "bird": bird.ABILITIES,
    "gobgp": gobgp.ABILITIES,
    "ios-xr": ios_xr.ABILITIES,
    "ios-xe": ios_xe.ABILITIES,
    "junos": junos.ABILITIES,
    "ietf": rfc9648.ABILITIES,
}
ROUTERS = sorted(set(ABILITIES) - {"ietf"})


def read_back(system: str, text: str, local: Network | None = None) -> KeyStore:
    return READERS[system](text, "written.cfg", ImportContext(local))


def key_meaning(mkt: MasterKeyTuple) -> tuple[object, ...]:
    """All of a key but its labels: the algorithm by what it computes."""
    return (
        *(mkt.send_id, mkt.recv_id, mkt.algorithm.derive, mkt.algorithm.keyed_mac, mkt.mac_length, mkt.secret),
        *(mkt.tcp_options, mkt.send_lifetime, mkt.accept_lifetime, mkt.gap),
    )


def sessions(store: KeyStore) -> list[tuple[object, ...]]:
    """What a store says of sessions; a session without a port is one of BGP."""
    found = [
        (
            *(str(peer.local), str(peer.remote), peer.vrf, peer.local_port, peer.remote_port),
            None if peer.local_port or peer.remote_port else peer.port or 179,
            tuple(map(key_meaning, peer.mkts)),
        )
        for peer in store.peers
    ]
    return sorted(found, key=repr)


class TestOurs:
    @staticmethod
    def labels() -> st.SearchStrategy[str]:
        return st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8).filter(str.isprintable)

    @staticmethod
    def lifetimes() -> st.SearchStrategy[Lifetime | None]:
        starts = st.none() | st.integers(-50_000_000_000 * SECOND, 250_000_000_000 * SECOND)
        lengths = st.none() | st.integers(1, 3_000_000_000 * SECOND)
        spans = st.tuples(starts, lengths).filter(lambda pair: pair != (None, None))
        return st.none() | spans.map(
            lambda pair: Lifetime(pair[0], None if pair[1] is None else (pair[0] or 0) + pair[1])
        )

    @staticmethod
    @st.composite
    def mkts(draw: st.DrawFn) -> MasterKeyTuple:
        algorithm = draw(st.sampled_from(ALGORITHMS))
        lengths = algorithm.master_key_lengths
        secret = draw(
            st.binary(min_size=1, max_size=40)
            | st.text(min_size=1, max_size=12).map(lambda text: text.encode("utf-8", "replace"))
            if lengths is None
            else st.sampled_from(lengths).flatmap(lambda length: st.binary(min_size=length, max_size=length))
        )
        is_gap = draw(st.integers(0, 9)) == 0
        is_md5 = algorithm.is_md5
        longest = min(algorithm.digest_length, LONGEST_MAC)
        return MasterKeyTuple(
            name=draw(TestOurs.labels()),
            send_id=None if is_md5 else draw(st.integers(0, 255)),
            recv_id=None if is_md5 else draw(st.integers(0, 255)),
            algorithm=algorithm,
            secret=None if is_gap else secret,
            mac_length=16 if is_md5 else draw(st.integers(1, longest)),
            tcp_options=TcpOptions.EXCLUDE if is_md5 else draw(st.sampled_from(TcpOptions)),
            origin=HERE,
            send_lifetime=draw(TestOurs.lifetimes()),
            accept_lifetime=draw(TestOurs.lifetimes()),
            gap="Cisco type 6 cannot be read: fill in the secret (line 7)" if is_gap else None,
        )

    @staticmethod
    def networks(version: int) -> st.SearchStrategy[Network | None]:
        make = IPv4Network if version == 4 else IPv6Network
        bits = 32 if version == 4 else 128
        found = st.tuples(st.integers(0, 2**bits - 1), st.integers(0, bits)).map(
            lambda pair: make((pair[0], pair[1]), strict=False)
        )
        # IPv4-mapped IPv6 is IPv4 in a store.
        return st.none() | found.filter(lambda network: "::ffff:" not in str(network) or version == 4)

    @staticmethod
    @st.composite
    def stores(draw: st.DrawFn) -> KeyStore:
        own = st.lists(TestOurs.mkts(), min_size=1, max_size=3).map(tuple)
        names = draw(st.lists(TestOurs.labels(), max_size=2, unique=True))
        chains = [KeyChain(name, draw(own), HERE) for name in names]
        ports = st.none() | st.integers(1, 65535)
        peers = []
        for _ in range(draw(st.integers(0, 3))):
            chain = draw(st.sampled_from([*chains, None])) if chains else None
            version = draw(st.sampled_from([4, 6]))
            peers.append(
                Peer(
                    local=draw(TestOurs.networks(version)),
                    remote=draw(TestOurs.networks(version)),
                    mkts=draw(own) if chain is None else chain.mkts,
                    keychain=None if chain is None else chain.name,
                    origin=HERE,
                    port=draw(ports),
                    local_port=draw(ports),
                    remote_port=draw(ports),
                    vrf=draw(st.none() | TestOurs.labels()),
                    interface=draw(st.none() | TestOurs.labels()),
                    vlan=draw(st.none() | st.integers(1, 4094)),
                )
            )
        known = KnownConnection(
            *((parse_prefix("10.0.0.1").network_address, 179), (parse_prefix("10.0.0.2").network_address, 33000)),
            *(draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 2**32 - 1))),
            *(draw(st.none() | st.integers(0, 2**32 - 1)), None),
            HERE,
        )
        return KeyStore(tuple(peers), tuple(chains), (known,) if draw(st.booleans()) else (), (), ("keys.toml",))

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_a_key_file_that_is_read_back_is_what_was_written(self, data: st.DataObject) -> None:
        store = data.draw(self.stores())
        text = export(store, "aoinspect")
        again = read_back("aoinspect", text)

        def bare(mkt: MasterKeyTuple) -> MasterKeyTuple:
            return replace(mkt, origin=HERE, gap=mkt.gap and mkt.gap.partition(":")[0])

        def peer_of(peer: Peer) -> Peer:
            return replace(peer, origin=HERE, mkts=tuple(map(bare, peer.mkts)))

        assert tuple(map(peer_of, again.peers)) == tuple(map(peer_of, store.peers))
        assert {(chain.name, tuple(map(bare, chain.mkts))) for chain in again.keychains} >= {
            (peer.keychain, tuple(map(bare, peer.mkts))) for peer in store.peers if peer.keychain is not None
        }
        keys = {bare(mkt) for chain in again.keychains for mkt in chain.mkts}
        assert {bare(mkt) for chain in store.keychains for mkt in chain.mkts} == keys
        assert [replace(known, origin=HERE) for known in again.connections] == list(store.connections)

    def test_chains_of_one_name_and_other_keys_get_names_of_their_own(self) -> None:
        first, second = key(1, b"first secret"), key(2, b"second secret")
        peers = tuple(
            Peer(LOCAL, parse_prefix(f"192.0.2.{n}"), (mkt,), "edge", HERE) for n, mkt in ((1, first), (2, second))
        )
        again = read_back("aoinspect", export(KeyStore(peers), "aoinspect"))
        assert [(chain.name, chain.mkts[0].secret) for chain in again.keychains] == [
            ("edge", b"first secret"),
            ("edge-2", b"second secret"),
        ]

    def test_a_gap_says_where_to_fill_it_in(self) -> None:
        store = KeyStore(
            (Peer(LOCAL, REMOTE, (replace(key(1, b""), secret=None, gap="Junos $8$ (line 9)"),), None, HERE),)
        )
        text = export(store, "aoinspect")
        assert '  gap = "Junos $8$"' in text.splitlines()
        (peer,) = read_back("aoinspect", text).peers
        assert peer.mkts[0].gap == "Junos $8$: fill in the secret (line 11)"


def key(number: int, secret: bytes, algorithm: str = "hmac-sha-1-96", **changes: object) -> MasterKeyTuple:
    mkt = MasterKeyTuple(
        name=f"{number}/{number + 1}",
        send_id=number,
        recv_id=number + 1,
        algorithm=find_algorithm(algorithm),
        secret=secret,
        mac_length=find_algorithm(algorithm).mac_length,
        tcp_options=TcpOptions.INCLUDE,
        origin=HERE,
    )
    return replace(mkt, **changes)  # type: ignore[arg-type]


def secrets() -> st.SearchStrategy[bytes]:
    odd = st.sampled_from(
        [b" leading", b"trailing ", b"two words", b'"quoted"', b"back\\slash", b"!", b"$9$x", b"0", b"7 x"]
    )
    return (
        st.binary(min_size=1, max_size=40)
        | st.text(min_size=1, max_size=12).map(lambda text: text.encode("utf-8", "replace"))
        | odd
    )


def cisco_lifetimes() -> st.SearchStrategy[Lifetime | None]:
    """In the years that the systems take; either end may be open."""
    ends = st.lists(st.integers(YEAR_1993 + 1, YEAR_2036 - 1), min_size=2, max_size=2, unique=True).map(sorted)
    bounded = ends.map(lambda pair: Lifetime(pair[0] * SECOND, pair[1] * SECOND))
    return st.none() | st.one_of(
        bounded,
        bounded.map(lambda lifetime: replace(lifetime, from_ns=None)),
        bounded.map(lambda lifetime: replace(lifetime, until_ns=None)),
    )


@st.composite
def junos_lifetimes(draw: st.DrawFn, number: int) -> list[tuple[Lifetime | None, Lifetime | None]]:
    """Of each key in turn: it is sent until the next one starts, and accepted a tolerance longer at either side."""
    starts = draw(st.lists(st.integers(YEAR_2000, YEAR_2100), min_size=number, max_size=number, unique=True))
    tolerance = draw(st.sampled_from([0, 60, 3600])) * SECOND
    is_open = draw(st.booleans())
    found: list[tuple[Lifetime | None, Lifetime | None]] = []
    for start in starts:
        until = min((later * SECOND for later in starts if later > start), default=None)
        begin = None if start == min(starts) and is_open else start * SECOND
        if begin is None and until is None:
            found.append((None, None))
            continue
        accepted = Lifetime(None if begin is None else begin - tolerance, None if until is None else until + tolerance)
        found.append((Lifetime(begin, until), accepted))
    return found


def passwords(system: str) -> st.SearchStrategy[bytes]:
    if system not in ("bird", "gobgp"):
        return secrets()
    # In these a password is text in quotes.
    text = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"\\'), min_size=1, max_size=12)
    return text.filter(str.isprintable).map(str.encode)


@st.composite
def session_keys(draw: st.DrawFn, system: str, abilities: Abilities) -> tuple[MasterKeyTuple, ...]:
    if draw(st.integers(0, 5)) == 0:
        secret = draw(passwords(system))
        return (
            replace(
                key(0, secret),
                send_id=None,
                recv_id=None,
                algorithm=TCP_MD5,
                mac_length=16,
                tcp_options=TcpOptions.EXCLUDE,
            ),
        )
    number = draw(st.integers(1, 3))
    ids = [draw(st.lists(st.integers(0, 255), min_size=number, max_size=number, unique=True)) for _ in range(2)]
    shared_flag = draw(st.sampled_from(sorted(abilities.flags, key=str)))
    spans = draw(junos_lifetimes(number)) if system == "junos" else None
    found = []
    for index in range(number):
        flag = shared_flag if abilities.is_flag_of_session else draw(st.sampled_from(sorted(abilities.flags, key=str)))
        algorithm: Algorithm = find_algorithm(draw(st.sampled_from(sorted(abilities.algorithms))))
        send = accept = None
        if spans is not None:
            send, accept = spans[index]
        elif abilities.has_lifetimes:
            send, accept = draw(cisco_lifetimes()), draw(cisco_lifetimes())
        found.append(
            replace(
                key(0, draw(secrets())),
                send_id=ids[0][index],
                recv_id=ids[1][index],
                algorithm=algorithm,
                mac_length=algorithm.mac_length,
                tcp_options=flag,
                send_lifetime=send,
                accept_lifetime=accept,
            )
        )
    return tuple(found)


@st.composite
def router_stores(draw: st.DrawFn, system: str) -> KeyStore:
    """Whatever the system can express, of one device."""
    abilities = ABILITIES[system]
    remotes = [parse_prefix(text) for text in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "203.0.113.0/24")]
    local = {4: LOCAL, 6: parse_prefix("2001:db8::254")}
    names_local = abilities.names_local and system != "ios-xe"
    peers: dict[tuple[object, ...], Peer] = {}
    for _ in range(draw(st.integers(1, 4))):
        remote = draw(st.sampled_from(remotes))
        vrf = draw(st.sampled_from([None, None, "red", "blue-2"]))
        ports = draw(st.sampled_from([(None, None), (179, 1790), (1790, 179)])) if abilities.has_ports else (None, None)
        own = local[remote.version] if names_local and draw(st.booleans()) else LOCAL if system == "ios-xe" else None
        if system == "ios-xe" and remote.version == 6:
            remote = remotes[0]
        common = Peer(own, remote, draw(session_keys(system, abilities)), None, HERE, port=179, vrf=vrf)
        both = (
            [common]
            if ports == (None, None)
            else [replace(common, port=None, remote_port=ports[1]), replace(common, port=None, local_port=ports[0])]
        )
        if not any(scope[:2] == (remote, vrf) for scope in peers):
            peers |= {(remote, vrf, peer.local_port, peer.remote_port): peer for peer in both}
    return KeyStore(tuple(peers.values()), (), (), (), ("keys.toml",))


@pytest.mark.parametrize("system", ROUTERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_export_and_import_are_the_identity_on_what_a_system_can_express(system: str, data: st.DataObject) -> None:
    store = data.draw(router_stores(system))
    again = read_back(system, export(store, system), LOCAL if system == "ios-xe" else None)
    expected = ("local", ASSUMED_LENGTH)
    assert [warning for warning in again.warnings if not any(told in warning.message for told in expected)] == []
    assert sessions(again) == sessions(store)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_rfc_9648_gives_the_key_chains_back(data: st.DataObject) -> None:
    chains = tuple(
        KeyChain(f"K{number}", data.draw(session_keys("ietf", rfc9648.ABILITIES)), HERE)
        for number in range(data.draw(st.integers(1, 3)))
    )
    again = read_back("ietf", export(KeyStore((), chains, (), (), ("keys.toml",)), "ietf"))
    assert {tuple(map(key_meaning, chain.mkts)) for chain in again.keychains} == {
        tuple(map(key_meaning, chain.mkts)) for chain in chains
    }


@pytest.mark.parametrize("system", ROUTERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_peers_half_of_the_peers_half_is_this_end(system: str, data: st.DataObject) -> None:
    keys = data.draw(session_keys(system, ABILITIES[system]))
    store = KeyStore((Peer(LOCAL, parse_prefix("192.0.2.1"), keys, None, HERE, port=179),))
    if system == "junos" and any(mkt.send_lifetime != mkt.accept_lifetime for mkt in keys):
        return  # A tolerance is the receiver's: the other half has none that Junos could say.
    other = export(store, system, peer_half=True)
    local = parse_prefix("192.0.2.1") if system == "ios-xe" else None
    back = export(read_back(system, other, local), system, peer_half=True)
    assert sessions(read_back(system, back, LOCAL if system == "ios-xe" else None)) == sessions(store)


def test_the_peers_half_has_ids_lifetimes_and_addresses_exchanged() -> None:
    now = 1_790_000_000 * SECOND
    mkt = key(61, b"a secret of 17 octets", send_lifetime=Lifetime(now), accept_lifetime=Lifetime(now - SECOND))
    peer = Peer(LOCAL, parse_prefix("192.0.2.1"), (mkt,), None, HERE, port=179, vrf="red")
    (other,) = read_back("ios-xr", export(KeyStore((peer,)), "ios-xr", peer_half=True)).peers
    (theirs,) = other.mkts
    assert (theirs.send_id, theirs.recv_id) == (62, 61)
    assert (theirs.send_lifetime, theirs.accept_lifetime) == (Lifetime(now - SECOND), Lifetime(now))
    assert (str(other.local), str(other.remote), other.vrf) == ("192.0.2.1/32", "192.0.2.254/32", None)


NOW = 1_790_000_000 * SECOND
Change = Callable[[MasterKeyTuple], MasterKeyTuple]
CANNOT: Sequence[tuple[str, Change, str]] = [
    ("bird", lambda mkt: replace(mkt, tcp_options=TcpOptions.EXCLUDE), 'tcp-options = "exclude"'),
    ("bird", lambda mkt: replace(mkt, send_lifetime=Lifetime(0)), "lifetimes"),
    ("bird", lambda mkt: replace(mkt, mac_length=10), "a MAC of 10 octets"),
    ("bird", lambda mkt: replace(mkt, algorithm=find_algorithm("hkdf-sha-256-128"), mac_length=16), "hkdf-sha-256-128"),
    ("gobgp", lambda mkt: replace(mkt, tcp_options=TcpOptions.AUTO), 'tcp-options = "auto"'),
    ("gobgp", lambda mkt: replace(mkt, algorithm=find_algorithm("hmac(sha512)")), "the algorithm hmac(sha512)"),
    ("ios-xr", lambda mkt: replace(mkt, send_lifetime=Lifetime(None, SECOND)), "outside the years 1993 to 2035"),
    ("ios-xe", lambda mkt: replace(mkt, send_lifetime=Lifetime(YEAR_2036 * SECOND)), "outside the years 1993 to 2035"),
    ("ios-xe", lambda mkt: replace(mkt, accept_lifetime=Lifetime(10**18 + 1)), "a lifetime that is not in whole"),
    ("gobgp", lambda mkt: replace(mkt, secret=b"s" * 81), "a secret of more than 80 octets"),
    ("bird", lambda mkt: replace(mkt, secret=b"s" * 81), "a secret of more than 80 octets"),
    ("junos", lambda mkt: replace(mkt, secret=b"s" * 127), "a secret of more than 126 octets"),
    ("ios-xe", lambda mkt: replace(mkt, secret=None, gap="x"), "a missing secret"),
    ("junos", lambda mkt: replace(mkt, send_lifetime=Lifetime(0)), "a lifetime that begins before the year 2000"),
    (
        "junos",
        lambda mkt: replace(mkt, send_lifetime=Lifetime(NOW, NOW + 1)),
        "a key that does not last until the next",
    ),
    ("junos", lambda mkt: replace(mkt, send_lifetime=Lifetime(NOW)), "not the send-lifetime widened by one tolerance"),
    ("ietf", lambda mkt: replace(mkt, algorithm=find_algorithm("hmac-sha-256-128"), mac_length=16), "hmac-sha-256-128"),
]


@pytest.mark.parametrize(("system", "change", "named"), CANNOT, ids=[f"{case[0]}: {case[2]}" for case in CANNOT])
def test_what_a_system_cannot_express_is_an_error_that_names_it_and_its_place(
    system: str, change: Change, named: str
) -> None:
    mkt = change(key(1, b"canary of 16 oct"))
    store = KeyStore((Peer(LOCAL, parse_prefix("192.0.2.1"), (mkt,), None, HERE),))
    with pytest.raises(KeyFileError) as caught:
        export(store, system)
    told = str(caught.value)
    assert told.startswith(f"keys.toml:1: {ABILITIES[system].title} cannot express ")
    assert named in told
    assert "canary" not in told


def test_all_that_cannot_be_expressed_is_told_at_once() -> None:
    peers = (
        Peer(parse_prefix("10.0.0.0/8"), None, (key(1, b"canary"),), None, Origin("k.toml", 3)),
        Peer(LOCAL, REMOTE, (key(1, b"canary", tcp_options=TcpOptions.AUTO),), None, Origin("k.toml", 9), port=646),
    )
    with pytest.raises(KeyFileError) as caught:
        export(KeyStore(peers), "ios-xr")
    assert str(caught.value).splitlines() == [
        "k.toml:3: Cisco IOS-XR cannot express a peer without a remote address",
        "k.toml:3: Cisco IOS-XR cannot express the prefix 10.0.0.0/8 as the local address: name one address",
        "k.toml:9: Cisco IOS-XR cannot express sessions of another port than BGP's 179",
        'keys.toml:1: Cisco IOS-XR cannot express tcp-options = "auto", in the key "1/2"',
    ]


def test_a_store_of_both_ends_needs_a_device() -> None:
    other = parse_prefix("192.0.2.1")
    store = KeyStore(
        (Peer(LOCAL, other, (key(1, b"x" * 12),), "k", HERE), Peer(other, LOCAL, (key(2, b"x" * 12),), "k", HERE))
    )
    with pytest.raises(KeyFileError, match="both ends of a session"):
        export(store, "bird")
    (peer,) = read_back("bird", export(store, "bird", local=other)).peers
    assert (str(peer.remote), peer.mkts[0].send_id) == ("192.0.2.254/32", 2)
    with pytest.raises(KeyFileError, match="no peer has the local address"):
        export(store, "bird", local=parse_prefix("198.51.100.1"))
    assert len(read_back("aoinspect", export(store, "aoinspect")).peers) == 2


def test_a_session_that_one_end_alone_opens_is_nothing_that_bird_can_say() -> None:
    store = KeyStore((Peer(LOCAL, REMOTE, (key(1, b"x" * 12),), None, HERE, remote_port=1790),))
    with pytest.raises(KeyFileError, match="a session that only one end may open"):
        export(store, "bird")


def test_peers_of_one_socket_pair_become_one_session() -> None:
    remote = parse_prefix("192.0.2.1")
    store = KeyStore(tuple(Peer(LOCAL, remote, (key(number, b"x" * 12),), None, HERE) for number in (1, 3, 1)))
    (peer,) = read_back("gobgp", export(store, "gobgp")).peers
    assert [mkt.send_id for mkt in peer.mkts] == [1, 3]


def test_kernel_names_are_written_as_the_algorithms_that_they_are() -> None:
    mkt = key(1, b"0123456789abcdef", "cmac(aes)")
    store = KeyStore((Peer(LOCAL, parse_prefix("192.0.2.1"), (mkt,), None, HERE),))
    assert "algorithm cmac aes128;" in export(store, "bird")


def test_ios_xe_has_the_flag_at_the_neighbour_too() -> None:
    """For BGP releases take it from the neighbour alone, so that all keys of a session have the same."""
    keys = key(1, b"sixteen octets!!"), key(3, b"another sixteen!", tcp_options=TcpOptions.EXCLUDE)
    written = [export(KeyStore((Peer(LOCAL, REMOTE, (mkt,), None, HERE, port=179),)), "ios-xe") for mkt in keys]
    neighbours = [re.findall(r"neighbor 192\.0\.2\.1 ao \S+(.*)", text) for text in written]
    assert neighbours == [[" include-tcp-options"], [""]]
    with pytest.raises(KeyFileError, match="keys of one peer that differ in tcp-options"):
        export(KeyStore((Peer(LOCAL, REMOTE, keys, None, HERE, port=179),)), "ios-xe")


def store_of(*keys: MasterKeyTuple, remote: Network = REMOTE) -> KeyStore:
    return KeyStore((Peer(LOCAL if remote.version == 4 else None, remote, keys, "default", HERE, port=179),))


class TestWhatTheDevicesAccept:
    def test_keys_of_ios_xr_have_lifetimes_since_it_has_no_default_for_them(self) -> None:
        text = export(store_of(key(1, b"sixteen octets!!")), "ios-xr")
        for name in ("accept-lifetime", "send-lifetime"):
            assert f"  {name} 00:00:00 january 01 1993 infinite\n" in text
        assert "lifetime" not in export(store_of(key(1, b"sixteen octets!!")), "ios-xe")

    def test_a_key_of_junos_has_to_say_when_it_starts(self) -> None:
        text = export(store_of(key(1, b"sixteen octets!!")), "junos")
        assert 'start-time "2000-1-1.00:00:00 +0000";' in text
        with pytest.raises(KeyFileError, match="keys that start at the same time, or are always valid"):
            export(store_of(key(1, b"sixteen octets!!"), key(3, b"another sixteen!")), "junos")

    @pytest.mark.parametrize("system", ["ios-xr", "ios-xe"])
    def test_a_question_mark_would_ask_the_router_for_help(self, system: str) -> None:
        text = export(store_of(key(1, b"is it a secret?")), system)
        assert "?" not in text
        assert read_back(system, text).keychains[0].mkts[0].secret == b"is it a secret?"

    @pytest.mark.parametrize("system", ["bird", "gobgp"])
    @pytest.mark.parametrize(("other", "named"), [((1, 9), "SendID"), ((9, 2), "ReceiveID")])
    def test_an_id_may_come_once_in_a_key_chain(self, system: str, other: tuple[int, int], named: str) -> None:
        second = replace(key(1, b"another sixteen!"), send_id=other[0], recv_id=other[1])
        with pytest.raises(KeyFileError, match=f"several keys of one peer with the same {named}"):
            export(store_of(key(1, b"sixteen octets!!"), second), system)

    def test_no_protocol_of_bird_is_called_like_a_word_of_its_grammar(self) -> None:
        assert "protocol bgp ao_default {" in export(store_of(key(1, b"sixteen octets!!")), "bird")
        named = replace(store_of(key(1, b"sixteen octets!!")).peers[0], keychain="Edge")
        assert "protocol bgp Edge {" in export(KeyStore((named,)), "bird")

    @pytest.mark.parametrize("system", ["bird", "gobgp"])
    def test_a_link_local_neighbour_needs_its_interface(self, system: str) -> None:
        note = "needs its interface as well"
        mkt = key(1, b"sixteen octets!!")
        assert note in export(store_of(mkt, remote=parse_prefix("fe80::2")), system)
        assert note not in export(store_of(mkt, remote=parse_prefix("2001:db8::2")), system)


def test_an_unknown_system_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="bird, gobgp, ios-xr"):
        export(KeyStore(), "frr")
    assert set(SYSTEMS) <= set(READERS)
