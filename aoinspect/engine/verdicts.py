"""The closed sets that the table's columns hold: verdicts, reasons, methods, and which options a MAC covered.

The numbers are the columns' values and the words are what every output prints; nothing else defines either.
"""

from __future__ import annotations

from enum import IntEnum


class Word(IntEnum):
    """An enum whose members have a printed word: the name in lower case with hyphens."""

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


class Verdict(Word):
    """What a segment's authentication came to; exactly one per segment."""

    VERIFIED = 0
    """The MAC matches under the MKT that its KeyID selects (TCPAOGood)."""
    MISMATCH = 1
    """It does not (TCPAOBad)."""
    NO_KEY = 2
    """No MKT for this socket pair and KeyID (TCPAOKeyNotFound)."""
    UNSIGNED = 3
    """No AO or MD5 option on a segment of a protected connection (TCPAORequired)."""
    MALFORMED = 4
    """The option is broken, or there are two of them."""
    UNVERIFIABLE = 5
    """The capture cannot prove it either way; the reason says why."""

    @property
    def member(self) -> str:
        """The verdict's name as a member of a JSON object."""
        return self.name.lower()


VERDICT_MEMBERS = tuple(verdict.member for verdict in Verdict)
"""The members of a JSON object that counts verdicts, in the order of the enum."""


class Reason(Word):
    """Why a segment has its verdict, where the verdict alone does not tell."""

    NONE = 0
    MAC_LENGTH = 1
    """mismatch: no MKT of this KeyID has a MAC of the captured length."""
    ISN_UNKNOWN = 2
    """unverifiable: the handshake is not in the capture and nothing else tells the ISNs."""
    TRUNCATED = 3
    """unverifiable: the snap length cut octets that the MAC covers."""
    FRAGMENT = 4
    """unverifiable: a piece of a fragmented datagram is missing."""
    OFFLOADED = 5
    """unverifiable: larger than the peer's MSS, so captured before segmentation or after coalescing."""
    NO_SECRET = 6
    """unverifiable: the key file has the key but not its secret."""
    AO_LENGTH = 7
    """malformed: the AO option is shorter than 4 octets."""
    MD5_LENGTH = 8
    """malformed: the MD5 option does not have 18 octets."""
    OPTION_LENGTH = 9
    """malformed: an option has a length below 2 or reaches past the header."""
    TWO_AO = 10
    """malformed: more than one AO option (RFC 5925 2.2)."""
    TWO_MD5 = 11
    """malformed: more than one MD5 option."""
    AO_AND_MD5 = 12
    """malformed: AO and MD5 together (RFC 5925 2.2)."""
    TCP_HEADER = 13
    """malformed: the data offset is below 5 or points past the segment."""


class Method(Word):
    """How a segment is signed."""

    NONE = 0
    AO = 1
    MD5 = 2


class Coverage(Word):
    """Which TCP options the MAC was found to cover."""

    UNKNOWN = 0
    """Not verified."""
    INCLUDE = 1
    EXCLUDE = 2
    UNDETERMINED = 3
    """The key says `auto` and the segment's only option is AO: both ways give the same MAC."""


class IsnSource(Word):
    """Where a connection's ISNs come from."""

    UNKNOWN = 0
    HANDSHAKE = 1
    """SYN and SYN-ACK, or what was there of them."""
    INFERRED = 2
    """A guess from the first segments that a MAC confirmed."""
    KEY_FILE = 3
    """`[[connection]]`."""
    RECOVERED = 4
    """A search over what both ends may have sent, confirmed by MACs."""


NO_MKT = 0xFFFF
"""The `mkt` column's value where no MKT verified the segment."""
