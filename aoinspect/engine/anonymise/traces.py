"""What of the original must not be in the output, and where in a stretch of octets any of it is.

A trace is a run of at least four octets: an address of the original, as octets or as text, a secret in its usual forms,
eight octets in a row of a payload. All of them are looked for at every position at once: a table of the first two
octets leaves few candidates, and those are compared one by one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

import numpy as np

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.anonymise.addresses import is_public_knowledge
from aoinspect.engine.locate import Mask
from aoinspect.engine.macs import windows
from aoinspect.engine.segments import Segments

RUN_LENGTH = 8
"""Octets of a payload that are looked for in a row."""
_RUNS_LIMIT = 65_536
_DISTINCT_OCTETS = 5
"""A run of fewer different octets is padding, a marker, or a number."""
_SHORTEST_SECRET = 6
_DISTINCT_IN_SECRET = 3
"""Secrets that are shorter, or of fewer different octets (all zeros), stand in any capture by chance."""
_MARKER_LENGTH = 16
"""BGP's, of ones, which every message starts with: behind it the content begins (RFC 4271 4.1)."""
_ADDRESS_TEXT = re.compile(r"[0-9A-Fa-f:.]{2,}")


class Kind(Enum):
    """What a trace is of."""

    ADDRESS = "address"
    SHORT_ADDRESS = "IPv4 address"
    """Four octets, which numbers may be as well: they count where no number stands."""
    SECRET = "secret"
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True)
class Hit:
    """One trace that was found."""

    kind: Kind
    position: int
    length: int


class Traces:
    """The traces of one original."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        """`secrets` that are published in the output may not be among them."""
        self._kinds: dict[bytes, Kind] = {}
        self._texts: set[str] = set()
        forms = (form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret))
        self._secrets = {form for form in forms if len(set(form)) >= _DISTINCT_IN_SECRET}
        for form in self._secrets:
            self._kinds[form] = Kind.SECRET
        self._runs: set[bytes] = set()
        self._starts: Mask | None = None
        self._lengths: dict[bytes, tuple[int, ...]] = {}

    def add_addresses(self, addresses: Iterable[bytes]) -> None:
        """Takes the addresses of the original; those that are public knowledge are none."""
        for address in addresses:
            if is_public_knowledge(address):
                continue
            text = str(ip_address(address))
            self._texts.add(text)
            self._kinds[text.encode("ascii")] = Kind.ADDRESS
            # An address of zeros but for one octet is any number's end.
            if np.count_nonzero(np.frombuffer(address, dtype=np.uint8)) >= 2:
                self._kinds[address] = Kind.SHORT_ADDRESS if len(address) == 4 else Kind.ADDRESS

    def note_payloads(self, segments: Segments, rows: I64) -> None:
        """Takes runs from the payloads of `rows`: one near the start, one at the end of each, up to a limit."""
        if len(self._runs) >= _RUNS_LIMIT:
            return
        packets = segments.packets
        starts = packets.starts[rows] + segments.header_lengths[rows]
        ends = np.minimum(packets.ends, packets.limits)[rows]
        is_long = ends - starts >= RUN_LENGTH
        has_content = ends - starts >= _MARKER_LENGTH + RUN_LENGTH
        at = np.concatenate([starts[is_long], ends[is_long] - RUN_LENGTH, starts[has_content] + _MARKER_LENGTH])
        if not len(at):
            return
        runs = np.unique(windows(packets.octets, RUN_LENGTH)[at].view(np.uint8).reshape(-1, RUN_LENGTH), axis=0)
        in_order = np.sort(runs, axis=1)
        is_telling = (np.diff(in_order, axis=1) != 0).sum(axis=1) + 1 >= _DISTINCT_OCTETS
        for run in runs[is_telling][: _RUNS_LIMIT - len(self._runs)]:
            self._runs.add(run.tobytes())
            self._kinds.setdefault(run.tobytes(), Kind.PAYLOAD)

    def find(self, octets: U8) -> Iterator[Hit]:
        """Every trace in `octets`, by position."""
        starts = self._table()
        # Position p holds the number that octets p and p + 1 are.
        pairs = octets[:-1].astype(np.uint16) << np.uint16(8) | octets[1:]
        for position in np.flatnonzero(starts[pairs]).tolist():
            head = octets[position : position + 4].tobytes()
            for length in self._lengths.get(head, ()):
                kind = self._kinds.get(octets[position : position + length].tobytes())
                if kind is not None:
                    yield Hit(kind, position, length)

    def in_text(self, text: str) -> list[str]:
        """What a key file's text holds of the original, in words that do not tell it."""
        found = ["an address" for token in _ADDRESS_TEXT.findall(text) if _normal(token.strip(":.")) in self._texts]
        octets = text.encode("utf-8")
        return found + ["a secret" for form in self._secrets if form in octets]

    def _table(self) -> Mask:
        if self._starts is None:
            self._starts = np.zeros(0x10000, dtype=np.bool_)
            lengths: dict[bytes, set[int]] = {}
            for trace in self._kinds:
                self._starts[int.from_bytes(trace[:2], "big")] = True
                lengths.setdefault(trace[:4], set()).add(len(trace))
            self._lengths = {head: tuple(sorted(found)) for head, found in lengths.items()}
        return self._starts


def _forms(secret: bytes) -> set[bytes]:
    """A secret as somebody might write it."""
    digits = secret.hex()
    return {secret, digits.encode("ascii"), digits.upper().encode("ascii"), base64.b64encode(secret).rstrip(b"=")}


def _normal(token: str) -> str:
    try:
        return str(ip_address(token))
    except ValueError:
        return ""
