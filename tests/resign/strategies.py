"""Random keys and conversations, as hypothesis draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypothesis import strategies as st

from tests.conversation import Conversation, End, Key
from tests.reference_signer import ALGORITHMS

DIGEST_LENGTHS = {"hmac(md5)": 16, "aes-128-cmac-96": 16, "cmac(aes128)": 16}
"""Octets of the whole MAC where that is below 20, the longest that is drawn."""
ENDS: tuple[End, End] = ("a", "b")


@st.composite
def keys_named(draw: st.DrawFn, names: Sequence[str], longest_mac: int = 20) -> list[Key]:
    """A key of each name, with distinct ids in both directions."""
    send_ids = draw(st.lists(st.integers(0, 255), min_size=len(names), max_size=len(names), unique=True))
    recv_ids = draw(st.lists(st.integers(0, 255), min_size=len(names), max_size=len(names), unique=True))
    keys = []
    for name, send_id, recv_id in zip(names, send_ids, recv_ids, strict=True):
        algorithm = draw(st.sampled_from(ALGORITHMS))
        most = min(longest_mac, DIGEST_LENGTHS.get(algorithm, longest_mac))
        keys.append(
            Key(
                name=name,
                send_id=send_id,
                recv_id=recv_id,
                algorithm=algorithm,
                secret=draw(st.binary(min_size=1, max_size=40)),
                mac_length=draw(st.integers(4, most)),
                include_options=draw(st.booleans()),
            )
        )
    return keys


@st.composite
def conversations(draw: st.DrawFn, keys: Sequence[Key]) -> Conversation:
    """A conversation under `keys`, with roll-overs, wraps, losses and the like; no segment is wrong."""
    is_ipv6 = draw(st.booleans())
    told = Conversation(
        keys,
        client="[2001:db8::1]:40000" if is_ipv6 else "10.0.0.1:40000",
        server="[2001:db8::2]:179" if is_ipv6 else "10.0.0.2:179",
        client_isn=draw(st.sampled_from([0, 1, 0x11223344, 0xFFFFFF00, 0xFFFFFFFF])),
        server_isn=draw(st.sampled_from([7, 0x99AABBCC, 0xFFFFFFF0])),
        timestamps=draw(st.booleans()),
    )
    told.handshake()
    for _ in range(draw(st.integers(0, 12))):
        end = draw(st.sampled_from(ENDS))
        match draw(st.sampled_from(["data", "ack", "rollover", "retransmit", "keepalive", "wrap", "duplicate"])):
            case "data":
                told.data(end, draw(st.integers(1, 600)))
            case "ack":
                told.ack(end)
            case "rollover":
                told.rollover(end, draw(st.sampled_from(keys)))
            case "retransmit":
                told.retransmit()
            case "keepalive":
                told.keepalive(end)
            case "wrap":
                told.wrap(end)
            case "duplicate":
                told.duplicate()
    if draw(st.booleans()):
        told.close(draw(st.sampled_from(ENDS)))
    return told


def key_file_for(told: Conversation, keys: Sequence[Key]) -> str:
    """The key file of a conversation's socket pair with other keys."""
    other = Conversation(keys, client=str(told.sockets["a"]), server=str(told.sockets["b"]))
    return other.key_file()


def renamed(keys: Sequence[Key], suffix: str) -> list[Key]:
    return [dataclasses.replace(key, name=key.name + suffix) for key in keys]
