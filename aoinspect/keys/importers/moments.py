"""The times of day and dates that router configurations write -> nanoseconds since 1970.

A router's "local" time is taken for UTC here, since a configuration seldom tells all about its zone and summer time;
the importers say so in a warning. A lifetime that ends before it begins is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aoinspect.ao.mkt import Lifetime
from aoinspect.keys.importers.model import Draft, Word

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
LOCAL_TIME = "times here are local to the router, and are taken for UTC"

FIRST_CISCO_MOMENT = 725_846_400 * SECOND_NS
"""1993-01-01T00:00:00Z, before which no lifetime of Cisco's begins: one from then on has no beginning."""
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
MOMENT_WORDS = frozenset((*MONTHS, *(month[:3] for month in MONTHS), "infinite", "duration", "local", "to", "forever"))
"""Words of times, which messages may show."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2}))?")
_LONGEST_DURATION = 1 << 40
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[T.](?=[0-9])|\s+|\Z)"
    r"(?:([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]{1,9}))?)?)?"
    r"\s*(?:(Z|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2}))?",
    re.IGNORECASE,
)


def nanoseconds(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    """Nanoseconds since 1970 of a moment in UTC. Raises ValueError where there is no such moment."""
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(seconds=1) * SECOND_NS


def iso_nanoseconds(text: str) -> int | None:
    """Of `2020-06-16T01:00:00Z`, `2020-6-16.01:00:00 +0530` and the like; without an offset it is UTC.

    None where the text is no such thing.
    """
    parts = _ISO.fullmatch(text.strip())
    if parts is None:
        return None
    numbers = [int(part or 0) for part in parts.groups()[:6]]
    offset_minutes = int(parts[10] or 0) * 60 + int(parts[11] or 0)
    if parts[9] == "-":
        offset_minutes = -offset_minutes
    fraction = int((parts[7] or "").ljust(9, "0"))
    try:
        return nanoseconds(*numbers) + fraction - offset_minutes * MINUTE_NS
    except (ValueError, OverflowError):
        return None


def has_offset(text: str) -> bool:
    """Whether an ISO-like time says its offset from UTC."""
    parts = _ISO.fullmatch(text.strip())
    return parts is not None and (parts[8] is not None or parts[9] is not None)


def span(draft: Draft, place: tuple[int, int], from_ns: int | None, until_ns: int | None) -> Lifetime | None:
    """A lifetime, None where it has neither end; one that ends before it begins is noted as a mistake."""
    if from_ns is not None and until_ns is not None and until_ns <= from_ns:
        draft.mistake(place, "this lifetime ends before it begins; it is left out, so that the key is always valid")
        return None
    return None if from_ns is None and until_ns is None else Lifetime(from_ns, until_ns)


def widened(lifetime: Lifetime | None, tolerance_ns: int | None) -> Lifetime | None:
    """The lifetime with the tolerance added at both ends."""
    if lifetime is None or tolerance_ns is None:
        return lifetime
    return Lifetime(
        None if lifetime.from_ns is None else lifetime.from_ns - tolerance_ns,
        None if lifetime.until_ns is None else lifetime.until_ns + tolerance_ns,
    )


@dataclass(slots=True)
class MomentReader:
    """Reads the words of one lifetime, from the left."""

    draft: Draft
    words: Sequence[Word]
    position: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """All its words."""
        return self.words[0].start, self.words[-1].end

    def word(self) -> Word | None:
        return self.words[self.position] if self.position < len(self.words) else None

    def takes(self, *choices: str) -> bool:
        """Whether the next word is one of `choices`; it is then taken."""
        word = self.word()
        if word is None or word.text.lower() not in choices:
            return False
        self.position += 1
        return True

    def clock(self) -> tuple[int, int, int] | None:
        """Hours, minutes and seconds of `HH:MM[:SS]`."""
        word = self.word()
        parts = None if word is None else _CLOCK.fullmatch(word.text)
        if parts is None:
            return None
        self.position += 1
        return int(parts[1]), int(parts[2]), int(parts[3] or 0)

    def seconds(self) -> int | None:
        word = self.word()
        if word is None or not re.fullmatch(r"[0-9]{1,12}", word.text) or int(word.text) > _LONGEST_DURATION:
            return None
        self.position += 1
        return int(word.text)

    def cisco_moment(self) -> int | None:
        """`HH:MM:SS june 25 2021`, or with the day before the month."""
        clock = self.clock()
        date = [word.text.lower() for word in self.words[self.position : self.position + 3]]
        if clock is None or len(date) < 3:
            return None
        self.position += 3
        if date[0].isdecimal():
            date[0], date[1] = date[1], date[0]
        month = next((number for number, name in enumerate(MONTHS, 1) if _abbreviates(date[0], name)), None)
        if month is None or not (re.fullmatch(r"[0-9]{1,2}", date[1]) and re.fullmatch(r"[0-9]{4}", date[2])):
            return None
        try:
            return nanoseconds(int(date[2]), month, int(date[1]), *clock)
        except ValueError:
            return None

    def fail(self) -> None:
        self.draft.mistake(self.place, "no lifetime that can be read; it is left out, so that the key is always valid")


def _abbreviates(text: str, name: str) -> bool:
    return len(text) >= 3 and name.startswith(text)


def cisco_lifetime(draft: Draft, words: Sequence[Word]) -> Lifetime | None:
    """`[local] START {infinite | duration SECONDS | END}`: what follows accept-lifetime and send-lifetime.

    None where there are no words, or where they are wrong, which is then noted.
    """
    if not words:
        return None
    reader = MomentReader(draft, words)
    if reader.takes("local"):
        draft.warn(words[0], LOCAL_TIME, is_told_once=True)
    from_ns = reader.cisco_moment()
    until_ns: int | None = None
    is_readable = from_ns is not None
    if from_ns is not None and reader.word() is not None and not reader.takes("infinite"):
        if reader.takes("duration"):
            seconds = reader.seconds()
            if seconds is not None:
                until_ns = from_ns + seconds * SECOND_NS
            is_readable = seconds is not None or reader.takes("infinite")
        else:
            until_ns = reader.cisco_moment()
            is_readable = until_ns is not None
    if not is_readable:
        reader.fail()
        return None
    return span(draft, reader.place, None if from_ns == FIRST_CISCO_MOMENT else from_ns, until_ns)
