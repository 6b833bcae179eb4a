"""Nokia SR OS: entries become MKTs, the option number tells TCP-AO from what was before it, sessions and groups."""

from __future__ import annotations

import pytest

from tests.importers.reading import (
    DAY,
    LONG_AGO,
    SECOND,
    error_of,
    lifetime,
    line_of,
    only_chain,
    only_key,
    read,
    warnings_of,
)

CONFIGURATION = """\
# TiMOS-B-23.10.R1 both/x86_64 Nokia 7750 SR Copyright (c) 2000-2023 Nokia.
configure {
    card 1 {
        card-type iom-1
        mda 1 { }
    }
    policy-options {
        policy-statement "keychain" {
            entry 10 {
                from { protocol { name [bgp] } }
            }
        }
    }
    router "Base" {
        interface "system" {
            ipv4 { primary { address 198.51.100.7 prefix-length 32 } }
        }
        bgp {
            local-address 198.51.100.7
            group "EDGES" {
                authentication-keychain "EDGE"
            }
            neighbor "192.0.2.1" {
                group "EDGES"
                peer-as 64502
            }
            neighbor "192.0.2.2" {
                group "EDGES"
                authentication-key "md5 key"
                local-address 198.51.100.8
            }
            neighbor "2001:db8::1" {
                authentication-keychain "BOTH"
                local-address 2001:db8::7
            }
            neighbor "192.0.2.3" {
                peer-as 64504
            }
        }
        ldp {
            tcp-session-parameters {
                peer-transport 192.0.2.4 {
                    authentication-keychain "BOTH"
                }
            }
        }
    }
    service {
        vprn "red" {
            bgp {
                neighbor "192.0.2.1" {
                    authentication-key "x7gYp4mCqzE" hash2
                }
            }
        }
    }
    system {
        name "edge { 1 }"
        security {
            keychains {
                keychain "EDGE" {
                    description "send 61, receive 84"
                    tcp-option-number {
                        receive tcp-ao
                        send tcp-ao
                    }
                    receive {
                        entry 84 {
                            authentication-key "interop"
                            algorithm hmac-sha-1-96
                            begin-time 2021-01-01T00:00:00.0Z
                            end-time 2021-01-03T00:00:00.0Z
                            tolerance 60
                        }
                        entry 85 {
                            authentication-key "second"
                            algorithm aes-128-cmac-96
                            begin-time 2021-01-03T00:00:00.0Z
                        }
                    }
                    send {
                        entry 62 {
                            authentication-key "second"
                            algorithm aes-128-cmac-96
                            begin-time 2021-01-03T00:00:00.0Z
                        }
                        entry 61 {
                            authentication-key "interop"
                            algorithm hmac-sha-1-96
                            begin-time 2021-01-01T00:00:00.0Z
                        }
                    }
                }
                keychain "BOTH" {
                    tcp-option-number {
                        receive tcp-ao
                        send tcp-ao
                    }
                    bidirectional {
                        entry 5 {
                            authentication-key "w7gYp4mCqzE" hash2
                            algorithm aes-128-cmac-96
                            begin-time 2021-01-01T01:00:00+01:00
                        }
                    }
                }
                keychain "OLD" {
                    bidirectional {
                        entry 0 {
                            authentication-key "old"
                            algorithm hmac-md5
                        }
                    }
                }
            }
        }
    }
}
"""
FRAGMENT = """\
configure system security keychains keychain "EDGE"
   tcp-option-number { receive tcp-ao  send tcp-ao }
   receive { entry 84 { authentication-key "interop"  algorithm hmac-sha-1-96  begin-time 2021-01-01T00:00:00.0Z } }
   send    { entry 61 { authentication-key "interop"  algorithm hmac-sha-1-96  begin-time 2021-01-01T00:00:00.0Z } }
"""
LINES = """\
/configure system security keychains keychain "EDGE" tcp-option-number receive tcp-ao
/configure system security keychains keychain "EDGE" tcp-option-number send tcp-ao
/configure system security keychains keychain "EDGE" receive entry 84 authentication-key interop
/configure system security keychains keychain "EDGE" receive entry 84 algorithm hmac-sha-1-96
/configure system security keychains keychain "EDGE" receive entry 84 begin-time 2021-01-01T00:00:00.0Z
/configure system security keychains keychain "EDGE" send entry 61 authentication-key interop
/configure system security keychains keychain "EDGE" send entry 61 algorithm hmac-sha-1-96
/configure system security keychains keychain "EDGE" send entry 61 begin-time 2021-01-01T00:00:00.0Z
/configure router "Base" bgp neighbor 192.0.2.1 authentication-keychain "EDGE"
"""


