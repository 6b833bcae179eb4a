"""`keys lint`: what is wrong with keys, or will be, before a capture shows it.

A rule is one row of one table: its ident, how grave it is, the clause, what to do, and a function that finds the
places. Rules look at what was read and never at the text, so they hold for every system's configuration. Where several
files are given, or one tells both ends, the ends are held against each other as well.

Messages say that a secret is short or shared, and never the secret, its length or anything computed from it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aoinspect.ao.mkt import MasterKeyTuple, Origin, TcpOptions
from aoinspect.keys.compare import session_pairs, unaccepted
from aoinspect.keys.importers.model import ASSUMED_LENGTH
from aoinspect.keys.importers.sessions import ENHANCED_AUTHENTICATION
from aoinspect.keys.lifetimes import gaps, meet, outside, span_text
from aoinspect.keys.model import KeyStore, Network, Peer
from aoinspect.keys.obfuscation import reveal_cisco7
from aoinspect.keys.overlaps import warn_of_overlaps
from aoinspect.keys.public_files import public_files
from aoinspect.keys.remarks import Remark, Severity

_SHORTEST_SECRET = 12
"""Octets that RFC 5925 5.3 asks for at least, after RFC 3562."""
_LONGEST_LINUX_SECRET = 80
_LINUX_ALGORITHMS = ("hmac-sha-1-96", "hmac-sha-256-96", "hmac-sha-256-128", "aes-128-cmac-96")
_LONGEST_LINUX_MAC = 16
_MOST_SHOWN = 5

Place = tuple[Origin, str]
"""Where something was found, and what to say of it."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the rules look at."""

    stores: tuple[KeyStore, ...]
    peers: tuple[Peer, ...]
    mkts: tuple[MasterKeyTuple, ...]
    """Every key of every peer and key chain, each once."""

    @staticmethod
    def of(stores: Sequence[KeyStore]) -> Inputs:
        peers = tuple(peer for store in stores for peer in store.peers)
        chained = [mkt for store in stores for chain in store.keychains for mkt in chain.mkts]
        # A key of a chain comes again with the flag of the neighbour that uses it, from the same place.
        by_place = {(mkt.origin, mkt.name): mkt for mkt in (*chained, *(mkt for peer in peers for mkt in peer.mkts))}
        return Inputs(tuple(stores), peers, tuple(by_place.values()))


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for."""

    ident: str
    severity: Severity
    reference: str
    remedy: str
    find: Callable[[Inputs], Iterator[Place]]


def lint(stores: Sequence[KeyStore]) -> list[Remark]:
    """All remarks on the key files of `stores`, the gravest first and otherwise in the order of the files."""
    inputs = Inputs.of(stores)
    found = [
        Remark(rule.ident, rule.severity, origin, message, rule.remedy, rule.reference)
        for rule in RULES
        for origin, message in rule.find(inputs)
    ]
    found += _between_ends(inputs)
    return sorted(
        dict.fromkeys(found), key=lambda remark: (remark.severity.rank, remark.origin.path, remark.origin.line)
    )


def _between_ends(inputs: Inputs) -> Iterator[Remark]:
    """Lifetimes of two ends that do not fit each other; everything else is `keys compare`'s to say."""
    for peer, other in session_pairs(inputs.peers):
        for mkt in peer.mkts:
            for theirs in other.mkts:
                if mkt.send_id is None or (mkt.send_id, mkt.recv_id) != (theirs.recv_id, theirs.send_id):
                    continue
                for remark in (unaccepted(mkt, theirs), unaccepted(theirs, mkt)):
                    if remark is not None:
                        yield remark


def _overlapping_ids(inputs: Inputs) -> Iterator[Place]:
    for warning in warn_of_overlaps(inputs.peers):
        yield warning.origin, warning.message


def _lifetime_gaps(inputs: Inputs) -> Iterator[Place]:
    for peer in inputs.peers:
        mkts = [mkt for mkt in peer.mkts if not mkt.algorithm.is_md5]
        for verb, lifetimes in (
            ("sent with", [mkt.send_lifetime for mkt in mkts]),
            ("accepted", [mkt.accept_lifetime for mkt in mkts]),
        ):
            for gap in gaps(lifetimes):
                yield peer.origin, f"{span_text(gap)} no key of this peer may be {verb}"


