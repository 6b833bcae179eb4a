"""ExaBGP: `tcp-ao` blocks, passwords in base64, groups and templates, and lines without semicolons."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import error_of, only_key, only_peer, peers_by_remote, read, warnings_of

WHOLE = """\
process announce {
    run /etc/exabgp/run.py --secret "{ not a block }";
    encoder json;
}

template {
    neighbor controller {
        local-address 192.0.2.1;
        tcp-ao { keyid 9; algorithm hmac-sha-256; password "from a template"; }
    }
}

neighbor 192.0.2.10 {
    router-id 192.0.2.1;
    local-address 192.0.2.1;
    local-as 65001;
    peer-as 65010;
    tcp-ao {
        keyid 5;
        algorithm aes-128-cmac-96;
        password c2VjcmV0;
        base64 true;
    }
    family { ipv4 unicast; }
    static { route 100.64.0.0/24 next-hop self; }
}

neighbor 192.0.2.11 { inherit controller; peer-as 65011; connect 1790; }
neighbor 192.0.2.12 { inherit [ controller ]; md5-password "its own"; }
neighbor 192.0.2.13 { local-address auto; md5-password c2VjcmV0; md5-base64 true; }
neighbor 192.0.2.14 { tcp-ao { } }

group edges {
    local-address 192.0.2.2;
    md5-password "of the group";
    neighbor 192.0.2.20 { peer-as 65020; }
    neighbor 192.0.2.0/25 { peer-as 65021; }
}
"""


def test_one_number_is_both_ids_and_base64_is_read_where_it_is_said() -> None:
    peer = peers_by_remote(read("exabgp", WHOLE))["192.0.2.10/32"]
    (mkt,) = peer.mkts
    assert (mkt.send_id, mkt.recv_id, mkt.algorithm.name, mkt.secret) == (5, 5, "aes-128-cmac-96", b"secret")
    assert (mkt.tcp_options, str(mkt.origin), str(peer.local)) == (TcpOptions.AUTO, "edge.cfg:18", "192.0.2.1/32")


def test_templates_and_groups_give_what_a_neighbour_does_not_say() -> None:
    peers = peers_by_remote(read("exabgp", WHOLE))
    secrets = {remote: [mkt.secret for mkt in peer.mkts] for remote, peer in peers.items()}
    assert secrets == {
        "192.0.2.10/32": [b"secret"],
        "192.0.2.11/32": [b"from a template"],
        "192.0.2.12/32": [b"its own"],
        "192.0.2.13/32": [b"secret"],
        "192.0.2.20/32": [b"of the group"],
        "192.0.2.0/25": [b"of the group"],
    }
    assert str(peers["192.0.2.20/32"].local) == "192.0.2.2/32"
    assert peers["192.0.2.13/32"].local is None


def test_a_password_of_the_neighbour_hides_the_keys_of_its_template() -> None:
    (mkt,) = peers_by_remote(read("exabgp", WHOLE))["192.0.2.12/32"].mkts
    assert mkt.algorithm.is_md5


def test_the_end_of_a_line_ends_a_statement() -> None:
    text = "neighbor 192.0.2.10 {\n  md5-password secret\n  local-address 192.0.2.1\n}\n"
    peer = only_peer(read("exabgp", text))
    assert (peer.mkts[0].secret, str(peer.local)) == (b"secret", "192.0.2.1/32")


def test_base64_without_a_value_says_it_too() -> None:
    text = "neighbor 192.0.2.1 { tcp-ao { keyid 1; algorithm hmac-sha-256; password c2VjcmV0; base64; } }"
    assert only_key(read("exabgp", text)).secret == b"secret"


@pytest.mark.parametrize("missing", ["keyid 1;", "algorithm hmac-sha-256;"])
def test_a_key_that_lacks_something_is_told_without_its_password(missing: str) -> None:
    text = "neighbor 192.0.2.1 {\n tcp-ao {\n keyid 1; algorithm hmac-sha-256; password canary; } }"
    told = error_of("exabgp", text.replace(missing, ""))
    assert told.startswith(f"edge.cfg:2:2: this key has no {missing.split()[0]}")
    assert "canary" not in told


def test_what_is_no_base64_is_a_gap() -> None:
    store = read("exabgp", WHOLE.replace("password c2VjcmV0;", "password ***canary;"))
    (mkt,) = peers_by_remote(store)["192.0.2.10/32"].mkts
    assert mkt.secret is None
    assert "canary" not in store.warnings[0].message
    assert warnings_of(store)[0].startswith("21: is not base64")


def test_windows_line_ends_change_nothing() -> None:
    assert peers_by_remote(read("exabgp", WHOLE.replace("\n", "\r\n"))) == peers_by_remote(read("exabgp", WHOLE))


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("'in apostrophes; { }'", b"in apostrophes; { }"),
        ('"it\'s"', b"it's"),
        ("'say \"x\"'", b'say "x"'),
        (r'"tab\tquote\"slash\\end"', b'tab\tquote"slash\\end'),
        (r"plain\u0041", b"plainA"),
        (r'"\u00e9"', "\u00e9".encode()),
        (r'"\ud800"', rb"\ud800"),
    ],
)
def test_text_stands_in_either_quotes_and_a_backslash_has_json_s_meaning(written: str, secret: bytes) -> None:
    text = f"neighbor 192.0.2.1 {{ md5-password {written}; }}"
    assert only_key(read("exabgp", text)).secret == secret
