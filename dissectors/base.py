"""What a dissector is: the two questions it answers, and the types of question and answer.

`hop` answers for arrays of frames at once: which key's dissector comes next, where its header starts, and
where the payload ends. `describe` answers for one frame, in labelled fields. A dissector names the *key* of
what follows, such as `("ethertype", 0x0800)`, never another dissector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Key = tuple[str, int]

NOTHING = -1
"""A next number that leads nowhere: what follows is payload, or this header says that nothing follows."""


class Headers(NamedTuple):
    """Where one layer's header lies in each of n frames. Positions count octets in `octets`."""

    octets: U8
    """The batch's octets; at least 64 octets may be read behind every position below a limit."""
    starts: I64
    """Where this layer's header starts."""
    ends: I64
    """Where this layer ends as the layers around it say; beyond `limits` where the snap length cut the
    frame.
    """
    limits: I64
    """Where the captured octets of the frame end. Nothing at or beyond it belongs to the frame."""


class Hop(NamedTuple):
    """What one layer says of the next. All arrays have the length of the question's."""

    numbers: I64
    """Number of the next key in the dissector's `leads_to` namespace; NOTHING where nothing follows."""
    starts: I64
    """Where the next header starts."""
    ends: I64
    """Where the next layer ends; never beyond the question's `ends`, maybe beyond `limits`."""
    is_cut: Mask
    """The captured octets end inside this layer's header: the frame drops out, with the reason "cut"."""
    fallbacks: I64 | None = None
    """A second number to try where no dissector has the first (UDP's other port)."""
    is_fragment: Mask | None = None
    """IP: the payload is a piece of a larger one (more fragments, or an offset)."""
    destinations: I64 | None = None
    """IP: where the destination address that the pseudo-header takes lies (a routing header moves it)."""
    vlans: U16 | None = None
    """802.1Q: the VLAN identifier."""
    interface_numbers: I64 | None = None
    """Linux cooked v2: the number of the interface that saw the frame; NOTHING where the header is cut."""


@dataclass(frozen=True, slots=True)
class Field:
    """One labelled thing in a frame. `start` and `end` are octet positions in the frame, `end` exclusive."""

    label: str
    value: str
    start: int
    end: int
    children: tuple[Field, ...] = ()
    name: str | None = None
    """Wireshark's field name, where it has one: `tcp.srcport`."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What `describe` makes of one header: its own node, and the key and place of what follows (None: nothing
    does).
    """

    node: Field
    next_key: Key | None = None
    fallback_key: Key | None = None
    next_start: int = 0
    next_end: int = 0


@dataclass(frozen=True, slots=True)
class Dissector:
    """One protocol."""

    name: str
    """As Wireshark's filters call it: `eth`, `ip`, `tcp`."""
    title: str
    keys: tuple[Key, ...]
    describe: Callable[[bytes, int, int], Layer]
    """(frame's octets, start, end) -> Layer. Total: absurd octets give what can be read and one "malformed"
    field.
    """
    hop: Callable[[Headers], Hop] | None = None
    """None for protocols that nothing of interest follows (BGP)."""
    leads_to: str | None = None
    """Namespace of the next key: "ethertype", "ip.proto", "udp.port", "tcp.port"."""
    is_network: bool = False
    """The header holds the addresses that TCP's pseudo-header takes."""
