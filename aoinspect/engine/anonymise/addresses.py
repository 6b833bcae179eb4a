"""Which address becomes which: a prefix-preserving permutation under a key that only this run knows (Crypto-PAn).

Two addresses that share their first n bits still do afterwards, and share no more, so prefixes of key files stay
prefixes. Whether a bit is inverted is one bit of AES over all bits before it (after Xu, Fan, Ammar and Moon,
"Prefix-preserving IP address anonymization", ICNP 2002). Nothing that is well known and tells nothing of a site is
changed: that an address is multicast or reserved, the well-known groups, `::`, `::1`, and that an IPv6 address is
link-local, unique local or global. Bits that lead there are never inverted, which keeps the mapping a permutation.
0.0.0.0 is kept too, beside the rule.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.hash_index import mix
from aoinspect.engine.macs import windows
from aoinspect.keys.model import Address, Network

_BLOCK = 16
_ADDRESSES_AT_ONCE = 1_024

KEPT_WHOLE = tuple(
    ip_network(text) for text in ("224.0.0.0/24", "240.0.0.0/4", "::/127", "ff00::/120", "ff01::/120", "ff02::/120")
)
"""Networks whose addresses are kept: well-known multicast groups, reserved addresses with broadcast, `::` and `::1`."""
KEPT_PREFIXES = tuple(
    ip_network(text) for text in ("224.0.0.0/4", "2000::/3", "fc00::/7", "fe80::/64", "ff00::/16", "ff02::1:ff00:0/104")
)
"""Networks that stay what they are, with other addresses in them: kinds of addresses."""
UNSPECIFIED = bytes(4)
"""0.0.0.0, the sender of ARP probes (RFC 5227 1.1). As a kept network it would keep the leading zeros of all addresses;
and if it became another one, a probe's form would tell which, and so how leading zeros are changed."""


class AddressMap:
    """One run's mapping; addresses that it has seen are kept with what they became."""

    def __init__(self, key: bytes | None = None) -> None:
        """`key` has 32 octets; a random one where it is left out, which is the only right thing outside of tests."""
        key = os.urandom(32) if key is None else key
        self._encryptor = Cipher(AES(key[:16]), ECB()).encryptor()
        self._pad: U8 = np.frombuffer(key[16:32], dtype=np.uint8)
        self._known: dict[int, dict[bytes, bytes]] = {4: {}, 16: {}}

    def of(self, address: bytes) -> bytes:
        """What an address of 4 or 16 octets becomes."""
        known = self._known[len(address)]
        if address not in known:
            self.learn([address])
        return known[address]

    def address(self, address: Address) -> Address:
        """The same for an address object."""
        return type(address)(self.of(address.packed))

    def network(self, network: Network) -> Network:
        """The prefix that holds what the addresses of `network` become."""
        if network.prefixlen == network.max_prefixlen:
            mapped = self.of(network.network_address.packed)
        else:
            mapped = self._map([network.network_address.packed])[0]
        kind = IPv4Network if network.version == 4 else IPv6Network
        return kind((mapped, network.prefixlen), strict=False)

    @property
    def pairs(self) -> dict[bytes, bytes]:
        """Every address that was asked for -> what it became."""
        return self._known[4] | self._known[16]

    def rewrite(self, octets: U8, source: U8, at: I64, width: int) -> None:
        """Writes to `octets`, at the positions `at`, what the addresses of `width` octets at the same positions of
        `source` become."""
        if not len(at):
            return
        originals, _, inverse = distinct_addresses(source, at, width)
        self.learn(originals)
        known = self._known[width]
        mapped = np.frombuffer(b"".join(known[address] for address in originals), dtype=f"V{width}")
        windows(octets, width)[at] = mapped[inverse]

    def learn(self, addresses: Iterable[bytes]) -> None:
        """Maps many addresses at once, which is much faster than one by one."""
        for width, known in self._known.items():
            fresh = list({address for address in addresses if len(address) == width and address not in known})
            for first in range(0, len(fresh), _ADDRESSES_AT_ONCE):
                some = fresh[first : first + _ADDRESSES_AT_ONCE]
                known.update(zip(some, self._map(some), strict=True))
        if UNSPECIFIED in self._known[4]:
            self._known[4][UNSPECIFIED] = UNSPECIFIED

    def _map(self, addresses: list[bytes]) -> list[bytes]:
        """What addresses of one width become."""
        width = len(addresses[0])
        bits = np.unpackbits(np.frombuffer(b"".join(addresses), dtype=np.uint8).reshape(-1, width), axis=1)
        count, length = bits.shape
        # Row i: the first i bits, zeros behind them. CBC-MAC over that and a block with i and the family: unlike
        # Crypto-PAn's padding, it cannot be the same input for two lengths.
        prefixes = np.zeros((count, length, _BLOCK * 8), dtype=np.uint8)
        prefixes[:, :, :length] = bits[:, np.newaxis, :] & np.tri(length, length, -1, dtype=np.uint8)
        lengths = np.zeros((length, _BLOCK), dtype=np.uint8)
        lengths[:, 0], lengths[:, 1] = width, np.arange(length)
        chained = self._encrypt(np.packbits(prefixes, axis=2)) ^ lengths ^ self._pad
        flips = self._encrypt(chained)[:, :, 0] >> 7
        flips &= ~_is_kept(bits)
        return [row.tobytes() for row in np.packbits(bits ^ flips, axis=1)]

    def _encrypt(self, blocks: U8) -> U8:
        ciphertext = self._encryptor.update(np.ascontiguousarray(blocks).tobytes())
        return np.frombuffer(ciphertext, dtype=np.uint8).reshape(blocks.shape)


