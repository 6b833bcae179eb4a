"""What a TCP-MD5 signature covers, and how it is made (RFC 2385 2.0).

The pseudo-header, the TCP header "excluding options, and assuming a checksum of zero", the payload, and last
the password. The pseudo-header's length counts the options all the same, as every implementation has it. RFC
2385 speaks of IPv4; over IPv6 everybody takes the pseudo-header of RFC 8200 8.1.
"""

from __future__ import annotations

from aoinspect.ao.algorithms import TCP_MD5
from aoinspect.ao.mac_input import CHECKSUM_END, CHECKSUM_START, header_length_of, pseudo_header
from aoinspect.ao.option import FIXED_HEADER_LENGTH


def md5_input(source: bytes, destination: bytes, segment: bytes) -> bytes:
    """The octets that a TCP-MD5 digest covers before the password (RFC 2385 2.0).

    `segment` is TCP header and payload as captured; addresses have 4 or 16 octets. Raises ValueError for a
    segment that is shorter than its header, and for addresses of another size.
    """
    header_length = header_length_of(segment)
    return b"".join(
        (
            pseudo_header(source, destination, len(segment)),
            segment[:CHECKSUM_START],
            bytes(CHECKSUM_END - CHECKSUM_START),
            segment[CHECKSUM_END:FIXED_HEADER_LENGTH],
            segment[header_length:],
        )
    )


def md5_digest(password: bytes, message: bytes) -> bytes:
    """The 16 octets of the TCP-MD5 signature of `message`, an `md5_input` (RFC 2385 2.0)."""
    computation = TCP_MD5.keyed_mac(password)
    computation.update(message)
    return computation.finalize()
