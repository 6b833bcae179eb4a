"""From captures to an analysis: the stages in their order, batch after batch.

`Analyzer.feed` is the whole engine for one batch: locate, segments, pairs, judge, read off. A live pipe and a file of
ten million frames both come through here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import HEADROOM, I64, TAILROOM, U8, Damage, Frame, FrameBatch, Interface
from aoinspect.capture.reader import CaptureReader
from aoinspect.engine.check import NO_CANDIDATE, Checker
from aoinspect.engine.connections import Connections
from aoinspect.engine.duplicates import Duplicates
from aoinspect.engine.failures import Failures
from aoinspect.engine.foresight import Foresight, foresee
from aoinspect.engine.hash_index import ABSENT
from aoinspect.engine.judge import Judge, Judgement
from aoinspect.engine.keyring import Keyring
from aoinspect.engine.limits import Excess, Limits
from aoinspect.engine.locate import LocateCounts, Locator, Packets, joined
from aoinspect.engine.macs import windows
from aoinspect.engine.marks import Marks
from aoinspect.engine.observations import Observations
from aoinspect.engine.pairs import PairTable
from aoinspect.engine.placing import BatchProgress
from aoinspect.engine.reassembly import Datagram, Reassembler, batch_of
from aoinspect.engine.repeats import Repeats
from aoinspect.engine.segments import ACK, Segments, read_segments
from aoinspect.engine.streams import Streams
from aoinspect.engine.table import EMPTY, Rows, Table
from aoinspect.engine.tallies import Tallies, Totals
from aoinspect.engine.timeline import NO_MKT_INDEX, RunRows, Timeline
from aoinspect.engine.unplaced import UnplacedSegments
from aoinspect.engine.verdicts import NO_MKT, Coverage, Method, Reason
from aoinspect.engine.workers import Workers
from aoinspect.errors import UsageError
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry

_MAC_OCTETS = 16


@dataclass(slots=True)
class CaptureCounts:
    """One capture of a run, and what was read of it."""

    path: str
    frames: int = 0
    link_types: list[int] = field(default_factory=list)
    """In the order of first appearance."""
    damage: Damage | None = None
    located: LocateCounts = field(default_factory=LocateCounts)
    tcp_segments: int = 0
    is_without_times: bool = False
    first_time_ns: int | None = None
    """Time of the first frame, of whatever protocol."""
    last_time_ns: int = 0
    """Time of the last."""
    old_option_segments: int = 0
    """TCP segments, protected or not, with the option of draft-bonica-tcp-auth (kind 253 or 254)."""
    first_old_option_frame: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """The protected segments of a batch that waits to be judged."""

    progress: BatchProgress
    foresight: Foresight | None
    """MACs that workers compute meanwhile."""


class Analyzer:
    """The engine's state over a run. Feed it batches, then read `connections`, `tallies`, `timeline` and `table`."""

    def __init__(
        self,
        store: KeyStore,
        registry: Registry | None = None,
        *,
        keep_table: bool = True,
        make_rows: bool = True,
        measure: bool = False,
        count_streams: bool = False,
        workers: Workers | None = None,
        dedupe_ns: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """`keep_table` keeps a row per protected segment; without it `make_rows` says whether `feed` returns them.

        `measure` fills `stage_seconds`; `count_streams` fills `streams`, which a filter that names tcp.stream needs.
        `workers` compute MACs of batches that are prepared before those in front of them are judged.
        `dedupe_ns` has copies of segments that come within so many nanoseconds left out.
        `limits` is how much the run keeps at most; what went beyond is in `excess`.
        """
        limits = limits or Limits()
        self.excess = Excess()
        self.keyring = Keyring(store)
        if len(self.keyring.mkts) >= NO_MKT:
            raise UsageError(f"{len(self.keyring.mkts)} different keys: more than the {NO_MKT - 1} that one run takes")
        self.registry = registry if registry is not None else Registry()
        self.pairs = PairTable(self.keyring, limits, self.excess)
        self.checker = Checker(self.keyring, self.pairs)
        self.connections = Connections(self.pairs, limits, self.excess)
        self.judge = Judge(self.checker, self.connections)
        self.timeline = Timeline(limits, self.excess)
        self.marks = Marks()
        self.observations = Observations()
        self.repeats = Repeats()
        self.failures = Failures()
        self.unplaced = UnplacedSegments()
        self.tallies = Tallies()
        self.duplicates = None if dedupe_ns is None else Duplicates(dedupe_ns)
        self.streams: Streams | None = Streams() if count_streams else None
        self.table: Table | None = Table() if keep_table else None
        self.captures: list[CaptureCounts] = []
        self.long_macs: dict[tuple[int, int], bytes] = {}
        """(capture, frame) -> captured MAC, for the rare ones that the table's column cannot hold."""
        self.choose_rows: Callable[[Rows], npt.NDArray[np.bool_]] | None = None
        """A filter: only what it chooses is counted, kept and returned. The verdicts are those of the whole capture."""
        self.stage_seconds: dict[str, float] = {}
        """Seconds of processor time per stage, where `measure` was asked for."""
        self.workers = workers
        self._makes_rows = keep_table or make_rows
        self._measure = measure
        self._locator = Locator(self.registry)
        self._reassemblers: list[Reassembler] = []
        """Of each capture."""
        self._segments_prepared = 0

    @property
    def totals(self) -> Totals:
        """Counts over all captures."""
        return self.tallies.totals

    def begin_capture(self, path: str, interfaces: list[Interface]) -> CaptureCounts:
        """Starts another capture of the run, the one that batches are of; `interfaces` may still grow meanwhile."""
        capture = CaptureCounts(path)
        self.captures.append(capture)
        self._reassemblers.append(Reassembler())
        self.checker.interfaces.append(interfaces)
        if self.streams is not None:
            self.streams.begin_capture()
        return capture

    def feed(self, batch: FrameBatch) -> Rows:
        """Takes the next batch of the current capture; the table's rows for it, where the run makes rows."""
        return self.conclude(self.prepare(batch))

    def prepare(self, batch: FrameBatch) -> Prepared | None:
        """The segments of the next batch that are to be judged, by `conclude` and in turn; None where there are none.

        Nothing here depends on a verdict, so some batches may be prepared before the first of them is judged.
        """
        return self.prepare_segments(self.locate(batch, len(self.captures) - 1))

    def locate(self, batch: FrameBatch, number: int) -> Segments:
        """The TCP segments of the next batch of the capture with this number. Captures may be read side by side."""
        capture = self.captures[number]
        if capture.first_time_ns is None and len(batch):
            capture.first_time_ns = int(batch.times_ns[0])
        capture.last_time_ns = int(batch.times_ns[-1]) if len(batch) else capture.last_time_ns
        capture.is_without_times |= bool((batch.times_ns == 0).any())
        capture.frames += len(batch)
        self.totals.frames += len(batch)
        for link_type in np.flatnonzero(np.bincount(batch.link_types)).tolist():
            if link_type not in capture.link_types:
                capture.link_types.append(link_type)
        self._locator.counts = capture.located
        with self._stage("locate"):
            packets, fragments = self._locator.locate(batch)
            if fragments is not None:
                completed, abandoned = self._reassemblers[number].add(batch, fragments)
                packets = self._with_datagrams(packets, completed + abandoned)
        return self._read_segments(packets, number)

    def finish_capture(self, frame_at: Callable[[int], Frame] | None = None, number: int | None = None) -> Rows:
        """Ends a capture (by default the current one); rows for datagrams whose pieces never came together.

        `frame_at` reads a record again by its offset: retransmissions are compared with it.
        """
        number = len(self.captures) - 1 if number is None else number
        if frame_at is not None:
            self.repeats.compare(number, frame_at, self._payload_of)
        reassembler = self._reassemblers[number]
        remaining = reassembler.finish()
        self.totals.incomplete_datagrams += reassembler.given_up
        self._reassemblers[number] = Reassembler()
        if not remaining:
            return EMPTY
        self._locator.counts = self.captures[number].located
        packets, _ = self._locate_datagrams(remaining)
        return self.conclude(self.prepare_segments(self._read_segments(packets, number)))

    def conclude(self, prepared: Prepared | None) -> Rows:
        """Judges a prepared batch and reads off what its segments tell; the rows as `feed` gives them."""
        if prepared is None:
            return EMPTY
        progress = prepared.progress
        with self._stage("select and check"):
            judgement = self.judge.judge(progress)
            if prepared.foresight is not None:
                prepared.foresight.close()
        with self._stage("read off"):
            segments, sides = progress.segments, progress.sides
            is_unplaced = judgement.reasons == Reason.ISN_UNKNOWN
            self.unplaced.note_batch(segments, progress.pairs, sides, judgement.connections, is_unplaced)
            return self._read_off(segments, sides, judgement)

    def forget_long_macs(self) -> None:
        """Lets go of `long_macs`, once the rows that they belong to are printed."""
        if self.long_macs:
            self.long_macs = {}

    def _payload_of(self, frame: Frame) -> bytes | None:
        """The TCP payload of one frame, or None where it is not whole in it."""
        octets = np.zeros(HEADROOM + len(frame.octets) + TAILROOM, dtype=np.uint8)
        octets[HEADROOM : HEADROOM + len(frame.octets)] = np.frombuffer(frame.octets, dtype=np.uint8)
        batch = FrameBatch(
            octets=octets,
            starts=np.array([HEADROOM], dtype=np.int64),
            ends=np.array([HEADROOM + len(frame.octets)], dtype=np.int64),
            wire_lengths=np.array([frame.wire_length], dtype=np.int64),
            times_ns=np.array([frame.time_ns], dtype=np.int64),
            interfaces=np.zeros(1, dtype=np.uint16),
            link_types=np.array([frame.interface.link_type], dtype=np.uint16),
            offsets=np.zeros(1, dtype=np.int64),
            first_frame=1,
        )
        packets, _ = Locator(self.registry).locate(batch)
        if not packets.size or int(packets.ends[0]) > int(packets.limits[0]):
            return None
        start = int(packets.starts[0]) + int(read_segments(packets).header_lengths[0])
        return octets[start : int(packets.ends[0])].tobytes()

    # The stages behind `locate`.

    def _read_segments(self, packets: Packets, number: int) -> Segments:
        with self._stage("options"):
            packets = packets._replace(captures=np.full(packets.size, number, dtype=np.int64))
            segments = read_segments(packets)
        self.captures[number].tcp_segments += segments.size
        self._note_old_options(segments, number)
        self.totals.tcp_segments += segments.size
        if self.streams is not None:
            with self._stage("count streams"):
                self.streams.count(segments, number)
        return segments

    def prepare_segments(self, segments: Segments) -> Prepared | None:
        """What `prepare` gives, of segments in the order in which they are to be judged."""
        with self._stage("connect"):
            orders = self._segments_prepared + np.arange(segments.size)
            self._segments_prepared += segments.size
            segments = segments._replace(packets=segments.packets._replace(orders=orders))
            pairs, sides = self.pairs.assign(segments)
            is_protected = pairs != ABSENT
            if not is_protected.all():
                rows = np.flatnonzero(is_protected)
                segments, pairs, sides = segments.select(rows), pairs[rows], sides[rows]
        if self.duplicates is not None and segments.size:
            rows = np.flatnonzero(~self.duplicates.find(segments, pairs, sides, _macs(segments)))
            segments, pairs, sides = segments.select(rows), pairs[rows], sides[rows]
        if not segments.size:
            return None
        with self._stage("select and check"):
            progress = self.judge.prepare(segments, pairs, sides)
            if self.workers is None:
                return Prepared(progress, None)
            foresight = progress.check.foreseen = foresee(progress, self.workers)
            return Prepared(progress, foresight)

    def _note_old_options(self, segments: Segments, number: int) -> None:
        rows = np.flatnonzero(segments.has_old_option)
        if len(rows):
            capture = self.captures[number]
            capture.old_option_segments += len(rows)
            capture.first_old_option_frame = capture.first_old_option_frame or int(segments.packets.frames[rows[0]])

    def _read_off(self, segments: Segments, sides: U8, judgement: Judgement) -> Rows:
        self.tallies.number_connections(judgement.connections, len(self.connections))
        mkts, coverages, is_refused = self._keys_found(segments, judgement)
        macs = _macs(segments)
        if self._makes_rows or self.choose_rows is not None:
            if self.table is None:
                self.long_macs.clear()
            self._keep_long_macs(segments)
        if self.choose_rows is not None:
            everything = self._rows(segments, sides, judgement, mkts, coverages, is_refused, macs)
            chosen = np.flatnonzero(self.choose_rows(everything))
            if not len(chosen):
                return EMPTY
            segments, sides, judgement = segments.select(chosen), sides[chosen], judgement.select(chosen)
            mkts, coverages, is_refused, macs = mkts[chosen], coverages[chosen], is_refused[chosen], macs[chosen]
        self.tallies.add(segments, sides, judgement, is_refused, len(self.connections))
        self.observations.note_batch(segments, sides, judgement)
        self.marks.note_batch(segments, sides, judgement, self.timeline.reached(len(self.connections)))
        if self.keyring.mkts:
            self.failures.note_batch(segments, sides, judgement, is_refused)
        self.repeats.note_batch(segments, sides, judgement, macs, len(self.connections))
        signed = (segments.methods != Method.NONE) & (segments.malformed == Reason.NONE)
        rows = np.flatnonzero(signed) if not signed.all() else slice(None)
        packets = segments.packets
        self.timeline.extend(
            RunRows(
                connections=judgement.connections[rows],
                sides=sides[rows],
                methods=segments.methods[rows],
                key_ids=segments.key_ids[rows],
                rnext_key_ids=segments.rnext_key_ids[rows],
                mkts=mkts[rows],
                verdicts=judgement.verdicts[rows],
                coverages=coverages[rows],
                orders=packets.orders[rows],
                captures=packets.captures[rows],
                frames=packets.frames[rows],
                times_ns=packets.times_ns[rows],
                positions=(judgement.snes[rows].astype(np.uint64) << np.uint64(32)) | segments.seqs[rows],
                has_position=judgement.has_sne[rows],
                acks=segments.acks[rows],
                has_ack=(segments.flags[rows] & ACK) != 0,
            ),
            len(self.connections),
        )
        if not self._makes_rows:
            return EMPTY
        table_rows = self._rows(segments, sides, judgement, mkts, coverages, is_refused, macs)
        if self.table is not None:
            self.table.add(table_rows)
        return table_rows

    def _keys_found(self, segments: Segments, judgement: Judgement) -> tuple[I64, U8, npt.NDArray[np.bool_]]:
        """Per segment the MKT that verified it, which options its MAC covers, and whether the receiver refuses it."""
        verified = judgement.candidates != NO_CANDIDATE
        lists = self.checker.lists
        mkts = np.full(segments.size, NO_MKT_INDEX, dtype=np.int64)
        is_refused = np.zeros(segments.size, dtype=np.bool_)
        if len(lists.mkts):
            chosen = np.maximum(judgement.candidates, 0)
            mkts = np.where(verified, lists.mkts[chosen], NO_MKT_INDEX)
            is_refused = verified & lists.is_refused[chosen]
        return mkts, self._coverages(segments, judgement, mkts), is_refused

    def _coverages(self, segments: Segments, judgement: Judgement, mkts: I64) -> U8:
        """Which options each verified AO MAC covers; a key that says `auto` learns nothing from a sole AO option."""
        coverages = np.zeros(segments.size, dtype=np.uint8)
        lists = self.checker.lists
        if not len(lists.mkts):
            return coverages
        is_ao = (judgement.candidates != NO_CANDIDATE) & (segments.methods == Method.AO)
        # Layouts 0 and 1 are "include" and "exclude", one less than the coverages.
        coverages[is_ao] = lists.layouts[judgement.candidates[is_ao]] + np.uint8(1)
        is_auto = np.array([mkt.tcp_options.value == "auto" for mkt in self.keyring.mkts], dtype=np.bool_)
        if is_auto.any():
            coverages[is_ao & segments.is_sole_option & is_auto[mkts]] = Coverage.UNDETERMINED
        return coverages

    def _rows(
        self,
        segments: Segments,
        sides: U8,
        judgement: Judgement,
        mkts: I64,
        coverages: U8,
        is_refused: npt.NDArray[np.bool_],
        macs: U8,
    ) -> Rows:
        packets = segments.packets
        return Rows(
            frame=packets.frames.astype(np.uint64),
            capture=packets.captures.astype(np.uint16),
            offset=packets.offsets.astype(np.uint64),
            time_ns=packets.times_ns,
            connection=self.tallies.column("number")[judgement.connections].astype(np.uint32),
            direction=sides ^ self.connections.a_sides()[judgement.connections].astype(np.uint8),
            seq=segments.seqs,
            ack=segments.acks,
            flags=segments.flags,
            payload_length=segments.payload_lengths.astype(np.uint32),
            method=segments.methods,
            key_id=segments.key_ids,
            rnext_key_id=segments.rnext_key_ids,
            mac_length=segments.mac_lengths,
            sne=np.where(judgement.has_sne, judgement.snes, np.uint32(0)),
            mkt=np.where(mkts == NO_MKT_INDEX, NO_MKT, mkts).astype(np.uint16),
            verdict=judgement.verdicts,
            reason=judgement.reasons,
            coverage=coverages,
            has_sne=judgement.has_sne,
            is_refused=is_refused,
            mac=macs.reshape(-1).view(f"V{_MAC_OCTETS}"),
        )

    def _keep_long_macs(self, segments: Segments) -> None:
        octets = segments.packets.octets
        for row in np.flatnonzero((segments.mac_lengths > _MAC_OCTETS) & (segments.methods == Method.AO)).tolist():
            start = int(segments.option_starts[row]) + 4
            mac = octets[start : start + int(segments.mac_lengths[row])].tobytes()
            self.long_macs[int(segments.packets.captures[row]), int(segments.packets.frames[row])] = mac

    # Reassembled datagrams.

    def _locate_datagrams(self, datagrams: list[Datagram]) -> tuple[Packets, npt.NDArray[np.intp]]:
        batch = batch_of(datagrams)
        packets, _ = self._locator.locate(batch)
        which = packets.frames - 1
        frames = np.array([datagram.frame for datagram in datagrams], dtype=np.int64)[which]
        interfaces = np.array([datagram.interface for datagram in datagrams], dtype=np.int64)[which]
        vlans = np.array([datagram.vlan for datagram in datagrams], dtype=np.int64)[which]
        is_partial = ~np.array([datagram.is_complete for datagram in datagrams], dtype=np.bool_)[which]
        return packets._replace(frames=frames, interfaces=interfaces, vlans=vlans, is_partial=is_partial), which

    def _with_datagrams(self, packets: Packets, datagrams: list[Datagram]) -> Packets:
        """`packets` and the segments of `datagrams` in one, in the order of frames."""
        if not datagrams:
            return packets
        added, _ = self._locate_datagrams(datagrams)
        both, _ = joined([packets, added])
        return both.select(np.argsort(both.frames, kind="stable"))

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        if not self._measure:
            yield
            return
        started = time.process_time()
        yield
        self.stage_seconds[name] = self.stage_seconds.get(name, 0.0) + time.process_time() - started


def _macs(segments: Segments) -> U8:
    """The first 16 octets of each captured MAC, zero behind its end; shape (n, 16)."""
    heads = np.where(segments.methods == Method.AO, 4, 2)
    positions = np.where(segments.option_starts > 0, segments.option_starts + heads, 0)
    octets = windows(segments.packets.octets, _MAC_OCTETS)[positions].view(np.uint8).reshape(-1, _MAC_OCTETS)
    lengths = segments.mac_lengths
    for length in np.flatnonzero(np.bincount(lengths)).tolist():
        if length < _MAC_OCTETS:
            octets[:, length:] *= (lengths != length).astype(np.uint8)[:, np.newaxis]
    return octets


Progress = Callable[[CaptureReader], None]


def skipped_link_types(captures: list[CaptureCounts]) -> Counter[int]:
    """LINKTYPE_ number -> frames that no dissector reads, over all captures."""
    total: Counter[int] = Counter()
    for capture in captures:
        total += capture.located.unknown_link_types
    return total
