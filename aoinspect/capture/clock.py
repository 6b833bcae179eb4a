"""How a pcapng timestamp becomes nanoseconds since 1970.

Nothing else knows `if_tsresol` and `if_tsoffset` (draft-ietf-opsawg-pcapng, Interface Description Block
options).

A timestamp is a count of ticks in 64 bits without sign. A tick is 10^-k seconds, or 2^-k where the
resolution's top bit is set, for k of 0 to 127. All arithmetic is on integers, rounding down; what int64
nanoseconds cannot hold (before 1677 or after 2262) is clamped and said so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64

U64 = npt.NDArray[np.uint64]

_SECOND = 1_000_000_000
_I64_MAX = (1 << 63) - 1
_U64_MAX = (1 << 64) - 1
_LAST_SECOND, _LAST_NANOS = divmod(_I64_MAX, _SECOND)
_FIRST_SECOND, _FIRST_NANOS = divmod(-(1 << 63), _SECOND)


@dataclass(frozen=True, slots=True)
class Clock:
    """How one interface counts time."""

    resolution: int = 6
    """`if_tsresol`'s octet; microseconds where the file does not say."""
    offset_seconds: int = 0
    """`if_tsoffset`: signed 64-bit seconds that are added to every timestamp."""

    def times_ns(self, ticks: U64) -> tuple[I64, int]:
        """Nanoseconds since 1970-01-01T00:00:00Z (int64) of each tick count, and how many were clamped."""
        exponent = self.resolution & 0x7F
        if not self.resolution & 0x80 and exponent <= 9 and not self.offset_seconds and len(ticks):
            tick_ns = 10 ** (9 - exponent)
            if int(ticks.max()) <= _I64_MAX // tick_ns:
                return ticks.astype(np.int64) * np.int64(tick_ns), 0
        seconds, nanos = self._split(ticks)
        # Bounds on the unshifted seconds, so that the sum below cannot wrap unnoticed.
        highest = _LAST_SECOND - self.offset_seconds
        lowest = _FIRST_SECOND - self.offset_seconds
        is_late = seconds > np.uint64(highest) if highest >= 0 else np.ones(len(ticks), np.bool_)
        is_early = seconds < np.uint64(min(lowest, _U64_MAX)) if lowest > 0 else np.zeros(len(ticks), np.bool_)
        absolute = (seconds + np.uint64(self.offset_seconds & _U64_MAX)).view(np.int64)
        is_late |= (absolute == _LAST_SECOND) & (nanos > _LAST_NANOS) & ~is_early
        is_early |= (absolute == _FIRST_SECOND) & (nanos < _FIRST_NANOS) & ~is_late
        times_ns = absolute * np.int64(_SECOND) + nanos.view(np.int64)
        times_ns[is_late] = _I64_MAX
        times_ns[is_early] = -_I64_MAX - 1
        return times_ns, int(is_late.sum()) + int(is_early.sum())

    def _split(self, ticks: U64) -> tuple[U64, U64]:
        """Whole seconds, and the nanoseconds beyond them."""
        exponent = self.resolution & 0x7F
        if not self.resolution & 0x80:
            if exponent > 19:  # 2^64 ticks are less than a second from 10^-20 on.
                nanos = ticks // np.uint64(10 ** (exponent - 9)) if exponent <= 28 else np.zeros_like(ticks)
                return np.zeros_like(ticks), nanos
            per_second = np.uint64(10**exponent)
            seconds, rest = ticks // per_second, ticks % per_second
            if exponent <= 9:
                return seconds, rest * np.uint64(10 ** (9 - exponent))
            return seconds, rest // np.uint64(10 ** (exponent - 9))
        if exponent < 64:
            seconds, rest = ticks >> np.uint64(exponent), ticks & np.uint64((1 << exponent) - 1)
        else:
            seconds, rest = np.zeros_like(ticks), ticks
        if exponent <= 34:  # rest * 10^9 < 2^34 * 2^30
            return seconds, (rest * np.uint64(_SECOND)) >> np.uint64(exponent)
        # The product has up to 94 bits; its low 32 are cut off first, which a floor allows.
        high = (rest >> np.uint64(32)) * np.uint64(_SECOND)
        low = ((rest & np.uint64(0xFFFF_FFFF)) * np.uint64(_SECOND)) >> np.uint64(32)
        shift = exponent - 32
        return seconds, (high + low) >> np.uint64(shift) if shift < 64 else np.zeros_like(ticks)
