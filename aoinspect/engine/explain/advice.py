"""How each vendor calls what there is to set, and what would tell more where nothing matches.

The words are those of the vendors' own configurations; a system is left out of a knob for which it has no word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aoinspect.engine.explain.case import Subject
from aoinspect.engine.explain.model import Knob

VENDOR_WORDS: dict[Knob, tuple[tuple[str, str], ...]] = {
    Knob.TCP_OPTIONS: (
        ("IOS-XR", "neighbor ... ao KEYCHAIN include-tcp-options enable|disable"),
        ("IOS-XE, NX-OS", "include-tcp-options, in the key or on the neighbor; excluded without it"),
        ("Junos", "ao-attribute tcp-ao-option enabled"),
        ("GoBGP", "exclude-tcp-options"),
        ("Huawei VRP", "included by default"),
        ("BIRD", "the kernel's default: included"),
        ("Linux", "TCP_AO_KEYF_EXCLUDE_OPT"),
    ),
    Knob.SECRET: (
        ("IOS-XR", "key-string clear|password (type 7)|password6"),
        ("IOS-XE, NX-OS", "key-string [0|6|7]"),
        ("Junos", 'secret "..." ($9$, $8$)'),
        ("Nokia SR OS", "authentication-key (plain, hash, hash2)"),
        ("Arista EOS", "secret N 0|7|8a"),
        ("BIRD", 'secret "text" or hex:..'),
        ("GoBGP", "secret-key (base64)"),
        ("ExaBGP", "text, or base64 true"),
    ),
    Knob.ALGORITHM: (
        ("IOS-XR", "cryptographic-algorithm HMAC-SHA1-96|AES-128-CMAC-96|HMAC-SHA-256"),
        ("IOS-XE, NX-OS", "cryptographic-algorithm aes-128-cmac|hmac-sha-1|hmac-sha-256"),
        ("Junos", "ao-attribute cryptographic-algorithm hmac-sha-1-96|aes-128-cmac-96"),
        ("Nokia SR OS", "algorithm hmac-sha-1-96|aes-128-cmac-96"),
        ("Arista EOS", "neighbor ... password shared-secret profile P algorithm hmac-sha1-96|aes-128-cmac-96"),
        ("BIRD", "algorithm hmac sha1|hmac sha256|cmac aes128"),
        ("GoBGP", "crypto-algorithm hmac_sha_1_96|aes_128_cmac_96|hmac_sha_256_96|hmac_sha_256_128"),
        ("Linux", "hmac(sha1), hmac(sha256), cmac(aes128)"),
    ),
    Knob.MAC_LENGTH: (
        ("BIRD", "always 12 octets"),
        ("GoBGP", "crypto-algorithm hmac_sha_256_96 or hmac_sha_256_128"),
        ("Linux", "maclen of TCP_AO_ADD_KEY"),
    ),
    Knob.IDS: (
        ("IOS-XR", "tcp ao keychain K key N SendID n ReceiveID n"),
        ("IOS-XE, NX-OS", "send-id, recv-id in key chain K tcp"),
        ("Junos", "ao-attribute send-id, recv-id"),
        ("Nokia SR OS", "the entry's number under send and receive"),
        ("Arista EOS", "the number behind secret, the same in both directions"),
        ("BIRD", "send id, recv id, or id for both"),
        ("GoBGP", "key-id, receive-id"),
        ("ExaBGP", "keyid, the same in both directions"),
        ("Huawei VRP", "tcp ao NAME key-id N send-id a receive-id b"),
    ),
}


class OpenSubject(NamedTuple):
    """A segment that nothing explains."""

    subject: Subject
    has_sound_company: bool
    """Other segments of the same sender and KeyID verify."""


def what_would_decide(
    open_: Sequence[OpenSubject], is_budget_short: bool, is_secret_missing: bool, *, has_told_isns: bool = False
) -> Iterator[str]:
    """What would tell more of segments that nothing explains."""
    if not open_:
        return
    subjects = [subject for subject, _ in open_]
    if is_budget_short:
        yield "more computation: the budget ended before every hypothesis was tried (--connection looks at one alone)"
    if is_secret_missing:
        yield "the key file itself, where the log was made: what takes the master key can be tried only there"
    if any(has_sound_company for _, has_sound_company in open_):
        yield (
            "who sent them: other segments of the same sender and KeyID verify, so the key is right, and these may be "
            "somebody else's (compare TTL and link-layer addresses)"
        )
    if any(not subject.captured for subject in subjects):
        yield "nothing: a MAC of no octets proves nothing"
    if any(subject.captured and not subject.is_provable for subject in subjects):
        yield "the whole segments: octets that the MAC covers are missing"
    if any(not subject.selected for subject in subjects):
        yield "the key with that KeyID, or its secret"
    if any(subject.selected and not has_sound_company for subject, has_sound_company in open_):
        yield "another key: the secret as the sending device has it, with its encoding"
    if any(subject.is_ao and subject.isns is None for subject in subjects):
        yield "the ISNs: as the router prints them (iss, irs), or the connection's handshake"
    if has_told_isns and any(subject.is_ao and not subject.is_syn for subject in subjects):
        yield "the ISNs: those in [[connection]] may be another connection's (without the entry they are searched for)"
    if any(subject.is_ao and not has_sound_company for subject, has_sound_company in open_):
        yield (
            "a capture from the other end of the path: it shows whether addresses, sequence numbers or options are "
            "rewritten on the way"
        )
