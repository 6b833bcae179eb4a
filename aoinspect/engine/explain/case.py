"""One connection's failing segments as material to try assumptions on.

A case is plain scalars and octets: nothing in it grows with the capture. The functions here give what the key file and
the capture say of a segment (keys that its KeyID selects, ISNs, SNE, MAC input); a hypothesis changes one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address

from aoinspect.ao.algorithms import Algorithm
from aoinspect.ao.mac_input import mac_input
from aoinspect.ao.md5 import md5_input
from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
from aoinspect.ao.traffic_keys import find_traffic_key, kdf_context
from aoinspect.engine.explain.model import Assumption, ComputeMac, FindAssumptions
from aoinspect.engine.failures import FailingSegment
from aoinspect.engine.keyring import Candidate, PairKeys
from aoinspect.engine.second_opinion import HeaderReading, read_header
from aoinspect.engine.segments import ACK, SYN
from aoinspect.engine.verdicts import Method, Reason

_LONGEST_OVER_IPV4 = 0xF000
"""Octets of a segment that leave room in the pseudo-header's length for every variant of it."""

Isns = tuple[int, int]
"""The sender's and the receiver's, as they enter the traffic key."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and whether it covers TCP options here (for `auto` both are candidates)."""

    index: int
    """Into `Case.mkts`."""
    mkt: MasterKeyTuple
    include_options: bool

    @property
    def secret(self) -> bytes | None:
        """The master key; None for a key of a traffic-key log."""
        return self.mkt.secret

    def traffic_key(self, context: bytes) -> bytes | None:
        """The traffic key for a KDF context; None where a log does not hold it."""
        return find_traffic_key(self.mkt, context)


@dataclass(frozen=True, eq=False)
class Subject:
    """One failing segment with what the capture tells of its connection. Each is equal to itself alone."""

    segment: FailingSegment
    own_isn: int | None
    """The connection's ISN of the sender."""
    peer_isn: int | None
    selected: tuple[SigningKey, ...]
    """Keys that its KeyID selects, without gaps."""

    @cached_property
    def reading(self) -> HeaderReading:
        segment = self.segment
        return read_header(segment.octets, segment.declared_length, is_partial=segment.is_partial)

    @cached_property
    def _messages(self) -> dict[tuple[bool, int], bytes]:
        return {}

    @property
    def captured(self) -> bytes:
        """The captured MAC."""
        return self.reading.mac

    @property
    def is_syn(self) -> bool:
        return bool(self.reading.flags & SYN)

    @property
    def is_ao(self) -> bool:
        return self.reading.method is Method.AO

    @property
    def is_provable(self) -> bool:
        """Whether a MAC can be computed and compared at all."""
        reading, segment = self.reading, self.segment
        is_countable = len(segment.source) == 16 or segment.declared_length <= _LONGEST_OVER_IPV4
        is_sound = segment.is_whole and not reading.is_cut and reading.fault is Reason.NONE
        return is_sound and is_countable and bool(reading.mac)

    @property
    def ports(self) -> tuple[int, int]:
        """Source and destination port."""
        octets = self.segment.octets
        return int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big")

    @property
    def isns(self) -> Isns | None:
        """What RFC 5925 5.2 puts into the traffic key; None where an ISN is unknown."""
        reading = self.reading
        if self.is_syn:
            return reading.seq, (reading.ack - 1) & 0xFFFFFFFF if reading.flags & ACK else 0
        if self.own_isn is None or self.peer_isn is None:
            return None
        return self.own_isn, self.peer_isn

    @property
    def sne(self) -> int:
        if self.is_syn:
            return 0
        if self.segment.sne is not None:
            return self.segment.sne
        return int(self.own_isn is not None and self.reading.seq < self.own_isn)

    @property
    def fitting(self) -> Iterator[SigningKey]:
        """Selected keys whose MAC has the captured length."""
        return (key for key in self.selected if key.mkt.mac_length == len(self.captured))

    def context(self, isns: Isns) -> bytes:
        """The KDF context with these ISNs."""
        return kdf_context(self.segment.source, self.segment.destination, *self.ports, *isns)

    def message(self, include_options: bool, sne: int | None = None) -> bytes:
        """What the MAC covers (RFC 5925 5.1), or the digest of TCP-MD5."""
        number = self.sne if sne is None else sne
        known = self._messages.get((include_options, number))
        if known is None:
            segment = self.segment
            if self.is_ao:
                known = mac_input(number, segment.source, segment.destination, segment.octets, include_options)
            else:
                known = md5_input(segment.source, segment.destination, segment.octets)
            self._messages[include_options, number] = known
        return known


