"""RFC 8177 key chains with the ids of RFC 9648, as JSON (RFC 7951).

The model binds no key chain to a socket pair, so the peers' addresses are not in it: only key chains are written.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, TcpOptions
from aoinspect.errors import KeyFileError
from aoinspect.keys.export.plan import SECOND_NS, Abilities, plan, secret_of, written_algorithm
from aoinspect.keys.model import KeyStore

ABILITIES = Abilities(
    title="RFC 9648",
    algorithms={
        "hmac-sha-1-96": "ietf-key-chain:hmac-sha-1",
        "aes-128-cmac-96": "ietf-key-chain:aes-cmac-prf-128",
        "hmac-sha-256-96": "ietf-key-chain:hmac-sha-256",
        "hmac(sha384)": "ietf-key-chain:hmac-sha-384",
        "hmac(sha512)": "ietf-key-chain:hmac-sha-512",
    },
    flags=frozenset({TcpOptions.INCLUDE, TcpOptions.EXCLUDE}),
    has_lifetimes=True,
    has_sessions=False,
)

JsonObject = dict[str, object]


def write_rfc9648(store: KeyStore) -> str:
    """The key chains of `store`. KeyFileError with all that the model cannot express."""
    chains: list[JsonObject] = [
        {"name": chain.name, "key": [_key(mkt, number) for number, mkt in enumerate(chain.mkts)]}
        for chain in plan(store, ABILITIES).chains
    ]
    return json.dumps({"ietf-key-chain:key-chains": {"key-chain": chains}}, indent=2, ensure_ascii=False) + "\n"


def _key(mkt: MasterKeyTuple, number: int) -> JsonObject:
    # RFC 7951 6.1: numbers of 64 bits are strings.
    key: JsonObject = {"key-id": str(number)}
    lifetime: JsonObject = {
        name: _lifetime(mkt, span)
        for name, span in (("send-lifetime", mkt.send_lifetime), ("accept-lifetime", mkt.accept_lifetime))
        if span is not None
    }
    if lifetime:
        key["lifetime"] = lifetime
    is_md5 = mkt.algorithm.is_md5
    key["crypto-algorithm"] = "ietf-key-chain:md5" if is_md5 else written_algorithm(mkt, ABILITIES)
    key["key-string"] = _key_string(secret_of(mkt))
    ao = {
        "send-id": mkt.send_id,
        "recv-id": mkt.recv_id,
        "include-tcp-options": mkt.tcp_options is TcpOptions.INCLUDE,
    }
    key["ietf-tcp:authentication"] = {"md5": {}} if is_md5 else {"ao": ao}
    return key


def _key_string(secret: bytes) -> JsonObject:
    try:
        text = secret.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return {"keystring": text} if text and text.isprintable() else {"hexadecimal-string": secret.hex(":")}


def _lifetime(mkt: MasterKeyTuple, lifetime: Lifetime) -> JsonObject:
    written: JsonObject = {}
    if lifetime.from_ns is not None:
        written["start-date-time"] = _moment(mkt, lifetime.from_ns)
    if lifetime.until_ns is not None:
        written["end-date-time"] = _moment(mkt, lifetime.until_ns)
    else:
        written["no-end-time"] = [None]
    return written


def _moment(mkt: MasterKeyTuple, time_ns: int) -> str:
    seconds, fraction = divmod(time_ns, SECOND_NS)
    try:
        whole = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise KeyFileError(f'{mkt.origin}: a lifetime of the key "{mkt.name}" is in no year from 1 to 9999') from None
    shown = f".{fraction:09d}" if fraction else ""
    return f"{whole:%Y-%m-%dT%H:%M:%S}{shown}+00:00"
