"""Which MKTs are tried for a segment: socket pairs, directions, both ends' files, bindings (RFC 5925 3.1, 7.4)."""

from __future__ import annotations

import dataclasses
import struct
from ipaddress import IPv4Network
from typing import ClassVar

import pytest

from aoinspect.ao.algorithms import find_algorithm
from aoinspect.ao.mkt import MasterKeyTuple, Origin, TcpOptions
from aoinspect.keys.model import KeyStore, Peer
from tests import packets
from tests.conversation import Conversation, Key, merge
from tests.engine.judged import Judged, judge, judge_told
from tests.packets import Record, write_pcap
from tests.reference_signer import TCP_MD5

HERE = Origin("keys.toml", 1)


def key_text(
    name: str, send_id: int, recv_id: int, secret: str, *, algorithm: str = "hmac-sha-1-96", more: str = ""
) -> str:
    return (
        f'[[peer.key]]\nname = "{name}"\nsend-id = {send_id}\nrecv-id = {recv_id}\n'
        f'algorithm = "{algorithm}"\nsecret = "{secret}"\n{more}\n'
    )


def file_of(*peers: str) -> str:
    return "version = 1\n" + "\n".join(f"[[peer]]\n{peer}" for peer in peers)


RIGHT = key_text("right", 1, 101, "testvector")
WRONG = key_text("wrong", 1, 101, "something else")


def talk(*keys: Key, client: str = "10.0.0.1:40000", server: str = "10.0.0.2:179") -> Conversation:
    return Conversation(keys or [Key("right")], client=client, server=server).handshake().data("a", 10).data("b", 10)


def assert_all(judged: Judged, verdict: str, mkt: str | None = None, count: int = 5) -> None:
    assert [(line.verdict, line.mkt) for line in judged.lines] == [(verdict, mkt)] * count


@pytest.mark.parametrize(
    "selector",
    [
        'local = "10.0.0.1"\nremote = "10.0.0.2"\n',
        'local = "10.0.0.1"\nremote = "10.0.0.0/24"\n',
        'local = "0.0.0.0/0"\nremote = "10.0.0.2"\n',
        'remote = "10.0.0.2"\n',
        'local = "::ffff:10.0.0.1"\nremote = "::ffff:10.0.0.0/120"\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nport = 179\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nport = 40000\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nremote-port = 179\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nlocal-port = 40000\nremote-port = 179\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nlocal-port = 40000\nport = 179\n',
    ],
)
def test_a_peer_covers_its_socket_pairs(selector: str) -> None:
    assert_all(judge_told(talk(), file_of(selector + RIGHT)), "verified", "right")


@pytest.mark.parametrize(
    "selector",
    [
        'local = "10.0.0.1"\nremote = "10.0.0.3"\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nport = 180\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nlocal-port = 179\n',
        'local = "10.0.0.1"\nremote = "10.0.0.2"\nremote-port = 40000\n',
        'local = "10.0.0.2"\nremote = "10.0.0.1"\nremote-port = 179\n',
        'local = "fd00::1"\nremote = "fd00::2"\n',
        'remote = "10.0.0.16/28"\n',
    ],
)
def test_a_peer_covers_no_other_socket_pair(selector: str) -> None:
    judged = judge_told(talk(), file_of(selector + RIGHT))
    assert_all(judged, "no-key")
    assert not judged.report.connections[0].is_covered


def test_ids_are_as_local_sees_them() -> None:
    turned = 'local = "10.0.0.2"\nremote = "10.0.0.1"\n'
    assert_all(judge_told(talk(), file_of(turned + RIGHT)), "no-key")
    assert_all(judge_told(talk(), file_of(turned + key_text("turned", 101, 1, "testvector"))), "verified", "turned")


def test_a_key_without_local_serves_whichever_end_is_not_remote() -> None:
    """Where prefixes let both hold, both are candidates."""
    judged = judge_told(talk(), file_of('remote = "10.0.0.0/8"\n' + RIGHT))
    assert_all(judged, "verified", "right")
    judged = judge_told(talk(), file_of('remote = "10.0.0.0/8"\n' + key_text("turned", 101, 1, "testvector")))
    assert_all(judged, "verified", "turned")


