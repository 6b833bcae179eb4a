"""rustbgpd: keys of neighbours and ranges, passwords of groups."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import error_of, only_key, peers_by_remote, read, warnings_of

WHOLE = """\
[global]
asn = 65000
router_id = "10.0.0.1"
listen_port = 179

[global.telemetry]
log_format = "json"

[peer_groups.md5-group]
md5_password = "group password"

[peer_groups.dynamic]
hold_time = 90

[[dynamic_neighbors]]
prefix = "192.0.2.0/24"
peer_group = "dynamic"
tcp_ao = { key = "dynamic secret", send_id = 3, recv_id = 4, algorithm = "hmac(sha256)" }

[[neighbors]]
address = "10.0.0.2"
remote_asn = 65002
md5_password = "neighbour password"

[[neighbors]]
address = "10.0.0.3"
remote_asn = 65003
local_address = "10.0.0.1"

[neighbors.tcp_ao]
key = "tcp-ao secret" # a comment
send_id = 1
recv_id = 2
algorithm = "cmac(aes128)"

[[neighbors]]
address = "10.0.0.4"
remote_asn = 65001
peer_group = "md5-group"

[[neighbors]]
address = "10.0.0.5"
remote_asn = 65001
remote_port = 1790
tcp_ao = [
  { key = "first", send_id = 1, recv_id = 1, algorithm = "hmac(sha1)" },
  { key = "second", send_id = 2, recv_id = 2, algorithm = "hmac(sha1)" },
]

[[neighbors]]
address = "10.0.0.6"
remote_asn = 65001
"""


def test_every_neighbour_has_its_own_keys_or_its_groups() -> None:
    peers = peers_by_remote(read("rustbgpd", WHOLE))
    secrets = {remote: [mkt.secret for mkt in peer.mkts] for remote, peer in peers.items()}
    assert secrets == {
        "192.0.2.0/24": [b"dynamic secret"],
        "10.0.0.2/32": [b"neighbour password"],
        "10.0.0.3/32": [b"tcp-ao secret"],
        "10.0.0.4/32": [b"group password"],
        "10.0.0.5/32": [b"first", b"second"],
    }
    assert str(peers["10.0.0.3/32"].local) == "10.0.0.1/32"


def test_ids_algorithm_flag_and_place_of_a_key() -> None:
    (mkt,) = peers_by_remote(read("rustbgpd", WHOLE))["10.0.0.3/32"].mkts
    assert (mkt.send_id, mkt.recv_id, mkt.algorithm.name) == (1, 2, "aes-128-cmac-96")
    assert (mkt.tcp_options, str(mkt.origin)) == (TcpOptions.AUTO, "edge.cfg:30")


def test_another_port_of_the_neighbour_is_another_way() -> None:
    ways = [
        (peer.local_port, peer.remote_port)
        for peer in read("rustbgpd", WHOLE).peers
        if str(peer.remote) == "10.0.0.5/32"
    ]
    assert ways == [(None, 1790), (179, None)]


@pytest.mark.parametrize("missing", ["send_id", "recv_id", "algorithm"])
def test_a_key_that_lacks_something_is_told(missing: str) -> None:
    text = "[[neighbors]]\naddress = '10.0.0.2'\n[neighbors.tcp_ao]\nkey = 'canary'\n" + "\n".join(
        line for line in ("send_id = 1", "recv_id = 2", 'algorithm = "hmac(sha1)"') if missing not in line
    )
    told = error_of("rustbgpd", text)
    assert told.startswith(f"edge.cfg:3:1: this key has no {missing}")
    assert "canary" not in told


def test_an_algorithm_that_is_not_known_is_told_and_not_repeated() -> None:
    store = read("rustbgpd", WHOLE.replace("cmac(aes128)", "canary"))
    assert warnings_of(store)[0] == "34: no algorithm of TCP-AO that is known here"
    assert "canary" not in store.warnings[0].message


def test_a_key_without_its_text_is_a_gap() -> None:
    text = '[[neighbors]]\naddress = "10.0.0.2"\ntcp_ao = { send_id = 1, recv_id = 2, algorithm = "hmac(sha1)" }\n'
    assert only_key(read("rustbgpd", text)).gap == "there is no secret: fill it in (line 3)"