@pytest.mark.parametrize("text", [FRAGMENT, LINES, FRAGMENT.replace("\n", "\r\n")])
def test_a_send_entry_and_the_receive_entry_of_the_same_key_are_one_mkt(text: str) -> None:
    (mkt,) = only_chain(read("sros", text)).mkts
    assert (mkt.send_id, mkt.recv_id, mkt.secret) == (61, 84, b"interop")
    assert mkt.send_lifetime == mkt.accept_lifetime == lifetime(LONG_AGO)
    assert mkt.name == "EDGE 61/84"


def test_lines_with_full_paths_name_the_neighbour_too() -> None:
    assert [str(peer.remote) for peer in read("sros", LINES).peers] == ["192.0.2.1/32"]


class TestTheWholeConfiguration:
    def test_entries_are_paired_by_key_and_algorithm_wherever_they_stand(self) -> None:
        edge, both = read("sros", CONFIGURATION).keychains
        assert [(mkt.send_id, mkt.recv_id, mkt.secret) for mkt in edge.mkts] == [
            (62, 85, b"second"),
            (61, 84, b"interop"),
        ]
        assert edge.mkts[1].accept_lifetime == lifetime(LONG_AGO - 60 * SECOND, LONG_AGO + 2 * DAY + 60 * SECOND)
        assert edge.mkts[1].send_lifetime == lifetime(LONG_AGO)
        (mkt,) = both.mkts
        assert (mkt.send_id, mkt.recv_id, mkt.send_lifetime) == (5, 5, lifetime(LONG_AGO))
        assert mkt.gap == f"Nokia hash2 cannot be read: fill in the secret (line {line_of(CONFIGURATION, 'w7gYp')})"

    def test_neighbours_take_from_their_group_and_from_bgp(self) -> None:
        told = [
            (peer.vrf, str(peer.remote), str(peer.local), peer.port, peer.keychain or peer.mkts[0].secret)
            for peer in read("sros", CONFIGURATION).peers
        ]
        assert told == [
            (None, "192.0.2.1/32", "198.51.100.7/32", 179, "EDGE"),
            (None, "192.0.2.2/32", "198.51.100.8/32", 179, b"md5 key"),
            (None, "2001:db8::1/128", "2001:db8::7/128", 179, "BOTH"),
            (None, "192.0.2.4/32", "None", 646, "BOTH"),
            ("red", "192.0.2.1/32", "None", 179, None),
        ]

    def test_a_keychain_of_the_older_option_is_told_and_left_out(self) -> None:
        store = read("sros", CONFIGURATION)
        assert [chain.name for chain in store.keychains] == ["EDGE", "BOTH"]
        (told,) = warnings_of(store)
        line, _, message = told.partition(": ")
        assert line == str(line_of(CONFIGURATION, 'keychain "OLD"'))
        assert message.startswith("this keychain is for the older TCP Enhanced Authentication Option")

    def test_windows_line_ends_change_nothing(self) -> None:
        assert read("sros", CONFIGURATION.replace("\n", "\r\n")) == read("sros", CONFIGURATION)

    def test_a_cut_file_gives_what_is_whole_and_tells_what_is_open(self) -> None:
        store = read("sros", CONFIGURATION[: CONFIGURATION.index('keychain "BOTH" {')])
        assert [mkt.send_id for mkt in only_chain(store).mkts] == [62, 61]
        assert "2: the block that opens here is not closed: the file may be cut" in warnings_of(store)


@pytest.mark.parametrize("form", ["hash", "hash2", "custom"])
def test_the_form_of_an_encrypted_key_stands_inside_or_behind_the_quotes(form: str) -> None:
    for written in (f'"AbCdEf== {form}"', f'"AbCdEf==" {form}'):
        mkt = only_key(read("sros", FRAGMENT.replace('"interop"', written)))
        assert mkt.secret is None
        assert (mkt.gap or "").startswith(f"Nokia {form} cannot be read: fill in the secret (line ")
    assert only_key(read("sros", FRAGMENT.replace('"interop"', f'"{form}"'))).secret == form.encode()


