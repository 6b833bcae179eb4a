"""What every hop's answer has in common: cut frames say nothing, and nothing leads past its layer's end.

Two things can be wrong with a header's length. The captured octets may end inside it: the frame is *cut*, and
no octet of it that lies behind the limit may show in the answer. Or the layers around it leave it too little
room (an IPv4 total length of 24 around a TCP header): the octets are there and belong to someone else, so
nothing follows.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import I64, NOTHING, U16, Headers, Hop, Mask

MAX_DEPTH = 16
"""Headers of one kind that are followed in a row (extension headers, labels): more is an attack or noise."""


def lead(
    question: Headers,
    numbers: I64,
    starts: I64,
    is_cut: Mask,
    *,
    ends: I64 | None = None,
    fallbacks: I64 | None = None,
    is_fragment: Mask | None = None,
    destinations: I64 | None = None,
    vlans: U16 | None = None,
    interface_numbers: I64 | None = None,
) -> Hop:
    """The Hop to `numbers` at `starts`, made safe.

    Where `is_cut`, every value is a constant of the question. Where `starts` lies behind the next layer's
    end, which is never behind this one's, the number and the fallback are NOTHING. All arrays have the
    question's length.
    """
    ends = question.ends if ends is None else np.minimum(ends, question.ends)
    leads_nowhere = is_cut | (starts > ends)
    if leads_nowhere.any():
        numbers = np.where(leads_nowhere, NOTHING, numbers)
        fallbacks = None if fallbacks is None else np.where(leads_nowhere, NOTHING, fallbacks)
        starts = np.where(is_cut, question.starts, starts)
        ends = np.where(is_cut, question.ends, ends)
        is_fragment = None if is_fragment is None else is_fragment & ~is_cut
        destinations = None if destinations is None else np.where(is_cut, question.starts, destinations)
        vlans = None if vlans is None else np.where(is_cut, np.uint16(0), vlans)
        interface_numbers = None if interface_numbers is None else np.where(is_cut, NOTHING, interface_numbers)
    return Hop(numbers, starts, ends, is_cut, fallbacks, is_fragment, destinations, vlans, interface_numbers)