@dataclass(frozen=True, slots=True)
class Case:
    """One connection, or one segment of it."""

    subjects: tuple[Subject, ...]
    mkts: Sequence[MasterKeyTuple]
    pair_keys: PairKeys | None
    """The keys of the socket pair."""
    other_isns: tuple[tuple[int, ...], tuple[int, ...]]
    """By side: ISNs that other connections of the socket pair have, or that the key file names for it."""
    named_addresses: tuple[bytes, ...]
    """Single addresses that the key file names."""
    is_midway: bool
    """The handshake is not in the capture."""

    @property
    def every_key(self) -> Iterator[SigningKey]:
        """All keys of the files that are not gaps, those of the socket pair first."""
        own: dict[int, None] = {}
        if self.pair_keys is not None:
            own = {candidate.mkt: None for listed in self.pair_keys.lists.values() for candidate in listed}
        for index in dict.fromkeys([*own, *range(len(self.mkts))]):
            yield from signing_keys(self.mkts, index)


def signing_keys(mkts: Sequence[MasterKeyTuple], index: int) -> Iterator[SigningKey]:
    """A key in each way that it may cover options; nothing for a key without its secret."""
    mkt = mkts[index]
    if not mkt.is_keyed:
        return
    ways = (True, False) if mkt.tcp_options is TcpOptions.AUTO else (mkt.tcp_options is TcpOptions.INCLUDE,)
    for way in ways:
        yield SigningKey(index, mkt, way)


def selected_keys(mkts: Sequence[MasterKeyTuple], candidates: Sequence[Candidate]) -> tuple[SigningKey, ...]:
    """The candidates that are not gaps."""
    return tuple(
        SigningKey(candidate.mkt, mkts[candidate.mkt], candidate.include_options)
        for candidate in candidates
        if mkts[candidate.mkt].is_keyed
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """One assumption to try on one segment: a MAC to compute and to compare."""

    subject: Subject
    assumption: Assumption
    mac: ComputeMac
    """At least as many octets as were captured."""


@dataclass(frozen=True, slots=True)
class Unkeyed:
    """A trial that cannot be made: it takes the master key, or a traffic key that the log does not hold."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Search:
    """A field's 65,536 values to try on one segment at once."""

    subject: Subject
    find: FindAssumptions
    """The assumptions that match."""
    trial_of: Callable[[int], Trial]
    """The trial of one value (`Assumption.value`)."""


def keyed(algorithm: Algorithm, traffic_key: bytes, message: bytes) -> bytes:
    """The MAC of `message` before truncation."""
    computation = algorithm.keyed_mac(traffic_key)
    computation.update(message)
    return computation.finalize()


def trial(
    subject: Subject,
    key: SigningKey,
    assumption: Assumption,
    *,
    secret: bytes | None = None,
    algorithm: Algorithm | None = None,
    include_options: bool | None = None,
    isns: Isns | None = None,
    sne: int | None = None,
    context: bytes | None = None,
    message: bytes | None = None,
) -> Iterator[Trial | Unkeyed]:
    """The trial of `key` with what is given in place of what would be right; nothing where an ISN is unknown.

    For a key of a log only what its traffic keys can tell is tried.
    """
    chosen_isns = subject.isns if isns is None else isns
    if chosen_isns is None:
        if context is None and subject.is_ao:
            return
        chosen_isns = (0, 0)
    whole = subject.context(chosen_isns) if context is None else context
    includes = key.include_options if include_options is None else include_options
    kind = key.mkt.algorithm if algorithm is None else algorithm
    master_key = key.secret if secret is None else secret
    if master_key is None:
        logged = key.traffic_key(whole) if kind.derive is key.mkt.algorithm.derive else None
        if logged is None:
            yield Unkeyed(subject)
            return
        yield Trial(subject, assumption, lambda: keyed(kind, logged, _message(subject, includes, sne, message)))
        return
    if kind.master_key_lengths is not None and len(master_key) not in kind.master_key_lengths:
        return

    def compute() -> bytes:
        return keyed(kind, kind.derive(master_key, whole), _message(subject, includes, sne, message))

    yield Trial(subject, assumption, compute)


def _message(subject: Subject, includes: bool, sne: int | None, message: bytes | None) -> bytes:
    return subject.message(includes, sne) if message is None else message


def key_words(key: SigningKey) -> str:
    """The key as messages name it."""
    return f"key {key.mkt.name!r} ({key.mkt.origin})"


def address_words(address: bytes) -> str:
    return str(ip_address(address))
