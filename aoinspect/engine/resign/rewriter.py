"""The second pass: reads the capture again batch by batch and writes it out as a plan says.

What changes in a batch is `changing`'s to do; here it is put into the file. A batch is a stretch of the file, and is
written as it stands then, with the records of frames that were built anew in their places. What a fragmented datagram's
segment becomes is written over its fragments once the last of them has come.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aoinspect.capture.frames import HEADROOM, FrameBatch
from aoinspect.capture.reader import CaptureReader
from aoinspect.capture.rewriting import RECORD_HEAD_LENGTH, CaptureCopy, Fetch, Records
from aoinspect.engine.reassembly import batch_of
from aoinspect.engine.resign.changing import Changer, file_offset, octets_of
from aoinspect.engine.resign.choices import Action
from aoinspect.engine.resign.envelopes import TracingLocator, has_covering_checksum
from aoinspect.engine.resign.fragments import FragmentWalk, WholeDatagram
from aoinspect.engine.resign.resizing import NewFrame
from aoinspect.engine.resign.wishes import Left
from aoinspect.errors import CaptureError, UsageError
from dissectors.registry import Registry

_MISTAKES_SHOWN = 20

Progress = Callable[[CaptureReader], None]
Patches = list[tuple[int, bytes]]
"""Where in the file to write what, over what is there."""


class Rewriter:
    """One capture's second pass."""

    def __init__(self, changer: Changer, registry: Registry, *, looks_everywhere: bool) -> None:
        """`looks_everywhere`: frames that the plan does not name may change too (fragments, repaired checksums)."""
        self._changer = changer
        self._looks_everywhere = looks_everywhere
        self._acting_frames = changer.plan.frames[changer.plan.actions != Action.KEEP]
        self._locator = TracingLocator(registry)
        self._inner_locator = TracingLocator(registry)
        self._fragments = FragmentWalk()

    def run(
        self, reader: CaptureReader, fetch: Fetch, copy: CaptureCopy, records: Records, progress: Progress | None = None
    ) -> None:
        """Writes the capture, which `reader` reads from its start and `fetch` gives octets of, through `copy`.

        UsageError, naming the frames, where something does not fit; what was written by then is of no use.
        """
        mistakes = self._changer.mistakes
        for batch in reader.batches():
            self._changer.fcs_of_interfaces = [interface.fcs_length for interface in reader.interfaces]
            rebuilt, patches = self._change(batch) if self._has_work(batch) else ({}, [])
            if not mistakes:
                mistakes += _write(batch, rebuilt, reader, fetch, copy, records)
                for offset, octets in patches:
                    copy.overwrite(offset, octets)
            if progress is not None:
                progress(reader)
        if mistakes:
            more = len(mistakes) - _MISTAKES_SHOWN
            raise UsageError(
                "\n".join(mistakes[:_MISTAKES_SHOWN] + ([f"… and {more} more frames"] if more > 0 else []))
            )
        try:
            copy.finish()
        except CaptureError:
            # What a broken compressed stream still had was read as far as it goes.
            if reader.damage is None:
                raise
        records.finish(copy)

    def _has_work(self, batch: FrameBatch) -> bool:
        if self._looks_everywhere:
            return True
        first = int(np.searchsorted(self._acting_frames, batch.first_frame))
        return first < len(self._acting_frames) and int(self._acting_frames[first]) < batch.first_frame + len(batch)

    def _change(self, batch: FrameBatch) -> tuple[dict[int, NewFrame], Patches]:
        """Changes `batch`; frames built anew by row of the batch, and what to write over fragments."""
        changer = self._changer
        packets, fragments = self._locator.locate(batch)
        located = changer.locate(batch, packets, packets.frames, self._locator)
        is_resized = changer.is_resized(located)
        rebuilt = changer.rebuild(located, np.flatnonzero(is_resized))
        changer.change_in_place(located, np.flatnonzero(changer.is_acting(located) & ~is_resized))
        patches: Patches = []
        if fragments is not None:
            is_covered = has_covering_checksum(self._locator.trail, batch.octets, len(batch))
            whole = self._fragments.add(batch, fragments, is_covered)
            patches = self._change_datagrams(whole) if whole else []
        return rebuilt, patches

    def _change_datagrams(self, whole: list[WholeDatagram]) -> Patches:
        """Changes datagrams that came in pieces; what to write over the pieces."""
        changer, plan = self._changer, self._changer.plan
        batch = batch_of([one.datagram for one in whole])
        packets, _ = self._inner_locator.locate(batch)
        frames = np.array([one.datagram.frame for one in whole], dtype=np.int64)[packets.frames - 1]
        located = changer.locate(batch, packets, frames, self._inner_locator)
        plan.leave(located.planned[changer.is_resized(located)], Left.IN_FRAGMENTS)
        acting = np.flatnonzero(changer.is_acting(located))
        changer.change_in_place(located, acting)
        patches: Patches = []
        for row, index in enumerate(located.indices.tolist()):
            found = whole[index].patches(octets_of(batch, index))
            if found is not None:
                patches += found
            elif row in acting:
                plan.leave(located.planned[row : row + 1], Left.IN_FRAGMENTS)
        return patches


def _write(
    batch: FrameBatch,
    rebuilt: dict[int, NewFrame],
    reader: CaptureReader,
    fetch: Fetch,
    copy: CaptureCopy,
    records: Records,
) -> list[str]:
    """Writes the stretch of the file that `batch` is, as it stands now; what does not fit its record."""
    first, end = int(batch.offsets[0]), file_offset(batch, int(batch.ends[-1]))
    # One view of the octets that the file has from `first` to `end`.
    stretch = batch.octets.data[HEADROOM : HEADROOM + end - first]
    mistakes = []
    copy.copy_to(first)
    for index in sorted(rebuilt):
        new, offset = rebuilt[index], int(batch.offsets[index])
        if offset > copy.position:
            copy.replace(offset, stretch[copy.position - first : offset - first])
        length = records.length(bytes(stretch[offset - first : offset - first + RECORD_HEAD_LENGTH]))
        record = bytes(stretch[offset - first : offset - first + length])
        # The last frame's block may end behind the stretch.
        record += fetch(end, length - len(record)) if len(record) < length else b""
        snap_length = reader.interfaces[int(batch.interfaces[index])].snap_length
        try:
            changed = records.with_frame(record, bytes(new.octets), new.wire_length, snap_length)
        except ValueError as error:
            mistakes.append(f"frame {batch.first_frame + index}: {error}")
            continue
        copy.replace(offset + length, changed)
    if end > copy.position:
        copy.replace(end, stretch[copy.position - first :])
    return mistakes
