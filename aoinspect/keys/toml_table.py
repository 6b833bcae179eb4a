"""Typed access to one table of a TOML key file, with every mistake noted at its line.

No message made here repeats a value of the file, nor a key that is unlike every known one: either may be a
secret that stands in the wrong place. The line says where to look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches

from aoinspect.ao.mkt import Origin
from aoinspect.keys.toml_lines import Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<offset>[Zz]|[+-]\d\d:\d\d)?)?"
)


@dataclass(slots=True)
class Problems:
    """The mistakes of one file, in the order found."""

    path: str
    broken_lines: frozenset[int] = frozenset()
    """Lines whose syntax is wrong: told already, and their values mean nothing."""
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        self.found.append((line, message))

    def lines_of_text(self) -> list[str]:
        """One `path:line: message` per mistake, by line, each once."""
        ordered = sorted(dict.fromkeys(self.found), key=lambda problem: problem[0])
        return [f"{self.path}:{line}: {message}" for line, message in ordered]


class Table:
    """One table: `title` is how messages call it, like `[[peer.key]]`.

    Every reader answers None both for a key that is not there and for one whose value is wrong, which it has
    noted.
    """

    __slots__ = ("misspelt", "place", "problems", "title", "values")

    def __init__(self, title: str, values: Mapping[str, object], place: Place, problems: Problems) -> None:
        self.title = title
        self.values = values
        self.misspelt: set[str] = set()
        """Keys that unknown ones seem to mean: to miss these too would be to tell one mistake twice."""
        self.place = place
        self.problems = problems

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def line(self, key: str | None = None) -> int:
        """The line of `key`, or of the table itself."""
        return self.place.line if key is None else self.place.lines.get(key, self.place.line)

    def origin(self) -> Origin:
        return Origin(self.problems.path, self.place.line)

    def wrong(self, key: str | None, message: str) -> None:
        """Notes a mistake at the line of `key`, or of the table where that is None."""
        self.problems.add(self.line(key), message if key is None else f"{key} {message}")

    def lacks(self, *keys: str) -> bool:
        """Whether none of `keys` is there, not even misspelt; to be asked after `only`."""
        return not any(key in self.values or key in self.misspelt for key in keys)

    def require(self, key: str, hint: str) -> None:
        if self.lacks(key):
            self.wrong(None, f"{self.title} has no {key}: {hint}")

    def only(self, known: Sequence[str]) -> None:
        """Notes every key that is not among `known`."""
        for key in self.values.keys() - known:
            if self.line(key) in self.problems.broken_lines:
                continue
            close = get_close_matches(key.lower().replace("_", "-"), known, 1)
            self.misspelt.update(close)
            hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known)}"
            self.problems.add(self.line(key), f"unknown key in {self.title}; {hint}")

    def value(self, key: str) -> object:
        """The value of `key`; None where it is not there or its line is broken."""
        if key not in self.values or self.line(key) in self.problems.broken_lines:
            return None
        return self.values[key]

    def text(self, key: str) -> str | None:
        value = self.value(key)
        if value is None or isinstance(value, str):
            return value
        self.wrong(key, f"must be text in quotes, not {type_name(value)}")
        return None

    def label(self, key: str) -> str | None:
        """Text that outputs show: not empty, and nothing in it that would disturb a terminal."""
        text = self.text(key)
        if text is None:
            return None
        if not text.strip() or not text.isprintable():
            self.wrong(key, "must be text that can be printed on one line, and not empty")
            return None
        return text

    def number(self, key: str, lowest: int, highest: int) -> int | None:
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            unquote = ": leave the quotes out" if isinstance(value, str) else ""
            self.wrong(key, f"must be a whole number, not {type_name(value)}{unquote}")
            return None
        if not lowest <= value <= highest:
            self.wrong(key, f"must be from {lowest} to {highest}")
            return None
        return value

    def time_ns(self, key: str) -> int | None:
        """Nanoseconds since 1970 of a TOML date or date-time or an RFC 3339 string; UTC without an offset."""
        value = self.value(key)
        if value is None:
            return None
        try:
            if isinstance(value, datetime):
                return _nanoseconds(value)
            if isinstance(value, date):
                return _nanoseconds(datetime.combine(value, time()))
            if isinstance(value, str):
                return _nanoseconds_of_rfc3339(value)
        except (ValueError, OverflowError):
            self.wrong(key, "is not a date and time that exists; write it like 2026-10-01T00:00:00Z")
            return None
        self.wrong(key, f"must be a date and time like 2026-10-01T00:00:00Z, not {type_name(value)}")
        return None

    def table(self, key: str) -> Table | None:
        """The table that `key` holds, most often an inline one."""
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong(key, f"must be a table like {{ from = ..., until = ... }}, not {type_name(value)}")
            return None
        places = self.place.inner.get(key)
        return Table(key, value, places[0] if places else Place(self.line(key)), self.problems)

    def tables(self, key: str, title: str) -> Iterator[Table]:
        """The tables of the array of tables `key`, each of which messages call `[[title]]`."""
        value = self.value(key)
        if value is None:
            return
        if isinstance(value, dict):
            self.wrong(None if key not in self.place.lines else key, f"takes double brackets: write [[{title}]]")
        elif not isinstance(value, list):
            self.wrong(key, f"must be tables [[{title}]], not {type_name(value)}")
            return
        items = value if isinstance(value, list) else [value]
        places = self.place.inner.get(key, [])
        for index, item in enumerate(items):
            place = places[index] if index < len(places) else Place(self.line(key))
            if isinstance(item, dict):
                yield Table(f"[[{title}]]", item, place, self.problems)
            else:
                self.problems.add(place.line, f"{key} must hold tables [[{title}]] only, not {type_name(item)}")


def type_name(value: object) -> str:
    """What a user calls the type of a TOML value."""
    # bool is an int, and datetime a date, so the order matters.
    for kind, name in (
        (bool, "true or false"),
        (int, "a number"),
        (float, "a number with a fraction"),
        (str, "text"),
        (datetime, "a date and time"),
        (date, "a date"),
        (time, "a time of day"),
        (list, "an array"),
        (dict, "a table"),
    ):
        if isinstance(value, kind):
            return name
    return "a value of another type"


def _nanoseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _nanoseconds_of_rfc3339(text: str) -> int:
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        raise ValueError("not RFC 3339")
    offset = (parts["offset"] or "Z").upper()
    whole = datetime.fromisoformat(f"{parts['date']}T{parts['time'] or '00:00:00'}{offset}")
    return _nanoseconds(whole) + int((parts["fraction"] or "").ljust(9, "0"))
