"""Junos: key chains, groups and neighbours, routing instances, LDP, TCP-MD5, in braces and as `set` lines."""

from __future__ import annotations

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import DAY, LONG_AGO, SECOND, error_of, lifetime, only_chain, only_key, read, warnings_of

CHAIN = """\
security {
    authentication-key-chains {
        key-chain EDGE {
            key 0 {
                secret "$9$.PT3REyv87CtMX-waJz36"; ## SECRET-DATA
                start-time "2021-1-1.05:30:00 +0530";
                algorithm ao;
                ao-attribute {
                    send-id 61;
                    recv-id 84;
                    tcp-ao-option enabled;
                    cryptographic-algorithm hmac-sha-1-96;
                }
            }
        }
    }
}
"""
BRACES = """\
## Last commit: 2026-11-23 10:00:00 UTC by ops
version 22.4R1.10;
system {
    host-name "edge { 1 }"; /* a brace that is text;
    and a comment of two lines } */
    login { user ops { authentication { encrypted-password "$6$x"; } } }
}
security {
    authentication-key-chains {
        key-chain EDGE {
            description "two keys";
            tolerance 60;
            key 0 {
                secret "$9$.PT3REyv87CtMX-waJz36"; ## SECRET-DATA
                start-time "2021-1-1.00:00:00 +0000";
                algorithm ao;
                ao-attribute { send-id 61; recv-id 84; }
            }
            key 1 {
                secret "$8$aes256-gcm$hmac-sha2-256$100$x";
                start-time "2021-1-3.00:00 +0000";
                algorithm ao;
                ao-attribute {
                    send-id 62; recv-id 85;
                    tcp-ao-option disabled;
                    cryptographic-algorithm aes-128-cmac-96;
                }
            }
        }
        inactive: key-chain GONE { key 0 { secret "gone"; ao-attribute { send-id 1; recv-id 1; } } }
        key-chain OLD {
            key 0 { secret "old"; start-time "2021-1-1.00:00:00 +0000"; algorithm hmac-sha-1; }
        }
    }
}
protocols {
    bgp {
        local-address 198.51.100.7;
        group EDGES {
            type external;
            authentication-algorithm ao;
            authentication-key-chain EDGE;
            import [ a b ];
            neighbor 192.0.2.1;
            neighbor 192.0.2.2 {
                description "key-chain of another";
                local-address 198.51.100.8;
            }
            neighbor 192.0.2.3 {
                authentication-key "$9$.PT3REyv87CtMX-waJz36"; ## SECRET-DATA
            }
            inactive: neighbor 192.0.2.4;
            neighbor 2001:db8::1 { local-address 2001:db8::7; }
        }
        group OPEN {
            authentication-key "plain text";
            allow [ 203.0.113.0/25 203.0.113.128/25 ];
        }
        group ENHANCED { authentication-algorithm hmac-sha-1-96; authentication-key-chain OLD; neighbor 192.0.2.5; }
        group UNSIGNED { neighbor 192.0.2.6; }
    }
    ldp {
        session 192.0.2.7 { authentication-algorithm ao; authentication-key-chain EDGE; }
        session-group 203.0.113.0/24 { authentication-key ldp; }
    }
    msdp { peer 192.0.2.8 { authentication-key msdp; } }
}
routing-instances {
    red {
        instance-type vrf;
        protocols { bgp { group CE { neighbor 192.0.2.1 { authentication-key red; } } } }
    }
}
routing-options {
    validation { group RPKI { session 192.0.2.9 { port 323; authentication-algorithm ao;
        authentication-key-chain EDGE; } } }
}
"""
SET = """\
set version 22.4R1.10
set security authentication-key-chains key-chain EDGE tolerance 60
set security authentication-key-chains key-chain EDGE key 0 secret "$9$.PT3REyv87CtMX-waJz36"
set security authentication-key-chains key-chain EDGE key 0 start-time "2021-1-1.00:00:00 +0000"
set security authentication-key-chains key-chain EDGE key 0 algorithm ao
set security authentication-key-chains key-chain EDGE key 0 ao-attribute send-id 61
set security authentication-key-chains key-chain EDGE key 0 ao-attribute recv-id 84
set security authentication-key-chains key-chain EDGE key 1 secret "$8$aes256-gcm$hmac-sha2-256$100$x"
set security authentication-key-chains key-chain EDGE key 1 start-time "2021-1-3.00:00 +0000" algorithm ao
set security authentication-key-chains key-chain EDGE key 1 ao-attribute send-id 62 recv-id 85 tcp-ao-option disabled
set security authentication-key-chains key-chain EDGE key 1 ao-attribute cryptographic-algorithm aes-128-cmac-96
set security authentication-key-chains key-chain GONE key 0 secret gone ao-attribute send-id 1 recv-id 1
deactivate security authentication-key-chains key-chain GONE
set security authentication-key-chains key-chain OLD key 0 secret old
set security authentication-key-chains key-chain OLD key 0 algorithm hmac-sha-1
set protocols bgp local-address 198.51.100.7
set protocols bgp group EDGES type external
set protocols bgp group EDGES authentication-algorithm ao
set protocols bgp group EDGES authentication-key-chain EDGE
set protocols bgp group EDGES neighbor 192.0.2.1
set protocols bgp group EDGES neighbor 192.0.2.2 description "key-chain of another"
set protocols bgp group EDGES neighbor 192.0.2.2 local-address 198.51.100.8
set protocols bgp group EDGES neighbor 192.0.2.3 authentication-key "$9$.PT3REyv87CtMX-waJz36"
set protocols bgp group EDGES neighbor 192.0.2.4
deactivate protocols bgp group EDGES neighbor 192.0.2.4
set protocols bgp group EDGES neighbor 2001:db8::1 local-address 2001:db8::7
set protocols bgp group OPEN authentication-key "plain text"
set protocols bgp group OPEN allow 203.0.113.0/25
set protocols bgp group OPEN allow 203.0.113.128/25
set protocols bgp group ENHANCED authentication-algorithm hmac-sha-1-96 authentication-key-chain OLD
set protocols bgp group ENHANCED neighbor 192.0.2.5
set protocols bgp group UNSIGNED neighbor 192.0.2.6
set protocols ldp session 192.0.2.7 authentication-algorithm ao
set protocols ldp session 192.0.2.7 authentication-key-chain EDGE
set protocols ldp session-group 203.0.113.0/24 authentication-key ldp
set protocols msdp peer 192.0.2.8 authentication-key msdp
set routing-instances red protocols bgp group CE neighbor 192.0.2.1 authentication-key red
set routing-options validation group RPKI session 192.0.2.9 port 323
set routing-options validation group RPKI session 192.0.2.9 authentication-algorithm ao
set routing-options validation group RPKI session 192.0.2.9 authentication-key-chain EDGE
"""