def test_the_longest_prefix_is_tried_first() -> None:
    wide = 'local = "10.0.0.0/8"\nremote = "10.0.0.0/8"\n' + key_text("wide", 1, 101, "testvector")
    # Another MKT that verifies as well, for else it would go by the first one's name.
    narrow = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n' + key_text(
        "narrow", 1, 101, "testvector", more='tcp-options = "auto"'
    )
    middle = 'local = "10.0.0.1"\nremote = "10.0.0.0/24"\n' + WRONG
    for order in ([wide, narrow, middle], [narrow, middle, wide], [middle, wide, narrow]):
        assert_all(judge_told(talk(), file_of(*order)), "verified", "narrow")


def test_where_the_longest_prefix_fails_the_others_are_tried() -> None:
    narrow = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n' + WRONG
    wide = 'local = "10.0.0.0/8"\nremote = "10.0.0.0/8"\n' + RIGHT
    assert_all(judge_told(talk(), file_of(narrow, wide)), "verified", "right")


def test_every_key_under_one_id_is_tried() -> None:
    keys = "".join(key_text(f"old{number}", 1, 101, f"old {number}") for number in range(5))
    judged = judge_told(talk(), file_of('local = "10.0.0.1"\nremote = "10.0.0.2"\n' + keys + RIGHT))
    assert_all(judged, "verified", "right")


def test_keys_of_one_id_and_different_lengths_algorithms_and_coverages_stand_side_by_side() -> None:
    secrets = {"sha": "one", "cmac": "two", "long": "three"}
    keys = key_text("sha", 1, 101, "one") + key_text("cmac", 1, 101, "two", algorithm="aes-128-cmac-96")
    keys += key_text("long", 1, 101, "three", algorithm="hmac(sha256)", more='mac-length = 16\ntcp-options = "exclude"')
    algorithms = {"sha": "hmac-sha-1-96", "cmac": "aes-128-cmac-96", "long": "hmac(sha256)"}
    key_file = file_of('local = "10.0.0.1"\nremote = "10.0.0.2"\n' + keys)
    for name, secret in secrets.items():
        key = Key(
            name,
            algorithm=algorithms[name],
            secret=secret.encode(),
            mac_length=16 if name == "long" else None,
            include_options=name != "long",
        )
        assert_all(judge_told(talk(key), key_file), "verified", name)


def test_no_key_of_the_captured_length_is_a_mismatch() -> None:
    conversation = talk().change_mac_length(10)
    judged = judge_told(conversation)
    assert judged.outcomes[-1] == ("mismatch", "mac-length")
    assert judged.verdicts[:-1] == ["verified"] * 4


def test_an_unknown_key_id_has_no_key() -> None:
    judged = judge_told(talk().name_unknown_key(77))
    assert judged.outcomes[-1] == ("no-key", None)


@pytest.mark.parametrize("include_options", [True, False])
def test_auto_says_which_coverage_held_where_a_segment_can_tell(include_options: bool) -> None:
    conversation = Conversation([Key("right", include_options=include_options)], timestamps=True)
    conversation.handshake().data("a", 10).data("b", 10, other_options=b"")
    peer = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n'
    judged = judge_told(
        conversation, file_of(peer + key_text("right", 1, 101, "testvector", more='tcp-options = "auto"'))
    )
    assert_all(judged, "verified", "right")
    found = "include" if include_options else "exclude"
    assert [line.coverage for line in judged.lines] == [found] * 4 + ["undetermined"]
    runs = judged.report.connections[0].runs
    assert {run.tcp_options for run in runs} <= {found, "undetermined"}


def gap(**changes: object) -> KeyStore:
    """A store of one key whose secret is missing."""
    mkt = MasterKeyTuple(
        name="gap",
        send_id=1,
        recv_id=101,
        algorithm=find_algorithm("hmac-sha-1-96"),
        secret=None,
        mac_length=12,
        tcp_options=TcpOptions.INCLUDE,
        origin=HERE,
        gap="not given",
    )
    peer = Peer(IPv4Network("10.0.0.1"), IPv4Network("10.0.0.2"), (mkt,), None, HERE)
    return KeyStore(peers=(dataclasses.replace(peer, **changes),), paths=("keys.toml",))  # type: ignore[arg-type]


def test_a_key_without_its_secret_cannot_verify() -> None:
    judged = judge(talk().to_pcap(), gap())
    assert judged.outcomes == [("unverifiable", "no-secret")] * 5


