"""IOS-XR: key chains with their ids under `tcp ao`, neighbours and their groups, TCP-MD5, LDP and MSDP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aoinspect.ao.mkt import Origin, TcpOptions
from aoinspect.errors import KeyFileError
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

CHAIN = """\
key chain EDGE
 key 1
  accept-lifetime 00:00:00 january 01 2021 infinite
  key-string password 011A08105E19091F
  send-lifetime 00:00:00 january 01 2021 infinite
  cryptographic-algorithm HMAC-SHA1-96
 !
!
"""
IDS = """\
tcp ao
 keychain EDGE
  key 1 SendID 61 ReceiveID 84
 !
!
"""
NEIGHBOUR = """\
router bgp 64501
 neighbor 192.0.2.1
  remote-as 64502
  ao EDGE include-tcp-options disable accept-ao-mismatch-connection
 !
!
"""
WHOLE = f"""\
!! IOS XR Configuration 7.5.2
!! Last configuration change at Mon Nov 23 10:00:00 2026 by ops
!
hostname edge-1
banner motd ^C
key chain NOT-A-CHAIN
 key 1
  key-string clear nothing
^C
interface Loopback0
 ipv4 address 198.51.100.7 255.255.255.255
 ipv6 address 2001:db8::7/128
!
interface GigabitEthernet0/0/0/0
 description "to the key chain of the edge"
 ipv4 address 10.0.0.1 255.255.255.252
!
key chain OSPF
 key 1
  key-string password 14141B180F0B
  cryptographic-algorithm MD5
 !
!
{CHAIN}{IDS}router ospf 1
 authentication message-digest keychain OSPF
!
router bgp 64501
 bgp router-id 198.51.100.7
 address-family ipv4 unicast
 !
 session-group KEYS
  ao EDGE include-tcp-options enable
 !
 neighbor-group EDGES
  remote-as 64502
  password encrypted 011A08105E19091F
  update-source Loopback0
 !
 neighbor-group BOTH
  use session-group KEYS
  use neighbor-group EDGES
 !
 neighbor 192.0.2.1
  use neighbor-group EDGES
 !
 neighbor 192.0.2.2
  use neighbor-group EDGES
  use session-group KEYS
 !
 neighbor 2001:db8::1
  use neighbor-group BOTH
 !
 neighbor 192.0.2.3
  use neighbor-group EDGES
  ao inheritance-disable
 !
 neighbor 192.0.2.4
  remote-as 64504
 !
 vrf red
  neighbor 192.0.2.1
   password clear hunter2 and more
  !
  neighbor 192.0.2.9
   use neighbor-group EDGES
  !
 !
