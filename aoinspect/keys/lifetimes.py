"""Lifetimes as spans of time: whether they meet, which of them lie in another, and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aoinspect.ao.mkt import Lifetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDLESS = 1 << 80
Span = tuple[int, int]
"""Nanoseconds since 1970, from and until; `_ENDLESS` either way where it is open."""
ALWAYS: Span = (-_ENDLESS, _ENDLESS)


def span(lifetime: Lifetime | None) -> Span:
    """The time that a lifetime covers; all of it where there is none."""
    if lifetime is None:
        return ALWAYS
    return (
        -_ENDLESS if lifetime.from_ns is None else lifetime.from_ns,
        _ENDLESS if lifetime.until_ns is None else lifetime.until_ns,
    )


def meet(one: Lifetime | None, other: Lifetime | None) -> bool:
    """Whether some moment is in both."""
    (from_ns, until_ns), (other_from, other_until) = span(one), span(other)
    return max(from_ns, other_from) < min(until_ns, other_until)


def outside(inner: Lifetime | None, outer: Lifetime | None) -> Span | None:
    """The first part of `inner` that is not in `outer`; None where it is all in it."""
    (from_ns, until_ns), (outer_from, outer_until) = span(inner), span(outer)
    if from_ns < outer_from:
        return from_ns, min(until_ns, outer_from)
    return (max(from_ns, outer_until), until_ns) if until_ns > outer_until else None


def gaps(lifetimes: Sequence[Lifetime | None]) -> list[Span]:
    """The times between the first beginning and the last end that no lifetime covers, in order."""
    found: list[Span] = []
    covered_until: int | None = None
    for from_ns, until_ns in sorted(map(span, lifetimes)):
        if covered_until is not None and from_ns > covered_until:
            found.append((covered_until, from_ns))
        covered_until = until_ns if covered_until is None else max(covered_until, until_ns)
    return found


def span_text(shown: Span) -> str:
    """ "from 2026-10-01T00:00:00Z until 2027-01-01T00:00:00Z", without an end that is open."""
    from_ns, until_ns = shown
    parts = [] if from_ns == -_ENDLESS else [f"from {moment_text(from_ns)}"]
    parts += [] if until_ns == _ENDLESS else [f"until {moment_text(until_ns)}"]
    return " ".join(parts) or "always"


def moment_text(time_ns: int) -> str:
    """A moment in UTC, to the second unless it is finer."""
    seconds, fraction = divmod(time_ns, 1_000_000_000)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return f"{seconds} s after 1970"
    digits = f".{fraction:09d}" if fraction else ""
    return f"{text}{digits}Z"
