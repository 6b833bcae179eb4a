"""One key chain, told by each system in its own words, gives equal MKTs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, Origin, TcpOptions
from tests.importers.reading import DAY, LONG_AGO, only_peer, read

SECRETS = ("interop", "second key")
FROM = LONG_AGO
UNTIL = LONG_AGO + 31 * DAY


def ios_xr(send: tuple[int, int], recv: tuple[int, int]) -> str:
    return f"""\
key chain EDGE
 timezone gmt
 key 1
  accept-lifetime 00:00:00 january 01 2021 00:00:00 february 01 2021
  key-string password 011A08105E19091F
  send-lifetime 00:00:00 january 01 2021 00:00:00 february 01 2021
  cryptographic-algorithm HMAC-SHA1-96
 !
 key 2
  accept-lifetime 00:00:00 february 01 2021 infinite
  key-string clear {SECRETS[1]}
  send-lifetime 00:00:00 february 01 2021 infinite
  cryptographic-algorithm AES-128-CMAC-96
 !
!
tcp ao
 keychain EDGE
  key 1 SendID {send[0]} ReceiveID {recv[0]}
  key 2 SendID {send[1]} ReceiveID {recv[1]}
 !
!
router bgp 64501
 neighbor 192.0.2.1
  ao EDGE include-tcp-options enable
"""


def ios_xe(send: tuple[int, int], recv: tuple[int, int]) -> str:
    return f"""\
key chain EDGE tcp
 key 1
  send-id {send[0]}
  recv-id {recv[0]}
  cryptographic-algorithm hmac-sha-1
  key-string 7 011A08105E19091F
  accept-lifetime 00:00:00 Jan 1 2021 00:00:00 Feb 1 2021
  send-lifetime 00:00:00 Jan 1 2021 duration 2678400
 key 2
  send-id {send[1]}
  recv-id {recv[1]}
  cryptographic-algorithm aes-128-cmac
  key-string 0 {SECRETS[1]}
  accept-lifetime 00:00:00 Feb 1 2021 infinite
  send-lifetime 00:00:00 Feb 1 2021 infinite
router bgp 64501
 neighbor 192.0.2.1 ao EDGE include-tcp-options
"""


def nx_os(send: tuple[int, int], recv: tuple[int, int]) -> str:
    return "feature bgp\n" + ios_xe(send, recv).replace(
        " neighbor 192.0.2.1 ao EDGE", "  neighbor 192.0.2.1\n    ao EDGE"
    )


def junos(send: tuple[int, int], recv: tuple[int, int]) -> str:
    return f"""\
security {{ authentication-key-chains {{ key-chain EDGE {{
    key 0 {{ secret "$9$.PT3REyv87CtMX-waJz36"; start-time "2021-1-1.00:00:00 +0000"; algorithm ao;
        ao-attribute {{ send-id {send[0]}; recv-id {recv[0]}; tcp-ao-option enabled; }} }}
    key 1 {{ secret "{SECRETS[1]}"; start-time "2021-2-1.05:30:00 +0530"; algorithm ao;
        ao-attribute {{ send-id {send[1]}; recv-id {recv[1]}; tcp-ao-option enabled;
            cryptographic-algorithm aes-128-cmac-96; }} }}
}} }} }}
protocols {{ bgp {{ group G {{ authentication-algorithm ao; authentication-key-chain EDGE; neighbor 192.0.2.1; }} }} }}
"""


def junos_set(send: tuple[int, int], recv: tuple[int, int]) -> str:
    key = "set security authentication-key-chains key-chain EDGE key"
    return f"""\
{key} 0 secret "$9$.PT3REyv87CtMX-waJz36"
{key} 0 start-time "2021-1-1.00:00:00 +0000"
{key} 0 algorithm ao
{key} 0 ao-attribute send-id {send[0]}
{key} 0 ao-attribute recv-id {recv[0]}
{key} 0 ao-attribute tcp-ao-option enabled
{key} 1 secret "{SECRETS[1]}"
{key} 1 start-time "2021-2-1.00:00:00 +0000"
{key} 1 algorithm ao
{key} 1 ao-attribute send-id {send[1]} recv-id {recv[1]} tcp-ao-option enabled
{key} 1 ao-attribute cryptographic-algorithm aes-128-cmac-96
set protocols bgp group G authentication-algorithm ao
set protocols bgp group G neighbor 192.0.2.1 authentication-key-chain EDGE
"""


def sros(send: tuple[int, int], recv: tuple[int, int]) -> str:
    def entries(numbers: tuple[int, int]) -> str:
        return f"""\
                    entry {numbers[0]} {{
                        authentication-key "{SECRETS[0]}"
                        algorithm hmac-sha-1-96
                        begin-time 2021-01-01T00:00:00.0Z
                        end-time 2021-02-01T00:00:00.0Z
                    }}
                    entry {numbers[1]} {{
                        authentication-key "{SECRETS[1]}"
                        algorithm aes-128-cmac-96
                        begin-time 2021-02-01T00:00:00.0Z
                    }}
