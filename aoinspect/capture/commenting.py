"""How packets of a capture get comments, and lose those of an earlier run: pcapng in, or pcap in and pcapng out.

A comment is an option of a packet block (draft-ietf-opsawg-pcapng, opt_comment). It goes in front of the options that
are there; nothing else of a pcapng file changes but the lengths of such blocks, and of sections that tell theirs. There
is one exception: a Simple Packet Block has no options, so one that gets a comment becomes an Enhanced Packet Block of
the same interface, whose time is 0 because it had none. A list of options that held nothing but comments of the earlier
run goes with them.

pcap has no comments. A section and one interface stand for its file header, and each record becomes an Enhanced Packet
Block with its time in the file's own resolution.

A batch is put together at once: all blocks are whole 32-bit words, so it is a list of stretches of words.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final, NamedTuple, Protocol

import numpy as np

from aoinspect.capture.frames import HEADROOM, I64, U8, Damage, FrameBatch, Interface, SectionHeader
from aoinspect.capture.pcap import VARIANTS
from aoinspect.capture.pcapng import SECTION_HEADER
from aoinspect.capture.pcapng_options import COMMENT, OptionLists, follow_options
from aoinspect.capture.pcapng_section import ENHANCED_PACKET, INTERFACE_DESCRIPTION, SIMPLE_PACKET
from aoinspect.capture.records import windows
from aoinspect.capture.rewriting import RECORD_HEAD_LENGTH, SECTION_LENGTH_AT, CaptureCopy, Fetch, Mask, PcapngRecords
from aoinspect.capture.words import WORD, Words, joined_words
from aoinspect.errors import CaptureError

NO_COMMENT: Final = -1
"""Stands where a frame gets no comment."""

_ENHANCED_HEADER: Final = 28
_FIELDS_AT: Final = 8
"""Where a block's fixed fields start, behind its type and length."""
_ENHANCED_FIELDS: Final = _ENHANCED_HEADER - _FIELDS_AT
_SIMPLE_HEADER: Final = 12
_TRAILER: Final = 4
_LONGEST_OWN: Final = 2048
"""Octets that a comment of an earlier run may have; longer ones are somebody else's."""

_USER_APPLICATION: Final = 4
_IF_TSRESOL: Final = 9
_IF_FCSLEN: Final = 13


class _Pool(NamedTuple):
    """The comments as options in one byte order."""

    octets: U8
    starts: I64
    counts: I64
    """32-bit words of each option, without the end of options that follows it there."""


