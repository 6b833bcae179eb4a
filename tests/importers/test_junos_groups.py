"""Junos configuration groups: what is read is what `display inheritance` would show."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from aoinspect.keys.importers import junos_groups
from aoinspect.keys.model import KeyStore
from tests.importers.reading import only_chain, read, warnings_of

BRACES = """\
groups {
    KEYS {
        security {
            authentication-key-chains {
                key-chain EDGE {
                    key 0 {
                        secret "$9$.PT3REyv87CtMX-waJz36"; ## SECRET-DATA
                        start-time "2021-1-1.00:00:00 +0000";
                        algorithm ao;
                        ao-attribute { send-id 61; recv-id 84; }
                    }
                    key <*> { ao-attribute { tcp-ao-option enabled; cryptographic-algorithm aes-128-cmac-96; } }
                }
            }
        }
    }
    AUTH {
        protocols {
            bgp {
                group <*> {
                    local-address 198.51.100.7;
                    authentication-algorithm ao;
                    authentication-key-chain EDGE;
                }
            }
        }
        routing-instances {
            <*> { protocols { bgp { group <C*> { neighbor <192.*> { authentication-key red; } } } } }
        }
    }
    LATE { protocols { bgp { group <*> { local-address 198.51.100.9; } } } }
    INNER { protocols { bgp { group CLOSE { local-address 198.51.100.10; } } } }
    UNUSED { protocols { bgp { group <*> { local-address 198.51.100.11; } } } }
    re0 { system { host-name a; } }
}
apply-groups [ re0 KEYS AUTH ];
apply-groups LATE;
protocols {
    bgp {
        apply-groups INNER;
        group EDGES {
            neighbor 192.0.2.1;
            neighbor 192.0.2.2 { local-address 198.51.100.8; }
        }
        group CLOSE { neighbor 192.0.2.5; }
        group PLAIN {
            apply-groups-except AUTH;
            neighbor 192.0.2.3;
        }
        group OWN {
            apply-groups-except [ AUTH LATE ];
            authentication-key own;
            neighbor 192.0.2.4;
        }
    }
}
routing-instances {
    red {
        protocols { bgp { group CE { neighbor 192.0.2.1; neighbor 203.0.113.1; } group PE { neighbor 192.0.2.2; } } }
    }
}
"""
KEY = "groups KEYS security authentication-key-chains key-chain EDGE key"
GROUP = "protocols bgp group"
SET = f"""\
set {KEY} 0 secret "$9$.PT3REyv87CtMX-waJz36"
set {KEY} 0 start-time "2021-1-1.00:00:00 +0000"
set {KEY} 0 algorithm ao
set {KEY} 0 ao-attribute send-id 61
set {KEY} 0 ao-attribute recv-id 84
set {KEY} <*> ao-attribute tcp-ao-option enabled cryptographic-algorithm aes-128-cmac-96
set groups AUTH {GROUP} <*> local-address 198.51.100.7
set groups AUTH {GROUP} <*> authentication-algorithm ao
set groups AUTH {GROUP} <*> authentication-key-chain EDGE
set groups AUTH routing-instances <*> {GROUP} <C*> neighbor "<192.*>" authentication-key red
set groups LATE {GROUP} <*> local-address 198.51.100.9
set groups INNER {GROUP} CLOSE local-address 198.51.100.10
set groups UNUSED {GROUP} <*> local-address 198.51.100.11
set groups re0 system host-name a
set apply-groups re0
set apply-groups KEYS
set apply-groups AUTH
set apply-groups LATE
set protocols bgp apply-groups INNER
set {GROUP} EDGES neighbor 192.0.2.1
set {GROUP} EDGES neighbor 192.0.2.2 local-address 198.51.100.8
set {GROUP} CLOSE neighbor 192.0.2.5
set {GROUP} PLAIN apply-groups-except AUTH
set {GROUP} PLAIN neighbor 192.0.2.3
set {GROUP} OWN apply-groups-except AUTH
set {GROUP} OWN apply-groups-except LATE
set {GROUP} OWN authentication-key own
set {GROUP} OWN neighbor 192.0.2.4
set routing-instances red {GROUP} CE neighbor 192.0.2.1
set routing-instances red {GROUP} CE neighbor 203.0.113.1
set routing-instances red {GROUP} PE neighbor 192.0.2.2
"""
FORMS = pytest.mark.parametrize("text", [BRACES, SET])
SMALL = "protocols { bgp { group g { authentication-key own; neighbor 192.0.2.1; } } }\n"


def sessions(store: KeyStore) -> dict[tuple[str | None, str], tuple[str, str | bytes | None]]:
    return {
        (peer.vrf, str(peer.remote)): (str(peer.local), peer.keychain or peer.mkts[0].secret) for peer in store.peers
    }


@FORMS
def test_key_chains_and_what_patterns_add_to_their_keys_are_inherited(text: str) -> None:
    (mkt,) = only_chain(read("junos", text)).mkts
    assert (mkt.send_id, mkt.recv_id, mkt.secret, mkt.tcp_options) == (61, 84, b"interop", TcpOptions.INCLUDE)
    assert mkt.algorithm.name == "aes-128-cmac-96"


@FORMS
def test_what_is_written_wins_then_the_inner_group_then_the_one_named_first(text: str) -> None:
    assert sessions(read("junos", text)) == {
        (None, "192.0.2.1/32"): ("198.51.100.7/32", "EDGE"),
        (None, "192.0.2.2/32"): ("198.51.100.8/32", "EDGE"),
        (None, "192.0.2.5/32"): ("198.51.100.10/32", "EDGE"),
        (None, "192.0.2.4/32"): ("None", b"own"),
        ("red", "192.0.2.1/32"): ("None", b"red"),
    }


@FORMS
def test_a_place_is_where_the_statement_stands(text: str) -> None:
    (chain,) = read("junos", text).keychains
    assert "EDGE" in text.splitlines()[chain.origin.line - 1]
    for peer in read("junos", text).peers:
        assert any(word in text.splitlines()[peer.origin.line - 1] for word in ("neighbor", "apply-groups"))


def test_a_group_that_nothing_applies_adds_nothing() -> None:
    text = SMALL + "groups { G { protocols { bgp { group g { neighbor 192.0.2.9; } } } } }\n"
    assert list(sessions(read("junos", text))) == [(None, "192.0.2.1/32")]
    assert set(sessions(read("junos", text + "apply-groups G;\n"))) == {(None, "192.0.2.1/32"), (None, "192.0.2.9/32")}
    assert list(sessions(read("junos", text + "inactive: apply-groups G;\n"))) == [(None, "192.0.2.1/32")]


def test_a_pattern_makes_no_names() -> None:
    text = SMALL + "groups { G { protocols { bgp { group g { neighbor <*> { local-address 198.51.100.7; } } } } } }\n"
    assert sessions(read("junos", text + "apply-groups G;\n")) == {(None, "192.0.2.1/32"): ("198.51.100.7/32", b"own")}


def test_what_cannot_be_followed_is_told() -> None:
    text = SMALL + "groups { G { apply-groups H; } H { system { host-name x; } } }\napply-groups [ G GONE ];\n"
    assert [told.partition(",")[0] for told in warnings_of(read("junos", text))] == [
        "2: this group applies another one",
        "3: the group that is applied here is not in this file",
    ]
    assert warnings_of(read("junos", SMALL + "groups { G { system { x; } } }\napply-groups G;\n")) == []


def test_no_configuration_grows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junos_groups, "MOST_INHERITED", 10)
    neighbours = " ".join(f"neighbor 192.0.2.{number};" for number in range(20))
    pattern = "neighbor <*> { local-address 198.51.100.7; }"
    text = (
        f"groups {{ G {{ protocols {{ bgp {{ group g {{ {pattern} }} }} }} }} }} apply-groups G;\n"
        f"protocols {{ bgp {{ group g {{ authentication-key own; {neighbours} }} }} }}\n"
    )
    store = read("junos", text)
    assert len(store.peers) == 20
    assert sum(peer.local is not None for peer in store.peers) == 10
    assert "groups add more" in warnings_of(store)[0]


def test_a_group_that_is_named_twice_has_the_first_place() -> None:
    groups = "".join(
        f"{name} {{ protocols {{ bgp {{ group <*> {{ local-address {address}; }} }} }} }}\n"
        for name, address in (("A", "198.51.100.1"), ("B", "198.51.100.2"))
    )
    text = SMALL + f"groups {{ {groups} }} apply-groups [ A B A ];\n"
    assert sessions(read("junos", text)) == {(None, "192.0.2.1/32"): ("198.51.100.1/32", b"own")}
