"""Both ends of sessions compared: what each end's keys say of the other's.

This file decides which peer of one end is the same session as which of the other, and when two keys are one MKT: what
one end sends with, the other receives with, so ids are crossed, and everything else is equal (RFC 5925 3.1). Of
secrets it is told whether they are equal, yes or no, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aoinspect.ao.mkt import MasterKeyTuple, Origin, TcpOptions
from aoinspect.keys.lifetimes import meet, outside, span_text
from aoinspect.keys.model import KeyStore, Network, Peer
from aoinspect.keys.remarks import Remark, Severity
from aoinspect.keys.same_keys import compute_alike, secrets_are_equal

_MKT_CLAUSE = "RFC 5925 3.1"
_ALIKE = "make both keys equal, with send-id and recv-id crossed"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One MKT as both ends have it; one of them is None where that end has no such key."""

    mine: MasterKeyTuple | None
    theirs: MasterKeyTuple | None
    is_secret_equal: bool | None
    """None where an end's secret is not known, or there is none to compare."""
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class SessionPair:
    """One session as both ends have it."""

    mine: Peer
    theirs: Peer
    keys: tuple[KeyPair, ...]

    @property
    def remarks(self) -> tuple[Remark, ...]:
        return tuple(remark for pair in self.keys for remark in pair.remarks)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two ends' key files say of each other."""

    sessions: tuple[SessionPair, ...]
    only_mine: tuple[Peer, ...]
    """Peers of the first that the second says nothing of."""
    only_theirs: tuple[Peer, ...]

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """Of all sessions, the gravest first."""
        found = [remark for session in self.sessions for remark in session.remarks]
        return tuple(sorted(dict.fromkeys(found), key=lambda remark: remark.severity.rank))


def compare(mine: KeyStore, theirs: KeyStore) -> Comparison:
    """How the keys of one end agree with those of the other.

    A peer without a local address can be any device's, so a session is recognised by whichever addresses are there.
    Where neither side names its own, two peers are one session only if each file has no other.
    """
    is_single = len(mine.peers) == 1 and len(theirs.peers) == 1
    sessions = [
        SessionPair(peer, other, tuple(compare_keys(peer, other)))
        for peer in mine.peers
        for other in theirs.peers
        if are_two_ends(peer, other, is_told_otherwise=is_single)
    ]
    paired = {id(session.mine) for session in sessions} | {id(session.theirs) for session in sessions}
    return Comparison(
        sessions=tuple(sessions),
        only_mine=tuple(peer for peer in mine.peers if id(peer) not in paired),
        only_theirs=tuple(peer for peer in theirs.peers if id(peer) not in paired),
    )


def are_two_ends(peer: Peer, other: Peer, *, is_told_otherwise: bool = False) -> bool:
    """Whether `other` is the other end of `peer`'s sessions.

    `is_told_otherwise`: they are known to be of two devices, so that both may leave out their own address.
    """
    if peer.local is None and other.local is None and not is_told_otherwise:
        return False
    if not (_meet(peer.local, other.remote) and _meet(peer.remote, other.local)):
        return False
    ports = ((peer.port, other.port), (peer.local_port, other.remote_port), (peer.remote_port, other.local_port))
    return all(one is None or another is None or one == another for one, another in ports)


def _meet(one: Network | None, other: Network | None) -> bool:
    if one is None or other is None:
        return True
    shorter = min(one.prefixlen, other.prefixlen)
    return one.version == other.version and one.supernet(new_prefix=shorter) == other.supernet(new_prefix=shorter)


def compare_keys(peer: Peer, other: Peer) -> Iterator[KeyPair]:
    """The MKTs of one session, each with the other end's; what has no counterpart comes alone."""
    waiting = list(other.mkts)
    for mkt in peer.mkts:
        crossed = [theirs for theirs in waiting if _are_crossed(mkt, theirs)]
        if crossed:
            theirs = min(crossed, key=lambda candidate: len(_differences(mkt, candidate)))
            waiting.remove(theirs)
            yield KeyPair(mkt, theirs, secrets_are_equal(mkt, theirs), tuple(_differences(mkt, theirs)))
        else:
            yield KeyPair(mkt, None, None, (_missing(mkt, other),))
    for theirs in waiting:
        yield KeyPair(None, theirs, None, (_missing(theirs, peer),))


def _are_crossed(mkt: MasterKeyTuple, theirs: MasterKeyTuple) -> bool:
    if mkt.algorithm.is_md5 or theirs.algorithm.is_md5:
        return mkt.algorithm.is_md5 and theirs.algorithm.is_md5
    return (mkt.send_id, mkt.recv_id) == (theirs.recv_id, theirs.send_id)


