"""What SYNs and SYN-ACKs open, and which ISNs they tell (RFC 9293 3.5, RFC 5925 5.2).

One step per segment with SYN set, in capture order. A verified SYN tells its sender's ISN, a verified SYN-ACK both; one
that is not verified tells them with a doubt, gives way to a verified one, and never takes anything from a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aoinspect.capture.frames import U32
from aoinspect.engine.connections import I32, NO_CONNECTION, OPENED_BY_BOTH, Connections, Doubt
from aoinspect.engine.verdicts import IsnSource

_LARGEST_SYN_PAYLOAD = 0xFFFF
"""Octets that a SYN-ACK may acknowledge beside the SYN (TCP Fast Open, RFC 7413)."""

Holds = Callable[[U32], int | None]
"""Of some ISNs of the opener, the first with which the MAC of the SYN-ACK at hand matches; its place among them."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One segment with SYN set."""

    pair: int
    side: int
    seq: int
    ack: int
    is_answer: bool
    """SYN and ACK."""
    is_verified: bool
    """By itself: a SYN with its own ISN, a SYN-ACK with its own and the one it acknowledges."""
    is_checkable: bool
    """There is a key, and the segment is whole."""
    doubt: Doubt


def take_opening(conns: Connections, opening: Opening, holds: Holds) -> int:
    """The connection that a SYN or SYN-ACK belongs to, opened if need be.

    `holds` is asked for SYN-ACKs that acknowledge something else than a SYN alone.
    """
    if not opening.is_answer:
        return _take_syn(conns, opening)
    if opening.is_verified:
        return _take_verified_answer(conns, opening)
    return _take_doubtful_answer(conns, opening, holds)


def _take_syn(conns: Connections, syn: Opening) -> int:
    side, other = syn.side, 1 - syn.side
    alive = conns.of_handshakes(syn.pair)
    same = conns.having(alive, side, syn.seq)
    if len(same):
        connection = _first(same[conns.is_confirmed[same, side]], default=int(same[0]))
        if syn.is_verified:
            conns.is_confirmed[connection, side] = True
        return connection
    newest = _first(alive)
    is_stray = syn.doubt is not Doubt.NONE
    if (
        newest != NO_CONNECTION
        and not is_stray
        and conns.openers[newest] == other
        and conns.has_isn[newest, other]
        and not conns.has_isn[newest, side]
    ):
        # Both ends sent a SYN and neither has answered yet: a simultaneous open (RFC 9293 3.5).
        conns.set_isn(newest, side, syn.seq, IsnSource.HANDSHAKE, confirmed=syn.is_verified)
        conns.openers[newest] = OPENED_BY_BOTH
        return newest
    connection = conns.open(syn.pair, opener=side)
    conns.set_isn(connection, side, syn.seq, IsnSource.HANDSHAKE, confirmed=syn.is_verified, doubt=syn.doubt)
    return connection


def _first(connections: I32, default: int = NO_CONNECTION) -> int:
    return int(connections[0]) if len(connections) else default


def _take_verified_answer(conns: Connections, answer: Opening) -> int:
    side, other = answer.side, 1 - answer.side
    opener_isn = (answer.ack - 1) & 0xFFFFFFFF
    same_opener = conns.having(conns.of_handshakes(answer.pair), other, opener_isn)
    unanswered = same_opener[~conns.is_confirmed[same_opener, side]]
    connection = _first(conns.having(same_opener, side, answer.seq), default=_first(unanswered))
    if connection == NO_CONNECTION:
        connection = conns.open(answer.pair, opener=other)
    _confirm(conns, connection, answer, opener_isn)
    return connection


def _confirm(conns: Connections, connection: int, answer: Opening, opener_isn: int) -> None:
    if conns.isn_sources[connection] == IsnSource.KEY_FILE:
        return
    conns.set_isn(connection, 1 - answer.side, opener_isn, IsnSource.HANDSHAKE, confirmed=True)
    conns.set_isn(connection, answer.side, answer.seq, IsnSource.HANDSHAKE, confirmed=True)
    conns.is_proven[answer.pair] = True
    conns.end_told(connection)


def _take_doubtful_answer(conns: Connections, answer: Opening, holds: Holds) -> int:
    side, other = answer.side, 1 - answer.side
    opener_isn = (answer.ack - 1) & 0xFFFFFFFF
    alive = conns.of_handshakes(answer.pair)
    if answer.is_checkable:
        isns = conns.isns[alive, other]
        is_open = ~conns.is_confirmed[alive, side]
        is_open |= conns.has_isn[alive, side] & (conns.isns[alive, side] == np.uint32(answer.seq))
        is_other = conns.has_isn[alive, other] & (isns != np.uint32(opener_isn))
        tried = np.flatnonzero(is_open & is_other)
        held = holds(isns[tried]) if len(tried) else None
        if held is not None:
            connection = int(alive[tried[held]])
            _confirm(conns, connection, answer, int(isns[tried[held]]))
            return connection
    same_opener = conns.having(alive, other, opener_isn)
    connection = _first(conns.having(same_opener, side, answer.seq), default=_first(same_opener))
    if connection == NO_CONNECTION and answer.doubt is Doubt.NONE:
        connection = _unanswered(conns, alive, answer, opener_isn)
    if connection != NO_CONNECTION:
        if not conns.has_isn[connection, side]:
            conns.set_isn(connection, side, answer.seq, IsnSource.HANDSHAKE, doubt=answer.doubt)
        return connection
    # The keys are right, or the segment is unsigned: nothing that could be a handshake.
    is_stray = answer.doubt is Doubt.UNSIGNED or (
        answer.doubt is Doubt.FAILED and bool(conns.is_confirmed[alive].any())
    )
    if len(alive) and is_stray:
        return int(alive[0])
    connection = conns.open(answer.pair, opener=other)
    conns.set_isn(connection, other, opener_isn, IsnSource.HANDSHAKE, doubt=answer.doubt)
    conns.set_isn(connection, side, answer.seq, IsnSource.HANDSHAKE, doubt=answer.doubt)
    return connection


def _unanswered(conns: Connections, alive: I32, answer: Opening, opener_isn: int) -> int:
    """The connection whose SYN carried what this SYN-ACK, which no key can check, acknowledges beside it."""
    beyond = np.uint32(opener_isn) - conns.isns[alive, 1 - answer.side]
    is_waiting = conns.has_isn[alive, 1 - answer.side] & ~conns.has_isn[alive, answer.side]
    return _first(alive[is_waiting & (beyond <= _LARGEST_SYN_PAYLOAD)])
