"""The keys that an anonymised capture is signed with: those of the original in everything but secrets and names.

What a failure depends on stays: ids, algorithm, MAC length, options flag, lifetimes, ports, which keys share a secret,
and whether one secret is another one written otherwise. The secrets are public: RFC 9235's `testvector`, and the same
with a number behind it for every further one. Where a failure rests on a secret's form (hexadecimal taken for text, a
CMAC key that has not 16 octets), the first published form is taken that fails in the same way.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aoinspect.ao.algorithms import Algorithm, find_algorithm
from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.capture.frames import I64
from aoinspect.engine.anonymise.addresses import AddressMap
from aoinspect.engine.explain.encodings import written_otherwise
from aoinspect.engine.keyring import Keyring
from aoinspect.keys.model import KeyStore, KnownConnection, Peer

PUBLISHED = b"testvector"
"""The master key of RFC 9235 3.1.1."""
_FILLING = b"0123456789abcdef0123456789abcdef"
_CMAC = find_algorithm("aes-128-cmac-96")
_AES_KEY_LENGTH = 16
GAP = "the secret was not known when this was anonymised"
_LABEL = re.compile(r"(?:key|keys|vrf|interface)-[0-9]+(?:-[0-9]+)?")
_TABLE = re.compile(r"\[\[[a-z.]+\]\]")

Demand = Callable[[bytes], bool]
"""Whether a failure comes about with this secret as it did with the real one."""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The key file's content with published secrets, and the same keys by their indices."""

    store: KeyStore
    mkts: tuple[MasterKeyTuple, ...]
    """In the order of the old keyring's."""
    interface_names: Mapping[str, str]
    """Names of interfaces that the key file uses -> what they are called now."""


def published_keys(
    keyring: Keyring, addresses: AddressMap, ports: I64, demands: Mapping[int, Sequence[Demand]]
) -> PublishedKeys:
    """The counterparts of all that `keyring` was made from; `demands` are those of its MKTs, by index."""
    names = _Names()
    secrets = _secrets(keyring.mkts, demands)

    def changed(mkt: MasterKeyTuple) -> MasterKeyTuple:
        is_default = mkt.name == f"{mkt.send_id}/{mkt.recv_id}" or (mkt.algorithm.is_md5 and mkt.name == "tcp-md5")
        return replace(
            mkt,
            name=mkt.name if is_default else names.of("key", mkt.name),
            secret=None if (secret := _secret_of(mkt)) is None else secrets[secret],
            logged=None,
            gap=None if mkt.gap is None else GAP,
        )

    def changed_peer(peer: Peer) -> Peer:
        interface = peer.interface
        return replace(
            peer,
            local=None if peer.local is None else addresses.network(peer.local),
            remote=None if peer.remote is None else addresses.network(peer.remote),
            mkts=tuple(map(changed, peer.mkts)),
            keychain=None if peer.keychain is None else names.of("keys", peer.keychain),
            port=_port(ports, peer.port),
            local_port=_port(ports, peer.local_port),
            remote_port=_port(ports, peer.remote_port),
            vrf=None if peer.vrf is None else names.of("vrf", peer.vrf),
            interface=interface if interface is None or interface.isdecimal() else names.of("interface", interface),
        )

    def changed_connection(known: KnownConnection) -> KnownConnection:
        return replace(
            known,
            local=(addresses.address(known.local[0]), int(ports[known.local[1]])),
            remote=(addresses.address(known.remote[0]), int(ports[known.remote[1]])),
        )

    mkts = tuple(map(changed, keyring.mkts))
    store = KeyStore(
        peers=tuple(map(changed_peer, keyring.store.peers)),
        connections=tuple(map(changed_connection, keyring.store.connections)),
    )
    return PublishedKeys(store, mkts, names.given["interface"])


def _port(ports: I64, port: int | None) -> int | None:
    return None if port is None else int(ports[port])


class _Names:
    """Labels without meaning, the same for the same name."""

    def __init__(self) -> None:
        self.given: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def of(self, kind: str, name: str) -> str:
        given = self.given[kind]
        return given.setdefault(name, f"{kind}-{len(given) + 1}")


def words_of_its_own(text: str, keys: PublishedKeys) -> str:
    """What a key file's text tells beyond what any such file does, which a secret may be by chance ("secret" itself).

    Left out are names of tables and fields, our labels, words for algorithms and options, and published secrets.
    """
    known = {GAP}
    for mkt in keys.mkts:
        known |= {mkt.algorithm.name, mkt.tcp_options.value}
        if mkt.secret is not None:
            known |= {mkt.secret.decode("utf-8", "replace"), mkt.secret.hex()}
    return "\n".join(_words(line.strip(), known) for line in text.splitlines())