def test_beside_a_missing_secret_another_key_still_verifies_and_a_failure_proves_nothing() -> None:
    missing = gap().peers[0].mkts[0]
    present = dataclasses.replace(missing, name="present", secret=b"testvector", gap=None)
    both = gap(mkts=(missing, present))
    conversation = talk().sign_with_wrong_secret()
    judged = judge(conversation.to_pcap(), both)
    assert judged.outcomes == [("verified", None)] * 4 + [("unverifiable", "no-secret")]


def test_a_missing_secret_comes_before_the_mac_length() -> None:
    judged = judge(talk().change_mac_length(8).to_pcap(), gap())
    assert judged.outcomes[-1] == ("unverifiable", "no-secret")


class TestBothEnds:
    """A file may describe both ends; where they disagree, `verified` if either end's MKT says so, and a refusal."""

    CLIENT = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n'
    SERVER = 'local = "10.0.0.2"\nremote = "10.0.0.1"\n'

    def judged(self, server_key: str) -> Judged:
        return judge_told(talk(), file_of(self.CLIENT + RIGHT, self.SERVER + server_key))

    def test_crossed_ids_are_one_mkt(self) -> None:
        judged = self.judged(key_text("crossed", 101, 1, "testvector"))
        assert_all(judged, "verified", "right")
        assert len(judged.analyzer.keyring.mkts) == 1
        assert not any(line.is_refused for line in judged.lines)
        assert judged.report.totals.refused == 0

    @pytest.mark.parametrize(
        "server_key, refusal",
        [
            (key_text("k", 101, 1, "another"), "another secret"),
            (
                key_text("k", 101, 1, "testvector", algorithm="hmac-sha-256-96"),
                "algorithm hmac-sha-256-96 where the sender has hmac-sha-1-96",
            ),
            (
                key_text("k", 101, 1, "testvector", more="mac-length = 8"),
                "MAC length 8 where the sender has 12",
            ),
            (
                key_text("k", 101, 1, "testvector", more='tcp-options = "exclude"'),
                "TCP options excluded where the sender has them included",
            ),
            (key_text("k", 7, 8, "testvector"), "no key with this KeyID"),
        ],
    )
    def test_what_the_server_would_drop_is_verified_and_refused(self, server_key: str, refusal: str) -> None:
        judged = self.judged(server_key)
        assert judged.verdicts == ["verified"] * 5
        # Both ends signed under the client's key, of which the server has another idea.
        assert [line.is_refused for line in judged.lines] == [line.direction == "a>b" for line in judged.lines]
        findings = [finding for finding in judged.report.findings if finding.ident == "ends-disagree"]
        assert len(findings) == 1
        assert refusal in findings[0].message
        assert "testvector" not in findings[0].message + findings[0].evidence + findings[0].remedy

    def test_each_end_may_sign_under_its_own_idea_of_the_key(self) -> None:
        conversation = Conversation([Key("right")], server_keys=[Key("theirs", secret=b"theirs")])
        conversation.handshake().data("a", 10).data("b", 10)
        judged = judge_told(conversation)
        assert judged.verdicts == ["verified"] * 5
        assert [line.mkt for line in judged.lines] == ["right", "theirs", "right", "right", "theirs"]
        assert all(line.is_refused for line in judged.lines)
        assert judged.report.totals.refused == 5
        assert judged.report.exit_code == 1

    def test_an_end_that_is_not_described_refuses_nothing(self) -> None:
        judged = judge_told(talk(), file_of(self.CLIENT + RIGHT, 'local = "10.9.9.9"\nremote = "10.0.0.1"\n' + WRONG))
        assert not any(line.is_refused for line in judged.lines)

    def test_a_missing_secret_of_the_receiver_refuses_nothing(self) -> None:
        signer = dataclasses.replace(gap().peers[0].mkts[0], secret=b"testvector", gap=None)
        receiver = dataclasses.replace(gap().peers[0].mkts[0], send_id=101, recv_id=1)
        peers = (
            Peer(IPv4Network("10.0.0.1"), IPv4Network("10.0.0.2"), (signer,), None, HERE),
            Peer(IPv4Network("10.0.0.2"), IPv4Network("10.0.0.1"), (receiver,), None, HERE),
        )
        judged = judge(talk().to_pcap(), KeyStore(peers=peers, paths=("keys.toml",)))
        assert judged.verdicts == ["verified"] * 5
        assert not any(line.is_refused for line in judged.lines)


