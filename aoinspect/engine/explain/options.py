"""Hypotheses on which TCP options a MAC covers, and how: H1, H10, H11 and H20.

All of them lay the MAC input out anew: the options as a list, one of them changed, left out or put in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from aoinspect.ao.mac_input import CHECKSUM_START, SNE_LENGTH, pseudo_header
from aoinspect.ao.mkt import TcpOptions
from aoinspect.ao.option import AO_OVERHEAD, FIXED_HEADER_LENGTH, KIND_AO, KIND_END, KIND_NOP, walk_options
from aoinspect.engine.explain.case import Case, SigningKey, Subject, Trial, Unkeyed, key_words, trial
from aoinspect.engine.explain.model import Assumption, Correction, Knob

KIND_MSS, KIND_WINDOW_SCALE, KIND_SACK_PERMITTED, KIND_TIMESTAMPS = 2, 3, 4, 8
_LARGEST_SHIFT = 14
"""RFC 7323 2.3."""
_PADDING = (KIND_NOP, KIND_END)
_NAMES = {
    KIND_MSS: "MSS",
    KIND_WINDOW_SCALE: "window scale",
    KIND_SACK_PERMITTED: "SACK-permitted",
    5: "SACK",
    KIND_TIMESTAMPS: "timestamps",
}


@dataclass(frozen=True, slots=True)
class Laid:
    """A segment laid out as its MAC input wants it: checksum and MAC are zero."""

    sne: int
    addresses: tuple[bytes, bytes]
    header: bytes
    """20 octets."""
    options: tuple[bytes, ...]
    """Each option, NOPs singly; what follows an EOL is part of it."""
    payload: bytes
    length: int
    """For the pseudo-header."""

    def message(self) -> bytes:
        return b"".join(
            (
                self.sne.to_bytes(SNE_LENGTH, "big"),
                pseudo_header(*self.addresses, self.length),
                self.header,
                *self.options,
                self.payload,
            )
        )

    def with_options(self, options: tuple[bytes, ...]) -> Laid:
        """Other octets in the options' place; where their number changes, the header is as long as they need."""
        grown = sum(map(len, options)) - sum(map(len, self.options))
        if grown % 4 or not 5 <= (self.header[12] >> 4) + grown // 4 <= 15:
            return replace(self, options=options)
        offset = (self.header[12] >> 4) + grown // 4
        header = self.header[:12] + bytes((offset << 4 | self.header[12] & 0x0F,)) + self.header[13:]
        return replace(self, options=options, header=header, length=self.length + grown)


def lay_out(subject: Subject) -> Laid:
    """The subject's segment with all its options."""
    segment = subject.segment
    octets = segment.octets
    options = []
    for option in walk_options(octets):
        whole = octets[option.start : option.end]
        if option.kind == KIND_AO:
            whole = whole[:AO_OVERHEAD] + bytes(len(whole) - AO_OVERHEAD)
        options.append(whole)
    header_length = (octets[12] >> 4) * 4
    return Laid(
        sne=subject.sne,
        addresses=(segment.source, segment.destination),
        header=octets[:CHECKSUM_START] + b"\0\0" + octets[18:FIXED_HEADER_LENGTH],
        options=tuple(options),
        payload=octets[header_length:],
        length=len(octets),
    )


def options_flag(case: Case) -> Iterator[Trial | Unkeyed]:
    """H1: TCP options included where the key excludes them, or the other way round."""
    for subject, key in fitting_ao(case):
        if subject.message(True) == subject.message(False):
            continue  # Nothing but AO among the options: this segment cannot tell.
        if any(other.index == key.index and other is not key for other in subject.selected):
            continue  # `auto`: both ways were tried.
        flag = TcpOptions.EXCLUDE if key.include_options else TcpOptions.INCLUDE
        does, should = ("left out of", "covered by") if key.include_options else ("covered by", "left out of")
        verb = "include" if key.include_options else "exclude"
        assumption = Assumption(
            ("H1",),
            key.index,
            f"TCP options are {does} the MAC",
            claim=f"{{sender}} signs with TCP options {does} the MAC, where {key_words(key)} says that they "
            f"are {should} it",
            origin=f"the TCP option flag of {key_words(key)}",
            file_remedy=f'in {{key}}, set `tcp-options = "{flag.value}"`',
            device_remedy=f"on {{sender}}, {verb} TCP options",
            knob=Knob.TCP_OPTIONS,
            correction=Correction(tcp_options=flag),
        )
        yield from trial(subject, key, assumption, include_options=not key.include_options)


def padding_left_out(case: Case) -> Iterator[Trial | Unkeyed]:
    """H10: NOPs and EOL that pad the options are not covered."""
    for subject, key in fitting_ao(case):
        laid = lay_out(subject)
        if not key.include_options:
            continue
        kept = list(laid.options)
        while kept and kept[-1][0] in _PADDING:
            kept.pop()
        ways = {
            "padding behind the last option": tuple(kept),
            "every NOP and EOL": tuple(option for option in laid.options if option[0] not in _PADDING),
        }
        for words, options in ways.items():
            if options != laid.options:
                assumption = _fault("H10", key, f"{words} is left out of the MAC", "the options of the segment")
                yield from trial(subject, key, assumption, message=replace(laid, options=options).message())


