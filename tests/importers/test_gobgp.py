"""GoBGP: TOML, YAML and JSON say the same; groups, ranges, ports, passwords."""

from __future__ import annotations

import builtins
import json
import tomllib

import pytest

from aoinspect.ao.mkt import TcpOptions
from aoinspect.errors import KeyFileError
from aoinspect.keys.importers import recognise
from aoinspect.keys.model import Peer
from tests.importers.reading import error_of, only_chain, only_key, peers_by_remote, read, warnings_of

SAMPLE = """\
# GoBGP
[[keychains]]
  [keychains.config]
    name = "fabric"
  [[keychains.keys]]
    [keychains.keys.config]
      key-id = 0
      receive-id = 10
      crypto-algorithm = "hmac_sha_1_96"
      secret-key = "emVybw=="
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
  [neighbors.tcp-ao.config]
    keychain = "fabric"
"""
WHOLE = """\
[global.config]
  as = 65001
  router-id = "192.0.2.1"

[[keychains]]
  [keychains.config]
    name = "fabric"

  [[keychains.keys]]
    [keychains.keys.config]
      key-id = 0
      receive-id = 10
      crypto-algorithm = "hmac_sha_1_96"
      secret-key = "emVybw==" # zero

  [[keychains.keys]]
    [keychains.keys.config]
      key-id = 1
      receive-id = 11
      crypto-algorithm = "aes_128_cmac_96"
      secret-key = "b25l"
      exclude-tcp-options = true

  [[keychains.keys]]
    config = { key-id = 2, receive-id = 12, crypto-algorithm = "hmac_sha_256_128", secret-key = "dHdv" }

[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "ranges"
    peer-as = 65002
  [peer-groups.transport.config]
    local-address = "192.0.2.1"
    remote-port = 1790
  [peer-groups.tcp-ao.config]
    keychain = "fabric"
    preferred-send-id = 0

[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "203.0.113.0/24"
    peer-group = "ranges"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
    peer-as = 65002
    vrf = "blue"
  [neighbors.tcp-ao.config]
    keychain = "fabric"
    preferred-send-id = 0

[[neighbors]]
  [neighbors.config]
    neighbor-address = "fe80::2%eth0"
    auth-password = "link-local password"
  [neighbors.transport.config]
    local-address = "::"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.4"
    peer-group = "ranges"
    auth-password = "its own"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.5"
"""
AS_JSON = json.dumps(tomllib.loads(WHOLE), indent=2)
AS_YAML = """\
global:
  config: { as: 65001, router-id: 192.0.2.1 }
keychains:
  - config:
      name: fabric
    keys:
      - config:
          key-id: 0
          receive-id: 10
          crypto-algorithm: hmac_sha_1_96
          secret-key: emVybw==   # zero
      - config: &one
          key-id: 1
          receive-id: 11
          crypto-algorithm: aes_128_cmac_96
          secret-key: b25l
          exclude-tcp-options: yes
      - config:
          <<: *one
          key-id: 2
          receive-id: 12
          crypto-algorithm: hmac_sha_256_128
          secret-key: "dHdv"
          exclude-tcp-options: false
peer-groups:
  - config: { peer-group-name: ranges, peer-as: 65002 }
    transport:
      config:
        local-address: 192.0.2.1
        remote-port: 1790
    tcp-ao: { config: { keychain: fabric, preferred-send-id: 0 } }
dynamic-neighbors:
  - config: { prefix: 203.0.113.0/24, peer-group: ranges }
neighbors:
  - config:
      neighbor-address: 192.0.2.2
      peer-as: 65002
      vrf: blue
    tcp-ao:
      config: { keychain: fabric, preferred-send-id: 0 }
  - config:
      neighbor-address: fe80::2%eth0
      auth-password: link-local password
    transport: { config: { local-address: "::" } }
  - config:
      neighbor-address: 192.0.2.4
      peer-group: ranges
      auth-password: its own
  - config:
      neighbor-address: 192.0.2.5
"""


def meaning(peer: Peer) -> tuple[object, ...]:
    keys = [
        (mkt.send_id, mkt.recv_id, mkt.algorithm.name, mkt.mac_length, mkt.secret, mkt.tcp_options) for mkt in peer.mkts
    ]
    return peer.local, peer.remote, peer.port, peer.local_port, peer.remote_port, peer.vrf, peer.keychain, keys


def test_the_documented_sample() -> None:
    mkt = only_key(read("gobgp", SAMPLE))
    assert (mkt.send_id, mkt.recv_id, mkt.secret, mkt.algorithm.name) == (0, 10, b"zero", "hmac-sha-1-96")
    assert mkt.tcp_options is TcpOptions.INCLUDE
    assert str(mkt.origin) == "edge.cfg:6"


