"""BIRD: keys and passwords of BGP and RPKI, templates, defines, octets, and fragments."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import error_of, only_chain, only_key, only_peer, peers_by_remote, read, warnings_of

# The sample of the documentation, with its own way of breaking lines.
SAMPLE = """\
# BIRD
protocol bgp p1 {
  local 198.51.100.14 as 65000;  neighbor 198.51.100.130 as 64496;
  authentication ao;
  keys {
    key { id 0; secret "hello321"; algorithm hmac sha256; preferred; };
    key { send id 2; recv id 1; secret hex:deadbeef; algorithm cmac aes128; deprecated; };
  };
}
"""
WHOLE = """\
log stderr all;
router id 10.255.0.1;
define OWN = 192.0.2.1;
define PASS="from a define";
/* protocol bgp gone { neighbor 192.0.2.99 as 1; password "gone"; } */
include "other.conf";

function is_ours(prefix p) { return p ~ [ 100.64.0.0/10{10,24} ]; }
filter export_ours { if is_ours(net) then accept; reject "no { brace"; }

protocol device { }
protocol static { ipv4; route 100.64.0.0/32 blackhole; }

template bgp edges {
  local OWN as 65001;
  authentication ao;
  keys { key { id 7; secret "template secret"; }; };
  ipv4 { import all; export filter export_ours; };
}
template bgp red_edges from edges { vrf "red"; }