def test_encrypted_keys_are_paired_by_their_text_or_else_by_their_times() -> None:
    def with_keys(receive: str, send: str) -> str:
        text = FRAGMENT.replace('authentication-key "interop"', f'authentication-key "{receive}" hash2', 1)
        return text.replace('authentication-key "interop"', f'authentication-key "{send}" hash2', 1)

    for receive, send in (("same", "same"), ("one", "other")):
        mkt = only_key(read("sros", with_keys(receive, send)))
        assert (mkt.send_id, mkt.recv_id, mkt.secret) == (61, 84, None)


def test_an_entry_without_its_counterpart_is_taken_both_ways_and_told() -> None:
    text = FRAGMENT.replace('entry 61 { authentication-key "interop"', 'entry 61 { authentication-key "other"')
    store = read("sros", text)
    assert [(mkt.send_id, mkt.recv_id, mkt.secret) for mkt in only_chain(store).mkts] == [
        (61, 61, b"other"),
        (84, 84, b"interop"),
    ]
    assert [warning.split(":")[0] for warning in warnings_of(store)] == ["3", "4"]


def test_a_neighbour_of_an_older_keychain_is_told_where_it_names_it() -> None:
    text = LINES.replace("tcp-ao", "enhanced-auth")
    with pytest.raises(Exception, match="its tcp-option-number does not say tcp-ao") as caught:
        read("sros", text)
    assert "edge.cfg:9:73" in str(caught.value)


def test_quoted_names_keep_what_is_in_them() -> None:
    text = CONFIGURATION.replace('"EDGE"', '"a \\"b\\" {c}"')
    assert read("sros", text).peers[0].keychain == 'a "b" {c}'


CLASSIC = """\
# TiMOS-C-22.10.R1 cpm/x86_64 Nokia 7750 SR Copyright (c) 2000-2022 Nokia.
# All rights reserved. All use subject to applicable license agreements.
exit all
configure
#--------------------------------------------------
echo "System Security Configuration"
#--------------------------------------------------
    system
        security
            keychain "EDGE"
                direction
                    uni
                        receive
                            entry 84 key "interop" algorithm hmac-sha-1-96
                                begin-time 2020/01/06 22:35:59 UTC
                                tolerance 60
                            exit
                        exit
                        send
                            entry 61 key "interop" algorithm hmac-sha-1-96
                                begin-time 2020/01/06 22:35:59 UTC
                            exit
                        exit
                    exit
                exit
                tcp-option-number
                    receive tcp-ao
                    send tcp-ao
                exit
                no shutdown
            exit
            keychain "BOTH"
                direction
                    bi
                        entry 5 key "secret5" algorithm aes-128-cmac-96
                            begin-time 2020/01/06 22:35:59
                        exit
                    exit
                exit
                tcp-option-number
                    receive tcp-ao
                    send tcp-ao
                exit
                no shutdown
            exit
        exit
    exit
#--------------------------------------------------
echo "Router (Network Side) Configuration"
#--------------------------------------------------
    router Base
        interface "system"
            address 198.51.100.7/32
            no shutdown
        exit
        bgp
            local-address 198.51.100.7
            group "EDGES"
                auth-keychain "EDGE"
                neighbor 192.0.2.1
                    peer-as 64502
                exit
                neighbor 192.0.2.2
                    authentication-key "abcdef" hash2
                exit
            exit
            group "B"
                neighbor 192.0.2.3
                    auth-keychain "BOTH"
                exit
            exit
            no shutdown
        exit
    exit
    service
        vprn 10 customer 1 create
            bgp
                group "CE"
                    neighbor 192.0.2.9
                        auth-keychain "EDGE"
                    exit
                exit
            exit
        exit
    exit
exit all

# Finished TUE NOV 24 10:00:00 2026 UTC
"""
PROMPTS = """\
[gl:/configure system security keychains]
A:admin@PE1# info
    keychain "EDGE" {
        tcp-option-number {
            receive tcp-ao
            send tcp-ao
        }
        receive {
            entry 84 {
                authentication-key "interop"
                algorithm hmac-sha-1-96
                begin-time 2021-01-01T00:00:00.0Z
Press Q to quit, Enter to print next line or any other key to print next page.
            }
        }
        send {
            entry 61 {
                authentication-key "interop"
                algorithm hmac-sha-1-96
                begin-time 2021-01-01T00:00:00.0Z
            }
        }
    }

[gl:/configure system security keychains]
A:admin@PE1#
[gl:/configure router "Base" bgp]
A:admin@PE1# info
    group "EDGES" {
        authentication-keychain "EDGE"
    }
    neighbor "192.0.2.1" {
        group "EDGES"
    }
    neighbor "fe80::1-int-to-pe2" {
        group "EDGES"
    }
"""
FLAT = """\
    keychains keychain "EDGE" tcp-option-number receive tcp-ao
    keychains keychain "EDGE" tcp-option-number send tcp-ao
    keychains keychain "EDGE" receive entry 84 authentication-key "interop"
    keychains keychain "EDGE" receive entry 84 algorithm hmac-sha-1-96
    keychains keychain "EDGE" receive entry 84 begin-time 2021-01-01T00:00:00.0Z
    keychains keychain "EDGE" send entry 61 authentication-key "interop"
    keychains keychain "EDGE" send entry 61 algorithm hmac-sha-1-96
    keychains keychain "EDGE" send entry 61 begin-time 2021-01-01T00:00:00.0Z
"""


