"""Hypothesis H8, and H32's first half: the right secret, read or written down otherwise on one of the ends.

From the octets of the given secret every common slip is derived: hexadecimal or base64 taken for text and the other way
round, what copying adds or loses, a disguised password taken literally. Each is one derivation, never two in a row. No
derived secret is ever printed: what is told is the derivation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from aoinspect.engine.explain.case import Case, SigningKey, Trial, Unkeyed, key_words, trial
from aoinspect.engine.explain.model import Assumption, Correction, Knob
from aoinspect.keys.obfuscation import reveal_cisco7, reveal_junos9

LONGEST_SECRET = 80
"""Octets that Linux takes (TCP_AO_MAXKEYLEN)."""

_CISCO7_STARTS = 16
"""Places of its pad at which IOS begins."""

_HEX = re.compile(rb"(?:0[xX])?((?:[0-9A-Fa-f]{2}[: ]?)+)")


class WrittenOtherwise(NamedTuple):
    """A secret derived from the given one."""

    words: str
    """What the sender does: "takes the secret's text as hexadecimal"."""
    advice: str
    """What to write in the key file."""
    secret: bytes

    def __repr__(self) -> str:
        return f"WrittenOtherwise({self.words!r})"


class CombinedWay(NamedTuple):
    """A derivation for a key."""

    way: WrittenOtherwise
    key: SigningKey

    def assumption(self, *idents: str) -> Assumption:
        words, advice, secret = self.way
        return Assumption(
            idents,
            self.key.index,
            words,
            claim=f"{{sender}} has the secret of {key_words(self.key)} in another form: {words}",
            origin=f"the secret of {key_words(self.key)}",
            file_remedy=f"in {{key}}, {advice}",
            device_remedy="on {sender}, enter the secret as the key file has it",
            knob=Knob.SECRET,
            correction=Correction(secret=secret),
        )


def other_encoding(case: Case) -> Iterator[Trial | Unkeyed]:
    """H8: the secret in another encoding."""
    for subject in case.subjects:
        for key in subject.fitting:
            if subject.is_ao and key.secret is None:
                yield Unkeyed(subject)
            elif subject.is_ao and key.secret is not None:
                for way in written_otherwise(key.secret):
                    yield from trial(subject, key, CombinedWay(way, key).assumption("H8"), secret=way.secret)


def md5_encoding(case: Case) -> Iterator[Trial | Unkeyed]:
    """H32: the same for a TCP-MD5 password."""
    for subject in case.subjects:
        for key in subject.fitting:
            if not subject.is_ao and key.secret is not None:
                for way in written_otherwise(key.secret):
                    yield from trial(subject, key, CombinedWay(way, key).assumption("H32"), secret=way.secret)


def written_otherwise(secret: bytes) -> Iterator[WrittenOtherwise]:
    """Every other form of `secret`, each once; the likelier first."""
    seen = {secret, b""}
    for way in _derivations(secret):
        if way.secret not in seen:
            seen.add(way.secret)
            yield way


def _derivations(secret: bytes) -> Iterator[WrittenOtherwise]:
    yield from _as_hexadecimal(secret)
    yield from _as_copied(secret)
    yield from _as_disguised(secret)
    yield from _as_base64(secret)
    if len(secret) > LONGEST_SECRET:
        yield WrittenOtherwise(
            f"cut at {LONGEST_SECRET} octets", f"use its first {LONGEST_SECRET} octets", secret[:LONGEST_SECRET]
        )
    for words, changed in (
        ("in lower case", secret.lower()),
        ("in upper case", secret.upper()),
        ("with upper and lower case exchanged", secret.swapcase()),
        ("with its first letter in upper case", secret[:1].upper() + secret[1:]),
        ("with its first letter in lower case", secret[:1].lower() + secret[1:]),
    ):
        yield WrittenOtherwise(words, f"write the secret {words}", changed)


def _as_hexadecimal(secret: bytes) -> Iterator[WrittenOtherwise]:
    parts = _HEX.fullmatch(secret)
    if parts is not None:
        octets = bytes.fromhex(re.sub(rb"[: ]", b"", parts[1]).decode("ascii"))
        yield WrittenOtherwise("its text is read as hexadecimal", "give it as `secret-hex` instead of `secret`", octets)
    for prefix, words in (("", ""), ("0x", " with 0x in front")):
        for digits, case in ((secret.hex(), "lower"), (secret.hex().upper(), "upper")):
            yield WrittenOtherwise(
                f"its hexadecimal digits ({case} case){words} are taken as text",
                "give the digits as `secret` instead of `secret-hex`",
                (prefix + digits).encode("ascii"),
            )
    if secret[:2] in (b"0x", b"0X"):
        yield WrittenOtherwise("without 0x in front", "leave out 0x", secret[2:])
    yield WrittenOtherwise("with 0x in front", "write 0x in front of the secret", b"0x" + secret)


def _as_copied(secret: bytes) -> Iterator[WrittenOtherwise]:
    for quote, name in ((b'"', "double quotes"), (b"'", "single quotes")):
        if len(secret) > 2 and secret[:1] == secret[-1:] == quote:
            yield WrittenOtherwise(f"without its {name}", f"leave out the {name}", secret[1:-1])
        yield WrittenOtherwise(
            f"with {name} around it", f"write the {name} as part of the secret", quote + secret + quote
        )
    yield WrittenOtherwise("without blanks and line ends around it", "leave them out", secret.strip())
    yield WrittenOtherwise("without the blanks in it", "leave them out", secret.replace(b" ", b""))
    yield WrittenOtherwise("without NUL octets behind it", "leave them out", secret.rstrip(b"\0"))
    for added, name in (
        (b" ", "a blank"),
        (b"\n", "a line feed"),
        (b"\r", "a carriage return"),
        (b"\r\n", "carriage return and line feed"),
        (b"\0", "a NUL octet"),
    ):
        advice = "give it as `secret-hex`, with that at its end"
        yield WrittenOtherwise(f"with {name} behind it", advice, secret + added)
    yield WrittenOtherwise("with a blank in front of it", "write a blank in front of the secret", b" " + secret)


def _as_disguised(secret: bytes) -> Iterator[WrittenOtherwise]:
    try:
        text = secret.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    for name, source, reveal in (
        ("Cisco type 7", "secret-cisco7", reveal_cisco7),
        ("Junos $9$", "secret-junos9", reveal_junos9),
    ):
        try:
            revealed = reveal(text)
        except ValueError:
            continue
        yield WrittenOtherwise(f"what its {name} text disguises is used", f"give it as `{source}`", revealed)
    for start in range(_CISCO7_STARTS):
        # The pad is XORed, so what reveals also disguises.
        disguised = f"{start:02d}" + reveal_cisco7(f"{start:02d}{secret.hex()}").hex().upper() if secret else ""
        yield WrittenOtherwise(
            f"its Cisco type 7 text (beginning with {start:02d}) is taken literally",
            "give the type 7 text as `secret` instead of `secret-cisco7`",
            disguised.encode("ascii"),
        )


def _as_base64(secret: bytes) -> Iterator[WrittenOtherwise]:
    try:
        decoded = base64.b64decode(secret, validate=True)
    except binascii.Error:
        decoded = b""
    yield WrittenOtherwise("its text is read as base64", "give it as `secret-base64` instead of `secret`", decoded)
    encoded = base64.b64encode(secret)
    advice = "give the base64 text as `secret` instead of `secret-base64`"
    yield WrittenOtherwise("its base64 text is taken literally", advice, encoded)
    yield WrittenOtherwise("its base64 text without = is taken literally", advice, encoded.rstrip(b"="))
