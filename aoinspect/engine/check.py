"""Whether a segment's MAC matches under any of the keys that its KeyID may select.

This is a pure function of octets, positions, ISNs and SNEs: it neither knows connections nor keeps state but the cache
of traffic keys. Candidates are tried rank by rank, all segments of a rank together.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from aoinspect.ao.algorithms import KeyedMac
from aoinspect.ao.traffic_keys import find_traffic_key, kdf_context
from aoinspect.capture.frames import I64, U8, U32, Interface
from aoinspect.engine.hash_index import ABSENT, HashIndex
from aoinspect.engine.keyring import KEY_ID_OF_MD5, Binding, Candidate, Keyring
from aoinspect.engine.locate import Mask
from aoinspect.engine.macs import Layout, MacInputs, MacPlaces
from aoinspect.engine.ordering import distinct, run_starts
from aoinspect.engine.pairs import PairTable
from aoinspect.engine.segments import Segments
from aoinspect.engine.verdicts import Method, Reason

NO_CANDIDATE = -1
TRAFFIC_KEY_LIMIT = 65_536
"""Keyed MACs kept; when there are more, the older half is forgotten and derived again if it is needed."""


class CandidateLists:
    """Every list of candidates that has been asked for, flattened into arrays.

    List i holds the candidates `starts[i]` to `starts[i] + lengths[i]`.
    """

    def __init__(self, keyring: Keyring, pairs: PairTable) -> None:
        self._keyring = keyring
        self._pairs = pairs
        self._index = HashIndex()
        self.candidates: list[Candidate] = []
        self.starts: I64 = np.zeros(0, dtype=np.int64)
        self.lengths: I64 = np.zeros(0, dtype=np.int64)
        self.mkts: I64 = np.zeros(0, dtype=np.int64)
        self.layouts: U8 = np.zeros(0, dtype=np.uint8)
        self.mac_lengths: I64 = np.zeros(0, dtype=np.int64)
        self.has_secrets: Mask = np.zeros(0, dtype=np.bool_)
        self.is_refused: Mask = np.zeros(0, dtype=np.bool_)
        self._identities: I64 = np.zeros(0, dtype=np.int64)
        """PairKeys.identity + 1 of each pair; 0 where no key covers it."""

    def assign(self, segments: Segments, pairs: npt.NDArray[np.int32], sides: U8) -> I64:
        """The candidate list of every segment; ABSENT for segments without a signature option."""
        self._extend_identities()
        key_ids = np.where(segments.methods == Method.MD5, KEY_ID_OF_MD5, segments.key_ids.astype(np.int64))
        codes = (self._identities[pairs] << 12) | (sides.astype(np.int64) << 11) | (key_ids << 1) | 1
        lists = self._index.lookup(codes.astype(np.uint64)).astype(np.int64)
        is_signed = segments.methods != Method.NONE
        missing = np.flatnonzero((lists == ABSENT) & is_signed)
        if len(missing):
            _, firsts = np.unique(codes[missing], return_index=True)
            fresh = []
            for row in missing[firsts].tolist():
                keys = self._pairs.keys[pairs[row]]
                method, key_id = int(segments.methods[row]), int(segments.key_ids[row])
                fresh.append(() if keys is None else keys.candidates(int(sides[row]), method, key_id))
                self._index.insert(int(codes[row]), len(self.starts) + len(fresh) - 1)
            self._add(fresh)
            lists = self._index.lookup(codes.astype(np.uint64)).astype(np.int64)
        lists[~is_signed] = ABSENT
        return lists

    def _extend_identities(self) -> None:
        known = len(self._identities)
        if known < len(self._pairs):
            fresh = [0 if keys is None else keys.identity + 1 for keys in self._pairs.keys[known:]]
            self._identities = np.concatenate([self._identities, np.array(fresh, dtype=np.int64)])

    def _add(self, fresh: list[tuple[Candidate, ...]]) -> None:
        lengths = np.array([len(found) for found in fresh], dtype=np.int64)
        starts = len(self.candidates) + np.cumsum(lengths) - lengths
        self.starts = np.concatenate([self.starts, starts])
        self.lengths = np.concatenate([self.lengths, lengths])
        added = [candidate for found in fresh for candidate in found]
        if not added:
            return
        self.candidates += added
        mkts = [self._keyring.mkts[candidate.mkt] for candidate in added]
        layouts = [
            Layout.MD5 if mkt.send_id is None else Layout.AO_INCLUDE if candidate.include_options else Layout.AO_EXCLUDE
            for candidate, mkt in zip(added, mkts, strict=True)
        ]
        self.mkts = np.append(self.mkts, [candidate.mkt for candidate in added])
        self.layouts = np.append(self.layouts, np.array(layouts, dtype=np.uint8))
        self.mac_lengths = np.append(self.mac_lengths, [mkt.mac_length for mkt in mkts])
        self.has_secrets = np.append(self.has_secrets, [mkt.is_keyed for mkt in mkts])
        self.is_refused = np.append(self.is_refused, [candidate.is_refused for candidate in added])


class Admission(NamedTuple):
    """What can be said of a segment's candidates before any MAC is computed. Arrays have one value a segment."""

    has_candidates: Mask
    has_gap: Mask
    """Some candidate's secret is missing."""
    has_secret: Mask
    """Some candidate's secret is there."""
    has_length: Mask
    """Some candidate has a MAC of the captured length."""
    is_checkable: Mask
    """Some candidate has both."""


