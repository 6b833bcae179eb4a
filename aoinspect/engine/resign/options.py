"""What happens to a TCP header's options when its signature is replaced, added or taken out (RFC 5925 2.2, 9293 3.1).

The other options keep their order and their octets. A signature stands in a slot: the option, and the NOPs that align
it to four octets, behind it (as Linux pads TCP-AO) or before it (as Linux pads TCP-MD5). A new one of another length
gets a slot of its own size in the same place; an added one stands first, as Linux has it.
"""

from __future__ import annotations

from typing import NamedTuple

from aoinspect.ao.option import (
    FIXED_HEADER_LENGTH,
    KIND_AO,
    KIND_END,
    KIND_MD5,
    KIND_NOP,
    MAX_OPTIONS_LENGTH,
    TcpOption,
    walk_options,
)

_NOP = bytes([KIND_NOP])
_PADDING = (KIND_END, KIND_NOP)


class Slot(NamedTuple):
    """Where a signature goes among a header's options: octets `start` to `end` make way for it and its padding."""

    start: int
    """Counted from the first option."""
    end: int
    padding: int
    """NOPs behind it."""


def slot_of(header: bytes, length: int) -> Slot:
    """The place of a signature option of `length` octets in `header`, a whole TCP header."""
    found = next((option for option in walk_options(header) if option.kind in (KIND_AO, KIND_MD5)), None)
    if found is None:
        return Slot(0, 0, -length % 4)
    start, end = found.start - FIXED_HEADER_LENGTH, found.end - FIXED_HEADER_LENGTH
    before, behind = _slot_padding(header[FIXED_HEADER_LENGTH:], start, end)
    is_padded = -(end - start) % 4 == before + behind
    if length == end - start or (is_padded and -length % 4 == before + behind):
        return Slot(start, end, 0)
    return Slot(start - before, end + behind, -length % 4 if is_padded else 0)


def stripped_slot(header: bytes) -> Slot:
    """What the first signature option of `header` and its padding take, which make way for nothing."""
    found = next((option for option in walk_options(header) if option.kind in (KIND_AO, KIND_MD5)), None)
    if found is None:
        return Slot(0, 0, 0)
    start, end = found.start - FIXED_HEADER_LENGTH, found.end - FIXED_HEADER_LENGTH
    before, behind = _slot_padding(header[FIXED_HEADER_LENGTH:], start, end)
    return Slot(start - before, end + behind, 0)


def replace_signature(header: bytes, signature: bytes) -> bytes:
    """The options of `header` with `signature` (a whole AO or MD5 option) in place of the first one it has, or added.

    `header` is a whole TCP header; what comes back has a multiple of four octets, which may be more than fit.
    Further signature options are left as they are.
    """
    options = header[FIXED_HEADER_LENGTH:]
    slot = slot_of(header, len(signature))
    return _aligned(options[: slot.start] + signature + _NOP * slot.padding + options[slot.end :])


def without_signatures(header: bytes) -> bytes | None:
    """The options of `header` without any AO and MD5 option; None where the list is broken and cannot be walked."""
    options = header[FIXED_HEADER_LENGTH:]
    walked = walk_options(header)
    if any(option.problem is not None for option in walked):
        return None
    for option in reversed(walked):
        if option.kind in (KIND_AO, KIND_MD5):
            options = _without(options, option)
    return _aligned(options)


def _without(options: bytes, option: TcpOption) -> bytes:
    start, end = option.start - FIXED_HEADER_LENGTH, option.end - FIXED_HEADER_LENGTH
    before, behind = _slot_padding(options, start, end)
    return options[: start - before] + options[end + behind :]


def _slot_padding(options: bytes, start: int, end: int) -> tuple[int, int]:
    """How many octets of padding before and behind the option `start`..`end` align it; none where not all are there."""
    wanted = -(end - start) % 4
    # In front, where the option stands as far from a boundary as such padding would put it.
    if start % 4 == wanted and options[start - wanted : start] == _NOP * wanted:
        return wanted, 0
    behind = options[end : end + wanted]
    if len(behind) == wanted and all(kind in _PADDING for kind in behind):
        return 0, wanted
    return 0, 0


def _aligned(options: bytes) -> bytes:
    """Padded to four octets, with less padding at the end where there would be too much."""
    last_end, is_ended = _last_option(options)
    if len(options) > MAX_OPTIONS_LENGTH or not last_end:
        options, is_ended = options[:last_end], False
    # Behind an End of Option List a NOP would be strange.
    return options + (bytes([KIND_END]) if is_ended else _NOP) * (-len(options) % 4)


def _last_option(options: bytes) -> tuple[int, bool]:
    """Where the last option that is no padding ends, and whether an End of Option List stands behind it.

    `options` may be longer than a header allows. A broken list is taken to be all options.
    """
    at = end = 0
    while at < len(options):
        if options[at] == KIND_END:
            return end, True
        length = 1 if options[at] == KIND_NOP else options[at + 1] if at + 1 < len(options) else 0
        if length < 1 or (options[at] != KIND_NOP and length < 2) or at + length > len(options):
            return len(options), False
        at += length
        if length > 1:
            end = at
    return end, False