def options_spoilt(case: Case) -> Iterator[Trial | Unkeyed]:
    """H11: options zeroed instead of left out; AO itself left out; its KeyIDs zeroed."""
    for subject, key in fitting_ao(case):
        laid = lay_out(subject)
        others_zeroed = tuple(option if option[0] == KIND_AO else bytes(len(option)) for option in laid.options)
        all_zeroed = tuple(bytes(len(option)) for option in laid.options)
        covered = covered_options(laid, key)
        without_ao = tuple(option for option in covered if option[0] != KIND_AO)
        without_ids = tuple(
            option[:2] + bytes(len(option) - 2) if option[0] == KIND_AO else option for option in covered
        )
        for words, options in (
            ("the other options are zeroed instead of left out", others_zeroed),
            ("all options, TCP-AO too, are zeroed", all_zeroed),
            ("the TCP-AO option itself is left out of the MAC", without_ao),
            ("KeyID and RNextKeyID are zeroed", without_ids),
        ):
            if options != covered:
                assumption = _fault("H11", key, words, "the options of the segment")
                yield from trial(subject, key, assumption, message=replace(laid, options=options).message())


def options_rewritten(case: Case) -> Iterator[Trial | Unkeyed]:
    """H20: an option other than the MSS was rewritten, removed, added or replaced by NOPs on the path."""
    for subject, key in fitting_ao(case):
        if not key.include_options:
            continue
        laid = lay_out(subject)
        for words, options in _as_sent(laid.options, is_syn=subject.is_syn):
            assumption = Assumption(
                ("H20",),
                key.index,
                words,
                claim=f"TCP options were changed between {{sender}} and the capture: {words}",
                origin="the options of the segment",
                device_remedy="have the middlebox between {sender} and {receiver} leave TCP options alone, or exclude "
                "them from the MAC on both ends",
                knob=Knob.TCP_OPTIONS,
            )
            yield from trial(subject, key, assumption, message=laid.with_options(options).message())


def covered_options(laid: Laid, key: SigningKey) -> tuple[bytes, ...]:
    """Those of the options that a MAC under `key` covers."""
    return tuple(option for option in laid.options if key.include_options or option[0] == KIND_AO)


def fitting_ao(case: Case) -> Iterator[tuple[Subject, SigningKey]]:
    """TCP-AO segments with each selected key whose MAC has the captured length."""
    for subject in case.subjects:
        if subject.is_ao:
            for key in subject.fitting:
                yield subject, key


def _fault(ident: str, key: SigningKey, words: str, origin: str) -> Assumption:
    """A way of computing that no key file can follow."""
    return Assumption(
        (ident,),
        key.index,
        words,
        claim=f"{{sender}} computes the MAC otherwise than RFC 5925 5.1: {words}",
        origin=origin,
        device_remedy="update {sender}: nothing in the keys is wrong"
        + ("" if ident != "H11" else ", and try the other setting of its TCP option flag"),
    )


def _as_sent(options: tuple[bytes, ...], *, is_syn: bool) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """What the options may have been before somebody on the path changed them."""
    for at, option in enumerate(options):
        before, behind = options[:at], options[at + 1 :]
        kind = option[0]
        if kind in _PADDING or kind == KIND_AO:
            continue
        name = _NAMES.get(kind, f"option {kind}")
        yield f"{name} was written over NOPs", (*before, bytes((KIND_NOP,)) * len(option), *behind)
        yield f"{name} was added", (*before, *behind)
        if kind == KIND_TIMESTAMPS and len(option) == 10:
            yield "the echoed timestamp was 0", (*before, option[:6] + bytes(4), *behind)
        if kind == KIND_WINDOW_SCALE and len(option) == 3:
            for shift in range(_LARGEST_SHIFT + 1):
                if shift != option[2]:
                    yield f"window scale was {shift} and is {option[2]}", (*before, bytes((3, 3, shift)), *behind)
    if is_syn:
        yield from _over_padding(options)
        yield from _removed(options)


_LOST = (
    ("SACK-permitted", bytes((KIND_SACK_PERMITTED, 2))),
    *((f"window scale {shift}", bytes((KIND_WINDOW_SCALE, 3, shift))) for shift in range(_LARGEST_SHIFT + 1)),
)
"""Options of a SYN whose content can be guessed."""


def _over_padding(options: tuple[bytes, ...]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Options that were replaced by NOPs."""
    for at in range(len(options)):
        for name, lost in _LOST:
            covered = options[at : at + len(lost)]
            if len(covered) == len(lost) and all(option == b"\x01" for option in covered):
                yield f"{name} was replaced by NOPs", (*options[:at], lost, *options[at + len(lost) :])


def _removed(options: tuple[bytes, ...]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Options that were cut out, with NOPs that made them a multiple of four octets."""
    for at in range(len(options) + 1):
        for name, lost in _LOST:
            nops = b"\x01" * (-len(lost) % 4)
            for padded in (nops + lost, lost + nops):
                yield f"{name} was removed", (*options[:at], padded, *options[at:])
