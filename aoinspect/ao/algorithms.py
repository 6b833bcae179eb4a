"""The algorithms: one row of one table each (RFC 5926, draft-ietf-tcpm-tcp-ao-algs, Linux's names).

Adding an algorithm means adding a row here and nothing anywhere else. A row says how the master key and the
KDF context become a traffic key, and how a traffic key becomes a MAC; the MAC on the wire is that MAC's first
octets.

Three families of KDF exist. RFC 5926 3.1.1 runs a PRF in counter mode over `i || "TCP-AO" || Context ||
Output_Length`; every algorithm so far asks for no more than one block. Linux does the same with any hash that
its crypto API knows. The draft takes HKDF (RFC 5869) for HMAC-SHA-256 and the KMAC variant of NIST SP 800-56C
for KMAC256. HMAC-SHA-256 with a 128-bit MAC therefore exists twice, and the two never verify each other:
`hmac-sha-256-128` is what routers and Linux run, `hkdf-sha-256-128` is the draft's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

from cryptography.hazmat.primitives import cmac, hashes, hmac
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from aoinspect.errors import UsageError

LABEL = b"TCP-AO"
"""RFC 5926 3.1.1."""


class KeyedMac(Protocol):
    """A MAC computation that has its key: `copy` it per segment, feed it octets, `finalize` it."""

    def copy(self) -> KeyedMac: ...
    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def finalize(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row. Pickles as its name, so that keys can travel to other processes."""

    name: str
    aliases: tuple[str, ...] = field(repr=False)
    """Other spellings that key files and routers use, in lower case."""
    mac_length: int
    """Octets of the MAC where a key does not say otherwise."""
    digest_length: int
    """Octets of the MAC before truncation: no `mac-length` exceeds it."""
    derive: Callable[[bytes, bytes], bytes] = field(repr=False)
    """(master key, KDF context) -> traffic key."""
    keyed_mac: Callable[[bytes], KeyedMac] = field(repr=False)
    """Traffic key -> a keyed MAC."""
    master_key_lengths: tuple[int, ...] | None = None
    """Octets that a master key may have; None where any number is allowed."""
    longer_traffic_key: int | None = None
    """Octets of a traffic key where they are not as many as those of the MAC before truncation."""

    @property
    def is_md5(self) -> bool:
        """TCP-MD5 (RFC 2385), which has neither KeyIDs nor traffic keys and its own option."""
        return self.name == "tcp-md5"

    @property
    def traffic_key_length(self) -> int:
        """Octets of a traffic key (RFC 5926 3.1, "Key_Length"); TCP-MD5 has none."""
        return self.digest_length if self.longer_traffic_key is None else self.longer_traffic_key

    def computes_as(self, other: Algorithm) -> bool:
        """Whether both give the same octets for every key and message, default MAC lengths aside."""
        return self.derive is other.derive and self.keyed_mac is other.keyed_mac

    def __reduce__(self) -> tuple[Callable[[str], Algorithm], tuple[str]]:
        return find_algorithm, (self.name,)


def counter_mode_block(context: bytes, output_bits: int) -> bytes:
    """The one input block of RFC 5926's KDF: `1 || "TCP-AO" || Context || Output_Length` (3.1.1)."""
    return b"\x01" + LABEL + context + output_bits.to_bytes(2, "big")


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """The 16 octets of AES-CMAC (RFC 4493; NIST SP 800-38B for keys of 24 and 32 octets)."""
    computation = cmac.CMAC(AES(key))
    computation.update(message)
    return computation.finalize()


def aes_cmac_prf_128(key: bytes, message: bytes) -> bytes:
    """The 16 octets of AES-CMAC-PRF-128, which takes a key of any length (RFC 4615 3, RFC 5926 3.1.1.2)."""
    if len(key) != 16:
        key = aes_cmac(bytes(16), key)
    return aes_cmac(key, message)


def _hmac_digest(key: bytes, message: bytes, hash_algorithm: hashes.HashAlgorithm) -> bytes:
    computation = hmac.HMAC(key, hash_algorithm)
    computation.update(message)
    return computation.finalize()


def _derive_hmac(hash_algorithm: hashes.HashAlgorithm, master_key: bytes, context: bytes) -> bytes:
    """RFC 5926 3.1.1.1, and Linux for other hashes: a traffic key as long as the digest, so one block."""
    block = counter_mode_block(context, hash_algorithm.digest_size * 8)
    return _hmac_digest(master_key, block, hash_algorithm)


def _keyed_hmac(hash_algorithm: hashes.HashAlgorithm, traffic_key: bytes) -> KeyedMac:
    return hmac.HMAC(traffic_key, hash_algorithm)