!
end
"""


def test_ids_come_from_tcp_ao_and_everything_else_from_the_key_chain() -> None:
    peer = only_peer(read("ios-xr", CHAIN + IDS + NEIGHBOUR))
    (mkt,) = peer.mkts
    assert (mkt.send_id, mkt.recv_id, mkt.secret) == (61, 84, b"interop")
    assert (mkt.algorithm.name, mkt.mac_length) == ("hmac-sha-1-96", 12)
    assert mkt.send_lifetime == mkt.accept_lifetime == lifetime(LONG_AGO)
    assert (mkt.name, str(mkt.origin)) == ("EDGE 1", "edge.cfg:2")
    assert (str(peer.remote), peer.local, peer.port, peer.keychain) == ("192.0.2.1/32", None, 179, "EDGE")
    assert str(peer.origin) == "edge.cfg:15"


@pytest.mark.parametrize(
    ("setting", "flag"),
    [
        ("ao EDGE include-tcp-options enable", TcpOptions.INCLUDE),
        ("ao EDGE include-tcp-options disable", TcpOptions.EXCLUDE),
        ("ao EDGE", TcpOptions.AUTO),
    ],
)
def test_the_flag_is_the_neighbours_and_the_key_chain_takes_over_what_all_of_them_say(
    setting: str, flag: TcpOptions
) -> None:
    text = CHAIN + IDS + NEIGHBOUR.replace("ao EDGE include-tcp-options disable accept-ao-mismatch-connection", setting)
    store = read("ios-xr", text)
    assert only_key(store).tcp_options is flag
    assert only_chain(store).mkts == only_peer(store).mkts


def test_a_key_chain_whose_neighbours_disagree_says_auto() -> None:
    other = NEIGHBOUR.replace("192.0.2.1", "192.0.2.2").replace("disable", "enable")
    store = read("ios-xr", CHAIN + IDS + NEIGHBOUR + other)
    assert [peer.mkts[0].tcp_options.value for peer in store.peers] == ["exclude", "include"]
    assert only_chain(store).mkts[0].tcp_options is TcpOptions.AUTO


class TestTheWholeConfiguration:
    def test_only_key_chains_with_ids_are_read_and_banners_are_text(self) -> None:
        store = read("ios-xr", WHOLE)
        assert [chain.name for chain in store.keychains] == ["EDGE"]
        assert store.warnings == ()

    def test_the_nearest_of_neighbour_session_group_and_neighbor_group_wins(self) -> None:
        peers = [peer for peer in read("ios-xr", WHOLE).peers if peer.vrf is None]
        methods = {str(peer.remote): (peer.mkts[0].algorithm.name, str(peer.local)) for peer in peers}
        assert methods == {
            "192.0.2.1/32": ("tcp-md5", "198.51.100.7/32"),
            "192.0.2.2/32": ("hmac-sha-1-96", "198.51.100.7/32"),
            "2001:db8::1/128": ("hmac-sha-1-96", "2001:db8::7/128"),
        }

    def test_a_vrf_has_its_own_neighbours_and_the_groups_of_all(self) -> None:
        red = [peer for peer in read("ios-xr", WHOLE).peers if peer.vrf == "red"]
        assert [(str(peer.remote), peer.mkts[0].secret) for peer in red] == [
            ("192.0.2.1/32", b"hunter2 and more"),
            ("192.0.2.9/32", b"interop"),
        ]
        assert all(peer.mkts[0].tcp_options is TcpOptions.EXCLUDE and peer.mkts[0].send_id is None for peer in red)

    def test_windows_line_ends_and_tabs_change_nothing(self) -> None:
        expected = read("ios-xr", WHOLE)
        assert read("ios-xr", WHOLE.replace("\n", "\r\n")) == expected
        tabbed = "\n".join(line.replace("   ", "\t\t\t").replace("  ", "\t\t") for line in WHOLE.split("\n"))
        assert len(read("ios-xr", tabbed).peers) == len(expected.peers)

    def test_every_beginning_of_it_gives_keys_or_an_error_with_the_file(self) -> None:
        whole = {peer.remote for peer in read("ios-xr", WHOLE).peers}
        for cut in range(0, len(WHOLE), 7):
            try:
                store = read("ios-xr", WHOLE[:cut])
            except KeyFileError as error:
                told = str(error)
            else:
                told = "edge.cfg"
                # The last address may be cut to another one.
                assert len({peer.remote for peer in store.peers} - whole) <= 1
            assert told.startswith("edge.cfg")


class TestSecrets:
    def test_type_6_is_a_gap_that_names_the_line_to_fill_in_and_the_rest_is_kept(self) -> None:
        text = CHAIN.replace("password 011A08105E19091F", "password6 4a5d5a60424b4f") + IDS + NEIGHBOUR
        mkt = only_key(read("ios-xr", text))
        assert mkt.secret is None
        assert mkt.gap == "Cisco type 6 cannot be read: fill in the secret (line 4)"
        assert (mkt.send_id, mkt.send_lifetime) == (61, lifetime(LONG_AGO))

    def test_a_damaged_type_7_text_is_a_gap_and_is_told_without_showing_it(self) -> None:
        text = CHAIN.replace("011A08105E19091F", "011A08105E19091") + IDS + NEIGHBOUR
        store = read("ios-xr", text)
        assert only_key(store).secret is None
        (warning,) = store.warnings
        assert warning.message.splitlines()[1:] == ["    key-string ***", "               ^^^"]

    def test_clear_secrets_are_taken_with_their_blanks(self) -> None:
        text = CHAIN.replace("password 011A08105E19091F", "clear two words") + IDS
        assert only_key(read("ios-xr", text)).secret == b"two words"
        assert only_key(read("ios-xr", text.replace("clear two words", "bare"))).secret == b"bare"

    @pytest.mark.parametrize("kind", ["clear", "password", "password6", "encrypted"])
    def test_the_word_for_a_type_is_no_secret_where_the_file_is_cut_after_it(self, kind: str) -> None:
        store = read("ios-xr", CHAIN.replace("password 011A08105E19091F", kind) + IDS)
        assert only_key(store).secret is None
        assert warnings_of(store) == ["4: the secret after this word is missing"]

    def test_a_key_without_a_key_string_is_a_gap(self) -> None:
        text = "\n".join(line for line in CHAIN.split("\n") if "key-string" not in line) + IDS
        assert only_key(read("ios-xr", text)).gap == "there is no secret: fill it in (line 2)"


class TestLifetimes:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("00:00:00 january 01 2021 infinite", lifetime(LONG_AGO)),
            ("00:00:00 01 january 2021 infinite", lifetime(LONG_AGO)),
            ("00:00:00 january 01 2021 duration 60", lifetime(LONG_AGO, LONG_AGO + 60 * SECOND)),
            ("00:00:00 january 01 2021 00:00:00 january 03 2021", lifetime(LONG_AGO, LONG_AGO + 2 * DAY)),
            ("0:0:1 Jan 1 2021", lifetime(LONG_AGO + SECOND)),
        ],
    )
    def test_every_form_of_the_documentation_is_read(self, written: str, expected: object) -> None:
        text = CHAIN.replace("send-lifetime 00:00:00 january 01 2021 infinite", f"send-lifetime {written}") + IDS
        store = read("ios-xr", text)
        assert only_key(store).send_lifetime == expected
        assert store.warnings == ()

    @pytest.mark.parametrize(
        "written", ["25:00:00 january 01 2021 infinite", "00:00:00 january 32 2021 infinite", "soon", "00:00:00 jan"]
    )
    def test_one_that_cannot_be_read_is_told_and_the_key_stays(self, written: str) -> None:
        text = CHAIN.replace("send-lifetime 00:00:00 january 01 2021 infinite", f"send-lifetime {written}") + IDS
        store = read("ios-xr", text)
        assert only_key(store).send_lifetime is None
        assert warnings_of(store)[0].startswith("5: no lifetime that can be read")

    def test_one_that_ends_before_it_begins_is_told(self) -> None:
        reverse = "00:00:00 january 03 2021 00:00:00 january 01 2021"
        store = read("ios-xr", CHAIN.replace("00:00:00 january 01 2021 infinite", reverse) + IDS)
        assert only_key(store).accept_lifetime is None
        assert any("ends before it begins" in warning for warning in warnings_of(store))

    def test_accept_tolerance_widens_what_is_accepted_only(self) -> None:
        text = CHAIN.replace("key chain EDGE\n", "key chain EDGE\n accept-tolerance 60\n") + IDS
        mkt = only_key(read("ios-xr", text))
        assert mkt.accept_lifetime == lifetime(LONG_AGO - 60 * SECOND)
        assert mkt.send_lifetime == lifetime(LONG_AGO)

    def test_a_router_that_is_not_on_utc_is_warned_of_once_unless_its_chain_is_on_gmt(self) -> None:
        text = "clock timezone CET 1\n" + CHAIN + CHAIN.replace("EDGE", "OTHER") + IDS + IDS.replace("EDGE", "OTHER")
        (told,) = [warning for warning in warnings_of(read("ios-xr", text)) if "local to the router" in warning]
        assert told.startswith("4:")
        on_gmt = CHAIN.replace("key chain EDGE\n", "key chain EDGE\n timezone gmt\n")
        assert warnings_of(read("ios-xr", "clock timezone CET 1\n" + on_gmt + IDS)) == []
        assert warnings_of(read("ios-xr", "clock timezone UTC 0\n" + CHAIN + IDS)) == []


class TestMistakes:
    def test_a_key_that_tcp_ao_cannot_use_is_left_out_and_told_with_a_caret(self) -> None:
        second = CHAIN.replace("key chain EDGE\n", "").replace("key 1", "key 2").replace("HMAC-SHA1-96", "ROT-13")
        ids = IDS.replace("key 1 SendID 61 ReceiveID 84", "key 1 SendID 61 ReceiveID 84\n  key 2 SendID 2 ReceiveID 2")
        store = read("ios-xr", CHAIN.replace(" !\n!\n", "") + second + ids)
        assert [mkt.send_id for mkt in only_chain(store).mkts] == [61]
        (warning,) = store.warnings
        assert str(warning.origin) == "edge.cfg:11"
        assert warning.message.splitlines() == [
            "no algorithm of TCP-AO that is known here",
            "    cryptographic-algorithm ***",
            "                            ^^^",
        ]

    @pytest.mark.parametrize(
        ("ids", "message"),
        [
            ("key 1 SendID 256 ReceiveID 84", "SendID must be a number from 0 to 255"),
            ("key 1 SendID 61", "must be `key N SendID n ReceiveID n`"),
            ("key 9 SendID 61 ReceiveID 84", "the key chain has no key of that number"),
        ],
    )
    def test_wrong_ids_are_told(self, ids: str, message: str) -> None:
        told = error_of("ios-xr", CHAIN + IDS.replace("key 1 SendID 61 ReceiveID 84", ids))
        assert told.startswith("edge.cfg:11:")
        assert message in told

    def test_a_neighbour_whose_chain_is_missing_or_has_no_ids_is_told(self) -> None:
        store = read(
            "ios-xr", CHAIN + IDS + NEIGHBOUR + NEIGHBOUR.replace("192.0.2.1", "192.0.2.2").replace("EDGE", "X")
        )
        assert len(store.peers) == 1
        assert warnings_of(store) == ['23: no key chain of this file has that name; it has: "EDGE"']
        assert "no SendID and ReceiveID" in error_of("ios-xr", CHAIN + NEIGHBOUR)

    def test_the_older_enhanced_authentication_is_told_and_is_no_key(self) -> None:
        older = NEIGHBOUR.replace("192.0.2.1", "192.0.2.2").replace(
            "ao EDGE include-tcp-options disable", "keychain EDGE"
        )
        store = read("ios-xr", CHAIN + IDS + NEIGHBOUR + older)
        assert [str(peer.remote) for peer in store.peers] == ["192.0.2.1/32"]
        assert "draft-bonica-tcp-auth" in warnings_of(store)[0]


def test_local_names_the_device_where_the_configuration_does_not() -> None:
    store = read("ios-xr", WHOLE, local="203.0.113.1")
    locals_by_remote = {(peer.vrf, str(peer.remote)): str(peer.local) for peer in store.peers}
    assert locals_by_remote[None, "192.0.2.1/32"] == "198.51.100.7/32"
    assert locals_by_remote["red", "192.0.2.1/32"] == "203.0.113.1/32"
    assert only_peer(read("ios-xr", CHAIN + IDS, local="203.0.113.1")).remote is None
    assert read("ios-xr", CHAIN + IDS).peers == ()


def test_ldp_and_msdp_passwords_are_read() -> None:
    text = """\