def _words(line: str, known: Collection[str]) -> str:
    if _TABLE.fullmatch(line):
        return ""
    try:
        # No value of the file goes over several lines.
        values = [str(value) for value in tomllib.loads(line).values()]
    except tomllib.TOMLDecodeError:
        return line
    if not values:
        return line  # A comment.
    return " ".join(value for value in values if value not in known and not _LABEL.fullmatch(value))


# Secrets.


def _secrets(mkts: Sequence[MasterKeyTuple], demands: Mapping[int, Sequence[Demand]]) -> dict[bytes, bytes]:
    """Every secret -> the published one that takes its place; distinct ones stay distinct."""
    algorithms: dict[bytes, list[Algorithm]] = {}
    wanted: defaultdict[bytes, list[Demand]] = defaultdict(list)
    for index, mkt in enumerate(mkts):
        secret = _secret_of(mkt)
        if secret is not None:
            algorithms.setdefault(secret, []).append(mkt.algorithm)
            wanted[secret] += demands.get(index, ())
    derived = _derived(algorithms)
    for source, words in derived.values():
        wanted[source].append(lambda form, words=words: words in _ways(form))  # type: ignore[misc]
    chosen: dict[bytes, bytes] = {}
    taken: set[bytes] = set()

    def take(secret: bytes, form: bytes) -> None:
        chosen[secret] = form
        taken.add(form)

    for number, secret in enumerate(secret for secret in algorithms if secret not in derived):
        forms = (form for form in _forms(number, secret, algorithms[secret]) if form not in taken)
        take(secret, _first_that_serves(forms, wanted[secret]))
    for number, (secret, (source, words)) in enumerate(derived.items(), start=len(chosen)):
        form = _ways(chosen[source]).get(words)
        if form is None or form in taken:
            form = next(form for form in _forms(number, secret, algorithms[secret]) if form not in taken)
        take(secret, form)
    return chosen


def _secret_of(mkt: MasterKeyTuple) -> bytes | None:
    """The secret; for a key that a traffic-key log tells, 16 octets that stand for the one it does not tell."""
    if mkt.logged is None:
        return mkt.secret
    return hashlib.blake2b(f"{mkt.logged.path}\0{mkt.logged.secret_number}".encode(), digest_size=16).digest()


def _first_that_serves(forms: Iterator[bytes], demands: Sequence[Demand]) -> bytes:
    """The first form that meets every demand; otherwise the one that meets most."""
    best, most = next(forms), -1
    for form in itertools.chain([best], forms):
        met = sum(demand(form) for demand in demands)
        if met > most:
            best, most = form, met
        if met == len(demands):
            break
    return best


def _derived(secrets: Mapping[bytes, object]) -> dict[bytes, tuple[bytes, str]]:
    """Secrets that are another one written otherwise -> that one, and in which way."""
    derived: dict[bytes, tuple[bytes, str]] = {}
    sources: set[bytes] = set()
    for source in secrets:
        for way in written_otherwise(source):
            if way.secret in secrets and way.secret not in derived and way.secret not in sources:
                if source in derived:
                    continue
                derived[way.secret] = (source, way.words)
                sources.add(source)
    return derived


def _ways(secret: bytes) -> dict[str, bytes]:
    return {way.words: way.secret for way in written_otherwise(secret)}


def _forms(number: int, old: bytes, algorithms: Sequence[Algorithm]) -> Iterator[bytes]:
    """Published secrets that all of the algorithms take, the plainest first."""
    text = PUBLISHED if number == 0 else PUBLISHED + b"-%d" % (number + 1)
    plain = _fitted(text, old, algorithms)
    yield plain
    if plain == text:
        for way in written_otherwise(text):
            yield way.secret
            # What an undone form needs: digits that are hexadecimal when the text is not, and the like.
            yield from (further.secret for further in written_otherwise(way.secret))


def _fitted(text: bytes, old: bytes, algorithms: Sequence[Algorithm]) -> bytes:
    """The text at a length that the algorithms take, and on the same side of 16 octets where that matters."""
    lengths = [algorithm.master_key_lengths for algorithm in algorithms if algorithm.master_key_lengths is not None]
    if lengths:
        return (text + _FILLING)[: len(old)]
    if any(algorithm.computes_as(_CMAC) for algorithm in algorithms):
        if len(old) == _AES_KEY_LENGTH:
            return (text + _FILLING)[:_AES_KEY_LENGTH]
        if len(old) > _AES_KEY_LENGTH:
            return text + _FILLING[:_AES_KEY_LENGTH]
    return text