"""

    return f"""\
configure {{
    system {{
        security {{
            keychains {{
                keychain "EDGE" {{
                    tcp-option-number {{
                        receive tcp-ao
                        send tcp-ao
                    }}
                    receive {{
{entries(recv)}                    }}
                    send {{
{entries(send)}                    }}
                }}
            }}
        }}
    }}
    router "Base" {{
        bgp {{
            neighbor "192.0.2.1" {{
                authentication-keychain "EDGE"
            }}
        }}
    }}
}}
"""


def vrp(send: tuple[int, int], recv: tuple[int, int]) -> str:
    return f"""\
keychain EDGE mode absolute
 key-id 1
  algorithm hmac-sha1-12
  key-string plain {SECRETS[0]}
  send-time 00:00 2021-01-01 to 00:00 2021-02-01
  receive-time 00:00 2021-01-01 duration 44640
 key-id 2
  algorithm aes-128-cmac
  key-string plain {SECRETS[1]}
  send-time 00:00 2021-02-01 duration infinite
  receive-time 00:00 2021-02-01 duration infinite
#
tcp ao EDGE
 binding keychain EDGE
 key-id 1
  send-id {send[0]} receive-id {recv[0]}
 key-id 2
  send-id {send[1]} receive-id {recv[1]}
#
bgp 64501
 peer 192.0.2.1 tcp-ao policy EDGE
"""


WRITERS = {
    "ios-xr": ios_xr,
    "ios-xe": ios_xe,
    "nx-os": nx_os,
    "junos": junos,
    "junos-set": junos_set,
    "sros": sros,
    "vrp": vrp,
}


def bare(mkt: MasterKeyTuple) -> MasterKeyTuple:
    """The key without its label, its place, and the flag, which not every system says."""
    return replace(mkt, name="", origin=Origin("", 0), tcp_options=TcpOptions.AUTO)


def meaning(form: str, send: tuple[int, int], recv: tuple[int, int]) -> list[MasterKeyTuple]:
    store = read(form.removesuffix("-set"), WRITERS[form](send, recv))
    assert store.warnings == ()
    return [bare(mkt) for mkt in only_peer(store).mkts]


@pytest.mark.parametrize("form", WRITERS)
def test_equal_keys_are_equal_whichever_system_tells_them(form: str) -> None:
    keys = meaning(form, (61, 62), (84, 85))
    assert keys == meaning("ios-xr", (61, 62), (84, 85))
    first, second = keys
    assert (first.secret, second.secret) == tuple(secret.encode() for secret in SECRETS)
    assert first.send_lifetime == first.accept_lifetime == Lifetime(FROM, UNTIL)
    assert second.send_lifetime == second.accept_lifetime == Lifetime(UNTIL)


@pytest.mark.parametrize("form", WRITERS)
def test_the_other_end_is_the_same_with_its_ids_crossed(form: str) -> None:
    crossed = [replace(mkt, send_id=mkt.recv_id, recv_id=mkt.send_id) for mkt in meaning(form, (84, 85), (61, 62))]
    assert crossed == meaning(form, (61, 62), (84, 85))


def test_arista_tells_the_same_where_both_ids_are_one() -> None:
    text = f"""\
management security
   session shared-secret profile EDGE
      secret 61 0 {SECRETS[0]} receive-lifetime 2021-01-01 00:00:00 2021-02-01 00:00:00 transmit-lifetime \
2021-01-01 00:00:00 2021-02-01 00:00:00
router bgp 64501
   neighbor 192.0.2.1 password shared-secret profile EDGE algorithm hmac-sha1-96
"""
    assert [bare(mkt) for mkt in only_peer(read("eos", text)).mkts] == meaning("ios-xr", (61, 62), (61, 62))[:1]
