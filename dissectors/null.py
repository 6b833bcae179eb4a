"""BSD loopback: four octets with the address family (LINKTYPE_NULL and LINKTYPE_LOOP).

LINKTYPE_LOOP has it in network order, LINKTYPE_NULL in the order of the machine that captured, which nothing
tells. Families are small, so the smaller of the two readings is meant. IPv6 is 24, 28, 30 or 10, as the
system has it.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import u32
from dissectors.scribe import Scribe, describing, named

FAMILIES = {2: "IPv4", 10: "IPv6", 24: "IPv6", 28: "IPv6", 30: "IPv6"}


def hop(question: Headers) -> Hop:
    big_endian = u32(question.octets, question.starts)
    little_endian = big_endian.astype(np.uint32).byteswap().astype(np.int64)
    starts = question.starts + 4
    return lead(question, np.minimum(big_endian, little_endian), starts, starts > question.limits)


@describing("BSD loopback", "null")
def describe(scribe: Scribe) -> None:
    octets = scribe.take(0, 4)
    family = min(int.from_bytes(octets, "big"), int.from_bytes(octets, "little"))
    scribe.field("Family", named(FAMILIES)(family), 0, 4, "null.family")
    scribe.leads_to("address.family", family, 4)


DISSECTOR = Dissector(
    name="null",
    title="BSD loopback",
    keys=(("linktype", 0), ("linktype", 108)),
    describe=describe,
    hop=hop,
    leads_to="address.family",
)