def test_ids_flag_and_algorithm_come_from_the_ao_attribute() -> None:
    mkt = only_key(read("junos", CHAIN))
    assert (mkt.send_id, mkt.recv_id, mkt.secret, mkt.algorithm.name) == (61, 84, b"interop", "hmac-sha-1-96")
    assert mkt.tcp_options is TcpOptions.INCLUDE
    assert mkt.send_lifetime == lifetime(LONG_AGO)
    assert (mkt.name, str(mkt.origin)) == ("EDGE 0", "edge.cfg:4")


@pytest.mark.parametrize(
    ("written", "flag"),
    [
        ("tcp-ao-option enabled;", TcpOptions.INCLUDE),
        ("tcp-ao-option disabled;", TcpOptions.EXCLUDE),
        ("", TcpOptions.AUTO),
    ],
)
def test_the_option_flag(written: str, flag: TcpOptions) -> None:
    assert only_key(read("junos", CHAIN.replace("tcp-ao-option enabled;", written))).tcp_options is flag


@pytest.mark.parametrize("text", [BRACES, SET, BRACES.replace("\n", "\r\n"), SET.replace("\n", "\r\n")])
class TestEitherForm:
    def test_a_key_lasts_until_the_next_one_and_tolerance_widens_what_is_accepted(self, text: str) -> None:
        first, second = only_chain(read("junos", text)).mkts
        assert first.send_lifetime == lifetime(LONG_AGO, LONG_AGO + 2 * DAY)
        assert second.send_lifetime == lifetime(LONG_AGO + 2 * DAY)
        assert second.accept_lifetime == lifetime(LONG_AGO + 2 * DAY - 60 * SECOND)

    def test_what_is_not_said_has_the_defaults_and_dollar_8_is_a_gap(self, text: str) -> None:
        first, second = only_chain(read("junos", text)).mkts
        assert (first.algorithm.name, first.tcp_options) == ("hmac-sha-1-96", TcpOptions.AUTO)
        assert (second.algorithm.name, second.tcp_options) == ("aes-128-cmac-96", TcpOptions.EXCLUDE)
        assert second.secret is None
        assert (second.gap or "").startswith("Junos $8$ cannot be read: fill in the secret (line ")

    def test_the_nearest_of_neighbour_group_and_protocol_wins(self, text: str) -> None:
        told = [
            (peer.vrf, str(peer.remote), str(peer.local), peer.port, peer.keychain or peer.mkts[0].secret)
            for peer in read("junos", text).peers
        ]
        assert sorted(told, key=str) == sorted(
            [
                (None, "192.0.2.1/32", "198.51.100.7/32", 179, "EDGE"),
                (None, "192.0.2.2/32", "198.51.100.8/32", 179, "EDGE"),
                (None, "192.0.2.3/32", "198.51.100.7/32", 179, b"interop"),
                (None, "2001:db8::1/128", "2001:db8::7/128", 179, "EDGE"),
                (None, "203.0.113.0/25", "198.51.100.7/32", 179, b"plain text"),
                (None, "203.0.113.128/25", "198.51.100.7/32", 179, b"plain text"),
                (None, "192.0.2.7/32", "None", 646, "EDGE"),
                (None, "203.0.113.0/24", "None", 646, b"ldp"),
                (None, "192.0.2.8/32", "None", 639, b"msdp"),
                ("red", "192.0.2.1/32", "None", 179, b"red"),
                (None, "192.0.2.9/32", "None", 323, "EDGE"),
            ],
            key=str,
        )

    def test_the_older_enhanced_authentication_is_told(self, text: str) -> None:
        (told,) = warnings_of(read("junos", text))
        assert "draft-bonica-tcp-auth" in told


