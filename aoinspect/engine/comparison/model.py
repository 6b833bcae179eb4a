"""What a comparison of two captures is made of: rewritten fields, unpaired segments, and what follows from them.

Which octets a MAC covers stands in the table `FIELDS` (RFC 5925 5.1; RFC 2385 2.0, whose digest never covers options).
"A" and "B" are the captures in the order given; directions ("a>b") are those of the connection in capture A.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from aoinspect.engine.results import EndResult
from aoinspect.engine.verdicts import Reason, Verdict


class Protection(Enum):
    """Whether a MAC covers a field."""

    ALWAYS = "always"
    OPTIONS = "options"
    """Where the key includes TCP options."""
    NEVER = "never"


class FieldName(Enum):
    """What a path can rewrite; the value is the field's name in JSON."""

    SOURCE_ADDRESS = "source-address"
    DESTINATION_ADDRESS = "destination-address"
    SOURCE_PORT = "source-port"
    DESTINATION_PORT = "destination-port"
    SEQUENCE = "sequence-number"
    ACKNOWLEDGMENT = "acknowledgment-number"
    HEADER_LENGTH = "header-length"
    RESERVED = "reserved-flags"
    ECN_FLAGS = "ecn-flags"
    FLAGS = "flags"
    WINDOW = "window"
    URGENT_POINTER = "urgent-pointer"
    PAYLOAD = "payload"
    AO = "ao"
    KEY_ID = "key-id"
    RNEXT_KEY_ID = "rnext-key-id"
    MAC = "mac"
    MD5 = "md5"
    MSS = "mss"
    WINDOW_SCALE = "window-scale"
    SACK_PERMITTED = "sack-permitted"
    SACK = "sack"
    TIMESTAMP_VALUE = "timestamp-value"
    TIMESTAMP_ECHO = "timestamp-echo"
    OTHER_OPTION = "option"
    OPTION_ORDER = "option-order"
    PADDING = "option-padding"
    HOP_LIMIT = "ttl"
    DSCP = "dscp"
    IP_ECN = "ip-ecn"
    IDENTIFICATION = "ip-id"
    FLOW_LABEL = "flow-label"
    FRAGMENTATION = "fragmentation"
    CHECKSUM = "tcp-checksum"


class FieldFacts(NamedTuple):
    """What is true of a field on every connection."""

    label: str
    protection: Protection
    is_counter: bool = False
    """A number that counts on: a constant difference says more than its values."""


_ALWAYS, _OPTIONS, _NEVER = Protection.ALWAYS, Protection.OPTIONS, Protection.NEVER
FIELDS: dict[FieldName, FieldFacts] = {
    FieldName.SOURCE_ADDRESS: FieldFacts("source address", _ALWAYS),
    FieldName.DESTINATION_ADDRESS: FieldFacts("destination address", _ALWAYS),
    FieldName.SOURCE_PORT: FieldFacts("source port", _ALWAYS),
    FieldName.DESTINATION_PORT: FieldFacts("destination port", _ALWAYS),
    FieldName.SEQUENCE: FieldFacts("sequence number", _ALWAYS, True),
    FieldName.ACKNOWLEDGMENT: FieldFacts("acknowledgment number", _ALWAYS, True),
    # Also where options are excluded: the data offset and the pseudo-header's length stay as sent.
    FieldName.HEADER_LENGTH: FieldFacts("header length", _ALWAYS),
    FieldName.RESERVED: FieldFacts("reserved flags", _ALWAYS),
    FieldName.ECN_FLAGS: FieldFacts("ECN flags of TCP", _ALWAYS),
    FieldName.FLAGS: FieldFacts("TCP flags", _ALWAYS),
    FieldName.WINDOW: FieldFacts("window", _ALWAYS),
    FieldName.URGENT_POINTER: FieldFacts("urgent pointer", _ALWAYS),
    FieldName.PAYLOAD: FieldFacts("payload", _ALWAYS),
    FieldName.AO: FieldFacts("TCP-AO option", _ALWAYS),
    FieldName.KEY_ID: FieldFacts("KeyID", _ALWAYS),
    FieldName.RNEXT_KEY_ID: FieldFacts("RNextKeyID", _ALWAYS),
    FieldName.MAC: FieldFacts("MAC", _ALWAYS),
    FieldName.MD5: FieldFacts("TCP-MD5 option", _ALWAYS),
    FieldName.MSS: FieldFacts("MSS", _OPTIONS),
    FieldName.WINDOW_SCALE: FieldFacts("window scale", _OPTIONS),
    FieldName.SACK_PERMITTED: FieldFacts("SACK-permitted", _OPTIONS),
    FieldName.SACK: FieldFacts("SACK blocks", _OPTIONS),
    FieldName.TIMESTAMP_VALUE: FieldFacts("timestamp value", _OPTIONS, True),
    FieldName.TIMESTAMP_ECHO: FieldFacts("timestamp echo", _OPTIONS, True),
    FieldName.OTHER_OPTION: FieldFacts("option", _OPTIONS),
    FieldName.OPTION_ORDER: FieldFacts("order of options", _OPTIONS),
    FieldName.PADDING: FieldFacts("NOPs and end of options", _OPTIONS),
    FieldName.HOP_LIMIT: FieldFacts("TTL", _NEVER),
    FieldName.DSCP: FieldFacts("DSCP", _NEVER),
    FieldName.IP_ECN: FieldFacts("ECN bits of IP", _NEVER),
    FieldName.IDENTIFICATION: FieldFacts("IP ID", _NEVER),
    FieldName.FLOW_LABEL: FieldFacts("flow label", _NEVER),
    FieldName.FRAGMENTATION: FieldFacts("IP fragmentation", _NEVER),
    FieldName.CHECKSUM: FieldFacts("TCP checksum", _NEVER),
}

