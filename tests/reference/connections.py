"""The connections of one socket pair: their ISNs, what confirmed them, and where each end's stream stands.

The words are RFC 5925's and the rules those of its 5.2 (which ISNs make a traffic key) and 6.2 (the SNE), and of
RFC 9293 3.5 (the handshake). One segment is taken after the other; a MAC that matches is the only proof there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SPACE = 1 << 32
HALF = 1 << 31
MOST_ALIVE = 16
"""Connections of one pair that are kept: so many confirmed ones, and as many others."""
MOST_GUESSES = 64
NEAR = 1 << 24
"""Octets within which a segment continues what was there."""
SYN_DATA = 0xFFFF
"""Octets that a SYN may carry (RFC 7413)."""

NONE, FAILED, UNSIGNED = "none", "failed", "unsigned"
"""What speaks against an ISN that no MAC has confirmed."""


@dataclass(eq=False)
class Connection:
    """One connection. Lists have one value for each end of the pair."""

    isns: list[int | None] = field(default_factory=lambda: [None, None])
    is_confirmed: list[bool] = field(default_factory=lambda: [False, False])
    doubts: list[str] = field(default_factory=lambda: [NONE, NONE])
    opener: int | None = None
    is_told: bool = False
    """By a `[[connection]]` of the key file."""
    told_snes: list[int | None] = field(default_factory=lambda: [None, None])
    references: list[int | None] = field(default_factory=lambda: [None, None])
    """SNE * 2^32 + sequence number of the last verified segment of each end."""
    mss: list[int | None] = field(default_factory=lambda: [None, None])
    is_mss_confirmed: list[bool] = field(default_factory=lambda: [False, False])

    @property
    def has_isns(self) -> bool:
        return None not in self.isns

    @property
    def is_sure(self) -> bool:
        return all(self.is_confirmed)

    @property
    def is_credible(self) -> bool:
        """Both ISNs come from segments that may be genuine."""
        return self.has_isns and all(
            self.is_confirmed[end]
            or not (self.doubts[end] == UNSIGNED or (self.doubts[end] == FAILED and self.is_confirmed[1 - end]))
            for end in (0, 1)
        )

    def note_isn(self, end: int, isn: int, *, is_confirmed: bool = False, doubt: str = NONE) -> None:
        self.isns[end], self.is_confirmed[end], self.doubts[end] = isn, is_confirmed, doubt
        self.is_told = False

    def base(self, end: int, seq: int) -> int:
        """What the position of a segment of this end is measured against."""
        reference = self.references[end]
        if reference is not None:
            return reference
        isn = self.isns[end] or 0
        if not self.is_told:
            return isn
        told = self.told_snes[end]
        return (told if told is not None else int(seq < isn)) * SPACE + seq

    def position(self, end: int, seq: int) -> int:
        """The nearest position with this sequence number, and none before the start (RFC 5925 6.2, RFC 9187)."""
        position = self.nearest(end, seq)
        if position < 0 and (self.told_snes[end] or 0) < HALF:
            return seq
        return position % (SPACE * SPACE)

    def nearest(self, end: int, seq: int) -> int:
        """The same, also where that lies before the start of the connection."""
        base = self.base(end, seq)
        step = (seq - base) % SPACE
        return base + (step - SPACE if step > HALF else step)


class Pair:
    """One socket pair: its two ends in a fixed order, and its connections, the oldest first."""

    def __init__(self, *, is_covered: bool) -> None:
        self.is_covered = is_covered
        self.connections: list[Connection] = []
        self.is_proven = False
        """ISNs are known well enough for a MAC that does not match to be wrong."""
        self.guesses_left = MOST_GUESSES

    @property
    def newest_first(self) -> list[Connection]:
        return self.connections[::-1]

    def open(self, opener: int | None = None) -> Connection:
        if len(self.connections) >= MOST_ALIVE:
            for is_sure in (False, True):
                kind = [one for one in self.connections if not one.is_told and any(one.is_confirmed) is is_sure]
                if len(kind) >= MOST_ALIVE:
                    self.connections.remove(kind[0])
        self.connections.append(Connection(opener=opener))
        return self.connections[-1]

    def confirm_handshake(self, connection: Connection, opener: int, isns: tuple[int, int]) -> None:
        """A SYN-ACK's MAC matched with these ISNs, the opener's first."""
        if connection.is_told:
            return
        connection.note_isn(opener, isns[0], is_confirmed=True)
        connection.note_isn(1 - opener, isns[1], is_confirmed=True)
        self.is_proven = True
        for other in list(self.connections):
            if other.is_told and not any(other.is_confirmed) and other.isns == connection.isns:
                self.connections.remove(other)
