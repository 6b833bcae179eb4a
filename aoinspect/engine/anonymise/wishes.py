"""What somebody wants of an anonymised capture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from aoinspect.engine.resign.wishes import Faults


class Payload(Enum):
    """What becomes of TCP payloads."""

    KEEP = "keep"
    """They stay, with whatever they tell."""
    ZERO = "zero"
    """They become zeros of the same length."""
    DROP = "drop"
    """They are taken out, and segments are as short as they are without; sequence numbers stay."""


class Others(Enum):
    """What becomes of frames that are not of protected connections, and not known besides."""

    BLANK = "blank"
    """They keep their place, time and length, and are empty."""
    DROP = "drop"
    """They are left out; later frames get other numbers."""


class Ports(Enum):
    """What becomes of TCP ports."""

    KEEP = "keep"
    SHUFFLE = "shuffle"
    """Those of 1024 and more that no key file names become others."""


@dataclass(frozen=True, slots=True)
class AnonymiseWishes:
    """The default tells the least that still fails as it did."""

    payload: Payload = Payload.ZERO
    others: Others = Others.BLANK
    ports: Ports = Ports.KEEP
    faults: Faults = Faults.KEEP