def _pool(comments: Sequence[bytes], byte_order: str) -> _Pool:
    options = [
        struct.pack(byte_order + "HH", COMMENT, len(text)) + text + bytes(-len(text) % WORD) for text in comments
    ]
    # An end of options follows each, for lists that have none.
    lengths = np.array([len(one) for one in options], dtype=np.int64)
    ends = np.cumsum(lengths + WORD)
    octets = np.frombuffer(b"".join(one + bytes(WORD) for one in options), dtype=np.uint8)
    return _Pool(octets, ends - lengths - WORD, lengths // WORD)


class Commenter(Protocol):
    """Writes one capture again, batch after batch, with comments."""

    removed_comments: int
    """Comments of an earlier run that were left out."""
    converted_blocks: int
    """Simple Packet Blocks that became Enhanced Packet Blocks."""

    def add(self, batch: FrameBatch, chosen: I64) -> None:
        """Writes the next batch; `chosen` is the index of each frame's comment, or NO_COMMENT."""
        ...

    def finish(self, damage: Damage | None) -> None:
        """Writes what follows the last batch, as far as the output's format lets it. CaptureError as of reading."""
        ...


class PcapngCommenter:
    """Comments for a capture that is pcapng already."""

    def __init__(
        self,
        headers: Sequence[SectionHeader],
        fetch: Fetch,
        output: BinaryIO,
        comments: Sequence[bytes],
        is_own: Callable[[bytes], bool],
    ) -> None:
        """`headers` are the reader's, which may still grow; `fetch` gives octets of the capture.

        `comments` are UTF-8; `is_own` tells comments of an earlier run.
        """
        self._headers = headers
        self.removed_comments = 0
        self.converted_blocks = 0
        self._fetch = fetch
        self._copy = CaptureCopy(fetch, output)
        self._is_own = is_own
        self._pools = {order: _pool(comments, order) for order in "<>"}
        self._pool_octets = np.concatenate([pool.octets for pool in self._pools.values()])
        self._section_growths: dict[SectionHeader, int] = {}

    def add(self, batch: FrameBatch, chosen: I64) -> None:
        stretch = _Stretch.of(batch, self._fetch)
        self._copy.copy_to(stretch.offset)
        edits = self._edits(stretch, chosen)
        if edits is None:
            self._copy.replace(stretch.offset + len(stretch.octets), stretch.octets.data)
            return
        growths = edits.growths(len(chosen))
        moves = self._note_growths(batch.offsets, growths)
        stretch.write_lengths(stretch.lengths + growths)
        written = joined_words(np.concatenate([stretch.octets, edits.pool]), edits.words(len(stretch.octets)))
        self._copy.replace(stretch.offset + len(stretch.octets), written.data, moves)

    def finish(self, damage: Damage | None) -> None:
        try:
            self._copy.finish()
        except CaptureError:
            # What a broken compressed stream still had was read as far as it goes.
            if damage is None:
                raise
        for header, growth in self._section_growths.items():
            if header.section_length >= 0 and growth:
                length = struct.pack(header.byte_order + "q", header.section_length + growth)
                self._copy.overwrite(header.offset + SECTION_LENGTH_AT, length)

    def _note_growths(self, offsets: I64, growths: I64) -> list[tuple[int, int]]:
        """Notes by how much the sections grow that the blocks at `offsets` of the file lie in.

        Where the sections start that begin between the blocks, and by how much the blocks before have moved them.
        """
        moves, total = [], 0
        starts = np.array([header.offset for header in self._headers], dtype=np.int64)
        which = np.searchsorted(starts, offsets, side="right") - 1
        for section in np.unique(which).tolist():
            header = self._headers[section]
            if header.offset > offsets[0]:
                moves.append((header.offset, total))
            grown = int(growths[which == section].sum())
            self._section_growths[header] = self._section_growths.get(header, 0) + grown
            total += grown
        return moves

    def _edits(self, stretch: _Stretch, chosen: I64) -> _Edits | None:
        """What changes in `stretch`; None where nothing does."""
        lists = stretch.option_lists()
        own = self._own(stretch, lists)
        is_left_empty = lists.others == 0
        is_left_empty &= lists.comment_counts(len(chosen)) == np.bincount(lists.which[own], minlength=len(chosen))
        gets_one = chosen != NO_COMMENT
        has_own = np.zeros(len(chosen), dtype=np.bool_)
        has_own[lists.which[own]] = True
        self.removed_comments += int(own.sum())
        if not (gets_one.any() or has_own.any()):
            return None
        is_emptied = is_left_empty & (gets_one | has_own)
        converted = np.flatnonzero(stretch.is_simple & gets_one)
        edits = _Edits(np.concatenate([self._pool_octets, _enhanced_fields(stretch, converted)]))
        self._convert(edits, stretch, converted)
        self._insert(edits, stretch, chosen, is_emptied)
        edits.add(
            np.flatnonzero(is_emptied),
            stretch.option_starts[is_emptied],
            (stretch.ends - stretch.option_starts)[is_emptied],
        )
        alone = own & ~is_emptied[lists.which]
        edits.add(lists.which[alone], lists.starts[alone], lists.padded_lengths[alone])
        return edits

    def _own(self, stretch: _Stretch, lists: OptionLists) -> Mask:
        """Which of the comments are of an earlier run: each distinct text is looked at once."""
        own = np.zeros(len(lists.which), dtype=np.bool_)
        for length in np.unique(lists.lengths).tolist():
            if not 0 < length <= _LONGEST_OWN:
                continue
            rows = np.flatnonzero(lists.lengths == length)
            texts = windows(stretch.octets, length)[lists.starts[rows] + 4].view(f"S{length}")
            distinct, kinds = np.unique(texts, return_inverse=True)
            # numpy strips zeros at the end; a comment that had them is none of ours.
            told = [len(text) == length and self._is_own(text) for text in distinct.tolist()]
            own[rows] = np.array(told, dtype=np.bool_)[kinds]
        return own

    def _insert(self, edits: _Edits, stretch: _Stretch, chosen: I64, is_emptied: Mask) -> None:
        """Puts comments in front of options, with an end of options where there are none."""
        base = len(stretch.octets)
        for order, pool in self._pools.items():
            rows = np.flatnonzero((chosen != NO_COMMENT) & (stretch.is_little == (order == "<")))
            starts = base + pool.starts[chosen[rows]]
            edits.add(rows, stretch.option_starts[rows], None, starts, pool.counts[chosen[rows]] + is_emptied[rows])
            base += len(pool.octets)

    def _convert(self, edits: _Edits, stretch: _Stretch, rows: I64) -> None:
        """Turns the Simple Packet Blocks `rows`, which get a comment, into Enhanced ones."""
        self.converted_blocks += len(rows)
        stretch.write_numbers(rows, stretch.records[rows], np.full(len(rows), ENHANCED_PACKET, dtype=np.int64))
        # The wire length makes way for the interface, both halves of the time, and both lengths.
        starts = len(stretch.octets) + len(self._pool_octets) + _ENHANCED_FIELDS * np.arange(len(rows))
        removed, counts = np.full((2, len(rows)), [[WORD], [_ENHANCED_FIELDS // WORD]], dtype=np.int64)
        edits.add(rows, stretch.records[rows] + _FIELDS_AT, removed, starts, counts)


def _enhanced_fields(stretch: _Stretch, rows: I64) -> U8:
    """The fixed fields of Enhanced Packet Blocks that the Simple ones `rows` become."""
    fields = np.zeros((len(rows), _ENHANCED_FIELDS // WORD), dtype="<u4")
    fields[:, 3] = stretch.captured[rows]
    fields[:, 4] = stretch.wire_lengths[rows]
    is_big = ~stretch.is_little[rows]
    fields[is_big] = fields[is_big].byteswap()
    return fields.view(np.uint8).reshape(-1)


class _Stretch:
    """The octets of a pcapng file from the first block of a batch to the end of its last, as words.

    Arrays have one value a frame; positions count octets from the stretch's front.
    """

    def __init__(self, batch: FrameBatch, octets: U8, records: I64) -> None:
        self.offset = int(batch.offsets[0])
        self.octets = octets
        self.records = records
        self.is_little: Mask = octets[records] != 0  # Types of packet blocks are below 256.
        self.lengths = self._numbers(records + 4)
        self.is_simple: Mask = (octets[records] | octets[records + 3]) == SIMPLE_PACKET
        self.captured = batch.ends - batch.starts
        self.wire_lengths = batch.wire_lengths
        self.ends = records + self.lengths - _TRAILER
        starts = records + np.where(self.is_simple, _SIMPLE_HEADER, _ENHANCED_HEADER)
        # Of data whose padding was left out, the options start where the block ends.
        self.option_starts = np.minimum(starts + ((self.captured + 3) & -4), self.ends)

    @classmethod
    def of(cls, batch: FrameBatch, fetch: Fetch) -> _Stretch:
        """That of `batch`, whose last block may reach beyond the batch's octets."""
        records = batch.offsets - int(batch.offsets[0])
        end = int(batch.ends[-1])
        last = HEADROOM + int(records[-1])
        head = batch.octets[last : last + RECORD_HEAD_LENGTH].tobytes()
        missing = PcapngRecords().length(head) - (end - last)
        rest = fetch(int(batch.offsets[0]) + end - HEADROOM, missing)
        if len(rest) < missing:
            raise CaptureError(f"the capture ends inside the block at octet {batch.offsets[-1]} now: it was changed")
        return cls(batch, np.concatenate([batch.octets[HEADROOM:end], np.frombuffer(rest, dtype=np.uint8)]), records)

    def _numbers(self, at: I64) -> I64:
        numbers = windows(self.octets, WORD)[at].view("<u4").astype(np.int64)
        big = windows(self.octets, WORD)[at].view(">u4").astype(np.int64)
        return np.where(self.is_little, numbers, big)

    def option_lists(self) -> OptionLists:
        """The options of all blocks but Simple ones, which have none."""
        lists = OptionLists.none(len(self.records))
        has_options = (self.option_starts < self.ends) & ~self.is_simple
        for order, of_order in (("<", self.is_little), (">", ~self.is_little)):
            rows = np.flatnonzero(has_options & of_order)
            if len(rows):
                lists = lists.with_lists(
                    rows, follow_options(self.octets, self.option_starts[rows], self.ends[rows], order)
                )
        return lists

    def write_lengths(self, lengths: I64) -> None:
        """Writes the blocks' lengths, at their front and at their end."""
        everything = np.arange(len(lengths))
        for places in (self.records + 4, self.ends):
            self.write_numbers(everything, places, lengths)

    def write_numbers(self, rows: I64, places: I64, numbers: I64) -> None:
        """Writes 32-bit numbers of the blocks `rows` at `places`, in the byte order of each."""
        is_little = self.is_little[rows]
        for order, chosen in (("<", is_little), (">", ~is_little)):
            windows(self.octets, WORD)[places[chosen]] = numbers[chosen].astype(order + "u4").view("V4")


class _Edits:
    """Places where words are left out and others put in."""

    def __init__(self, pool: U8) -> None:
        self.pool = pool
        """What is put in; it is thought to follow the octets of the stretch."""
        self._columns: list[tuple[I64, ...]] = []

    def add(
        self, rows: I64, at: I64, removed: I64 | None, starts: I64 | None = None, counts: I64 | None = None
    ) -> None:
        """In blocks `rows`, at `at`, leaves out `removed` octets and puts in `counts` words from `starts` on."""
        nothing = np.zeros(len(rows), dtype=np.int64)
        self._columns.append(
            (
                rows,
                at,
                nothing if removed is None else removed,
                nothing if starts is None else starts,
                nothing if counts is None else counts,
            )
        )

    def growths(self, blocks: int) -> I64:
        """By how many octets each of so many blocks grows."""
        rows, _, removed, _, counts = self._joined()
        growths: I64 = np.zeros(blocks, dtype=np.int64)
        np.add.at(growths, rows, WORD * counts - removed)
        return growths

    def words(self, size: int) -> Words:
        """The stretch of `size` octets as it is afterwards."""
        _, at, removed, put_in, counts = self._joined()
        # Stable: at one place, what was added first comes first.
        order = np.argsort(at, kind="stable")
        at, removed, put_in, counts = at[order], removed[order], put_in[order], counts[order]
        starts, lengths = np.empty(2 * len(at) + 1, dtype=np.int64), np.empty(2 * len(at) + 1, dtype=np.int64)
        kept_from = np.concatenate([np.zeros(1, dtype=np.int64), at + removed])
        starts[0::2], lengths[0::2] = kept_from, (np.append(at, size) - kept_from) // WORD
        starts[1::2], lengths[1::2] = put_in, counts
        return Words(starts, lengths)

    def _joined(self) -> tuple[I64, ...]:
        return tuple(np.concatenate(column) for column in zip(*self._columns, strict=True))


class PcapConverter:
    """A pcap file as pcapng, with comments."""

    def __init__(
        self, file_header: bytes, interface: Interface, output: BinaryIO, comments: Sequence[bytes], application: str
    ) -> None:
        """`file_header` is the pcap file's first 24 octets; `application` is what is told to have written it."""
        self.removed_comments = 0
        self.converted_blocks = 0
        self._output = output
        self._pool = _pool(comments, "<")
        self._tick_ns = VARIANTS[file_header[:4]].fraction_ns
        output.write(_section_header(application) + _interface_description(interface, self._tick_ns))

    def add(self, batch: FrameBatch, chosen: I64) -> None:
        captured = batch.ends - batch.starts
        counts = np.zeros((len(batch), 4), dtype=np.int64)
        counts[:, 0] = _ENHANCED_HEADER // WORD
        counts[:, 1] = (captured + 3) // WORD
        commented = np.flatnonzero(chosen != NO_COMMENT)
        counts[commented, 2] = self._pool.counts[chosen[commented]] + 1
        counts[:, 3] = 1
        lengths = WORD * counts.sum(axis=1)
        headers = self._headers(batch, captured, lengths)
        pool_at = len(batch.octets)
        headers_at = pool_at + len(self._pool.octets)
        starts = np.zeros((len(batch), 4), dtype=np.int64)
        starts[:, 0] = headers_at + _ENHANCED_HEADER * np.arange(len(batch))
        starts[:, 1] = batch.starts
        starts[commented, 2] = pool_at + self._pool.starts[chosen[commented]]
        starts[:, 3] = starts[:, 0] + 4  # The length once more.
        octets = np.concatenate([batch.octets, self._pool.octets, headers])
        written = joined_words(octets, Words(starts.reshape(-1), counts.reshape(-1)))
        padding_at = np.cumsum(lengths) - lengths + _ENHANCED_HEADER + captured
        for octet in range(3):
            written[(padding_at + octet)[-captured % WORD > octet]] = 0
        self._output.write(written.data)

    def finish(self, damage: Damage | None) -> None:
        """What lies behind damage is no record, and so nothing that a block could hold."""

    def _headers(self, batch: FrameBatch, captured: I64, lengths: I64) -> U8:
        ticks = batch.times_ns // self._tick_ns
        headers = np.zeros((len(batch), _ENHANCED_HEADER // WORD), dtype="<u4")
        columns = (ENHANCED_PACKET, lengths, 0, ticks >> 32, ticks & 0xFFFF_FFFF, captured, batch.wire_lengths)
        for number, column in enumerate(columns):
            headers[:, number] = column
        return headers.view(np.uint8).reshape(-1)


def _block(block_type: int, fields: bytes, options: Sequence[tuple[int, bytes]]) -> bytes:
    """A little-endian block with options."""
    listed = b"".join(
        struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % WORD) for code, value in options
    )
    body = fields + listed + bytes(WORD)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", block_type) + length + body + length


def _section_header(application: str) -> bytes:
    fields = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(SECTION_HEADER, fields, [(_USER_APPLICATION, application.encode())])


def _interface_description(interface: Interface, tick_ns: int) -> bytes:
    options = [(_IF_TSRESOL, b"\x06" if tick_ns == 1000 else b"\x09")]
    if interface.fcs_length is not None:
        options.append((_IF_FCSLEN, bytes([interface.fcs_length])))
    return _block(INTERFACE_DESCRIPTION, struct.pack("<HHI", interface.link_type, 0, interface.snap_length), options)