class Foreseen(Protocol):
    """MACs of a batch that were computed before it is judged."""

    def look_up(
        self, layout: Layout, rows: I64, mkts: I64, source_isns: U32, destination_isns: U32, snes: U32
    ) -> tuple[Mask, Mask]:
        """Which of `rows` were checked under exactly this, and which of these match."""


class BatchCheck:
    """The check of one batch's segments against their candidates."""

    def __init__(
        self,
        segments: Segments,
        pairs: npt.NDArray[np.int32],
        sides: U8,
        lists: I64,
        checker: Checker,
    ) -> None:
        self.segments = segments
        self.pairs = pairs
        self.sides = sides
        self.lists = lists
        self.checker = checker
        self.inputs = MacInputs(MacPlaces.of(segments))
        self.foreseen: Foreseen | None = None
        """MACs that were computed already, or are being."""
        known = checker.lists
        has_list = lists != ABSENT
        self._starts = np.zeros(len(lists), dtype=np.int64)
        self._lengths = np.zeros(len(lists), dtype=np.int64)
        self._starts[has_list] = known.starts[lists[has_list]]
        self._lengths[has_list] = known.lengths[lists[has_list]]
        self.admission = self._admit()
        packets = segments.packets
        is_whole = ~segments.is_header_cut & (segments.malformed == Reason.NONE) & ~packets.is_partial
        self.is_checkable = is_whole & (packets.ends <= packets.limits) & self.admission.is_checkable
        """All octets that a MAC covers are there, and some candidate can be tried."""

    def first_candidates(self, rows: I64) -> tuple[I64, Mask]:
        """The candidate that is tried first on each of `rows` (all signed), and whether it can be."""
        known = self.checker.lists
        candidates = np.minimum(self._starts[rows], max(len(known.mkts) - 1, 0))
        can_be_tried = self._lengths[rows] > 0
        if can_be_tried.any():
            can_be_tried &= known.has_secrets[candidates]
            can_be_tried &= known.mac_lengths[candidates] == self.segments.mac_lengths[rows]
            can_be_tried &= self._allowed(rows, candidates)
        return candidates, can_be_tried

    def traffic_keys(
        self, rows: I64, mkts: I64, source_isns: U32, destination_isns: U32
    ) -> tuple[list[tuple[str, bytes]], list[int]]:
        """Algorithm and traffic key of each stretch of `rows` that one key signs, and how many rows it has."""
        keys, counts = key_stretches(mkts, self.pairs[rows], self.sides[rows], source_isns, destination_isns)
        names = [mkt.algorithm.name for mkt in self.checker.keyring.mkts]
        return [(names[key[0]], self.checker.derived_key(*key)) for key in keys], counts

    def _admit(self) -> Admission:
        count = len(self.lists)
        has_gap, has_secret, has_length, is_checkable = (np.zeros(count, dtype=np.bool_) for _ in range(4))
        known = self.checker.lists
        for rank in range(int(self._lengths.max(initial=0))):
            rows = np.flatnonzero(self._lengths > rank)
            candidates = self._starts[rows] + rank
            allowed = self._allowed(rows, candidates)
            rows, candidates = rows[allowed], candidates[allowed]
            secret = known.has_secrets[candidates]
            length = known.mac_lengths[candidates] == self.segments.mac_lengths[rows]
            has_gap[rows] |= ~secret
            has_secret[rows] |= secret
            has_length[rows] |= length
            is_checkable[rows] |= secret & length
        return Admission(has_gap | has_secret, has_gap, has_secret, has_length, is_checkable)

    def _allowed(self, rows: I64, candidates: I64) -> Mask:
        """Candidates bound to an interface or VLAN that the capture contradicts are none (rare: few key files bind)."""
        allowed = np.ones(len(rows), dtype=np.bool_)
        if not self.checker.keyring.has_bindings:
            return allowed
        bindings = [self.checker.lists.candidates[candidate].binding for candidate in candidates.tolist()]
        for binding in {binding for binding in bindings if binding is not None}:
            bound = np.array([other == binding for other in bindings], dtype=np.bool_)
            chosen = np.flatnonzero(bound)
            allowed[chosen] = self._agrees(binding, rows[chosen])
        return allowed

    def _agrees(self, binding: Binding, rows: I64) -> Mask:
        packets = self.segments.packets
        interfaces, vlans, captures = packets.interfaces[rows], packets.vlans[rows], packets.captures[rows]
        agrees = np.ones(len(rows), dtype=np.bool_)
        if binding.vlan is not None:
            agrees &= (vlans < 0) | (vlans == binding.vlan)
        if binding.interface is not None:
            cooked = (interfaces & 0xFFFFFFFF) - 1
            named = np.zeros(len(interfaces), dtype=np.bool_)
            is_same = np.zeros(len(interfaces), dtype=np.bool_)
            for capture in distinct(captures).tolist():
                for interface in self.checker.interfaces[capture]:
                    of_interface = (captures == capture) & ((interfaces >> 32) == interface.index)
                    named |= of_interface & (interface.name is not None)
                    is_same |= of_interface & (interface.name == binding.interface)
            if binding.interface.isdecimal():
                named |= cooked >= 0
                is_same |= cooked == int(binding.interface)
            agrees &= ~named | is_same
        return agrees

    def check(self, rows: I64, source_isns: U32, destination_isns: U32, snes: U32) -> I64:
        """For each of `rows` the candidate under which its MAC matches, or NO_CANDIDATE.

        Rows of one traffic key should stand together. ISNs (of the sender, of the receiver) and SNEs have one value a
        row; TCP-MD5 ignores them.
        """
        found = np.full(len(rows), NO_CANDIDATE, dtype=np.int64)
        known = self.checker.lists
        lengths = self._lengths[rows]
        for rank in range(int(lengths.max(initial=0))):
            open_rows = np.flatnonzero((found == NO_CANDIDATE) & (lengths > rank))
            if not len(open_rows):
                break
            candidates = self._starts[rows[open_rows]] + rank
            fits = known.has_secrets[candidates] & (
                known.mac_lengths[candidates] == self.segments.mac_lengths[rows[open_rows]]
            )
            if self.checker.keyring.has_bindings:
                fits &= self._allowed(rows[open_rows], candidates)
            if self.checker.keyring.has_logged_keys:
                isns = (source_isns[open_rows], destination_isns[open_rows])
                fits &= self._has_traffic_keys(rows[open_rows], candidates, *isns)
            if not fits.all():
                open_rows, candidates = open_rows[fits], candidates[fits]
            layouts = known.layouts[candidates]
            for layout in np.flatnonzero(np.bincount(layouts)).tolist():
                chosen = slice(None) if (layouts == layout).all() else layouts == layout
                picked = open_rows[chosen]
                matches = self._match(
                    Layout(layout),
                    rows[picked],
                    known.mkts[candidates[chosen]],
                    source_isns[picked],
                    destination_isns[picked],
                    snes[picked],
                )
                found[picked[matches]] = candidates[chosen][matches]
        return found

    def lacks_traffic_keys(self, rows: I64, source_isns: U32, destination_isns: U32) -> Mask:
        """Which of `rows`, none verified, may be under a traffic key that the log of their candidates does not hold."""
        lacks = np.zeros(len(rows), dtype=np.bool_)
        known = self.checker.lists
        for rank in range(int(self._lengths[rows].max(initial=0))):
            listed = np.flatnonzero(self._lengths[rows] > rank)
            candidates = self._starts[rows[listed]] + rank
            fits = known.has_secrets[candidates] & self._allowed(rows[listed], candidates)
            fits &= known.mac_lengths[candidates] == self.segments.mac_lengths[rows[listed]]
            listed, candidates = listed[fits], candidates[fits]
            isns = (source_isns[listed], destination_isns[listed])
            lacks[listed] |= ~self._has_traffic_keys(rows[listed], candidates, *isns)
        return lacks

    def _has_traffic_keys(self, rows: I64, candidates: I64, source_isns: U32, destination_isns: U32) -> Mask:
        """Whether the traffic key of each row and candidate is there. One look-up a run of rows under one key."""
        mkts = self.checker.lists.mkts[candidates]
        return self.has_traffic_keys(rows, mkts, source_isns, destination_isns)

    def has_traffic_keys(self, rows: I64, mkts: I64, source_isns: U32, destination_isns: U32) -> Mask:
        """The same for each row and MKT."""
        keys, counts = key_stretches(mkts, self.pairs[rows], self.sides[rows], source_isns, destination_isns)
        known = [self.checker.has_traffic_key(*key) for key in keys]
        return np.repeat(np.array(known, dtype=np.bool_), counts)

    def _match(self, layout: Layout, rows: I64, mkts: I64, source_isns: U32, destination_isns: U32, snes: U32) -> Mask:
        """Whether the MACs of `rows` match under `mkts`."""
        digest_lengths = self.checker.digest_lengths[mkts]
        if (digest_lengths != digest_lengths[:1]).any():
            matches = np.zeros(len(rows), dtype=np.bool_)
            for length in distinct(digest_lengths).tolist():
                chosen = np.flatnonzero(digest_lengths == length)
                isns = (source_isns[chosen], destination_isns[chosen])
                matches[chosen] = self._match(layout, rows[chosen], mkts[chosen], *isns, snes[chosen])
            return matches
        if not len(rows):
            return np.zeros(0, dtype=np.bool_)
        if layout is Layout.MD5:
            # No traffic key, so no ISNs: one keyed MAC serves the pair.
            source_isns = destination_isns = np.zeros(len(rows), dtype=np.uint32)
        if self.foreseen is not None:
            is_known, matches = self.foreseen.look_up(layout, rows, mkts, source_isns, destination_isns, snes)
            rest = np.flatnonzero(~is_known)
            if len(rest):
                isns = (source_isns[rest], destination_isns[rest])
                matches[rest] = self._compute(layout, rows[rest], mkts[rest], *isns, snes[rest])
            return matches
        return self._compute(layout, rows, mkts, source_isns, destination_isns, snes)

    def _compute(
        self, layout: Layout, rows: I64, mkts: I64, source_isns: U32, destination_isns: U32, snes: U32
    ) -> Mask:
        keys, counts = key_stretches(mkts, self.pairs[rows], self.sides[rows], source_isns, destination_isns)
        return self.inputs.match(layout, rows, snes, [self.checker.keyed_mac(*key) for key in keys], counts)


