"""What a segment with SYN opens, and which ISNs it tells (RFC 9293 3.5).

A SYN with a new ISN opens another connection and ends none. An ISN that a MAC has confirmed is never replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.reference.connections import FAILED, NONE, SPACE, SYN_DATA, UNSIGNED, Connection, Pair

BOTH = 2


class Opening(NamedTuple):
    """One segment with SYN set."""

    end: int
    """Which of the pair's ends sent it."""
    seq: int
    ack: int
    is_answer: bool
    """SYN and ACK."""
    is_verified: bool
    is_checkable: bool
    doubt: str


def take_opening(pair: Pair, opening: Opening, holds: Callable[[int], bool]) -> Connection:
    """The connection of the segment. `holds`: whether its MAC matches with this ISN of the opener."""
    alive = [one for one in pair.newest_first if not one.is_told or any(one.is_confirmed)]
    if not opening.is_answer:
        return _take_syn(pair, alive, opening)
    if opening.is_verified:
        return _take_verified_answer(pair, alive, opening)
    return _take_doubtful_answer(pair, alive, opening, holds)


def _take_syn(pair: Pair, alive: list[Connection], syn: Opening) -> Connection:
    same = [one for one in alive if one.isns[syn.end] == syn.seq]
    if same:
        chosen = next((one for one in same if one.is_confirmed[syn.end]), same[0])
        chosen.is_confirmed[syn.end] |= syn.is_verified
        return chosen
    newest = alive[0] if alive else None
    if (
        newest is not None
        and syn.doubt == NONE
        and newest.opener == 1 - syn.end
        and newest.isns[1 - syn.end] is not None
        and newest.isns[syn.end] is None
    ):
        # A simultaneous open: both have sent a SYN, and neither has answered.
        newest.note_isn(syn.end, syn.seq, is_confirmed=syn.is_verified)
        newest.opener = BOTH
        return newest
    opened = pair.open(syn.end)
    opened.note_isn(syn.end, syn.seq, is_confirmed=syn.is_verified, doubt=syn.doubt)
    return opened


def _take_verified_answer(pair: Pair, alive: list[Connection], answer: Opening) -> Connection:
    opener = 1 - answer.end
    isns = ((answer.ack - 1) % SPACE, answer.seq)
    same = [one for one in alive if one.isns[opener] == isns[0]]
    fitting = [one for one in same if one.isns[answer.end] == answer.seq]
    fitting += [one for one in same if not one.is_confirmed[answer.end]]
    chosen = fitting[0] if fitting else pair.open(opener)
    pair.confirm_handshake(chosen, opener, isns)
    return chosen


def _take_doubtful_answer(
    pair: Pair, alive: list[Connection], answer: Opening, holds: Callable[[int], bool]
) -> Connection:
    opener = 1 - answer.end
    acknowledged = (answer.ack - 1) % SPACE
    if answer.is_checkable:
        # It may acknowledge data that the SYN carried (RFC 7413): the opener's ISN is that of a SYN seen before.
        for one in alive:
            isn = one.isns[opener]
            is_open = not one.is_confirmed[answer.end] or one.isns[answer.end] == answer.seq
            if isn is not None and is_open and isn != acknowledged and holds(isn):
                pair.confirm_handshake(one, opener, (isn, answer.seq))
                return one
    same = [one for one in alive if one.isns[opener] == acknowledged]
    chosen = next((one for one in same if one.isns[answer.end] == answer.seq), same[0] if same else None)
    if chosen is None and answer.doubt == NONE:
        chosen = next((one for one in alive if _waits_for(one, answer, acknowledged)), None)
    if chosen is not None:
        if chosen.isns[answer.end] is None:
            chosen.note_isn(answer.end, answer.seq, doubt=answer.doubt)
        return chosen
    keys_are_right = any(any(one.is_confirmed) for one in alive)
    if alive and (answer.doubt == UNSIGNED or (answer.doubt == FAILED and keys_are_right)):
        return alive[0]
    opened = pair.open(opener)
    opened.note_isn(opener, acknowledged, doubt=answer.doubt)
    opened.note_isn(answer.end, answer.seq, doubt=answer.doubt)
    return opened


def _waits_for(one: Connection, answer: Opening, acknowledged: int) -> bool:
    isn = one.isns[1 - answer.end]
    return isn is not None and one.isns[answer.end] is None and (acknowledged - isn) % SPACE <= SYN_DATA
