"""TCP (RFC 9293 3.1): where the header ends and the payload starts, by the data offset.

A data offset below 5 words makes no sense and leads nowhere. The labelled options are in `tcp_options`.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import fields
from dissectors.scribe import Scribe, describing, flags, hexadecimal
from dissectors.tcp_options import write_options

HEADER = np.dtype(
    [
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("sequence_number", ">u4"),
        ("acknowledgment_number", ">u4"),
        ("offset_and_flags", ">u2"),
        ("window", ">u2"),
        ("checksum", ">u2"),
        ("urgent_pointer", ">u2"),
    ]
)
FLAGS = (
    (0x100, "Accurate ECN", "AE", "tcp.flags.ae"),
    (0x080, "Congestion window reduced", "CWR", "tcp.flags.cwr"),
    (0x040, "ECN echo", "ECE", "tcp.flags.ece"),
    (0x020, "Urgent", "URG", "tcp.flags.urg"),
    (0x010, "Acknowledgment", "ACK", "tcp.flags.ack"),
    (0x008, "Push", "PSH", "tcp.flags.push"),
    (0x004, "Reset", "RST", "tcp.flags.reset"),
    (0x002, "Synchronize", "SYN", "tcp.flags.syn"),
    (0x001, "Finish", "FIN", "tcp.flags.fin"),
)


def hop(question: Headers) -> Hop:
    starts = question.starts
    header = fields(question.octets, starts, HEADER)
    header_lengths = (header["offset_and_flags"] >> 12).astype(np.int64) * 4
    is_readable = starts + 20 <= question.limits
    is_sound = header_lengths >= 20
    payloads = starts + np.where(is_sound & is_readable, header_lengths, 20)
    sources, destinations = (header[name].astype(np.int64) for name in ("source_port", "destination_port"))
    return lead(
        question,
        # The lower port first, as Wireshark: the other is more likely an ephemeral one.
        np.where(is_sound, np.minimum(destinations, sources), NOTHING),
        payloads,
        payloads > question.limits,
        fallbacks=np.where(is_sound, np.maximum(destinations, sources), NOTHING),
    )


@describing("Transmission Control Protocol", "tcp")
def describe(scribe: Scribe) -> None:
    source = scribe.number("Source port", 0, 2, "tcp.srcport")
    destination = scribe.number("Destination port", 2, 2, "tcp.dstport")
    scribe.summary = f"{source} > {destination}"
    sequence = scribe.number("Sequence number", 4, 4, "tcp.seq_raw")
    scribe.number("Acknowledgment number", 8, 4, "tcp.ack_raw")
    word = scribe.peek(12, 2)
    header_length = (word >> 12) * 4
    scribe.field("Header length", f"{header_length} octets", 12, 1, "tcp.hdr_len")
    names = [short for mask, _, short, _ in FLAGS if word & mask]
    bits = [(mask, f"{label} ({short})", name) for mask, label, short, name in FLAGS]
    children = flags(scribe, word, 12, 2, bits)
    scribe.field("Flags", f"0x{word & 0xFFF:03x} ({', '.join(names) or 'none'})", 12, 2, "tcp.flags", children)
    scribe.summary = f"{source} > {destination} [{', '.join(names)}] seq {sequence}"
    scribe.number("Window", 14, 2, "tcp.window_size_value")
    scribe.number("Checksum", 16, 2, "tcp.checksum", hexadecimal(4))
    scribe.number("Urgent pointer", 18, 2, "tcp.urgent_pointer")
    if header_length < 20:
        scribe.malformed(f"the data offset says {header_length} octets; a TCP header has 20 or more", 12, 1)
        return
    write_options(scribe, header_length)
    if scribe.start + header_length == scribe.end:
        # A bare acknowledgment carries nothing, whatever its ports are.
        scribe.leads_to("tcp.port", NOTHING, header_length)
        return
    scribe.leads_to("tcp.port", min(source, destination), header_length, fallback=max(source, destination))


DISSECTOR = Dissector(
    name="tcp",
    title="Transmission Control Protocol",
    keys=(("ip.proto", 6),),
    describe=describe,
    hop=hop,
    leads_to="tcp.port",
)
