"""What IOS-XR and IOS-XE write alike: secrets and lifetimes.

A secret of visible characters is written as it is; any other, and one with a question mark, which asks a router for
help, is written as type 7, which every octet survives. Times are UTC: the key chains of IOS-XR say so, and IOS-XE's
times are local to the router, whose clock has to be UTC. A lifetime has a beginning, in the years 1993 to 2035; the
first moment of these stands for none.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.keys.export.plan import SECOND_NS, is_in_seconds, plain_text
from aoinspect.keys.importers.moments import FIRST_CISCO_MOMENT, MONTHS
from aoinspect.keys.obfuscation import disguise_cisco7

_YEAR_2036_NS = 2_082_758_400 * SECOND_NS


def written_secret(secret: bytes, clear: str, disguised: str) -> str:
    """The secret after the word that says how it is written."""
    text = plain_text(secret)
    is_odd = text is None or text[0] in '"!#' or "?" in text
    return f"{disguised} {disguise_cisco7(secret)}" if is_odd else f"{clear} {text}"


def lifetime_lines(mkt: MasterKeyTuple, *, is_always_written: bool = False) -> list[str]:
    """`accept-lifetime` and `send-lifetime` of a key; `is_always_written`: also where it is always valid."""
    lines = []
    for name, lifetime in (("accept-lifetime", mkt.accept_lifetime), ("send-lifetime", mkt.send_lifetime)):
        if lifetime is None and not is_always_written:
            continue
        begin, end = (None, None) if lifetime is None else (lifetime.from_ns, lifetime.until_ns)
        until = "infinite" if end is None else _moment(end)
        lines.append(f"{name} {_moment(FIRST_CISCO_MOMENT if begin is None else begin)} {until}")
    return lines


def _moment(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // SECOND_NS, UTC)
    return f"{moment:%H:%M:%S} {MONTHS[moment.month - 1]} {moment.day:02d} {moment.year:04d}"


def odd_lifetimes(mkts: tuple[MasterKeyTuple, ...]) -> list[tuple[Origin, str]]:
    """The lifetimes that are not in the years that the systems take, or not in whole seconds."""
    found = []
    for mkt in mkts:
        for lifetime in (mkt.send_lifetime, mkt.accept_lifetime):
            ends = () if lifetime is None else (lifetime.from_ns, lifetime.until_ns)
            if any(end is not None and not FIRST_CISCO_MOMENT < end < _YEAR_2036_NS for end in ends):
                found.append((mkt.origin, f'a lifetime outside the years 1993 to 2035, in the key "{mkt.name}"'))
            elif not is_in_seconds(lifetime):
                found.append((mkt.origin, f'a lifetime that is not in whole seconds, in the key "{mkt.name}"'))
    return found
