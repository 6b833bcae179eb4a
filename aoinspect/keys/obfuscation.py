"""Router passwords that are disguised, not encrypted: Cisco type 7 and Junos `$9$`.

Both schemes have no key of the user's, so whoever has the text has the secret, and both have been public for
decades. Schemes that need a master key (Cisco type 6, Junos `$8$`, ...) cannot be read from the text alone
and are not here.

No error of this module repeats any of the text it was given.
"""

from __future__ import annotations

import re

_CISCO7_PAD = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
_CISCO7_TEXT = re.compile(r"([0-9]{2})((?:[0-9A-Fa-f]{2})+)")


def reveal_cisco7(disguised: str) -> bytes:
    """The octets that a Cisco type 7 string disguises: `011A08105E19091F` is `interop`.

    Two decimal digits tell where in a fixed pad to begin; every two hexadecimal digits after them are one
    octet, XORed with the pad, which starts over at its end. Raises ValueError on anything else.
    """
    parts = _CISCO7_TEXT.fullmatch(disguised)
    if parts is None:
        raise ValueError("is not a Cisco type 7 string: two decimal digits, then pairs of hexadecimal digits")
    start = int(parts[1])
    if start >= len(_CISCO7_PAD):
        raise ValueError(f"is not a Cisco type 7 string: its first two digits exceed {len(_CISCO7_PAD) - 1}")
    disguised_octets = bytes.fromhex(parts[2])
    return bytes(
        octet ^ _CISCO7_PAD[(start + index) % len(_CISCO7_PAD)] for index, octet in enumerate(disguised_octets)
    )


_JUNOS9_MAGIC = "$9$"
# The salt's family tells how many filler characters follow it: 3, 2, 1 or none.
_JUNOS9_FAMILIES = ("QzF3n6/9CAtpu0O", "B1IREhcSyrleKvMW8LXx", "7N-dVbwsY2g4oaJZGUDj", "iHkq.mPf5T")
_JUNOS9_FILLERS = {
    character: len(_JUNOS9_FAMILIES) - 1 - family
    for family, characters in enumerate(_JUNOS9_FAMILIES)
    for character in characters
}
_JUNOS9_RANK = {character: rank for rank, character in enumerate("".join(_JUNOS9_FAMILIES))}
# What one step of each of an octet's characters counts; octet i of the secret uses row i modulo 7.
_JUNOS9_WEIGHTS = ((1, 4, 32), (1, 16, 32), (1, 8, 32), (1, 64), (1, 32), (1, 4, 16, 128), (1, 32, 64))


def reveal_junos9(disguised: str) -> bytes:
    """The octets that a Junos `$9$` string disguises: `$9$.PT3REyv87CtMX-waJz36` is `interop`.

    An octet is a weighted sum of the steps from each character to the next in a fixed order of 65 characters.
    Raises ValueError on anything that Junos cannot have written: this finds most slips of copying.
    """
    if not disguised.startswith(_JUNOS9_MAGIC):
        raise ValueError("is not a Junos $9$ string: it must start with $9$ (and $8$ cannot be read)")
    characters = disguised[len(_JUNOS9_MAGIC) :]
    if not characters or any(character not in _JUNOS9_RANK for character in characters):
        raise ValueError("is not a Junos $9$ string: it holds a character that Junos never writes, or none")
    previous = characters[0]
    position = 1 + _JUNOS9_FILLERS[previous]
    if position > len(characters):
        raise ValueError("is not a whole Junos $9$ string: it is cut short")
    octets = bytearray()
    while position < len(characters):
        weights = _JUNOS9_WEIGHTS[len(octets) % len(_JUNOS9_WEIGHTS)]
        group = characters[position : position + len(weights)]
        if len(group) < len(weights):
            raise ValueError("is not a whole Junos $9$ string: it is cut short")
        octet = 0
        for character, weight in zip(group, weights, strict=True):
            steps = (_JUNOS9_RANK[character] - _JUNOS9_RANK[previous]) % len(_JUNOS9_RANK) - 1
            if steps < 0:
                raise ValueError("is not a Junos $9$ string: a character follows itself, which Junos never writes")
            octet += steps * weight
            previous = character
        if octet > 0xFF:
            raise ValueError("is not a Junos $9$ string: part of it stands for no octet")
        octets.append(octet)
        position += len(weights)
    return bytes(octets)


def disguise_cisco7(secret: bytes) -> str:
    """The Cisco type 7 string that `reveal_cisco7` reads as `secret`, from the beginning of the pad."""
    return "00" + "".join(f"{octet ^ _CISCO7_PAD[index % len(_CISCO7_PAD)]:02X}" for index, octet in enumerate(secret))


def disguise_junos9(secret: bytes) -> str:
    """A Junos `$9$` string that `reveal_junos9` reads as `secret`; the same one each time.

    Junos begins with a random character; this one is of the family that no filler follows.
    """
    order = "".join(_JUNOS9_FAMILIES)
    previous = _JUNOS9_FAMILIES[-1][0]
    written = previous
    for index, octet in enumerate(secret):
        weights = _JUNOS9_WEIGHTS[index % len(_JUNOS9_WEIGHTS)]
        steps = []
        for weight in reversed(weights):
            step, octet = divmod(octet, weight)
            steps.append(step)
        for step in reversed(steps):
            previous = order[(_JUNOS9_RANK[previous] + step + 1) % len(order)]
            written += previous
    return _JUNOS9_MAGIC + written
