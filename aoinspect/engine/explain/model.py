"""What explaining a failure is made of: hypotheses, the assumptions that they try, and what came of them.

Nothing here computes. An `Assumption` is one change against what the key file and the capture say ("TCP options are not
covered"); it is the same object of comparison for every segment it is tried on, so that segments that agree under it
add up. Secrets appear in corrections alone, which no output prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from aoinspect.ao.algorithms import Algorithm
from aoinspect.ao.mkt import TcpOptions


class Evidence(Enum):
    """Where it is known from that this happens."""

    FIELD = "A"
    """Seen in the field."""
    SOURCE = "B"
    """Named by a specification or in code."""
    PLAUSIBLE = "C"


class Confidence(Enum):
    """How far an explanation can be relied on."""

    PROOF = "proof"
    """MACs agree in at least `PROOF_BITS` bits."""
    FACT = "fact"
    """Read off the capture and the key file."""
    LIKELY = "likely"
    """What was seen fits, and something else might as well."""


PROOF_BITS = 64
"""Bits of agreement that an assumption must reach over all segments: one 96-bit MAC, or several shorter ones."""


class Knob(Enum):
    """What there is to set on a router or host; `advice` has each vendor's words for it."""

    TCP_OPTIONS = "tcp-options"
    SECRET = "secret"
    ALGORITHM = "algorithm"
    MAC_LENGTH = "mac-length"
    IDS = "ids"


@dataclass(frozen=True, slots=True)
class Correction:
    """What would be written otherwise in the key file; None leaves a field as it is."""

    secret: bytes | None = field(default=None, repr=False)
    algorithm: Algorithm | None = None
    mac_length: int | None = None
    tcp_options: TcpOptions | None = None
    swaps_ids: bool = False
    key_id: int | None = None
    """The key is found under this KeyID from the sender."""
    rnext_key_id: int | None = None


@dataclass(frozen=True, slots=True)
class Assumption:
    """One change against what was given. Two are equal if they change the same in the same way."""

    idents: tuple[str, ...]
    """Hypotheses that it combines: one, or two."""
    key: int | None
    """Index into the case's keys; None where no key plays a part."""
    change: str
    """What was changed, without any secret."""
    claim: str = field(default="", compare=False)
    """What the sender does, in a sentence with {sender} and {receiver} and without a full stop."""
    origin: str = field(default="", compare=False)
    """Where the changed value comes from."""
    file_remedy: str = field(default="", compare=False)
    """What to write in the key file; empty where nothing there is wrong."""
    device_remedy: str = field(default="", compare=False)
    """What to change on a device or on the path, with {sender} and {receiver}."""
    knob: Knob | None = field(default=None, compare=False)
    correction: Correction | None = field(default=None, compare=False, repr=False)
    value: int | None = field(default=None, compare=False)
    """What a search found."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One row of the table."""

    ident: str
    """`H1` to `H32`."""
    title: str
    evidence: Evidence
    cost: str
    """MACs per failing segment, in words."""
    test: str
    """How it is tested."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What explains failing segments of one connection."""

    idents: tuple[str, ...]
    hypothesis: Hypothesis
    """The first of `idents`."""
    confidence: Confidence
    summary: str
    """One sentence: what happens, and at which end."""
    changed: str
    """What was changed against the key file and the capture so that MACs agree; empty for facts."""
    origin: str
    """Where the changed value, or the fact, comes from."""
    matched: int
    """Segments that it makes verify, of those tried; for facts the segments that it is about."""
    tried: int
    """Failing segments that were looked at."""
    failing: int
    """Failing segments of the connection."""
    bits: int
    """Bits of MAC that agree, over all matched segments; 0 for facts."""
    frames: tuple[tuple[int, int], ...]
    """Capture and frame of the matched segments."""
    senders: tuple[str, ...]
    """Addresses that sent them."""
    key: str | None
    """Name of the key."""
    key_origin: str | None
    """File and line of it."""
    file_remedy: str
    device_remedy: str
    knob: Knob | None
    correction: KeyCorrection | None = field(default=None, repr=False)

    @property
    def ident(self) -> str:
        """ "H1", or "H1+H8"."""
        return "+".join(self.idents)


@dataclass(frozen=True, slots=True)
class KeyCorrection:
    """A correction, with the key and the ends that it is for."""

    key: int
    """Index into the keyring's MKTs."""
    correction: Correction
    sender: bytes
    receiver: bytes
    ids: tuple[int | None, int | None]
    """The KeyIDs with which sender and receiver sign under the key, by the key file; None where it has none."""
    is_key_right_elsewhere: bool
    """The key as written verifies other segments: the correction is for this sender alone."""


@dataclass(frozen=True, slots=True)
class Account:
    """All that can be said of one connection's failures."""

    connection: int
    """The Report's id."""
    explanations: tuple[Explanation, ...]
    """What explains the most segments first; proofs before facts."""
    failing: int
    """mismatch and no-key segments, and verified ones that the receiver's keys drop."""
    tried: int
    """Failing segments that were looked at."""
    unexplained: tuple[tuple[int, int], ...]
    """Capture and frame of those that no hypothesis explains."""
    ruled_out: tuple[str, ...]
    """Idents of hypotheses that were tried and hold for no segment."""
    not_tried: tuple[str, ...]
    """Idents for which the budget did not suffice."""
    unkeyed: tuple[str, ...]
    """Idents of which something takes a master key, where a traffic-key log holds none."""
    would_decide: tuple[str, ...]
    """What would tell more; empty where everything is explained."""
    macs: int
    """MACs computed."""
    note: str = ""
    """Something else worth saying: that nothing was tried, and why."""


@dataclass(slots=True)
class Budget:
    """How much may be computed; it counts MACs and never seconds, so results are the same on every machine."""

    macs: int = 200_000
    """Single tries: each a traffic key and a MAC."""
    searches: int = 2
    """Searches of all 65,536 values of a field (H19); one takes about as long as 5,000 single tries."""

    def take(self, macs: int) -> bool:
        """Takes that many, if they are left."""
        if self.macs < macs:
            return False
        self.macs -= macs
        return True

    def take_search(self) -> bool:
        """Takes a search, if one is left."""
        if not self.searches:
            return False
        self.searches -= 1
        return True


ComputeMac = Callable[[], bytes]
FindAssumptions = Callable[[], Iterable[Assumption]]
