"""Where the options of one TCP header lie, and what a TCP-AO option holds (RFC 5925 2.2).

The scalar view of what the engine does with arrays: showing, re-signing and tests read single headers.
Walking never raises; building and parsing an AO option does, so that an `AoOption` in hand is a valid one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

KIND_END = 0
KIND_NOP = 1
KIND_MD5 = 19
"""TCP-MD5's signature option (RFC 2385 3.0)."""
KIND_AO = 29
"""TCP-AO (RFC 5925 2.2)."""
KINDS_BONICA = (253, 254)
"""Experimental kinds that carry draft-bonica-tcp-auth, the older "Enhanced Authentication Option"."""

FIXED_HEADER_LENGTH = 20
"""Octets of a TCP header before its options (RFC 9293 3.1)."""
AO_OVERHEAD = 4
"""Octets of an AO option around its MAC: kind, length, KeyID, RNextKeyID."""
MAX_OPTIONS_LENGTH = 40


@dataclass(frozen=True, slots=True)
class TcpOption:
    """One option; `start` and `end` (exclusive) count octets from the TCP header's first."""

    kind: int
    start: int
    end: int
    problem: str | None = None
    """What is wrong with its length; such an option is the last one and takes the rest of the header."""


def walk_options(header: bytes) -> list[TcpOption]:
    """The options of a TCP header in order, without gaps: each starts where the one before ends.

    `header` starts with the TCP header and may hold more or (in a capture that was cut) less than that: the
    data offset says where the options end. An End of Option List option takes everything that follows it.
    Total: a header without room for options has none, and an option whose length makes no sense has a
    `problem`.
    """
    if len(header) < FIXED_HEADER_LENGTH:
        return []
    declared_end = (header[12] >> 4) * 4
    end = min(declared_end, len(header))
    options: list[TcpOption] = []
    at = FIXED_HEADER_LENGTH
    while at < end:
        kind = header[at]
        problem = None
        if kind == KIND_END:
            after = end
        elif kind == KIND_NOP:
            after = at + 1
        elif at + 1 >= end:
            after, problem = end, "no length octet"
        else:
            after = at + header[at + 1]
            if after < at + 2:
                after, problem = end, f"length {header[at + 1]} is below 2"
            elif after > end:
                outside = "the header" if end == declared_end else "the captured octets"
                after, problem = end, f"length {header[at + 1]} reaches past {outside}"
        options.append(TcpOption(kind, at, after, problem))
        at = after
    return options


def locate_ao(header: bytes) -> TcpOption:
    """The AO option of a TCP header.

    Raises ValueError unless there is exactly one and its length makes sense ("A single TCP segment MUST NOT
    have more than one TCP-AO in its options sequence", RFC 5925 2.2).
    """
    found = [option for option in walk_options(header) if option.kind == KIND_AO]
    if len(found) != 1:
        raise ValueError(f"a signed segment has one TCP-AO option, this one has {len(found)}")
    (option,) = found
    if option.problem is not None:
        raise ValueError(f"the TCP-AO option at octet {option.start} is broken: {option.problem}")
    if option.end - option.start < AO_OVERHEAD:
        raise ValueError(f"the TCP-AO option at octet {option.start} is shorter than {AO_OVERHEAD} octets")
    return option


@dataclass(frozen=True, slots=True)
class AoOption:
    """A TCP-AO option (RFC 5925 2.2). Raises ValueError for what no option can hold."""

    key_id: int
    """0..255: the MKT that signed this segment, by the sender's SendID."""
    rnext_key_id: int
    """0..255: the MKT that the sender is ready to receive, by its RecvID."""
    mac: bytes = field(default=b"")
    """0 to 36 octets."""

    def __post_init__(self) -> None:
        for name, key_id in (("KeyID", self.key_id), ("RNextKeyID", self.rnext_key_id)):
            if not 0 <= key_id <= 255:
                raise ValueError(f"a {name} is 0..255, not {key_id}")
        if len(self.mac) > MAX_OPTIONS_LENGTH - AO_OVERHEAD:
            raise ValueError(f"a MAC of {len(self.mac)} octets does not fit the {MAX_OPTIONS_LENGTH} of all options")

    def pack(self) -> bytes:
        """The option's octets, without padding."""
        return bytes((KIND_AO, AO_OVERHEAD + len(self.mac), self.key_id, self.rnext_key_id)) + self.mac

    @classmethod
    def parse(cls, octets: bytes) -> AoOption:
        """The option that `octets` are, from the kind to the MAC's last octet.

        Raises ValueError where kind or length say otherwise ("The Length value MUST be greater than or equal
        to 4", RFC 5925 2.2).
        """
        if len(octets) < AO_OVERHEAD:
            raise ValueError(f"a TCP-AO option has at least {AO_OVERHEAD} octets, not {len(octets)}")
        if octets[0] != KIND_AO:
            raise ValueError(f"a TCP-AO option has kind {KIND_AO}, not {octets[0]}")
        if octets[1] != len(octets):
            raise ValueError(f"the TCP-AO option's length is {octets[1]}, and it has {len(octets)} octets")
        return cls(octets[2], octets[3], bytes(octets[AO_OVERHEAD:]))
