"""Hypotheses on ISNs and SNE: H12, H13, H16, H22 and H24. What a traffic key is derived from, changed one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from aoinspect.ao.traffic_keys import kdf_context
from aoinspect.engine.explain.case import Case, SigningKey, Subject, Trial, Unkeyed, trial
from aoinspect.engine.explain.model import Assumption
from aoinspect.engine.explain.options import covered_options, fitting_ao, lay_out
from aoinspect.engine.segments import ACK, RST

_MASK = 0xFFFFFFFF
_HIGHEST_GUESSED_SNE = 16


def wrong_isns(case: Case) -> Iterator[Trial | Unkeyed]:
    """H12: other ISNs in the traffic key than RFC 5925 5.2 says."""
    for subject, key in fitting_ao(case):
        tried = {subject.isns}
        for words, pair in _wrong_pairs(subject):
            if pair in tried:
                continue
            tried.add(pair)
            assumption = Assumption(
                ("H12",),
                key.index,
                f"the traffic key has {words}",
                claim=f"{{sender}} derives the traffic key with {words}",
                origin="the handshake, and the segment's own numbers",
                device_remedy=_isn_remedy(subject),
            )
            yield from trial(subject, key, assumption, isns=pair)


def _isn_remedy(subject: Subject) -> str:
    if subject.reading.flags & RST:
        return "nothing in the keys is wrong: Linux signs some RSTs so, and no receiver believes them"
    return "update {sender}: nothing in the keys is wrong; or look who else sent this in its name"


def _wrong_pairs(subject: Subject) -> Iterator[tuple[str, tuple[int, int]]]:
    reading = subject.reading
    seq, ack = reading.seq, reading.ack
    own, peer = subject.own_isn, subject.peer_isn
    if subject.is_syn:
        own = seq
        if reading.flags & ACK:
            peer = (ack - 1) & _MASK
    if own is not None and peer is not None:
        yield "the receiver's ISN, which a SYN leaves 0" if subject.is_syn else "both ISNs", (own, peer)
        yield "the two ISNs swapped", (peer, own)
    if own is not None:
        yield "0 in place of the receiver's ISN", (own, 0)
    if peer is not None:
        yield "0 in place of the sender's ISN", (0, peer)
    yield "the segment's sequence and acknowledgment numbers in place of the ISNs", (seq, ack)
    yield (
        "the segment's sequence and acknowledgment numbers less 1 in place of the ISNs",
        ((seq - 1) & _MASK, (ack - 1) & _MASK),
    )
    yield "the segment's sequence number and 0 in place of the ISNs", (seq, 0)
    yield "0 and the acknowledgment number less 1 in place of the ISNs", (0, (ack - 1) & _MASK)
    yield "0 in place of both ISNs", (0, 0)


def wrong_sne(case: Case) -> Iterator[Trial | Unkeyed]:
    """H13: the SNE is 0 instead of n, or one off; without a handshake any up to 16."""
    for subject, key in fitting_ao(case):
        right = subject.sne
        snes = [0, (right + 1) & _MASK, (right - 1) & _MASK]
        if case.is_midway:
            snes += range(_HIGHEST_GUESSED_SNE + 1)
        for sne in dict.fromkeys(snes):
            if sne == right:
                continue
            # The value and not the distance, and for a counter that does not count, 0 whatever it should be.
            words = f"the SNE is {sne}" + (f" instead of {right}" if sne else " instead of counting")
            assumption = Assumption(
                ("H13",),
                key.index,
                words,
                claim=f"{{sender}} signs with another sequence number extension: {words}",
                origin="the sequence numbers from the ISN on",
                file_remedy="name the SNE in [[connection]]" if case.is_midway else "",
                device_remedy="restart the session: an SNE that is off stays off; if only stray segments have it, they "
                "are not the sender's own",
            )
            yield from trial(subject, key, assumption, sne=sne)


def other_direction(case: Case) -> Iterator[Trial | Unkeyed]:
    """H16: signed with the other direction's traffic key, as Linux does a RST for a listener."""
    for subject, key in fitting_ao(case):
        segment = subject.segment
        peers = _numbers(subject.peer_isn, (subject.reading.ack - 1) & _MASK)
        owns = _numbers(subject.own_isn, (subject.reading.seq - 1) & _MASK)
        source_port, destination_port = subject.ports
        for peer_words, peer in peers.items():
            for own_words, own in owns.items():
                assumption = Assumption(
                    ("H16",),
                    key.index,
                    f"the other direction's traffic key, with {peer_words} and {own_words}",
                    claim="{sender} signs with the traffic key of the other direction",
                    origin="the connection's addresses and ISNs, swapped",
                    device_remedy="nothing in the keys is wrong: Linux signs the RST of a listener so, and {receiver} "
                    "cannot verify it",
                )
                context = kdf_context(segment.destination, segment.source, destination_port, source_port, peer, own)
                yield from trial(subject, key, assumption, context=context)