Value = int | str | None
"""A field's value; None where a capture has no such field."""


class How(Enum):
    """In which way capture B differs from capture A."""

    CHANGED = "changed"
    REMOVED = "removed"
    """In A only."""
    REPLACED_BY_NOPS = "replaced-by-nops"
    """An option in A; NOPs (kind 1) in its place in B."""
    ADDED = "added"
    """In B only."""
    NOPS_REPLACED = "nops-replaced"
    """NOPs in A; an option in their place in B."""


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One pair of values, and in how many segments it was seen."""

    value_a: Value
    value_b: Value
    segments: int


@dataclass(frozen=True, slots=True)
class VerdictPair:
    """Segments with these verdicts in A and B."""

    verdict_a: Verdict
    reason_a: Reason
    verdict_b: Verdict
    reason_b: Reason
    segments: int
    first_frames: tuple[int, int]
    """Of the first of them, in A and in B."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs between the two captures of a direction's segments."""

    field: FieldName
    how: How
    direction: str
    option: str | None
    """The option's name where `field` is OTHER_OPTION."""
    segments: int
    offset: int | None
    """B minus A, modulo 2^32 and signed, where it is the same in all segments and the field counts on."""
    values: tuple[ValueChange, ...]
    """The most frequent ones; bounded by LISTED_VALUES."""
    different_values: int
    """Pairs of values in all."""
    first_frames: tuple[int, int]
    is_covered: bool | None
    """Whether the segments' MACs cover the field; None where no key tells if options are included."""
    verified_in_both: int
    verified_in_a: int
    """Segments that verify in A alone."""
    verified_in_b: int

    @property
    def label(self) -> str:
        """The field's name for a person."""
        return f"option {self.option}" if self.option is not None else FIELDS[self.field].label

    @property
    def breaks(self) -> bool:
        """Whether the MAC covers it, and there are segments that verify on one side alone."""
        return self.is_covered is not False and bool(self.verified_in_a + self.verified_in_b)


class Flow(Enum):
    """Which capture a direction's segments pass first."""

    A_TO_B = "a-to-b"
    B_TO_A = "b-to-a"
    UNKNOWN = "unknown"


class Fate(Enum):
    """Why a segment is in one capture alone."""

    LOST = "lost"
    """Passed the capture near its sender and never came to the other."""
    DUPLICATED = "duplicated"
    """Another copy of a segment that the other capture has less often."""
    INSERTED = "inserted"
    """Only in the capture that its direction passes last: the first one missed it, or somebody between sent it."""
    RECUT = "recut"
    """Its octets are in other segments of the other capture: segmentation offload, or a proxy."""
    OUTSIDE = "outside"
    """The other capture did not run at its time."""
    UNKNOWN = "unknown"
    """In one capture alone, and nothing tells which is nearer to the sender."""