class TestBindings:
    """Interface and VLAN decide only where the key file binds a VRF to them, and the capture tells them."""

    PEER = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n'

    SECRETS: ClassVar = {"red": b"of red", "blue": b"of blue"}

    def key_file(self, red: str, blue: str) -> str:
        return file_of(
            self.PEER + f'vrf = "red"\n{red}\n' + key_text("red", 1, 101, "of red"),
            self.PEER + f'vrf = "blue"\n{blue}\n' + key_text("blue", 1, 101, "of blue"),
        )

    def told(self, vrf: str) -> Conversation:
        return talk(Key(vrf, secret=self.SECRETS[vrf]))

    def assert_bound(self, judged: Judged, vrf: str, bound_to: str | None) -> None:
        """`vrf` signed, and the capture says that it is `bound_to` or none of them."""
        if bound_to is None:
            assert_all(judged, "no-key")
        elif vrf == bound_to:
            assert_all(judged, "verified", vrf)
        else:
            assert_all(judged, "mismatch")

    @pytest.mark.parametrize("vrf", ["red", "blue"])
    @pytest.mark.parametrize("vlan, bound_to", [(20, "red"), (30, "blue"), (40, None)])
    def test_a_vlan(self, vrf: str, vlan: int, bound_to: str | None) -> None:
        capture = self.told(vrf).to_pcap(encapsulate=packets.in_vlan(vlan))
        self.assert_bound(judge(capture, self.key_file("vlan = 20", "vlan = 30")), vrf, bound_to)

    @pytest.mark.parametrize("vrf", ["red", "blue"])
    def test_where_the_capture_has_no_tag_every_vrf_is_tried(self, vrf: str) -> None:
        judged = judge_told(self.told(vrf), self.key_file("vlan = 20", "vlan = 30"))
        assert_all(judged, "verified", vrf)
        assert judged.report.connections[0].vrfs == ("blue", "red")

    @pytest.mark.parametrize("vrf", ["red", "blue"])
    @pytest.mark.parametrize("interface, bound_to", [("eth1", "red"), ("eth2", "blue"), ("eth3", None)])
    def test_an_interface_of_pcapng(self, vrf: str, interface: str, bound_to: str | None) -> None:
        capture = packets.write_pcapng(self.told(vrf).capture().records(), interface_name=interface)
        judged = judge(capture, self.key_file('interface = "eth1"', 'interface = "eth2"'))
        self.assert_bound(judged, vrf, bound_to)

    def test_interfaces_of_one_pcapng_are_told_apart_frame_by_frame(self) -> None:
        capture = packets.write_pcapng(self.told("red").capture().records(), interface_name="eth1")
        second = struct.pack("<HHI", packets.ETHERNET, 0, 0) + struct.pack("<HH4s", 2, 4, b"eth2") + bytes(4)
        header_end = 28 + int.from_bytes(capture[32:36], "little")
        both = capture[:header_end] + packets.pcapng_block("<", 1, second) + capture[header_end:]
        # The last packet block gets the other interface's number.
        last = both.rindex(struct.pack("<I", 6) + both[-4:], 0, len(both) - 12)
        both = both[: last + 8] + struct.pack("<I", 1) + both[last + 12 :]
        judged = judge(both, self.key_file('interface = "eth1"', 'interface = "eth2"'))
        assert judged.verdicts == ["verified"] * 4 + ["mismatch"]

    @pytest.mark.parametrize("vrf", ["red", "blue"])
    @pytest.mark.parametrize("number, bound_to", [(3, "red"), (4, "blue"), (5, None)])
    def test_a_number_of_a_cooked_capture(self, vrf: str, number: int, bound_to: str | None) -> None:
        capture = self.told(vrf).to_pcap(link_type=packets.LINUX_SLL2, encapsulate=packets.linux_cooked_on(number))
        self.assert_bound(judge(capture, self.key_file('interface = "3"', 'interface = "4"')), vrf, bound_to)

    def test_where_the_capture_names_no_interface_every_vrf_is_tried(self) -> None:
        judged = judge_told(self.told("blue"), self.key_file('interface = "eth1"', 'interface = "3"'))
        assert_all(judged, "verified", "blue")


