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
from aoinspect.engine.resign.changing import Changer, octets_of
from aoinspect.engine.resign.choices import Action
from aoinspect.engine.resign.envelopes import TracingLocator, has_covering_checksum
from aoinspect.engine.resign.fragments import FragmentWalk, WholeDatagram
from aoinspect.engine.resign.moving import Stretch, make_room
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
        self._has_section_lengths = False
        self._has_fragments = False

    def run(
        self, reader: CaptureReader, fetch: Fetch, copy: CaptureCopy, records: Records, progress: Progress | None = None
    ) -> None:
        """Writes the capture, which `reader` reads from its start and `fetch` gives octets of, through `copy`.

        UsageError, naming the frames, where something does not fit; what was written by then is of no use.
        """
        mistakes = self._changer.mistakes
        for batch in reader.batches():
            self._changer.fcs_of_interfaces = [interface.fcs_length for interface in reader.interfaces]
            stretch = Stretch.of(batch)
            rebuilt: dict[int, NewFrame] = {}
            patches: Patches = []
            if self._has_work(batch):
                stretch, rebuilt, patches = self._change(stretch, records)
            if not mistakes:
                mistakes += self._write(stretch, rebuilt, reader, fetch, copy, records)
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
        records.finish(copy, reader.section_headers)

    def _has_work(self, batch: FrameBatch) -> bool:
        if self._looks_everywhere:
            return True
        first = int(np.searchsorted(self._acting_frames, batch.first_frame))
        return first < len(self._acting_frames) and int(self._acting_frames[first]) < batch.first_frame + len(batch)

    def _change(self, stretch: Stretch, records: Records) -> tuple[Stretch, dict[int, NewFrame], Patches]:
        """Changes a batch; frames built anew by row of the batch, and what to write over fragments."""
        changer, batch = self._changer, stretch.batch
        packets, fragments = self._locator.locate(batch)
        patches: Patches = []
        if fragments is not None:
            # Before anything moves: pieces are told by where they lie in the file.
            self._has_fragments = True
            is_covered = has_covering_checksum(self._locator.trail, batch.octets, len(batch))
            whole = self._fragments.add(batch, fragments, is_covered)
            patches = self._change_datagrams(whole) if whole else []
        located = changer.locate(batch, packets, packets.frames, self._locator)
        is_resized = changer.is_resized(located)
        if is_resized.any():
            room = changer.room(located, np.flatnonzero(is_resized))
            moved = make_room(stretch, located.segments, self._locator.trail, room, records)
            if moved is not None:
                stretch = moved
                packets, _ = self._locator.locate(stretch.batch)
                located = changer.locate(stretch.batch, packets, packets.frames, self._locator)
                is_resized = changer.is_resized(located)
        rebuilt = changer.rebuild(located, np.flatnonzero(is_resized))
        changer.change_in_place(located, np.flatnonzero(changer.is_acting(located) & ~is_resized))
        return stretch, rebuilt, patches

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
        self,
        stretch: Stretch,
        rebuilt: dict[int, NewFrame],
        reader: CaptureReader,
        fetch: Fetch,
        copy: CaptureCopy,
        records: Records,
    ) -> list[str]:
        """Writes the stretch of the file that a batch is, as it stands now; what does not fit its record."""
        batch = stretch.batch
        file_end = stretch.file_end
        self._has_section_lengths |= any(header.section_length >= 0 for header in reader.section_headers)
        # One view of what the stretch has become.
        octets = batch.octets.data[HEADROOM : int(batch.ends[-1])]
        mistakes = []
        copy.copy_to(int(batch.offsets[0]))
        done = 0
        for index in sorted(rebuilt):
            new, offset = rebuilt[index], int(batch.offsets[index])
            at = int(stretch.records[index]) - HEADROOM
            if at > done:
                copy.replace(offset, octets[done:at], self._moves(stretch, copy.position, offset))
            length = records.length(bytes(octets[at : at + RECORD_HEAD_LENGTH]))
            record = bytes(octets[at : at + length])
            # The last frame's block may end behind the stretch.
            record += fetch(file_end, length - len(record)) if len(record) < length else b""
            snap_length = reader.interfaces[int(batch.interfaces[index])].snap_length
            try:
                changed = records.with_frame(record, bytes(new.octets), new.wire_length, snap_length)
            except ValueError as error:
                mistakes.append(f"frame {batch.first_frame + index}: {error}")
                continue
            copy.replace(offset + length, changed)
            done = at + length
        if len(octets) > done:
            copy.replace(file_end, octets[done:], self._moves(stretch, copy.position, file_end))
        return mistakes

    def _moves(self, stretch: Stretch, start: int, end: int) -> list[tuple[int, int]]:
        """What `copy` has to know of what has moved: something only where something is written over later."""
        return stretch.moves(start, end) if self._has_fragments or self._has_section_lengths else []