@dataclass(frozen=True, slots=True)
class UnpairedSegment:
    """A segment of one capture without its counterpart in the other."""

    capture: str
    """ "A" or "B"."""
    frame: int
    direction: str
    fate: Fate
    seq: int
    flags: int
    payload_length: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DirectionComparison:
    """One direction of a connection."""

    direction: str
    sender_a: EndResult
    """Who sends, as capture A has it."""
    sender_b: EndResult
    flow: Flow
    pairs: int
    only_a: int
    only_b: int
    fates: tuple[tuple[Fate, str, int], ...]
    """Fate, capture ("A" or "B") and number of unpaired segments."""
    unpaired: tuple[UnpairedSegment, ...]
    """The first of them, bounded by LISTED_UNPAIRED."""
    clock_difference_ns: int | None
    """Median of B's time minus A's: the clocks' difference and the way between; None without pairs or times."""
    verdicts: tuple[VerdictPair, ...]
    """The most frequent first."""
    changes: tuple[FieldChange, ...]
    """In the order of `FIELDS`."""


class MatchedBy(Enum):
    """What shows that two connections are the same; the strongest of what there is."""

    MACS = "macs"
    """The same MACs are on segments of both."""
    ENDS_AND_ISNS = "ends-and-isns"
    ENDS = "ends"
    """Addresses and ports; ISNs differ or are unknown."""
    PAYLOADS = "payloads"
    ISNS = "isns"
    """ISNs, and one end."""
    TIME = "time"
    """One end, and the time."""


class Outcome(Enum):
    """What the path does to a session."""

    INTACT = "intact"
    """Nothing is rewritten, except for what IP rewrites on every path (TTL)."""
    HARMLESS = "harmless"
    """What is rewritten is nothing that the MACs cover."""
    BROKEN = "broken"
    """What is rewritten breaks MACs."""
    RE_SIGNED = "re-signed"
    """Covered fields are rewritten, and the MACs with them, so that both sides verify."""
    KEYS = "keys"
    """The path rewrites nothing that the MACs cover, and they fail all the same: it is not the path."""
    UNPROVEN = "unproven"
    """Covered fields are rewritten, and segments verify on neither side."""
    NO_PAIRS = "no-pairs"
    """No segment is in both captures."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the path does to one session."""

    outcome: Outcome
    summary: str
    details: tuple[str, ...]
    """One sentence each: what is rewritten and whether the MAC covers it, losses, side effects."""
    remedies: tuple[str, ...]
    """What to change, and where."""


@dataclass(frozen=True, slots=True)
class ConnectionOf:
    """One connection as one capture has it."""

    id: int
    """Its number in the Report of its capture."""
    a: EndResult
    b: EndResult
    segments: int


@dataclass(frozen=True, slots=True)
class ConnectionComparison:
    """One connection that both captures have."""

    in_a: ConnectionOf
    in_b: ConnectionOf
    """Turned so that its `a` is the same host as `in_a.a`."""
    matched_by: MatchedBy
    options_covered: bool | None
    """Whether the MACs cover TCP options; None where it is not known or differs between segments."""
    directions: tuple[DirectionComparison, DirectionComparison]
    conclusion: Conclusion

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        """Of both directions."""
        return tuple(change for direction in self.directions for change in direction.changes)


@dataclass(frozen=True, slots=True)
class CaptureOf:
    """One of the two captures."""

    path: str
    frames: int
    segments: int
    """Segments of protected connections."""
    unread: int
    """Those of them that a second reading does not give whole: pieces of incomplete datagrams."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two captures, and what lies between them."""

    a: CaptureOf
    b: CaptureOf
    connections: tuple[ConnectionComparison, ...]
    only_a: tuple[ConnectionOf, ...]
    """Connections without a counterpart in B."""
    only_b: tuple[ConnectionOf, ...]


LISTED_VALUES = 8
LISTED_UNPAIRED = 1_000