def key_stretches(
    mkts: I64, pairs: npt.NDArray[np.integer], sides: U8, source_isns: U32, destination_isns: U32
) -> tuple[list[tuple[int, int, int, int, int]], list[int]]:
    """The traffic keys of rows (MKT, pair, side, both ISNs) as stretches: each stretch's key, and its number of rows.

    The arrays have one value a row, and rows of one key should stand together.
    """
    columns = (mkts, pairs, sides, source_isns, destination_isns)
    firsts = run_starts(columns)
    keys = list(zip(*(column[firsts].tolist() for column in columns), strict=True))
    return keys, np.diff(firsts, append=len(mkts)).tolist()


class Checker:
    """What checks share over a run: candidate lists and keyed traffic keys."""

    def __init__(self, keyring: Keyring, pairs: PairTable) -> None:
        self.keyring = keyring
        self.pairs = pairs
        self.lists = CandidateLists(keyring, pairs)
        self.interfaces: list[list[Interface]] = []
        """The interfaces of each capture, for keys that are bound to one."""
        self.digest_lengths = np.array([mkt.algorithm.digest_length for mkt in keyring.mkts], dtype=np.int64)
        self._keyed: dict[tuple[int, int, int, int, int], KeyedMac] = {}
        self._derived: dict[tuple[int, int, int, int, int], bytes] = {}

    def begin(self, segments: Segments, pairs: npt.NDArray[np.int32], sides: U8) -> BatchCheck:
        """The check of one batch of protected segments."""
        return BatchCheck(segments, pairs, sides, self.lists.assign(segments, pairs, sides), self)

    def keyed_mac(self, mkt: int, pair: int, side: int, source_isn: int, destination_isn: int) -> KeyedMac:
        """The keyed MAC of one traffic key (RFC 5925 5.2), from the cache where it was used before."""
        key = (mkt, pair, side, source_isn, destination_isn)
        keyed = self._keyed.get(key)
        if keyed is None:
            _forget_half(self._keyed)
            keyed = self._keyed[key] = self.keyring.mkts[mkt].algorithm.keyed_mac(self.derived_key(*key))
        return keyed

    def derived_key(self, mkt: int, pair: int, side: int, source_isn: int, destination_isn: int) -> bytes:
        """The same traffic key as octets, from the cache where it was derived before."""
        key = (mkt, pair, side, source_isn, destination_isn)
        derived = self._derived.get(key)
        if derived is None:
            _forget_half(self._derived)
            derived = self._derived[key] = self.traffic_key(*key)
        return derived

    def has_traffic_key(self, mkt: int, pair: int, side: int, source_isn: int, destination_isn: int) -> bool:
        """Whether the traffic key is there: always for a secret, and where the log holds it for a key of a log."""
        if self.keyring.mkts[mkt].logged is None:
            return self.keyring.mkts[mkt].is_keyed
        return self._find_traffic_key(mkt, pair, side, source_isn, destination_isn) is not None

    def traffic_key(self, mkt: int, pair: int, side: int, source_isn: int, destination_isn: int) -> bytes:
        """The traffic key of segments that `side` of `pair` sends; ask `has_traffic_key` for keys of a log."""
        traffic_key = self._find_traffic_key(mkt, pair, side, source_isn, destination_isn)
        assert traffic_key is not None
        return traffic_key

    def _find_traffic_key(self, mkt: int, pair: int, side: int, source_isn: int, destination_isn: int) -> bytes | None:
        source, destination = self.pairs.ends[pair][side], self.pairs.ends[pair][1 - side]
        context = kdf_context(
            source.address, destination.address, source.port, destination.port, source_isn, destination_isn
        )
        return find_traffic_key(self.keyring.mkts[mkt], context)


def _forget_half(
    cache: dict[tuple[int, int, int, int, int], KeyedMac] | dict[tuple[int, int, int, int, int], bytes],
) -> None:
    """Makes room in a full cache: its older half goes."""
    if len(cache) >= TRAFFIC_KEY_LIMIT:
        for old in list(cache)[: TRAFFIC_KEY_LIMIT // 2]:
            del cache[old]