def _missing(mkt: MasterKeyTuple, other: Peer) -> Remark:
    """What is to be said of a key that the other end does not have."""
    if mkt.algorithm.is_md5 or all(theirs.algorithm.is_md5 for theirs in other.mkts):
        message = "one end signs with TCP-MD5 and the other with TCP-AO"
        return _error("method-differs", mkt, message, "configure one of them on both ends", "RFC 5925 8", other.origin)
    called = f'the key "{mkt.name}" (send-id {mkt.send_id}, recv-id {mkt.recv_id})'
    for theirs in other.mkts:
        if (theirs.send_id, theirs.recv_id) == (mkt.send_id, mkt.recv_id):
            message = f"{called} has the same ids on both ends, and not crossed"
            remedy = "exchange send-id and recv-id on one end"
            return _error("ids-not-crossed", mkt, message, remedy, _MKT_CLAUSE, theirs.origin)
    for theirs in other.mkts:
        if theirs.recv_id == mkt.send_id or theirs.send_id == mkt.recv_id:
            message = f"{called} meets a key of the other end that has send-id {theirs.send_id} and recv-id "
            message += f"{theirs.recv_id}: one direction is right, the other has no key"
            remedy = "give both keys the same two ids, crossed"
            return _error("ids-half-crossed", mkt, message, remedy, _MKT_CLAUSE, theirs.origin)
    message = f"{called} has no counterpart on the other end"
    remedy = "add it there with the ids crossed, before this end uses it"
    return Remark("key-missing", Severity.WARNING, mkt.origin, message, remedy, _MKT_CLAUSE, other.origin)


def _differences(mkt: MasterKeyTuple, theirs: MasterKeyTuple) -> list[Remark]:
    called = f'the key "{mkt.name}"'
    found: list[Remark] = []

    def differs(ident: str, message: str) -> None:
        found.append(_error(ident, mkt, message, _ALIKE, _MKT_CLAUSE, theirs.origin))

    if not compute_alike(mkt, theirs):
        differs("algorithm-differs", f"{called} is {mkt.algorithm.name} here and {theirs.algorithm.name} there")
    if mkt.mac_length != theirs.mac_length:
        differs("mac-length-differs", f"{called} makes MACs of {mkt.mac_length} octets here, {theirs.mac_length} there")
    if TcpOptions.AUTO in (mkt.tcp_options, theirs.tcp_options):
        if mkt.tcp_options is not theirs.tcp_options:
            message = f"{called}: one end does not say whether TCP options are covered; the other says "
            message += f'"{theirs.tcp_options.value if mkt.tcp_options is TcpOptions.AUTO else mkt.tcp_options.value}"'
            remedy = "say it on both ends: vendors' defaults differ"
            found.append(
                Remark(
                    *("options-flag-unknown", Severity.NOTE, mkt.origin, message, remedy, _MKT_CLAUSE, theirs.origin)
                )
            )
    elif mkt.tcp_options is not theirs.tcp_options:
        covers = "covers" if mkt.tcp_options is TcpOptions.INCLUDE else "excludes"
        differs("options-flag-differs", f"{called} {covers} TCP options here, and not so there")
    if secrets_are_equal(mkt, theirs) is False:
        differs("secret-differs", f"{called} has another secret on the other end")
    for sender, receiver in ((mkt, theirs), (theirs, mkt)):
        remark = unaccepted(sender, receiver)
        if remark is not None:
            found.append(remark)
    return found


def unaccepted(sender: MasterKeyTuple, receiver: MasterKeyTuple) -> Remark | None:
    """What is wrong between one end's send lifetime and the other's accept lifetime; None where nothing is."""
    send, accept = sender.send_lifetime, receiver.accept_lifetime
    left_out = outside(send, accept)
    if left_out is None:
        return None
    called = f'the key "{sender.name}"'
    remedy = "let the accept-lifetime of one end contain the send-lifetime of the other, with some time to spare"
    if not meet(send, accept):
        message = f"{called} is never accepted by the other end while this one sends with it"
        ident, severity = "never-accepted-when-sent", Severity.ERROR
    else:
        message = f"{called} is sent {span_text(left_out)}, when the other end does not accept it"
        ident, severity = "lifetimes-do-not-meet", Severity.WARNING
    return Remark(ident, severity, sender.origin, message, remedy, "RFC 8177 2.2, RFC 4808", receiver.origin)


def _error(ident: str, mkt: MasterKeyTuple, message: str, remedy: str, reference: str, other: Origin) -> Remark:
    return Remark(ident, Severity.ERROR, mkt.origin, message, remedy, reference, other)


def session_pairs(peers: Sequence[Peer]) -> list[tuple[Peer, Peer]]:
    """The pairs of peers that are two ends of a session, each pair once; both must name their own address."""
    return [
        (peer, other)
        for number, peer in enumerate(peers)
        for other in peers[number + 1 :]
        if peer.local is not None and other.local is not None and are_two_ends(peer, other)
    ]
