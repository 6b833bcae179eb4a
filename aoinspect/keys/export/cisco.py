"""What IOS-XR and IOS-XE write alike: secrets and lifetimes.

A secret of visible characters is written as it is; any other is written as type 7, which every octet survives. Times
are UTC: the key chains of IOS-XR say so, and IOS-XE's times are local to the router, whose clock has to be UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.keys.export.plan import SECOND_NS, is_in_seconds, plain_text
from aoinspect.keys.importers.moments import MONTHS
from aoinspect.keys.obfuscation import disguise_cisco7


def written_secret(secret: bytes, clear: str, disguised: str) -> str:
    """The secret after the word that says how it is written."""
    text = plain_text(secret)
    return f"{disguised} {disguise_cisco7(secret)}" if text is None or text[0] in '"!#' else f"{clear} {text}"


def lifetime_lines(mkt: MasterKeyTuple) -> list[str]:
    """`accept-lifetime` and `send-lifetime` of a key."""
    lines = []
    for name, lifetime in (("accept-lifetime", mkt.accept_lifetime), ("send-lifetime", mkt.send_lifetime)):
        if lifetime is not None and lifetime.from_ns is not None:
            until = "infinite" if lifetime.until_ns is None else _moment(lifetime.until_ns)
            lines.append(f"{name} {_moment(lifetime.from_ns)} {until}")
    return lines


def _moment(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // SECOND_NS, UTC)
    return f"{moment:%H:%M:%S} {MONTHS[moment.month - 1]} {moment.day:02d} {moment.year:04d}"


def odd_lifetimes(mkts: tuple[MasterKeyTuple, ...]) -> list[tuple[Origin, str]]:
    """The lifetimes that have no beginning, or are not in whole seconds."""
    found = []
    for mkt in mkts:
        for lifetime in (mkt.send_lifetime, mkt.accept_lifetime):
            if lifetime is not None and lifetime.from_ns is None:
                found.append((mkt.origin, f'a lifetime without a beginning, in the key "{mkt.name}"'))
            elif not is_in_seconds(lifetime):
                found.append((mkt.origin, f'a lifetime that is not in whole seconds, in the key "{mkt.name}"'))
    return found
