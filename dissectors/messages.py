"""Where the messages of a byte stream begin and end inside one TCP segment.

A segment is described alone, without the ones before it, so this file says only what its octets prove: a segment
that does not begin with a message's header holds a "continuation" of an earlier one, and nothing is guessed about
it; a message that is longer than the segment is described as far as it goes and "continues in the next segment".
Where every message begins with a marker (BGP), the first one behind a continuation is found by it; other
protocols cannot be picked up in the middle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dissectors.base import Field, Layer
from dissectors.passage import OctetsMissingError, Passage


@dataclass(frozen=True, slots=True)
class Framing:
    """How one protocol cuts its byte stream into messages."""

    title: str
    name: str
    header_size: int
    """Octets after which the message's length is known."""
    begins: Callable[[bytes], bool]
    """Whether these octets may begin a message: `header_size` and `looks_beyond` of them, fewer at a segment's end."""
    length: Callable[[bytes], int]
    """A message's length in octets, its header included; at least `header_size` where the octets begin one."""
    write: Callable[[Passage], None]
    """Write one message; sets the passage's `label` and `value`."""
    marker: bytes = b""
    """What every message begins with, where that is enough to find one."""
    continuation_name: str | None = None
    looks_beyond: int = 0
    """Octets behind the header that `begins` may look at, where a header alone tells little."""


def describe_messages(framing: Framing, octets: bytes, start: int, end: int) -> Layer:
    """The layer of all messages between `start` and `end` of a frame. Total."""
    limit = max(start, min(end, len(octets)))
    fields: list[Field] = []
    labels: list[str] = []
    at = start
    while at < limit:
        head = octets[at : min(at + framing.header_size + framing.looks_beyond, limit)]
        if not framing.begins(head):
            behind = _next_marker(framing.marker, octets, at + 1, limit)
            field = _not_a_message(framing, at, behind, is_first=at == start)
        elif len(head) < framing.header_size:
            behind = limit
            what = f"{len(head)} octets of a header are here"
            parts = (Field("incomplete", head.hex(), at, limit), _rest_is_elsewhere(octets, end, limit, what))
            field = Field("start of a message", "", at, limit, parts)
        else:
            behind = at + framing.length(head)
            field = _message(framing, octets, at, behind, end, limit)
        labels.append(field.label)
        fields.append(field)
        at = behind
    if limit == start < end:
        fields.append(_rest_is_elsewhere(octets, end, limit, "the payload"))
    node = Field(framing.title, ", ".join(labels), start, limit, tuple(fields), framing.name)
    return Layer(node)


def _next_marker(marker: bytes, octets: bytes, start: int, limit: int) -> int:
    """Where the next message begins, or `limit`. Of a run of marker octets the last ones are the marker."""
    found = octets.find(marker, start, limit) if marker else -1
    if found < 0:
        return limit
    while found + 1 + len(marker) <= limit and octets.startswith(marker, found + 1):
        found += 1
    return found


def _message(framing: Framing, octets: bytes, at: int, behind: int, end: int, limit: int) -> Field:
    message = Passage(octets, at, behind, limit)
    try:
        with message.guarded():
            framing.write(message)
    except OctetsMissingError:
        whole = f"{limit - at} of the message's {behind - at} octets are here"
        message.fields.append(_rest_is_elsewhere(octets, end, limit, whole))
    return message.as_field()


def _not_a_message(framing: Framing, at: int, behind: int, *, is_first: bool) -> Field:
    if is_first:
        what = f"{behind - at} octets that begin no message: the rest of an earlier one, or another protocol"
        return Field("continuation", what, at, behind, (), framing.continuation_name)
    return Field("malformed", "no message begins here", at, behind, (), "_ws.malformed")


def _rest_is_elsewhere(octets: bytes, end: int, limit: int, what: str) -> Field:
    """A field without octets that says where the rest of something is: not captured, or not in this segment."""
    if end > len(octets):
        return Field("malformed", f"the captured octets end inside: {what}", limit, limit, (), "_ws.malformed")
    return Field("continues in the next segment", what, limit, limit)
