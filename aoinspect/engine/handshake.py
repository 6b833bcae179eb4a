"""What SYNs and SYN-ACKs open, and which ISNs they tell (RFC 9293 3.5, RFC 5925 5.2).

One step per segment with SYN set, in capture order. A verified SYN tells its sender's ISN, a verified SYN-ACK both; one
that is not verified tells them with a doubt, gives way to a verified one, and never takes anything from a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aoinspect.engine.connections import NO_CONNECTION, OPENED_BY_BOTH, Connections, Doubt
from aoinspect.engine.verdicts import IsnSource

_LARGEST_SYN_PAYLOAD = 0xFFFF
"""Octets that a SYN-ACK may acknowledge beside the SYN (TCP Fast Open, RFC 7413)."""

Holds = Callable[[int], bool]
"""Whether the MAC of the SYN-ACK at hand matches with this ISN of the opener."""


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


def _alive(conns: Connections, opening: Opening) -> Iterator[int]:
    """The pair's connections that a handshake may be of, the newest first.

    One of the key file is among them once it is confirmed: its first segments overtook the handshake.
    """
    for connection in reversed(conns.of_pair[opening.pair]):
        if conns.isn_sources[connection] != IsnSource.KEY_FILE or conns.is_confirmed[connection].any():
            yield connection


def _has(conns: Connections, connection: int, side: int, isn: int) -> bool:
    return bool(conns.has_isn[connection, side]) and int(conns.isns[connection, side]) == isn


def _take_syn(conns: Connections, syn: Opening) -> int:
    side, other = syn.side, 1 - syn.side
    same = [connection for connection in _alive(conns, syn) if _has(conns, connection, side, syn.seq)]
    if same:
        connection = next((known for known in same if conns.is_confirmed[known, side]), same[0])
        if syn.is_verified:
            conns.is_confirmed[connection, side] = True
        return connection
    newest = next(_alive(conns, syn), NO_CONNECTION)
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


def _take_verified_answer(conns: Connections, answer: Opening) -> int:
    side, other = answer.side, 1 - answer.side
    opener_isn = (answer.ack - 1) & 0xFFFFFFFF
    same_opener = [known for known in _alive(conns, answer) if _has(conns, known, other, opener_isn)]
    connection = next(
        (known for known in same_opener if _has(conns, known, side, answer.seq)),
        next((known for known in same_opener if not conns.is_confirmed[known, side]), NO_CONNECTION),
    )
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
    alive = list(_alive(conns, answer))
    if answer.is_checkable:
        for connection in alive:
            isn = int(conns.isns[connection, other])
            is_open = not conns.is_confirmed[connection, side] or _has(conns, connection, side, answer.seq)
            if conns.has_isn[connection, other] and is_open and isn != opener_isn and holds(isn):
                _confirm(conns, connection, answer, isn)
                return connection
    same_opener = [known for known in alive if _has(conns, known, other, opener_isn)]
    connection = next(
        (known for known in same_opener if _has(conns, known, side, answer.seq)),
        next(iter(same_opener), NO_CONNECTION),
    )
    if connection == NO_CONNECTION and answer.doubt is Doubt.NONE:
        connection = _unanswered(conns, alive, answer, opener_isn)
    if connection != NO_CONNECTION:
        if not conns.has_isn[connection, side]:
            conns.set_isn(connection, side, answer.seq, IsnSource.HANDSHAKE, doubt=answer.doubt)
        return connection
    # The keys are right, or the segment is unsigned: nothing that could be a handshake.
    is_stray = answer.doubt is Doubt.UNSIGNED or (
        answer.doubt is Doubt.FAILED and any(conns.is_confirmed[known].any() for known in alive)
    )
    if alive and is_stray:
        return alive[0]
    connection = conns.open(answer.pair, opener=other)
    conns.set_isn(connection, other, opener_isn, IsnSource.HANDSHAKE, doubt=answer.doubt)
    conns.set_isn(connection, side, answer.seq, IsnSource.HANDSHAKE, doubt=answer.doubt)
    return connection


def _unanswered(conns: Connections, alive: list[int], answer: Opening, opener_isn: int) -> int:
    """The connection whose SYN carried what this SYN-ACK, which no key can check, acknowledges beside it."""
    for connection in alive:
        beyond = (opener_isn - int(conns.isns[connection, 1 - answer.side])) & 0xFFFFFFFF
        is_waiting = conns.has_isn[connection, 1 - answer.side] and not conns.has_isn[connection, answer.side]
        if is_waiting and beyond <= _LARGEST_SYN_PAYLOAD:
            return connection
    return NO_CONNECTION