def _is_kept(bits: U8) -> npt.NDArray[np.uint8]:
    """1 for each bit that is not inverted: those that decide about one of the kept networks."""
    width = bits.shape[1]
    kept = np.zeros_like(bits)
    for network in KEPT_WHOLE + KEPT_PREFIXES:
        if network.max_prefixlen != width:
            continue
        prefix = np.unpackbits(np.frombuffer(network.network_address.packed, dtype=np.uint8))
        length = network.prefixlen
        agrees = bits[:, :length] == prefix[:length]
        # The bit at i leads towards the network as long as all bits before it do.
        leads = np.ones((len(bits), length), dtype=np.bool_)
        leads[:, 1:] = np.logical_and.accumulate(agrees, axis=1)[:, :-1]
        kept[:, :length] |= leads
        if network in KEPT_WHOLE:
            kept[np.logical_and.accumulate(agrees, axis=1)[:, -1], length:] = 1
    return kept


def distinct_addresses(octets: U8, at: I64, width: int) -> tuple[list[bytes], I64, I64]:
    """The different addresses of `width` octets at the positions `at`, the first row of each, and each row's number."""
    found = windows(octets, width)[at]
    if width == 4:
        _, firsts, inverse = np.unique(found.view(np.uint32), return_index=True, return_inverse=True)
    else:
        # Numbers are sorted much faster than rows. That two addresses share one, 64 bits long, is looked for.
        halves = found.view(np.uint64).reshape(-1, 2)
        _, firsts, inverse = np.unique(mix(halves[:, 0], halves[:, 1]), return_index=True, return_inverse=True)
        if not np.array_equal(halves[firsts][inverse], halves):
            rows = found.view(np.uint8).reshape(-1, width)
            _, firsts, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return [found[first].tobytes() for first in firsts.tolist()], firsts, inverse.reshape(-1)


def is_public_knowledge(address: bytes) -> bool:
    """Whether an address is one that is kept, since it tells nothing of a site."""
    number = int.from_bytes(address, "big")
    return address == UNSPECIFIED or any(
        network.max_prefixlen == len(address) * 8
        and number >> (network.max_prefixlen - network.prefixlen)
        == int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        for network in KEPT_WHOLE
    )