protocol bgp one from edges { neighbor 192.0.2.10 as 65010; }
protocol bgp two from red_edges {
  neighbor 192.0.2.11 port 1790 as 65011;
  keys {
    key { send id 1; recv id 2; secret "with \\ in it"; algorithm hmac sha512; };
    key { send id 3; recv id 4;
      secret 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff; algorithm hmac md5; };
  };
}
protocol bgp three from edges { neighbor range 2001:db8:1::/48 as 65012; local 2001:db8::1 as 65001; }
protocol bgp {
  local 192.0.2.1 port 1179 as 65001; neighbor 192.0.2.13 as 65013;
  authentication md5; password PASS;
}
protocol bgp five { local as 65001; neighbor fe80::5%eth0 as 65014; password "old way"; }
protocol bgp six from edges { neighbor 192.0.2.16 as 65016; authentication none; }
protocol bgp seven { neighbor 192.0.2.17 as 65017; }
protocol rpki cache {
  roa4 { table r4; }; remote 192.0.2.20 port 8282; transport tcp { authentication md5; password "rpki"; };
}
"""


def test_the_documented_sample() -> None:
    peer = only_peer(read("bird", SAMPLE))
    assert (str(peer.local), str(peer.remote), peer.port, peer.keychain) == (
        "198.51.100.14/32",
        "198.51.100.130/32",
        179,
        "p1",
    )
    first, second = peer.mkts
    assert (first.send_id, first.recv_id, first.secret, first.algorithm.name) == (0, 0, b"hello321", "hmac-sha-256-96")
    assert (second.send_id, second.recv_id, second.secret) == (2, 1, bytes.fromhex("deadbeef"))
    assert second.algorithm.name == "aes-128-cmac-96"
    assert {mkt.mac_length for mkt in peer.mkts} == {12}
    assert {mkt.tcp_options for mkt in peer.mkts} == {TcpOptions.INCLUDE}
    assert (str(first.origin), str(second.origin)) == ("edge.cfg:6", "edge.cfg:7")


def test_templates_give_what_a_protocol_does_not_say() -> None:
    peers = peers_by_remote(read("bird", WHOLE))
    one = peers["192.0.2.10/32"]
    assert (str(one.local), [mkt.secret for mkt in one.mkts], one.vrf) == ("192.0.2.1/32", [b"template secret"], None)
    assert one.mkts[0].algorithm.name == "hmac-sha-1-96"
    two = peers["192.0.2.11/32"]
    assert (str(two.local), two.vrf, [mkt.algorithm.name for mkt in two.mkts]) == (
        "192.0.2.1/32",
        "red",
        ["hmac(sha512)", "hmac(md5)"],
    )
    assert str(peers["2001:db8:1::/48"].local) == "2001:db8::1/128"


def test_text_has_no_escapes_and_octets_stand_without_quotes() -> None:
    two = peers_by_remote(read("bird", WHOLE))["192.0.2.11/32"]
    assert [mkt.secret for mkt in two.mkts] == [b"with \\ in it", bytes(range(0, 256, 17))]


def test_passwords_are_tcp_md5_with_or_without_saying_so() -> None:
    peers = peers_by_remote(read("bird", WHOLE))
    for remote, secret in (("192.0.2.13/32", b"from a define"), ("fe80::5/128", b"old way")):
        (mkt,) = peers[remote].mkts
        assert (mkt.algorithm.name, mkt.secret, mkt.send_id) == ("tcp-md5", secret, None)
    assert (peers["192.0.2.20/32"].port, peers["192.0.2.20/32"].mkts[0].secret) == (8282, b"rpki")


def test_a_session_without_keys_is_no_peer() -> None:
    assert {"192.0.2.16/32", "192.0.2.17/32", "192.0.2.99/32"}.isdisjoint(peers_by_remote(read("bird", WHOLE)))


def test_two_ports_are_two_ways_of_opening_a_session() -> None:
    ways = [
        (peer.port, peer.local_port, peer.remote_port)
        for peer in read("bird", WHOLE).peers
        if str(peer.remote) in ("192.0.2.11/32", "192.0.2.13/32")
    ]
    assert sorted(ways, key=str) == sorted(
        [(None, None, 1790), (None, 179, None), (None, None, 179), (None, 1179, None)], key=str
    )


def test_an_include_that_is_not_there_is_told() -> None:
    assert warnings_of(read("bird", WHOLE)) == ["6: what is included here is not read: no such file"]


@pytest.mark.parametrize(
    "fragment",
    ['key { send id 1; recv id 2; secret "x"; }', 'keys { key { send id 1; recv id 2; secret "x"; }; };'],
)
def test_keys_alone_are_those_of_the_device_that_the_caller_names(fragment: str) -> None:
    assert only_chain(read("bird", fragment)).mkts[0].recv_id == 2
    peer = only_peer(read("bird", fragment, local="192.0.2.1"))
    assert (str(peer.local), peer.remote) == ("192.0.2.1/32", None)


def test_mistakes_are_told_with_a_caret_and_without_the_secret() -> None:
    text = SAMPLE.replace("id 0", "id 300")
    assert only_key(read("bird", text)).send_id == 2
    told = [warning.message for warning in read("bird", text).warnings]
    assert told[0].splitlines() == [
        "id must be a number from 0 to 255",
        "    key { ***",
        "          ^^^",
    ]
    assert "hello321" not in "\n".join(told)
    assert error_of("bird", SAMPLE.replace("recv id 1", "").replace("id 0;", "")).startswith(
        "edge.cfg:6:5: this key has no send id"
    )


def test_a_secret_that_is_no_text_and_no_octets_is_a_gap() -> None:
    mkt = only_key(
        read("bird", "protocol bgp { neighbor 192.0.2.1; authentication ao; keys { key { id 1; secret X; }; }; }")
    )
    assert (mkt.secret, mkt.gap) == (None, "what stands here cannot be read: fill in the secret (line 1)")


def test_windows_line_ends_change_nothing() -> None:
    assert peers_by_remote(read("bird", WHOLE.replace("\n", "\r\n"))) == peers_by_remote(read("bird", WHOLE))


def test_a_cut_file_gives_what_is_whole_and_tells_it() -> None:
    cut = SAMPLE[: SAMPLE.index("key { send")]
    assert [mkt.send_id for mkt in only_peer(read("bird", cut)).mkts] == [0]
    assert any("may be cut" in warning for warning in warnings_of(read("bird", cut)))


def test_templates_that_take_from_each_other_end() -> None:
    templates = 'template bgp a from b { password "x"; } template bgp b from a { }'
    text = templates + "protocol bgp c from a { neighbor 192.0.2.1; }"
    assert only_key(read("bird", text)).secret == b"x"


def test_ids_may_be_hexadecimal() -> None:
    text = "define ID = 0xff; protocol bgp { neighbor 192.0.2.1; authentication ao; keys { key { send id 0x3d; "
    mkt = only_key(read("bird", text + 'recv id ID; secret "x"; }; }; }'))
    assert (mkt.send_id, mkt.recv_id) == (61, 255)