class TestTheClassicCli:
    def test_entries_of_either_direction_are_paired_and_bi_counts_both_ways(self) -> None:
        edge, both = read("sros", CLASSIC).keychains
        assert [(mkt.send_id, mkt.recv_id, mkt.secret, mkt.algorithm.name) for mkt in (*edge.mkts, *both.mkts)] == [
            (61, 84, b"interop", "hmac-sha-1-96"),
            (5, 5, b"secret5", "aes-128-cmac-96"),
        ]

    def test_times_have_slashes_and_perhaps_utc(self) -> None:
        store = read("sros", CLASSIC)
        moment = 1_578_350_159 * SECOND
        assert store.keychains[0].mkts[0].send_lifetime == lifetime(moment)
        assert store.keychains[0].mkts[0].accept_lifetime == lifetime(moment - 60 * SECOND)
        (told,) = warnings_of(store)
        assert told.startswith(f"{line_of(CLASSIC, '22:35:59' + chr(10))}: times here are local to the router")

    def test_neighbours_stand_in_groups_and_take_from_them(self) -> None:
        told = [
            (peer.vrf, str(peer.remote), str(peer.local), peer.keychain or peer.mkts[0].gap)
            for peer in read("sros", CLASSIC).peers
        ]
        line = line_of(CLASSIC, "abcdef")
        assert told == [
            (None, "192.0.2.1/32", "198.51.100.7/32", "EDGE"),
            (None, "192.0.2.2/32", "198.51.100.7/32", f"Nokia hash2 cannot be read: fill in the secret (line {line})"),
            (None, "192.0.2.3/32", "198.51.100.7/32", "BOTH"),
            ("10", "192.0.2.9/32", "None", "EDGE"),
        ]

    def test_a_keychain_without_the_option_number_is_of_the_older_option(self) -> None:
        store = read("sros", CLASSIC.replace("receive tcp-ao", "receive 254").replace("send tcp-ao", "send 254"))
        assert store.keychains == ()
        assert all("draft-bonica" in told for told in warnings_of(store)[:2])


def test_what_info_prints_begins_where_the_prompt_says() -> None:
    store = read("sros", PROMPTS)
    assert [(mkt.send_id, mkt.recv_id, mkt.secret) for mkt in only_chain(store).mkts] == [(61, 84, b"interop")]
    assert [str(peer.remote) for peer in store.peers] == ["192.0.2.1/32", "fe80::1/128"]
    older = PROMPTS.replace("[gl:/configure", "(gl)[configure")
    assert read("sros", older) == store


def test_what_info_flat_prints_is_read_with_and_without_its_context() -> None:
    for text in (FLAT, f"[ex:/configure system security]\nA:admin@PE1# info flat\n{FLAT}"):
        (mkt,) = only_chain(read("sros", text)).mkts
        assert (mkt.send_id, mkt.recv_id, mkt.secret) == (61, 84, b"interop")


def test_what_is_not_known_keeps_what_is_indented_below_it() -> None:
    inside = """\
        bgp
            group "G"
                some-policy
                    authentication-key "of the policy"
                exit
                neighbor 192.0.2.1
                exit
"""
    assert "no keys" in error_of("sros", f"    router Base\n{inside}")
