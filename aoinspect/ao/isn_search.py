"""Finds the ISNs of a connection whose handshake is missing, by trying how many octets each end had sent.

With the key known, the unknowns are only those two numbers: an end's ISN is the sequence number of a segment of its,
less one, less what it had sent before. One segment with a MAC of 64 bits or more is proof by itself. Pairs are tried in
the order of their sum, so a young session is found at once and the cost of a bound n is n * (n + 1) / 2 MACs of some
four microseconds each. Nothing here knows captures: this runs in worker processes, and imports only this package.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from aoinspect.ao.algorithms import Algorithm
from aoinspect.ao.mac_input import mac_input


@dataclass(frozen=True, slots=True)
class SearchTask:
    """One signed segment whose ISNs are sought, under one key. Pickles, so that it can travel to other processes."""

    algorithm: Algorithm
    secret: bytes | None = field(repr=False)
    """None where a log tells traffic keys: then only ISNs that it knows can hold."""
    include_options: bool
    source: bytes
    """Address of the end that sent the segment: 4 or 16 octets."""
    destination: bytes
    segment: bytes = field(repr=False)
    """From the TCP header on, as captured."""
    mac: bytes
    """The captured MAC."""
    own_isn: int | None = None
    """The sender's ISN, where the capture tells it; then only the other's is sought."""
    peer_isn: int | None = None
    traffic_keys: Mapping[bytes, bytes] | None = field(default=None, repr=False)
    """KDF context -> traffic key, in place of the secret."""

    @property
    def is_linear(self) -> bool:
        """One ISN is known: a bound of n costs n + 1 candidates."""
        return self.own_isn is not None or self.peer_isn is not None

    def cost(self, first_total: int, last_total: int) -> int:
        """Candidates whose octets sent add up to `first_total` up to but not including `last_total`."""
        if self.is_linear:
            return last_total - first_total
        return (last_total * (last_total + 1) - first_total * (first_total + 1)) // 2


def matches(task: SearchTask, own_isn: int, peer_isn: int) -> bool:
    """Whether the segment's MAC holds under these ISNs; the SNE is that of a direction that sent less than 4 GiB."""
    return _Attempt(task).holds(own_isn, peer_isn)


def search(task: SearchTask, first_total: int, last_total: int) -> tuple[int, int] | None:
    """The ISNs (sender's, receiver's) with which the MAC holds, or None.

    Tried are all pairs of octets sent whose sum is at least `first_total` and below `last_total`, by growing sum.
    """
    holds = _Attempt(task).holds
    seq, ack = struct.unpack_from("!II", task.segment, 4)
    own_first, peer_first = (seq - 1) & 0xFFFFFFFF, (ack - 1) & 0xFFFFFFFF
    for total in range(first_total, last_total):
        if task.own_isn is not None:
            pairs = [(task.own_isn, (peer_first - total) & 0xFFFFFFFF)]
        elif task.peer_isn is not None:
            pairs = [((own_first - total) & 0xFFFFFFFF, task.peer_isn)]
        else:
            pairs = [
                ((own_first - sent) & 0xFFFFFFFF, (peer_first - total + sent) & 0xFFFFFFFF) for sent in range(total + 1)
            ]
        for own_isn, peer_isn in pairs:
            if holds(own_isn, peer_isn):
                return own_isn, peer_isn
    return None


class _Attempt:
    """What all candidates of one task share, laid out once."""

    def __init__(self, task: SearchTask) -> None:
        self._task = task
        self._seq = int.from_bytes(task.segment[4:8], "big")
        self._messages = tuple(
            mac_input(sne, task.source, task.destination, task.segment, task.include_options) for sne in (0, 1)
        )
        # RFC 5925 5.2: addresses and ports, then the ISNs.
        self._context_head = task.source + task.destination + task.segment[:4]

    def holds(self, own_isn: int, peer_isn: int) -> bool:
        task = self._task
        context = self._context_head + own_isn.to_bytes(4, "big") + peer_isn.to_bytes(4, "big")
        if task.secret is not None:
            traffic_key: bytes | None = task.algorithm.derive(task.secret, context)
        else:
            traffic_key = None if task.traffic_keys is None else task.traffic_keys.get(context)
        if traffic_key is None:
            return False
        keyed = task.algorithm.keyed_mac(traffic_key)
        # Behind a wrap the sequence number lies below the ISN.
        keyed.update(self._messages[self._seq < own_isn])
        return keyed.finalize()[: len(task.mac)] == task.mac
