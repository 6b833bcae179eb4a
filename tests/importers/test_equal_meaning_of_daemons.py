"""One key chain, told by each daemon and model in its own words, gives the MKTs that the routers' give."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.keys.importers import recognise
from tests.importers.reading import only_chain, only_peer, read
from tests.importers.test_equal_meaning import SECRETS, bare, meaning

IDS = ((61, 62), (84, 85))
IDS_OF_ONE_NUMBER = ((61, 62), (61, 62))
Pair = tuple[int, int]


def bird(send: Pair, recv: Pair) -> str:
    return f"""\
protocol bgp EDGE {{
  local 192.0.2.7 as 1; neighbor 192.0.2.1 as 2; authentication ao;
  keys {{
    key {{ send id {send[0]}; recv id {recv[0]}; secret "{SECRETS[0]}"; }};
    key {{ send id {send[1]}; recv id {recv[1]}; secret "{SECRETS[1]}"; algorithm cmac aes128; }};
  }};
}}
"""


def gobgp(send: Pair, recv: Pair) -> str:
    names = ("hmac_sha_1_96", "aes_128_cmac_96")
    keys = "".join(
        f"""\
  [[keychains.keys]]
    [keychains.keys.config]
      key-id = {send[number]}
      receive-id = {recv[number]}
      crypto-algorithm = "{names[number]}"
      secret-key = "{base64.b64encode(SECRETS[number].encode()).decode()}"
"""
        for number in (0, 1)
    )
    return f"""\
[[keychains]]
  [keychains.config]
    name = "EDGE"
{keys}[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.1"
  [neighbors.tcp-ao.config]
    keychain = "EDGE"
"""


def rustbgpd(send: Pair, recv: Pair) -> str:
    names = ("hmac(sha1)", "cmac(aes128)")
    keys = ", ".join(
        f'{{ key = "{SECRETS[n]}", send_id = {send[n]}, recv_id = {recv[n]}, algorithm = "{names[n]}" }}'
        for n in (0, 1)
    )
    return f'[[neighbors]]\naddress = "192.0.2.1"\nremote_asn = 2\ntcp_ao = [{keys}]\n'


def exabgp(send: Pair, recv: Pair) -> str:
    assert send == recv
    return f"""\
neighbor 192.0.2.1 {{
    peer-as 2;
    tcp-ao {{ keyid {send[0]}; algorithm hmac-sha-1-96; password {SECRETS[0]}; }}
    tcp-ao {{ keyid {send[1]}; algorithm aes-128-cmac-96; password "{SECRETS[1]}"; }}
}}
"""


def zebra(send: Pair, recv: Pair) -> str:
    names = ("hmac-sha-1", "aes-cmac-prf-128")
    keys = "".join(
        f"key {n} {{ crypto-algorithm {names[n]}; send-id {send[n]}; recv-id {recv[n]}; "
        f'key-string {{ keystring "{SECRETS[n]}"; }} }}\n'
        for n in (0, 1)
    )
    return f"""\
key-chains {{
  key-chain EDGE {{
    {keys} }}
}}
router bgp {{
  neighbor 192.0.2.1 {{ tcp-ao {{ key-chain EDGE; }} }}
}}
"""


def ietf(send: Pair, recv: Pair) -> str:
    names = ("ietf-key-chain:hmac-sha-1", "ietf-tcp:aes-128")
    keys = [
        {
            "key-id": str(n),
            "crypto-algorithm": names[n],
            "key-string": {"keystring": SECRETS[n]},
            "ietf-tcp:authentication": {"ao": {"send-id": send[n], "recv-id": recv[n]}},
        }
        for n in (0, 1)
    ]
    return json.dumps({"ietf-key-chain:key-chains": {"key-chain": [{"name": "EDGE", "key": keys}]}})


def openconfig(send: Pair, recv: Pair) -> str:
    assert send == recv
    names = ("HMAC_SHA_1_96", "oc-keychain-types:AES_128_CMAC_96")
    keys = [
        {"key-id": send[n], "config": {"key-id": send[n], "secret-key": SECRETS[n], "crypto-algorithm": names[n]}}
        for n in (0, 1)
    ]
    chains = {"keychain": [{"name": "EDGE", "keys": {"key": keys}}]}
    return json.dumps({"openconfig-keychain:keychains": chains}, indent=1)


def linux(send: Pair, recv: Pair) -> str:
    names = ("hmac(sha1)", "cmac(aes128)")
    return "".join(
        f'addr=192.0.2.1 alg_name="{names[n]}" sndid={send[n]} rcvid={recv[n]} key={SECRETS[n].encode().hex()}\n'
        for n in (0, 1)
    )


WRITERS = {
    "bird": bird,
    "gobgp": gobgp,
    "rustbgpd": rustbgpd,
    "exabgp": exabgp,
    "zebra-rs": zebra,
    "ietf": ietf,
    "openconfig": openconfig,
    "linux": linux,
}
ONE_NUMBER = ("exabgp", "openconfig")


def ids(system: str) -> tuple[Pair, Pair]:
    return IDS_OF_ONE_NUMBER if system in ONE_NUMBER else IDS


def told(system: str, send: Pair, recv: Pair) -> list[MasterKeyTuple]:
    store = read(system, WRITERS[system](send, recv))
    mkts = only_peer(store).mkts if store.peers else only_chain(store).mkts
    return [bare(mkt) for mkt in mkts]


@pytest.mark.parametrize("system", WRITERS)
def test_equal_keys_are_equal_whichever_system_tells_them(system: str) -> None:
    send, recv = ids(system)
    routers = [replace(mkt, send_lifetime=None, accept_lifetime=None) for mkt in meaning("ios-xr", send, recv)]
    assert told(system, send, recv) == routers


@pytest.mark.parametrize("system", sorted(set(WRITERS) - set(ONE_NUMBER)))
def test_the_other_end_is_the_same_with_its_ids_crossed(system: str) -> None:
    send, recv = IDS
    crossed = [replace(mkt, send_id=mkt.recv_id, recv_id=mkt.send_id) for mkt in told(system, recv, send)]
    assert crossed == told(system, send, recv)


@pytest.mark.parametrize("system", WRITERS)
def test_each_is_recognised_by_its_content(system: str) -> None:
    importer = recognise(WRITERS[system](*ids(system)))
    assert importer is not None
    assert importer.name == system


@pytest.mark.parametrize("system", WRITERS)
def test_windows_line_ends_change_nothing(system: str) -> None:
    text = WRITERS[system](*ids(system))
    assert read(system, text.replace("\n", "\r\n")).peers == read(system, text).peers
