"""Writes a capture again with right MACs and checksums: two passes over it, and one file that appears when it is whole.

The first pass is the engine's: what every segment is. From its table alone is decided what becomes of each, and the
second pass carries that out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from aoinspect.capture.frames import I64, Damage
from aoinspect.capture.reader import CaptureReader
from aoinspect.capture.rewriting import RECORD_HEAD_LENGTH, CaptureCopy, WholeFile, records_of
from aoinspect.capture.stored import BrokenStreamError, open_stored
from aoinspect.capture.stream import OctetStream
from aoinspect.engine.check import Checker
from aoinspect.engine.keyring import Keyring
from aoinspect.engine.locate import LocateCounts
from aoinspect.engine.pipeline import Analyzer, Progress
from aoinspect.engine.recovery import Recovery
from aoinspect.engine.resign.changing import Changer
from aoinspect.engine.resign.plan import Plan, leave_without_traffic_keys, make_plan
from aoinspect.engine.resign.rewriter import Rewriter
from aoinspect.engine.resign.rollover import play_rollovers
from aoinspect.engine.resign.signing import Signer
from aoinspect.engine.resign.signing_keys import SigningKeys
from aoinspect.engine.resign.wishes import Left, Outcome, Wishes
from aoinspect.engine.single_frame import CaptureSource
from aoinspect.errors import CaptureError, UsageError
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry


@dataclass(frozen=True, slots=True)
class Resigned:
    """What was written, and what became of the segments of protected connections."""

    path: str
    frames: int
    outcomes: dict[Outcome, int]
    """How many segments came out how; only what occurs."""
    left: dict[Left, I64]
    """Why nothing was done -> numbers of the frames."""
    fixed_checksums: int
    """Segments that stayed as they were but for a repaired checksum, of TCP or of IPv4."""
    located: LocateCounts
    """What was met that is no TCP segment."""
    compression: str | None
    """Of the capture that was read."""
    damage: Damage | None
    """Where the capture stops making sense; what lies behind was copied as it is."""


FindIsns = Callable[[Analyzer], Recovery]
"""Searches the ISNs that an analyser misses; an interrupted search raises KeyboardInterrupt."""


class RewritableSource(CaptureSource):
    """A capture that is read in several passes, and whose octets can be asked for besides."""

    def open_octets(self) -> OctetStream:
        """The uncompressed octets, to fetch from; call it before the reader of the pass is opened."""
        if self._spool is not None:
            self._spool.seek(0)
        stored = open_stored(self.path if self._spool is None else cast(BinaryIO, self._spool))
        self._opened.callback(stored.close)
        try:
            return OctetStream(stored)
        except BrokenStreamError as error:
            raise CaptureError(f"{self.path}: it cannot be read again: {error}") from None


def resign(
    source: RewritableSource,
    output: WholeFile,
    store: KeyStore,
    registry: Registry,
    wishes: Wishes,
    progress: Progress | None = None,
    *,
    find_isns: FindIsns | None = None,
) -> Resigned:
    """Writes the capture again, and puts `output` (entered already) in its place.

    `find_isns` is asked for missing ISNs, and what it finds is used. CaptureError where the capture cannot be read;
    UsageError where keys are missing, a wish cannot be met, or something does not fit its frame. Then `output` is as
    it was.
    """
    analyzer = judged(source, store, registry, progress, find_isns)
    keys = signing_keys(analyzer, wishes)
    plan = plan_of(analyzer, wishes, keys)
    changer = Changer(plan, Signer(keys.keyring, analyzer.pairs), registry, fixes_checksums=wishes.fixes_checksums)
    has_fragments = bool(analyzer.captures[0].located.fragments)
    rewriter = Rewriter(
        changer, registry, looks_everywhere=wishes.fixes_checksums or (has_fragments and plan.has_actions)
    )
    stream = source.open_octets()
    with source.open() as reader:
        copy = CaptureCopy(stream.fetch, output.file)
        records = records_of(reader.format, stream.fetch(0, RECORD_HEAD_LENGTH))
        rewriter.run(reader, stream.fetch, copy, records, progress)
        damage = reader.damage
    output.commit()
    return Resigned(
        path=output.path,
        frames=analyzer.totals.frames,
        outcomes=_outcomes(plan),
        left={Left(why): plan.frames[plan.lefts == why] for why in np.unique(plan.lefts[plan.lefts > 0]).tolist()},
        fixed_checksums=changer.fixed_checksums,
        located=analyzer.captures[0].located,
        compression=stream.compression,
        damage=damage,
    )


def judged(
    source: RewritableSource,
    store: KeyStore,
    registry: Registry,
    progress: Progress | None = None,
    find_isns: FindIsns | None = None,
) -> Analyzer:
    """The capture read through, with its table; once more where ISNs were missing and `find_isns` found any."""

    def once(keys: KeyStore) -> Analyzer:
        analyzer = Analyzer(keys, registry)
        with source.open() as reader:
            read(reader, analyzer, progress)
        return analyzer

    analyzer = once(store)
    if find_isns is None or not analyzer.unplaced.by_connection:
        return analyzer
    recovery = find_isns(analyzer)
    return once(recovery.extend(store)) if recovery.found else analyzer


def read(reader: CaptureReader, analyzer: Analyzer, progress: Progress | None = None) -> None:
    """The first pass: reads the capture through `analyzer`. KeyboardInterrupt is the caller's."""
    capture = analyzer.begin_capture(reader.path, reader.interfaces)
    for batch in reader.batches():
        analyzer.feed(batch)
        if progress is not None:
            progress(reader)
    analyzer.finish_capture()
    capture.damage = reader.damage


def signing_keys(analyzer: Analyzer, wishes: Wishes) -> SigningKeys:
    """The keys that sign: the new ones, or the capture's. UsageError where a mapped name is in no key file."""
    old_names = {mkt.name for mkt in analyzer.keyring.mkts}
    keyring = analyzer.keyring if wishes.new_keys is None else Keyring(wishes.new_keys)
    new_names = {mkt.name for mkt in keyring.mkts}
    for old, new in wishes.names.items():
        _demand_name(old, old_names, f"--map {old}={new}: the capture's keys have no key named {old}")
        _demand_name(new, new_names, f"--map {old}={new}: the keys to sign with have no key named {new}")
    for rollover in wishes.rollovers:
        told = f"--rollover {rollover.told}: the keys to sign with have no key named {rollover.key}"
        _demand_name(rollover.key, new_names, told)
    return SigningKeys(keyring, wishes.names)


def _demand_name(name: str, names: Iterable[str], mistake: str) -> None:
    if name not in names:
        raise UsageError(f"{mistake} (there are: {', '.join(sorted(names)) or 'none'})")


def plan_of(analyzer: Analyzer, wishes: Wishes, keys: SigningKeys) -> Plan:
    """What becomes of each segment of the one capture that `analyzer` has read."""
    plan, choices = make_plan(analyzer, wishes, keys)
    if wishes.rollovers:
        openers = analyzer.connections.a_sides().astype(np.int64)
        play_rollovers(plan, choices, openers, wishes.rollovers, analyzer.captures[0].first_time_ns or 0)
    leave_without_traffic_keys(plan, Checker(keys.keyring, analyzer.pairs))
    return plan


def _outcomes(plan: Plan) -> dict[Outcome, int]:
    counts = np.bincount(plan.outcomes, minlength=len(Outcome)).tolist()
    return {outcome: counts[outcome] for outcome in Outcome if counts[outcome]}