def _numbers(isn: int | None, near: int) -> dict[str, int]:
    """What may stand in an ISN's place, each number once."""
    named = {} if isn is None else {"the ISN": isn, "the ISN + 1": (isn + 1) & _MASK}
    named |= {"0": 0, "a number of the segment": near, "the next number of the segment": (near + 1) & _MASK}
    first_names: dict[int, str] = {}
    for words, number in named.items():
        first_names.setdefault(number, words)
    return {words: number for number, words in first_names.items()}


def sequence_offset(case: Case) -> Iterator[Trial | Unkeyed]:
    """H22: a firewall shifts sequence numbers; testable where the key file names the true ISNs."""
    for subject, key in fitting_ao(case):
        side = subject.segment.side
        for own in case.other_isns[side]:
            yield from _shifted(subject, key, own, subject.peer_isn)
            for peer in case.other_isns[1 - side]:
                yield from _shifted(subject, key, own, peer)


def _shifted(subject: Subject, key: SigningKey, own: int, peer: int | None) -> Iterator[Trial | Unkeyed]:
    seen_own = subject.reading.seq if subject.is_syn else subject.own_isn
    seen_peer = (subject.reading.ack - 1) & _MASK if subject.is_syn else subject.peer_isn
    if seen_own is None or seen_own == own:
        return
    has_ack = bool(subject.reading.flags & ACK)
    shift = (own - seen_own) & _MASK
    peer_shift = (peer - seen_peer) & _MASK if has_ack and peer is not None and seen_peer is not None else 0
    laid = lay_out(subject)
    seq = (subject.reading.seq + shift) & _MASK
    ack = (subject.reading.ack + peer_shift) & _MASK
    header = laid.header[:4] + seq.to_bytes(4, "big") + ack.to_bytes(4, "big") + laid.header[12:]
    message = replace(laid, header=header, options=covered_options(laid, key)).message()
    assumption = Assumption(
        ("H22",),
        key.index,
        f"sequence numbers of {{sender}} are shifted by {shift}",
        claim=f"something on the path adds {(-shift) & _MASK} to the sequence numbers of {{sender}}",
        origin="the ISN that the key file's [[connection]] names, against the one in the capture",
        device_remedy="switch off the randomising of sequence numbers for this session on the firewall",
    )
    isns = (own, (peer or 0) if has_ack else 0)
    yield from trial(subject, key, assumption, message=message, isns=isns)


def another_handshake(case: Case) -> Iterator[Trial | Unkeyed]:
    """H24: the ISNs of another SYN of this socket pair."""
    for subject, key in fitting_ao(case):
        if subject.is_syn and not subject.reading.flags & ACK:
            continue
        side = subject.segment.side
        owns = [*case.other_isns[side], subject.own_isn]
        peers = [*case.other_isns[1 - side], subject.peer_isn]
        if subject.is_syn:
            owns, peers = [subject.reading.seq], list(case.other_isns[1 - side])
        for own in dict.fromkeys(owns):
            for peer in dict.fromkeys(peers):
                if own is None or peer is None or (own, peer) == subject.isns:
                    continue
                assumption = Assumption(
                    ("H24",),
                    key.index,
                    f"the ISNs are {own:#x} of the sender and {peer:#x} of the receiver",
                    claim="{sender} signs with the ISNs of another SYN than the one that this connection shows",
                    origin="another handshake of the socket pair, or a [[connection]] of the key file",
                    file_remedy="name both ISNs in [[connection]]",
                    device_remedy="nothing: the socket pair was used again, or the SYN was sent anew",
                )
                yield from trial(subject, key, assumption, isns=(own, peer))
