"""How much time and memory one small input may cost, and how a fuzz target is held to it.

Processor time is counted and not time on the clock, so that a busy machine fails nothing.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

MOST_SECONDS = 4.0
"""Of processor time, for at most `MOST_OCTETS` octets and with a coverage-guided fuzzer's instrumentation, which makes
everything about twice as slow."""
MOST_GROWTH = 200 << 20
"""Octets by which the process may outgrow its largest size so far."""
MOST_OCTETS = 64 << 10
"""Of one input."""

Check = Callable[[bytes], None]
"""Does with the octets what a user could do with them; raises where it finds what must never happen."""


class OutOfBoundsError(Exception):
    """An input took too long, or too much memory."""


def within_bounds(check: Check) -> Check:
    """`check`, and OutOfBoundsError where an input costs more than any should."""

    def bounded(octets: bytes) -> None:
        size_before = _largest_size()
        began = time.process_time()
        check(octets)
        seconds = time.process_time() - began
        growth = _largest_size() - size_before
        if seconds > MOST_SECONDS:
            raise OutOfBoundsError(f"{seconds:.1f} s of processor time for {len(octets)} octets")
        if growth > MOST_GROWTH:
            raise OutOfBoundsError(f"{growth >> 20} MiB of memory for {len(octets)} octets")

    return bounded


def _largest_size() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
