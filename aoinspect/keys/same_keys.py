"""When what two sources write differently is one key: names of algorithms, and Linux's form of CMAC keys.

`hmac(sha256)` with a MAC of 16 octets is `hmac-sha-256-128`. `cmac(aes)` with a key of 16 octets is AES-128-CMAC, and
that of any other key begins with making 16 octets of it (RFC 4615 3), which is what Linux tells of such a key.
"""

from __future__ import annotations

from aoinspect.ao.algorithms import ALGORITHMS, Algorithm, aes_cmac
from aoinspect.ao.mkt import MasterKeyTuple

_AES_CMAC = "aes-128-cmac-96"
_KERNEL_CMAC = "cmac(aes)"
_AES_KEY_LENGTH = 16


def usual_algorithm(mkt: MasterKeyTuple) -> Algorithm:
    """The first algorithm of the table that computes as the key's and has its MAC length by default; else its own."""
    is_aes_cmac = _is_aes_cmac(mkt)
    for row in ALGORITHMS:
        is_same = row.computes_as(mkt.algorithm) or (is_aes_cmac and row.name == _AES_CMAC)
        if is_same and row.mac_length == mkt.mac_length:
            return row
    return mkt.algorithm


def compute_alike(mkt: MasterKeyTuple, other: MasterKeyTuple) -> bool:
    """Whether the algorithms of both make the same MACs of one secret, lengths aside."""
    return mkt.algorithm.computes_as(other.algorithm) or (_is_aes_cmac(mkt) and _is_aes_cmac(other))


def secrets_are_equal(mkt: MasterKeyTuple, other: MasterKeyTuple) -> bool | None:
    """Whether both have the same master key; None where one is not known."""
    if mkt.secret is None or other.secret is None:
        return None
    return mkt.secret == other.secret or (
        _is_aes_cmac(mkt) and _is_aes_cmac(other) and _aes_key(mkt.secret) == _aes_key(other.secret)
    )


def _is_aes_cmac(mkt: MasterKeyTuple) -> bool:
    """Whether it is AES-128-CMAC, whichever name it goes by."""
    if mkt.algorithm.name == _KERNEL_CMAC:
        return mkt.secret is not None and len(mkt.secret) == _AES_KEY_LENGTH
    return mkt.algorithm.name == _AES_CMAC


def _aes_key(secret: bytes) -> bytes:
    return secret if len(secret) == _AES_KEY_LENGTH else aes_cmac(bytes(_AES_KEY_LENGTH), secret)
