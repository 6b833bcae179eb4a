"""What survives of a TCP segment: its fixed header with other ports, the options that tell nothing of a site, no MAC.

Options whose content is numbers of the connection itself are copied; of every other one the kind and the length are.
MPTCP's carry addresses (RFC 8684 3.4.1), Fast Open's cookie is made from one (RFC 7413 4.1.2), and of unknown ones
nothing is known. A broken list stays broken in the same place.
"""

from __future__ import annotations

import numpy as np

from aoinspect.ao.option import FIXED_HEADER_LENGTH, KIND_END, KIND_NOP, MAX_OPTIONS_LENGTH
from aoinspect.capture.frames import I64
from aoinspect.engine.anonymise.twin import Twin
from aoinspect.engine.locate import Packets
from aoinspect.engine.macs import windows
from aoinspect.engine.resign.checksums import MODULUS, TCP_CHECKSUM_AT, tcp_checksums
from aoinspect.engine.segments import KIND_AO, KIND_MD5, Segments

_MSS, _WINDOW_SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS, _ACCECN_0, _ACCECN_1 = 2, 3, 4, 5, 8, 172, 174
COPIED_KINDS = (_MSS, _WINDOW_SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS, _ACCECN_0, _ACCECN_1)
"""RFC 9293 3.2, RFC 7323, RFC 2018, RFC 9768 3.2.3: sizes, sequence numbers, counters."""
_AO_HEAD = 4
_LEGEND = np.zeros(256, dtype=np.int64)
"""Octets of an option that are copied, by its kind; a whole one of COPIED_KINDS."""
_LEGEND[:] = 2
_LEGEND[list(COPIED_KINDS)] = MAX_OPTIONS_LENGTH
_LEGEND[KIND_AO] = _AO_HEAD
_LEGEND[KIND_MD5] = 2


def copy_headers(twin: Twin, segments: Segments, rows: I64) -> None:
    """Copies the TCP headers of `rows` as far as they were captured; checksum and MAC stay zero."""
    packets = segments.packets
    starts = packets.starts[rows]
    visible = np.minimum(packets.ends, packets.limits)[rows] - starts
    twin.copy_ports(starts[visible >= 2])
    twin.copy_ports(starts[visible >= 4] + 2)
    fixed_ends = starts + np.minimum(visible, FIXED_HEADER_LENGTH)
    twin.copy_ranges(starts + 4, np.minimum(fixed_ends, starts + TCP_CHECKSUM_AT))
    twin.copy_ranges(starts + TCP_CHECKSUM_AT + 2, fixed_ends)
    limits = np.minimum(segments.header_lengths[rows], visible) - FIXED_HEADER_LENGTH
    has_options = limits > 0
    _copy_options(twin, starts[has_options] + FIXED_HEADER_LENGTH, limits[has_options])


def _copy_options(twin: Twin, starts: I64, limits: I64) -> None:
    """Copies the option lists of so many octets that start there."""
    if not len(starts):
        return
    options = windows(twin.batch.octets, MAX_OPTIONS_LENGTH)[starts].view(np.uint8)
    options = options.reshape(len(starts), MAX_OPTIONS_LENGTH)
    columns = np.arange(MAX_OPTIONS_LENGTH)
    kept = np.zeros(options.shape, dtype=np.bool_)
    rows = np.arange(len(starts))
    at = np.zeros(len(rows), dtype=np.int64)
    while len(rows):
        kinds = options[rows, at]
        is_single = (kinds == KIND_END) | (kinds == KIND_NOP)
        told = options[rows, np.minimum(at + 1, MAX_OPTIONS_LENGTH - 1)].astype(np.int64)
        is_sound = (at + 1 < limits[rows]) & (told >= 2) & (at + told <= limits[rows])
        copied = np.where(is_single, 1, np.where(is_sound, np.minimum(_LEGEND[kinds], told), 2))
        kept[rows] |= (columns >= at[:, np.newaxis]) & (columns < (at + copied)[:, np.newaxis])
        steps = np.where(is_single, 1, told)
        goes_on = (kinds != KIND_END) & (is_single | is_sound) & (at + steps < limits[rows])
        rows, at = rows[goes_on], (at + steps)[goes_on]
    kept &= columns < limits[:, np.newaxis]
    positions = (starts[:, np.newaxis] + columns)[kept]
    twin.octets[positions] = options[kept]


def copy_payloads(twin: Twin, segments: Segments, rows: I64) -> None:
    """Copies the payloads of `rows` as far as they were captured."""
    packets = segments.packets
    ends = np.minimum(packets.ends, packets.limits)[rows]
    twin.copy_ranges(packets.starts[rows] + segments.header_lengths[rows], ends)


def right_checksums(packets: Packets, rows: I64) -> I64:
    """The TCP checksums of `rows`, as if what was not captured of them were zeros."""
    captured = packets._replace(ends=np.minimum(packets.ends, packets.limits))
    missing = packets.ends[rows] - captured.ends[rows]
    total = MODULUS - tcp_checksums(captured, rows).astype(np.int64) + missing
    return (MODULUS - total % MODULUS) % MODULUS