def _never_accepted(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        if mkt.send_lifetime is not None and not meet(mkt.send_lifetime, mkt.accept_lifetime):
            yield mkt.origin, f'the key "{mkt.name}" is never accepted at a time when it is sent'


def _sent_longer_than_accepted(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        left_out = outside(mkt.send_lifetime, mkt.accept_lifetime)
        if left_out is not None and meet(mkt.send_lifetime, mkt.accept_lifetime):
            message = f'the key "{mkt.name}" is sent {span_text(left_out)}, when this end would not accept it'
            yield mkt.origin, message


def _short_secrets(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        if mkt.secret is not None and len(mkt.secret) < _SHORTEST_SECRET:
            yield mkt.origin, f'the secret of the key "{mkt.name}" is shorter than {_SHORTEST_SECRET} octets'


def _blanks_around(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        if mkt.secret is not None and mkt.secret != mkt.secret.strip():
            what = "a newline" if mkt.secret.endswith(b"\n") else "white space"
            yield mkt.origin, f'the secret of the key "{mkt.name}" begins or ends with {what}'


def _encoded_secrets(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        form = None if mkt.secret is None else encoded_form(mkt.secret)
        if form is not None:
            yield mkt.origin, f'the secret of the key "{mkt.name}" looks like {form}'


_ENCODINGS = (
    ("a Junos $9$ or $8$ string", re.compile(rb"\$[89]\$[\x21-\x7e]+")),
    ("an Arista type 7 string", re.compile(rb"\$1c\$[\x21-\x7e]+")),
    ("a Huawei cipher text", re.compile(rb"%\^%#[\x20-\x7e]+|\$1[acd]\$[\x21-\x7e]+")),
    ("hexadecimal digits", re.compile(rb"(?:0x|hex:)[0-9A-Fa-f]{2,}|(?:[0-9A-Fa-f]{2}[: ]?){16,}")),
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}={1,2}")


def encoded_form(secret: bytes) -> str | None:
    """What encoding the octets of a secret look like, in words; None where they look like none."""
    for form, pattern in _ENCODINGS:
        if pattern.fullmatch(secret):
            return form
    try:
        revealed = reveal_cisco7(secret.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        revealed = b""
    if len(revealed) > 2 and re.fullmatch(rb"[\x20-\x7e]+", revealed):
        return "a Cisco type 7 string"
    if _BASE64.fullmatch(secret):
        try:
            base64.b64decode(secret, validate=True)
        except binascii.Error:
            return None
        return "base64"
    return None


def _shared_secrets(inputs: Inputs) -> Iterator[Place]:
    users: dict[tuple[Network | None, bytes], dict[str, Peer]] = {}
    for peer in inputs.peers:
        for mkt in peer.mkts:
            if mkt.secret is not None and peer.remote is not None:
                # Per device: the other end of a session has the same secret, and has to.
                users.setdefault((peer.local, mkt.secret), {}).setdefault(str(peer.remote), peer)
    told: set[Origin] = set()
    for peers in users.values():
        first = next(iter(peers.values()))
        if len(peers) > 1 and first.origin not in told:
            told.add(first.origin)
            shown = ", ".join(list(peers)[:_MOST_SHOWN]) + (", ..." if len(peers) > _MOST_SHOWN else "")
            yield first.origin, f"one secret protects the sessions with {len(peers)} peers: {shown}"


def _same_secret_after_rollover(inputs: Inputs) -> Iterator[Place]:
    for peer in inputs.peers:
        seen: dict[bytes, MasterKeyTuple] = {}
        for mkt in peer.mkts:
            if mkt.secret is None or mkt.algorithm.is_md5:
                continue
            first = seen.setdefault(mkt.secret, mkt)
            if first is not mkt and (first.send_id, first.recv_id) != (mkt.send_id, mkt.recv_id):
                yield mkt.origin, f'the key "{mkt.name}" has the secret of the key "{first.name}" of the same peer'


def _assumed_lengths(inputs: Inputs) -> Iterator[Place]:
    for store in inputs.stores:
        for warning in store.warnings:
            if ASSUMED_LENGTH in warning.message:
                yield warning.origin, "12 octets are assumed for the MAC of HMAC-SHA-256: this system does not say"


def _cmac_lengths(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        if mkt.algorithm.name == "aes-128-cmac-96" and mkt.secret is not None and len(mkt.secret) != 16:
            yield mkt.origin, f'the secret of the key "{mkt.name}", of AES-128-CMAC, has not 16 octets'


def _linux_refuses(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        if mkt.algorithm.is_md5:
            continue
        is_short_aes = mkt.algorithm.name == "cmac(aes)" and mkt.secret is not None and len(mkt.secret) == 16
        if mkt.algorithm.name not in _LINUX_ALGORITHMS and not is_short_aes:
            yield mkt.origin, f'Linux 7.2 refuses {mkt.algorithm.name}, the algorithm of the key "{mkt.name}"'
        if mkt.mac_length > _LONGEST_LINUX_MAC:
            yield mkt.origin, f'Linux takes MACs of 16 octets at most; the key "{mkt.name}" has {mkt.mac_length}'
        if mkt.secret is not None and len(mkt.secret) > _LONGEST_LINUX_SECRET:
            yield mkt.origin, f'Linux takes secrets of 80 octets at most; that of the key "{mkt.name}" is longer'


def _unset_flags(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        if mkt.tcp_options is TcpOptions.AUTO:
            yield mkt.origin, f'it is not said whether the key "{mkt.name}" covers TCP options'


def _enhanced_authentication(inputs: Inputs) -> Iterator[Place]:
    for store in inputs.stores:
        for warning in store.warnings:
            if ENHANCED_AUTHENTICATION in warning.message:
                yield warning.origin, warning.message.splitlines()[0]


def _gaps_of_secrets(inputs: Inputs) -> Iterator[Place]:
    for mkt in inputs.mkts:
        if mkt.secret is None:
            yield mkt.origin, f'the key "{mkt.name}" has no secret: {mkt.gap or "fill it in"}'


def _public_files(inputs: Inputs) -> Iterator[Place]:
    for store in inputs.stores:
        for warning in public_files(store):
            yield warning.origin, "every user of this machine can read this file and its secrets"


RULES: tuple[Rule, ...] = (
    Rule(
        "overlapping-ids",
        Severity.ERROR,
        "RFC 5925 3.1",
        "give each key of overlapping socket pairs ids of its own, or lifetimes that part them",
        _overlapping_ids,
    ),
    Rule(
        "never-accepted-when-sent",
        Severity.ERROR,
        "RFC 8177 2.2, RFC 4808",
        "let the accept-lifetime contain the send-lifetime, with some time to spare at both ends",
        _never_accepted,
    ),
    Rule(
        "lifetime-gap",
        Severity.ERROR,
        "RFC 5925 6.1, RFC 4808",
        "let the next key begin before the last one ends",
        _lifetime_gaps,
    ),
    Rule(
        "enhanced-authentication",
        Severity.ERROR,
        "draft-bonica-tcp-auth",
        "configure the key chain for TCP-AO on both ends: the older option is another one, and no peer with TCP-AO "
        "takes it",
        _enhanced_authentication,
    ),
    Rule(
        "sent-longer-than-accepted",
        Severity.WARNING,
        "RFC 8177 2.2, RFC 4808",
        "let the accept-lifetime contain the send-lifetime, with some time to spare at both ends",
        _sent_longer_than_accepted,
    ),
    Rule(
        "options-flag-unset",
        Severity.WARNING,
        "RFC 5925 3.1",
        "say it on both ends: vendors' defaults differ (`tcp-options`, include-tcp-options, tcp-ao-option)",
        _unset_flags,
    ),
    Rule(
        "short-secret",
        Severity.WARNING,
        "RFC 5925 5.3, RFC 3562",
        "use at least 12 random octets: a short secret can be guessed from one captured segment",
        _short_secrets,
    ),
    Rule(
        "blank-around-secret",
        Severity.WARNING,
        "RFC 5925 3.1",
        "remove it, unless the other end has it too: most often it is a slip of copying",
        _blanks_around,
    ),
    Rule(
        "encoded-secret",
        Severity.WARNING,
        "RFC 5925 3.1",
        "if it is encoded, say so (secret-hex, secret-base64, secret-cisco7, secret-junos9): it is taken as it stands",
        _encoded_secrets,
    ),
    Rule(
        "shared-secret",
        Severity.WARNING,
        "RFC 5925 5.3, RFC 4808",
        "give every peer a secret of its own: each that has it can pose as any other",
        _shared_secrets,
    ),
    Rule(
        "same-secret-after-rollover",
        Severity.WARNING,
        "RFC 4808, RFC 3562",
        "take a new secret for a new key: otherwise the change changes nothing for whoever has the old one",
        _same_secret_after_rollover,
    ),
    Rule(
        "readable-by-all",
        Severity.WARNING,
        "RFC 5925 11",
        "chmod o-r",
        _public_files,
    ),
    Rule(
        "missing-secret",
        Severity.NOTE,
        "RFC 5925 3.1",
        "fill it in; until then the segments of this key are unverifiable",
        _gaps_of_secrets,
    ),
    Rule(
        "cmac-key-length",
        Severity.NOTE,
        "RFC 5926 3.1.1.2, RFC 4615 3",
        "use 16 octets: some stacks refuse others, or cut and fill them in their own way",
        _cmac_lengths,
    ),
    Rule(
        "mac-length-assumed",
        Severity.NOTE,
        "RFC 5925 3.1, RFC 5926 3.2",
        "compare with a capture, and set mac-length = 16 in a key file (`aoinspect keys import`) where it has 16",
        _assumed_lengths,
    ),
    Rule(
        "refused-by-linux",
        Severity.NOTE,
        "RFC 5926 2.2",
        "on Linux 7.2 use hmac(sha1), hmac(sha256) or cmac(aes128), with at most 80 octets of secret and 16 of MAC",
        _linux_refuses,
    ),
)
"""Every rule, the gravest first. What is found between two ends has the idents of `keys compare`."""
