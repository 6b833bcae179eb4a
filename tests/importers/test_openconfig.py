"""OpenConfig: key chains without ids, lifetimes in nanoseconds, network instances."""

from __future__ import annotations

import json

import pytest

from aoinspect.ao.mkt import TcpOptions
from tests.importers.reading import DAY, LONG_AGO, SECOND, error_of, lifetime, only_chain, only_key, read, warnings_of


def keychain(*keys: dict[str, object], **config: object) -> dict[str, object]:
    return {
        "openconfig-keychain:keychains": {
            "keychain": [{"name": "EDGE", "config": {"name": "EDGE", **config}, "keys": {"key": list(keys)}}]
        }
    }


def key(key_id: object = "7", **members: object) -> dict[str, object]:
    config = {
        "key-id": key_id,
        "secret-key": "interop",
        "crypto-algorithm": "openconfig-keychain-types:HMAC_SHA_1_96",
        **{name.replace("_", "-"): member for name, member in members.items() if not name.endswith("lifetime")},
    }
    spans = {name.replace("_", "-"): {"config": span} for name, span in members.items() if name.endswith("lifetime")}
    return {"key-id": key_id, "config": config, **spans}


def test_key_id_is_taken_for_both_ids_and_that_is_told() -> None:
    store = read("openconfig", json.dumps(keychain(key(), key("8"))))
    first, second = only_chain(store).mkts
    assert (first.send_id, first.recv_id, second.send_id, second.recv_id) == (7, 7, 8, 8)
    assert (first.secret, first.algorithm.name, first.tcp_options) == (b"interop", "hmac-sha-1-96", TcpOptions.AUTO)
    assert warnings_of(store) == ["1: OpenConfig's key chain has no send and receive ids: key-id is taken for both"]


def test_augmented_ids_are_read_where_they_are() -> None:
    store = read("openconfig", json.dumps(keychain(key(send_id=61, receive_id=84))))
    assert (only_key(store).send_id, only_key(store).recv_id, store.warnings) == (61, 84, ())


def test_lifetimes_are_nanoseconds_and_symmetric_unless_they_say_otherwise() -> None:
    span = {"start-time": str(LONG_AGO), "end-time": str(LONG_AGO + DAY)}
    mkt = only_key(read("openconfig", json.dumps(keychain(key(send_lifetime=span)))))
    assert mkt.send_lifetime == mkt.accept_lifetime == lifetime(LONG_AGO, LONG_AGO + DAY)
    one_way = key(
        send_lifetime={**span, "send-and-receive": False}, receive_lifetime={"start-time": LONG_AGO, "end-time": "0"}
    )
    mkt = only_key(read("openconfig", json.dumps(keychain(one_way))))
    assert (mkt.send_lifetime, mkt.accept_lifetime) == (lifetime(LONG_AGO, LONG_AGO + DAY), lifetime(LONG_AGO))


@pytest.mark.parametrize(
    ("tolerance", "accepted"),
    [(10, lifetime(LONG_AGO - 10 * SECOND, LONG_AGO + DAY + 10 * SECOND)), ("FOREVER", lifetime(LONG_AGO))],
)
def test_tolerance(tolerance: object, accepted: object) -> None:
    span = {"start-time": str(LONG_AGO), "end-time": str(LONG_AGO + DAY)}
    text = json.dumps(keychain(key(send_lifetime=span), tolerance=tolerance))
    assert only_key(read("openconfig", text)).accept_lifetime == accepted


def test_neighbours_groups_and_network_instances() -> None:
    def bgp(*neighbours: dict[str, object]) -> dict[str, object]:
        group = {"peer-group-name": "G", "config": {"peer-group-name": "G", "auth-password": "of the group"}}
        inner = {"neighbors": {"neighbor": list(neighbours)}, "peer-groups": {"peer-group": [group]}}
        return {"protocols": {"protocol": [{"identifier": "BGP", "name": "BGP", "bgp": inner}]}}

    document = keychain(key()) | {
        "openconfig-network-instance:network-instances": {
            "network-instance": [
                {
                    "name": "DEFAULT",
                    **bgp(
                        {
                            "neighbor-address": "192.0.2.1",
                            "config": {"neighbor-address": "192.0.2.1"},
                            "transport": {"config": {"local-address": "192.0.2.7"}},
                            "tcp-ao": {"config": {"keychain": "EDGE"}},
                        },
                        {"neighbor-address": "192.0.2.2", "config": {"peer-group": "G"}},
                        {"neighbor-address": "192.0.2.3", "config": {"peer-group": "OTHER"}},
                    ),
                },
                {"name": "red", **bgp({"neighbor-address": "192.0.2.1", "config": {"auth-password": "red"}})},
            ]
        }
    }
    peers = read("openconfig", json.dumps(document, indent=1)).peers
    assert [(peer.vrf, str(peer.local), str(peer.remote), peer.mkts[0].secret) for peer in peers] == [
        (None, "192.0.2.7/32", "192.0.2.1/32", b"interop"),
        (None, "None", "192.0.2.2/32", b"of the group"),
        ("red", "None", "192.0.2.1/32", b"red"),
    ]


@pytest.mark.parametrize("number", ["0x1f", "256", "-1"])
def test_a_key_id_that_is_no_key_id_of_the_option_is_told(number: str) -> None:
    assert "key-id must be a number from 0 to 255" in error_of("openconfig", json.dumps(keychain(key(number))))


def test_no_secret_is_in_a_message() -> None:
    told = error_of("openconfig", json.dumps(keychain(key(crypto_algorithm="canary", secret_key="canary"))))
    assert "no algorithm of TCP-AO" in told
    assert "canary" not in told