mpls ldp
 router-id 198.51.100.7
 neighbor
  password clear everyone
  192.0.2.1:0 password encrypted 011A08105E19091F
  192.0.2.2:0 password disable
 !
 vrf red
  neighbor 192.0.2.3:0 password clear red
 !
!
router msdp
 peer 192.0.2.4
  password clear msdp
 !
!
"""
    peers = peers_by_remote(read("ios-xr", text))
    assert {remote: (peer.port, peer.vrf, peer.mkts[0].secret) for remote, peer in peers.items()} == {
        "None": (646, None, b"everyone"),
        "192.0.2.1/32": (646, None, b"interop"),
        "192.0.2.3/32": (646, "red", b"red"),
        "192.0.2.4/32": (639, None, b"msdp"),
    }


def formal(text: str) -> str:
    """What `show running-config formal` prints of a configuration in blocks."""
    open_lines: list[tuple[int, str]] = []
    printed = []
    for line in text.partition("^C\n")[0].splitlines() + text.rpartition("^C\n")[2].splitlines():
        depth = len(line) - len(line.lstrip())
        if not line.strip() or line.strip()[0] == "!" or line.startswith("banner"):
            continue
        while open_lines and open_lines[-1][0] >= depth:
            open_lines.pop()
        open_lines.append((depth, line.strip()))
        printed.append(" ".join(words for _, words in open_lines))
    return "\n".join(printed) + "\n"


def test_whole_paths_say_what_blocks_say() -> None:
    told = [
        [
            (peer.vrf, peer.local, peer.remote, peer.port, [replace(mkt, origin=Origin("", 0)) for mkt in peer.mkts])
            for peer in read("ios-xr", text).peers
        ]
        for text in (WHOLE, formal(WHOLE))
    ]
    assert len(told[0]) == 5
    assert told[0] == told[1]
    assert "key chain EDGE key 1 key-string password" in formal(WHOLE)
    importer = recognise(formal(WHOLE))
    assert importer is not None
    assert importer.name == "ios-xr"


def test_places_in_whole_paths_are_those_of_the_settings() -> None:
    text = formal(CHAIN + IDS + NEIGHBOUR).replace("HMAC-SHA1-96", "rot13")
    told = error_of("ios-xr", text)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "rot13" in line)
    column = text.splitlines()[line - 1].index("rot13") + 1
    assert told.startswith(f"edge.cfg:{line}:{column}: no algorithm")


def test_a_group_with_keys_that_is_applied_is_told() -> None:
    group = "group KEYS\n router bgp '.*'\n  neighbor '.*'\n   ao EDGE\n  !\n !\nend-group\n"
    text = group + CHAIN + IDS + NEIGHBOUR
    assert warnings_of(read("ios-xr", text)) == []
    (told,) = warnings_of(read("ios-xr", text.replace("router bgp 64501", "router bgp 64501\n apply-group KEYS")))
    assert "apply-group is not followed" in told
    other = group.replace("   ao EDGE", "   timers 1 3").replace("neighbor '.*'", "bfd").replace("KEYS", "OTHER")
    text = other + CHAIN + IDS + NEIGHBOUR + "apply-group OTHER\n"
    assert warnings_of(read("ios-xr", text)) == []