class TestTcpMd5:
    """A TCP-MD5 key is a key with `algorithm = "tcp-md5"` and no ids."""

    KEY = Key("m", algorithm=TCP_MD5, secret=b"password")

    def test_verifies_in_both_directions(self) -> None:
        assert_all(judge_told(talk(self.KEY)), "verified", "m")

    def test_needs_no_handshake(self) -> None:
        conversation = Conversation([self.KEY]).established(client_octets=999).data("a", 10).data("b", 10)
        assert_all(judge_told(conversation), "verified", "m", 2)

    def test_as_many_keys_as_peers(self) -> None:
        conversations = [
            Conversation(
                [Key(f"m{number}", algorithm=TCP_MD5, secret=f"password {number}".encode())],
                client=f"10.0.1.{number}:40000",
                server="10.0.0.2:179",
            )
            .handshake()
            .data("a", 10)
            for number in range(1, 6)
        ]
        capture = merge(conversations)
        judged = judge_told(capture)
        assert judged.verdicts == ["verified"] * len(capture.segments)
        assert [line.mkt for line in judged.lines] == [segment.mkt for segment in capture.segments]

    def test_another_password_is_a_mismatch(self) -> None:
        judged = judge_told(talk(self.KEY).sign_with_wrong_secret())
        assert judged.verdicts == ["verified"] * 4 + ["mismatch"]

    def test_a_tcp_ao_key_is_none_for_it(self) -> None:
        peer = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n'
        assert_all(judge_told(talk(self.KEY), file_of(peer + RIGHT)), "no-key")

    def test_both_methods_side_by_side(self) -> None:
        peer = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n'
        md5 = '[[peer.key]]\nname = "m"\nalgorithm = "tcp-md5"\nsecret = "password"\n'
        for key, name in ((self.KEY, "m"), (Key("right"), "right")):
            assert_all(judge_told(talk(key), file_of(peer + RIGHT + md5)), "verified", name)

    def test_ends_that_disagree(self) -> None:
        client = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n[[peer.key]]\nalgorithm = "tcp-md5"\nsecret = "password"\n'
        server = 'local = "10.0.0.2"\nremote = "10.0.0.1"\n[[peer.key]]\nalgorithm = "tcp-md5"\nsecret = "other"\n'
        judged = judge_told(talk(self.KEY), file_of(client, server))
        assert judged.verdicts == ["verified"] * 5
        assert [line.is_refused for line in judged.lines] == [line.direction == "a>b" for line in judged.lines]


def test_equal_keys_of_several_entries_go_by_the_first_name() -> None:
    entries = [
        f'local = "{local}"\nremote = "10.0.0.2"\n' + key_text(name, 1, 101, "testvector")
        for local, name in (("10.0.0.1", "first"), ("10.0.0.0/24", "second"))
    ]
    judged = judge_told(talk(), file_of(*entries))
    assert_all(judged, "verified", "first")
    assert len(judged.analyzer.keyring.mkts) == 1


def test_thousands_of_peers_are_told_apart() -> None:
    peers = [
        f'local = "10.{number >> 8}.{number & 255}.1"\nremote = "10.{number >> 8}.{number & 255}.2"\n'
        + key_text(f"k{number}", 1, 101, f"secret {number}")
        for number in range(600)
    ]
    wanted = [0, 255, 256, 599]
    conversations = [
        Conversation(
            [Key(f"k{number}", secret=f"secret {number}".encode())],
            client=f"10.{number >> 8}.{number & 255}.1:40000",
            server=f"10.{number >> 8}.{number & 255}.2:179",
        ).handshake()
        for number in wanted
    ]
    capture = merge(conversations)
    judged = judge_told(capture, file_of(*peers))
    assert [line.mkt for line in judged.lines] == [segment.mkt for segment in capture.segments]
    assert judged.verdicts == ["verified"] * len(capture.segments)


def test_times_do_not_choose_keys() -> None:
    """The verdict does not depend on which key should have been used: that is a finding."""
    lifetime = "send-lifetime = { from = 2001-01-01T00:00:00Z, until = 2002-01-01T00:00:00Z }"
    peer = 'local = "10.0.0.1"\nremote = "10.0.0.2"\n'
    judged = judge_told(talk(), file_of(peer + key_text("right", 1, 101, "testvector", more=lifetime)))
    assert_all(judged, "verified", "right")


def test_interfaces_do_not_part_a_connection_without_bindings() -> None:
    conversation = talk()
    records = [
        Record(frame, len(frame), segment.time_ns)
        for number, segment in enumerate(conversation.segments)
        for frame in [packets.linux_cooked_on(number)(segment.packet)]
    ]
    judged = judge(write_pcap(records, link_type=packets.LINUX_SLL2), conversation.key_file())
    assert_all(judged, "verified", "right")
    assert len(judged.report.connections) == 1