def _derive_cmac(master_key: bytes, context: bytes) -> bytes:
    """RFC 5926 3.1.1.2."""
    return aes_cmac_prf_128(master_key, counter_mode_block(context, 128))


def _derive_cmac_without_extraction(master_key: bytes, context: bytes) -> bytes:
    """Linux's `cmac(aes)`: a master key of AES-128, -192 or -256 as it is; the traffic key has 128 bits."""
    if len(master_key) not in _AES_KEY_LENGTHS:
        raise ValueError(
            f"cmac(aes) takes a master key of 16, 24 or 32 octets, not of {len(master_key)}; "
            "cmac(aes128) takes any length"
        )
    return aes_cmac(master_key, counter_mode_block(context, 128))


def _keyed_cmac(traffic_key: bytes) -> KeyedMac:
    # cryptography's type stub says bytes where CMAC.update, like HMAC.update, takes any buffer.
    return cast(KeyedMac, cmac.CMAC(AES(traffic_key)))


def _derive_hkdf(master_key: bytes, context: bytes) -> bytes:
    """The draft's HKDF-SHA256: RFC 5869 with no salt and the context as `info`, for 256 bits (one block)."""
    pseudorandom_key = _hmac_digest(bytes(_SHA256.digest_size), master_key, _SHA256)
    return _hmac_digest(pseudorandom_key, context + b"\x01", _SHA256)


_KMAC256_DEFAULT_SALT = bytes(132)
"""NIST SP 800-56C rev. 2, 4.1: the all-zero salt of KMAC256 where none is agreed on."""


def _kmac256(key: bytes, message: bytes, output_length: int, customization: bytes) -> bytes:
    """KMAC256 of NIST SP 800-185; `key` has at least 32 octets."""
    try:
        # Imported when first used: no other algorithm needs it, and it is an optional dependency.
        from Crypto.Hash import KMAC256
    except ImportError:
        raise UsageError(
            "kmac256-128 needs pycryptodome, which is not installed: pip install aoinspect[kmac]"
        ) from None
    computation = KMAC256.new(key=key, data=message, mac_len=output_length, custom=customization)
    return bytes(computation.digest())


def _derive_kmac256(master_key: bytes, context: bytes) -> bytes:
    """The draft's KMAC256-KDF: SP 800-56C's one-step KDF with KMAC256, counter 1, for 256 bits."""
    return _kmac256(_KMAC256_DEFAULT_SALT, b"\x00\x00\x00\x01" + master_key + context, 32, b"KDF")


class _KeyedKmac256:
    """KMAC256 with 128 bits of output; pycryptodome cannot copy one, so the octets wait for `finalize`."""

    __slots__ = ("_message", "_traffic_key")

    def __init__(self, traffic_key: bytes, message: bytes | bytearray = b"") -> None:
        self._traffic_key = traffic_key
        self._message = bytearray(message)

    def copy(self) -> _KeyedKmac256:
        return _KeyedKmac256(self._traffic_key, self._message)

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self._message += data

    def finalize(self) -> bytes:
        return _kmac256(self._traffic_key, bytes(self._message), 16, b"")


class _TrailingKeyMd5:
    """RFC 2385's construction: MD5 over the message and then the password."""

    __slots__ = ("_digest", "_password")

    def __init__(self, password: bytes) -> None:
        self._password = password
        self._digest = hashlib.md5(usedforsecurity=False)

    def copy(self) -> _TrailingKeyMd5:
        twin = _TrailingKeyMd5(self._password)
        twin._digest = self._digest.copy()
        return twin

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self._digest.update(data)

    def finalize(self) -> bytes:
        self._digest.update(self._password)
        return self._digest.digest()


def _password_itself(password: bytes, context: bytes) -> bytes:
    """TCP-MD5 has no KDF: the password signs whatever the connection."""
    return password


_AES_KEY_LENGTHS = (16, 24, 32)
_SHA256 = hashes.SHA256()

# Rows that compute alike share these objects: `Algorithm.computes_as` compares them.
_derive_sha1, _keyed_sha1 = partial(_derive_hmac, hashes.SHA1()), partial(_keyed_hmac, hashes.SHA1())
_derive_sha256, _keyed_sha256 = partial(_derive_hmac, _SHA256), partial(_keyed_hmac, _SHA256)