@pytest.mark.parametrize(
    "fragment",
    [
        "key-chain K { key 0 { secret x; ao-attribute { send-id 1; recv-id 2; } } }",
        "authentication-key-chains { key-chain K { key 0 { secret x; ao-attribute { send-id 1; recv-id 2; } } } }",
    ],
)
def test_a_fragment_may_begin_anywhere(fragment: str) -> None:
    assert only_key(read("junos", fragment)).recv_id == 2
    group = "group g { authentication-algorithm ao; authentication-key-chain K; neighbor 192.0.2.1; }"
    for session in (group, f"bgp {{ {group} }}", f"protocols {{ bgp {{ {group} }} }}"):
        assert [str(peer.remote) for peer in read("junos", fragment + session).peers] == ["192.0.2.1/32"]


@pytest.mark.parametrize(
    "word", ["apply-groups", '"apply-groups"', "groups", "key-chain", "send-id", "inactive", "set"]
)
@pytest.mark.parametrize("is_braced", [True, False])
def test_no_secret_and_no_name_is_taken_for_a_keyword(word: str, is_braced: bool) -> None:
    braces = (
        "security { authentication-key-chains { key-chain WORD { key 0 { secret WORD; algorithm ao;\n"
        "ao-attribute { send-id 1; recv-id 2; tcp-ao-option enabled; } } } } }\n"
        "protocols { bgp { group WORD { authentication-key WORD; neighbor 192.0.2.1; neighbor 192.0.2.2 {\n"
        "authentication-algorithm ao; authentication-key-chain WORD; } } } }\n"
    )
    chain = "set security authentication-key-chains key-chain WORD key 0"
    group = "set protocols bgp group WORD"
    lines = (
        f"{chain} secret WORD\n{chain} algorithm ao\n{chain} ao-attribute send-id 1\n{chain} ao-attribute recv-id 2\n"
        f"{chain} ao-attribute tcp-ao-option enabled\n{group} authentication-key WORD\n{group} neighbor 192.0.2.1\n"
        f"{group} neighbor 192.0.2.2 authentication-algorithm ao\n"
        f"{group} neighbor 192.0.2.2 authentication-key-chain WORD\n"
    )
    store = read("junos", (braces if is_braced else lines).replace("WORD", word))
    secret = word.strip('"').encode()
    assert {str(peer.remote): [mkt.secret for mkt in peer.mkts] for peer in store.peers} == {
        "192.0.2.1/32": [secret],
        "192.0.2.2/32": [secret],
    }
    assert warnings_of(store) == []


def test_a_cut_file_gives_its_whole_keys_and_tells_what_is_open() -> None:
    whole = CHAIN.splitlines()
    store = read("junos", "\n".join(whole[:13]))
    assert only_key(store).send_id == 61
    assert warnings_of(store)[0] == "1: the block that opens here is not closed: the file may be cut"
    without_head = "\n".join(["}", *whole])
    assert warnings_of(read("junos", without_head))[0].startswith("1: this brace closes nothing")


def test_a_key_without_ids_and_a_bad_time_are_told() -> None:
    assert "this key has no send-id" in error_of("junos", CHAIN.replace("send-id 61;", ""))
    store = read("junos", CHAIN.replace("2021-1-1.05:30:00 +0530", "yesterday"))
    assert only_key(store).send_lifetime is None
    (warning,) = store.warnings
    assert warning.message.splitlines()[1:] == ["    start-time ***;", "               ^^^"]
    assert "local to the router" in warnings_of(read("junos", CHAIN.replace(" +0530", "")))[0]


def test_a_damaged_dollar_9_is_a_gap_and_not_shown() -> None:
    store = read("junos", CHAIN.replace("$9$.PT3REyv87CtMX-waJz36", "$9$.PT3REyv87CtMX-waJz3"))
    assert only_key(store).secret is None
    (warning,) = store.warnings
    assert warning.message.splitlines()[1:] == ["    secret ***", "           ^^^"]