@pytest.mark.parametrize(
    "text", [WHOLE, AS_JSON, AS_YAML, WHOLE.replace("\n", "\r\n"), json.dumps(tomllib.loads(WHOLE))]
)
class TestEveryForm:
    def test_is_recognised(self, text: str) -> None:
        importer = recognise(text)
        assert importer is not None
        assert importer.name == "gobgp"

    def test_means_the_same(self, text: str) -> None:
        assert [meaning(peer) for peer in read("gobgp", text).peers] == [
            meaning(peer) for peer in read("gobgp", WHOLE).peers
        ]

    def test_gives_keys_with_their_lengths_and_flags(self, text: str) -> None:
        keys = [
            (mkt.send_id, mkt.recv_id, mkt.secret, mkt.mac_length, mkt.tcp_options)
            for mkt in only_chain(read("gobgp", text)).mkts
        ]
        assert keys == [
            (0, 10, b"zero", 12, TcpOptions.INCLUDE),
            (1, 11, b"one", 12, TcpOptions.EXCLUDE),
            (2, 12, b"two", 16, TcpOptions.INCLUDE),
        ]

    def test_gives_neighbours_their_own_setting_before_the_groups(self, text: str) -> None:
        peers = peers_by_remote(read("gobgp", text))
        assert (peers["192.0.2.2/32"].keychain, peers["192.0.2.2/32"].vrf) == ("fabric", "blue")
        assert peers["192.0.2.4/32"].mkts[0].secret == b"its own"
        assert (peers["fe80::2/128"].mkts[0].secret, peers["fe80::2/128"].local) == (b"link-local password", None)
        assert str(peers["203.0.113.0/24"].local) == "192.0.2.1/32"
        assert "192.0.2.5/32" not in peers


def test_places_are_those_of_the_form() -> None:
    assert [str(mkt.origin) for mkt in only_chain(read("gobgp", WHOLE)).mkts] == [
        "edge.cfg:10",
        "edge.cfg:17",
        "edge.cfg:25",
    ]
    assert [mkt.origin.line for mkt in only_chain(read("gobgp", AS_YAML)).mkts] == [8, 12, 19]


def test_a_neighbour_of_a_group_with_another_port_has_two_ways() -> None:
    peers = [peer for peer in read("gobgp", WHOLE).peers if str(peer.remote) == "192.0.2.4/32"]
    assert [(peer.local_port, peer.remote_port) for peer in peers] == [(None, 1790), (179, None)]


def test_what_is_no_base64_is_a_gap_and_not_shown() -> None:
    store = read("gobgp", SAMPLE.replace("emVybw==", "canary secret"))
    assert (only_key(store).gap or "").startswith("this text, which is no base64, cannot be read")
    (warning,) = store.warnings
    assert warning.message.splitlines()[1:] == ["    secret-key = ***", "                 ^^^"]


def test_a_keychain_that_is_not_there_is_told_with_those_that_are() -> None:
    store = read("gobgp", SAMPLE.replace('keychain = "fabric"', 'keychain = "fabrik"'))
    assert warnings_of(store) == ['15: no key chain of this file has that name; it has: "fabric"']


@pytest.mark.parametrize("missing", ["key-id", "receive-id", "crypto-algorithm"])
def test_a_key_that_lacks_something_is_told(missing: str) -> None:
    text = "\n".join(line for line in SAMPLE.splitlines()[:10] if missing not in line)
    assert f"this key has no {missing}" in error_of("gobgp", text)


def test_broken_syntax_is_told_with_its_line_and_without_the_line() -> None:
    assert (
        error_of("gobgp", SAMPLE.replace('"emVybw=="', "emVybw==").split("[[neighbors]]")[0] + "[").count("emVy") == 0
    )
    told = error_of("gobgp", '{"neighbors": [{"config": {"auth-password": "canary", }}]}')
    assert told.startswith("edge.cfg:1:55: a string in double quotes is missing")
    assert "canary" not in told
    assert "not valid YAML" in error_of("gobgp", "neighbors:\n  - config: {auth-password: canary\n")


def test_yaml_without_pyyaml_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *arguments: object) -> object:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(KeyFileError, match=r"pip install aoinspect\[yaml\]"):
        read("gobgp", AS_YAML)


def test_a_yaml_document_runs_nothing_and_cannot_explode() -> None:
    told = error_of("gobgp", "neighbors: !!python/object/apply:os.system ['exit 1']\n")
    assert "no keys of TCP-AO" in told
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert "repeated too often" in error_of("gobgp", bomb + "neighbors: *a11\n")
