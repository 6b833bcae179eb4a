"""Which key signs what: the counterparts of a capture's keys, with the KeyIDs that each end signs with (RFC 5925 3.1).

A key has a name, and names may repeat, so a counterpart is looked for among the keys that cover the socket pair. Key
files tell keys as one end sees them; where an entry fits both ways round, the end that opened the connection is
`local`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.engine.keyring import Binding, Candidate, Endpoint, Keyring
from aoinspect.engine.verdicts import Method
from aoinspect.errors import UsageError


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of a socket pair, as both ends sign with it."""

    mkt: int
    """Index into the keyring's MKTs."""
    name: str
    method: Method
    key_ids: tuple[int, int]
    """The KeyID that side 0, and that side 1, signs with; zeros for TCP-MD5."""
    mac_length: int
    ways: tuple[bool, ...]
    """Whether options are covered; both where the key leaves it open."""
    binding: Binding | None
    is_refused: bool
    """The key file describes both ends, and one of them does not have this key."""


class SigningKeys:
    """The keys of one keyring, by socket pair."""

    def __init__(self, keyring: Keyring, names: Mapping[str, str] | None = None) -> None:
        """`names` maps names of the capture's keys to names here; the others keep theirs."""
        self.keyring = keyring
        self.names = dict(names or {})
        self._of_pairs: dict[tuple[tuple[Endpoint, Endpoint], int], tuple[SigningKey, ...]] = {}

    def of_pair(self, ends: tuple[Endpoint, Endpoint], opener: int) -> tuple[SigningKey, ...]:
        """The keys that cover the pair, the most specific entry's first; `opener` (0 or 1) opened the connection."""
        keys = self._of_pairs.get((ends, opener))
        if keys is None:
            keys = self._of_pairs[ends, opener] = tuple(self._read(ends, opener))
        return keys

    def named(self, ends: tuple[Endpoint, Endpoint], opener: int, name: str, method: Method) -> SigningKey | None:
        """The key of that name (of these, not of the capture's) and method; None where none covers the pair.

        UsageError where several do.
        """
        found = [key for key in self.of_pair(ends, opener) if key.name == name and key.method == method]
        return self._only(found, name, ends, opener)

    def _only(
        self, found: list[SigningKey], name: str, ends: tuple[Endpoint, Endpoint], opener: int
    ) -> SigningKey | None:
        """The key, where there is one; of several, one that both ends have."""
        found = [key for key in found if not key.is_refused] or found
        if len(found) > 1:
            origins = ", ".join(str(self.keyring.mkts[key.mkt].origin) for key in found)
            raise UsageError(
                f"several keys named {name} cover {shown(ends, opener)} ({origins}): give them distinct names"
            )
        return self._with_secret(found[0]) if found else None

    def counterpart(
        self, ends: tuple[Endpoint, Endpoint], opener: int, mkt: MasterKeyTuple, method: Method, binding: Binding | None
    ) -> SigningKey | None:
        """What a key of the capture becomes; None where nothing of its (mapped) name covers the pair.

        Of several, the one that is bound as it was, then the one that is most like it. UsageError where that leaves
        more than one.
        """
        name = self.names.get(mkt.name, mkt.name)
        found = [key for key in self.of_pair(ends, opener) if key.name == name and key.method == method]
        likeness = [self._likeness(key, mkt, binding) for key in found]
        most = max(likeness, default=())
        return self._only(
            [key for key, alike in zip(found, likeness, strict=True) if alike == most], name, ends, opener
        )

    def _likeness(self, key: SigningKey, old: MasterKeyTuple, binding: Binding | None) -> tuple[bool, ...]:
        new = self.keyring.mkts[key.mkt]
        return (
            key.binding == binding,
            {new.send_id, new.recv_id} == {old.send_id, old.recv_id},
            new.algorithm == old.algorithm,
            bool(new.has_secret_of(old)),
        )

    def first(self, ends: tuple[Endpoint, Endpoint], opener: int) -> SigningKey | None:
        """The first TCP-AO key that covers the pair."""
        return next(
            (self._with_secret(key) for key in self.of_pair(ends, opener) if key.method is Method.AO),
            None,
        )

    def sole(self, ends: tuple[Endpoint, Endpoint], opener: int) -> SigningKey | None:
        """The TCP-AO key that covers the pair where there is exactly one."""
        found = [key for key in self.of_pair(ends, opener) if key.method is Method.AO]
        return self._with_secret(found[0]) if len(found) == 1 else None

    def _with_secret(self, key: SigningKey) -> SigningKey:
        mkt = self.keyring.mkts[key.mkt]
        if not mkt.is_keyed:
            why = f" ({mkt.gap})" if mkt.gap else ""
            raise UsageError(f"{mkt.origin}: key {mkt.name} has no secret{why}, so nothing can be signed with it")
        return key

    def _read(self, ends: tuple[Endpoint, Endpoint], opener: int) -> list[SigningKey]:
        pair_keys = self.keyring.for_pair(ends)
        if pair_keys is None:
            return []
        seen: dict[int, dict[tuple[int, int], list[Candidate]]] = {}
        for sender_and_id, candidates in pair_keys.lists.items():
            for candidate in candidates:
                seen.setdefault(candidate.mkt, {}).setdefault(sender_and_id, []).append(candidate)
        return [self._key(mkt, places, opener) for mkt, places in seen.items()]

    def _key(self, index: int, places: Mapping[tuple[int, int], Sequence[Candidate]], opener: int) -> SigningKey:
        mkt = self.keyring.mkts[index]
        candidates = [candidate for found in places.values() for candidate in found]
        key_ids = (0, 0)
        if mkt.send_id is not None and mkt.recv_id is not None:
            as_local = {0: (mkt.send_id, mkt.recv_id), 1: (mkt.recv_id, mkt.send_id)}
            fitting = [
                as_local[local]
                for local in (opener, 1 - opener)
                if all((side, key_id) in places for side, key_id in enumerate(as_local[local]))
            ]
            key_ids = fitting[0]
        return SigningKey(
            mkt=index,
            name=mkt.name,
            method=Method.MD5 if mkt.send_id is None else Method.AO,
            key_ids=key_ids,
            mac_length=mkt.mac_length,
            ways=tuple(dict.fromkeys(candidate.include_options for candidate in candidates)),
            binding=candidates[0].binding,
            is_refused=any(candidate.is_refused for candidate in candidates),
        )


def shown(ends: tuple[Endpoint, Endpoint], opener: int) -> str:
    """A socket pair in words, the end that opened the connection first."""
    from ipaddress import ip_address

    return " and ".join(f"{ip_address(end.address)} port {end.port}" for end in (ends[opener], ends[1 - opener]))
