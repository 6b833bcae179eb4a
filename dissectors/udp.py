"""UDP (RFC 768): tunnels are known by their destination port, and failing that by their source port.

A length of 0 is a jumbogram's (RFC 2675 4): the datagram ends as the layer around it does. So it does where
the length says more than there is.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import fields
from dissectors.scribe import Scribe, describing, hexadecimal

HEADER = np.dtype([("source_port", ">u2"), ("destination_port", ">u2"), ("length", ">u2"), ("checksum", ">u2")])


def hop(question: Headers) -> Hop:
    header = fields(question.octets, question.starts, HEADER)
    starts = question.starts + 8
    lengths = header["length"].astype(np.int64)
    is_sound = (lengths == 0) | (lengths >= 8)
    return lead(
        question,
        np.where(is_sound, header["destination_port"].astype(np.int64), NOTHING),
        starts,
        starts > question.limits,
        ends=np.where(lengths == 0, question.ends, question.starts + lengths),
        fallbacks=np.where(is_sound, header["source_port"].astype(np.int64), NOTHING),
    )


@describing("User Datagram Protocol", "udp")
def describe(scribe: Scribe) -> None:
    source = scribe.number("Source port", 0, 2, "udp.srcport")
    destination = scribe.number("Destination port", 2, 2, "udp.dstport")
    scribe.summary = f"{source} > {destination}"
    length = scribe.number("Length", 4, 2, "udp.length")
    scribe.number("Checksum", 6, 2, "udp.checksum", hexadecimal(4))
    end = scribe.start + length if length else None
    scribe.leads_to("udp.port", destination, 8, end, source)


DISSECTOR = Dissector(
    name="udp",
    title="User Datagram Protocol",
    keys=(("ip.proto", 17),),
    describe=describe,
    hop=hop,
    leads_to="udp.port",
)