def _kernel_hmac(hash_name: str, hash_algorithm: hashes.HashAlgorithm, *aliases: str) -> Algorithm:
    """A hash that Linux 6.7 to 7.1 took by its crypto API's name, with its default of 12 octets of MAC."""
    return Algorithm(
        name=f"hmac({hash_name})",
        aliases=(f"hmac {hash_name}", *aliases),
        mac_length=12,
        digest_length=hash_algorithm.digest_size,
        derive=partial(_derive_hmac, hash_algorithm),
        keyed_mac=partial(_keyed_hmac, hash_algorithm),
    )


ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm(
        name="hmac-sha-1-96",
        aliases=(
            *("hmac(sha1)", "hmac sha1", "hmac-sha1-96", "hmac-sha-1", "sha1", "sha-1"),
            *("hmac-sha1-12", "hmac-sha-1-12"),
        ),
        mac_length=12,
        digest_length=20,
        derive=_derive_sha1,
        keyed_mac=_keyed_sha1,
    ),
    Algorithm(
        name="aes-128-cmac-96",
        aliases=(
            *("cmac(aes128)", "cmac aes128", "aes-128-cmac", "aes128-cmac-96", "aes128-cmac"),
            *("aes-cmac-96", "aes-cmac", "aes-cmac-prf-128", "aes-cmac-128-96"),
        ),
        mac_length=12,
        digest_length=16,
        derive=_derive_cmac,
        keyed_mac=_keyed_cmac,
    ),
    Algorithm(
        name="hmac-sha-256-96",
        aliases=("hmac(sha256)", "hmac sha256", "hmac-sha256-96", "hmac-sha-256", "sha256", "sha-256"),
        mac_length=12,
        digest_length=32,
        derive=_derive_sha256,
        keyed_mac=_keyed_sha256,
    ),
    Algorithm(
        name="hmac-sha-256-128",
        aliases=("hmac-sha256-128",),
        mac_length=16,
        digest_length=32,
        derive=_derive_sha256,
        keyed_mac=_keyed_sha256,
    ),
    Algorithm(
        name="hkdf-sha-256-128",
        aliases=("hkdf-sha256-128", "hkdf-sha256", "hkdf-sha-256"),
        mac_length=16,
        digest_length=32,
        derive=_derive_hkdf,
        keyed_mac=_keyed_sha256,
    ),
    Algorithm(
        name="kmac256-128",
        aliases=("kmac-256-128", "kmac256"),
        mac_length=16,
        # The output length enters KMAC's computation: a longer MAC is another function, not more of this one.
        digest_length=16,
        derive=_derive_kmac256,
        keyed_mac=_KeyedKmac256,
        longer_traffic_key=32,
    ),
    _kernel_hmac("md5", hashes.MD5(), "hmac-md5", "hmac-md5-96"),
    _kernel_hmac("sha224", hashes.SHA224(), "hmac-sha-224"),
    _kernel_hmac("sha384", hashes.SHA384(), "hmac-sha-384"),
    _kernel_hmac("sha512", hashes.SHA512(), "hmac-sha-512"),
    _kernel_hmac("sha3-224", hashes.SHA3_224()),
    _kernel_hmac("sha3-256", hashes.SHA3_256()),
    _kernel_hmac("sha3-384", hashes.SHA3_384()),
    _kernel_hmac("sha3-512", hashes.SHA3_512()),
    Algorithm(
        name="cmac(aes)",
        aliases=("cmac aes",),
        mac_length=12,
        digest_length=16,
        derive=_derive_cmac_without_extraction,
        keyed_mac=_keyed_cmac,
        master_key_lengths=_AES_KEY_LENGTHS,
    ),
    Algorithm(
        name="tcp-md5",
        aliases=("md5", "tcp-md5sig"),
        mac_length=16,
        digest_length=16,
        derive=_password_itself,
        keyed_mac=_TrailingKeyMd5,
    ),
)
"""Every algorithm, the common ones first. Names and aliases are distinct when folded."""


def _fold(spelling: str) -> str:
    """Case, and runs of blanks, underscores and hyphens, do not tell algorithms apart; parentheses do."""
    return re.sub(r"[\s_-]+", "-", spelling.strip().lower())


_BY_SPELLING = {
    _fold(spelling): algorithm for algorithm in ALGORITHMS for spelling in (algorithm.name, *algorithm.aliases)
}

TCP_MD5: Algorithm = _BY_SPELLING["tcp-md5"]
"""The row of keys that sign with TCP-MD5 (RFC 2385)."""


def find_algorithm(name: str) -> Algorithm:
    """The algorithm of that name or alias; case, blanks, underscores and hyphens are folded.

    Raises ValueError with the known names, and the nearest one where the spelling is close.
    """
    folded = _fold(name)
    algorithm = _BY_SPELLING.get(folded)
    if algorithm is not None:
        return algorithm
    # Imported here because only a mistake needs it.
    from difflib import get_close_matches

    close = get_close_matches(folded, _BY_SPELLING, n=1, cutoff=0.7)
    suggestion = f"; did you mean {_BY_SPELLING[close[0]].name}?" if close else ""
    known = ", ".join(row.name for row in ALGORITHMS)
    raise ValueError(f"unknown algorithm {name!r}{suggestion} (known: {known})")
