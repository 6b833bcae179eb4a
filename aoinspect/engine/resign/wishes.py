"""What somebody wants of a capture that is written again, and what became of each segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from aoinspect.engine.verdicts import Word
from aoinspect.keys.model import KeyStore


class Faults(Enum):
    """What becomes of segments whose MAC does not match."""

    REPAIR = "repair"
    """They are signed right, under the key that their KeyID selects."""
    KEEP = "keep"
    """They stay as they are; under new keys they are signed wrong again."""


@dataclass(frozen=True, slots=True)
class Rollover:
    """A key change that is played into every connection whose pair has a key of that name."""

    key: str
    time_ns: int
    """Nanoseconds since 1970, or since the capture's first frame."""
    is_relative: bool
    told: str
    """As the user wrote it, for messages."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted; the default is right MACs under the same keys. Combinations are the caller's to check."""

    new_keys: KeyStore | None = None
    """Every segment is signed under these in place of the capture's keys."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Name of a key of the capture -> name of what it becomes; others keep their name."""
    faults: Faults = Faults.REPAIR
    adds: bool = False
    """Connections without any signature get one."""
    strips: bool = False
    """AO and MD5 options are taken out."""
    converts_md5: bool = False
    """TCP-MD5 becomes TCP-AO."""
    rollovers: tuple[Rollover, ...] = ()
    fixes_checksums: bool = False
    """TCP checksums of segments that are not changed are repaired too."""


class Outcome(Word):
    """What became of a segment of a protected connection."""

    KEPT = 0
    """It was right and stays octet for octet."""
    RE_SIGNED = 1
    ADDED = 2
    """It had no signature and has one now."""
    CONVERTED = 3
    """TCP-MD5 before, TCP-AO now."""
    STRIPPED = 4
    FAULT_KEPT = 5
    """Its MAC did not match and does not now: it stays, or is signed wrong under the new key."""
    LEFT = 6
    """It stays octet for octet, and `Left` says why nothing was done."""


class Left(Word):
    """Why nothing was done to a segment."""

    NONE = 0
    UNSIGNED = 1
    NO_KEY = 2
    """No key has its KeyID."""
    NO_SECRET = 3
    ISN_UNKNOWN = 4
    TRUNCATED = 5
    """Octets that the MAC covers were not captured."""
    FRAGMENT = 6
    """Pieces of its datagram are missing."""
    OFFLOADED = 7
    """Captured before segmentation or after coalescing: no MAC was ever made for it."""
    MALFORMED = 8
    IN_FRAGMENTS = 9
    """Its length changes, or an outer checksum covers it, and its datagram was captured in several frames."""
    UNKNOWN_HEADER = 10
    """Its length changes, and nothing is known of the length fields of a header around it."""
