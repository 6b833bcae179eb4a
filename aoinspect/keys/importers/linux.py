"""Linux: what was dumped of `TCP_AO_GET_KEYS` and `TCP_AO_ADD_KEY`, and the key list of the tcp_authopt patches.

A dump is one set of fields per key, in the kernel's names (`sndid`, `rcvid`, `alg_name`, `maclen`, `keyflags`, `key`,
`prefix`, `addr`) or the usual ones of tools (`send_id`, `recv_id`, `alg`, `key_hex`, `peer`): JSON, strace's
`{sndid=100, rcvid=200, ...}`, lines of `name=value`, or the table in `/proc/net/tcp_authopt`, which holds no secrets.
In text a field that comes a second time begins the next key; `local` holds for the keys after it.

TCP_AO_GET_KEYS tells a CMAC key as the 16 octets that AES-CMAC-PRF-128 made of it, under the name `cmac(aes)`: with 16
octets that is `cmac(aes128)`. The patches (net-next, 2021 to 2022) number their algorithms and have other flags; their
keys belong to the whole network namespace, so a key without an address is for every peer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from aoinspect.ao.algorithms import Algorithm, find_algorithm
from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, TcpOptions
from aoinspect.keys.importers.documents import Node, read_document
from aoinspect.keys.importers.model import Draft, ImportContext, Importer, Mark, Secret, Source, Word, own_words, score
from aoinspect.keys.importers.moments import SECOND_NS
from aoinspect.keys.model import KeyStore, Network, Peer
from aoinspect.keys.same_keys import usual_algorithm
from aoinspect.keys.toml_key import LONGEST_MAC

_TITLE = "Linux's TCP-AO keys"
_FIELDS = {
    "sndid": "send_id",
    "send_id": "send_id",
    "rcvid": "recv_id",
    "recv_id": "recv_id",
    "alg_name": "algorithm",
    "alg": "algorithm",
    "algorithm": "algorithm",
    "key": "key",
    "key_hex": "key",
    "keylen": "key_length",
    "maclen": "mac_length",
    "keyflags": "key_flags",
    "flags": "flags",
    "addr": "remote",
    "peer": "remote",
    "prefix": "prefix_length",
    "prefixlen": "prefix_length",
    "ifindex": "interface",
    "l3index": "interface",
    "local": "local",
    "send_lifetime_begin": "send_from",
    "send_lifetime_end": "send_until",
    "recv_lifetime_begin": "accept_from",
    "recv_lifetime_end": "accept_until",
}
_WORDS = own_words(*_FIELDS, "sa_family", "hmac(sha1)", "cmac(aes)", "AF_INET", "AF_INET6", "TCP_AO_ADD_KEY")
_NUMBERED = {"1": "hmac(sha1)", "2": "cmac(aes128)"}
_NETNS_HEADER = re.compile(r"^flags\s+send_id\s+recv_id\s+alg\b[^\n]*$", re.MULTILINE)
# The numbered algorithms and flags are those of `struct tcp_authopt_key`.
_AUTHOPT_EXCLUDE, _AUTHOPT_NO_SEND, _AUTHOPT_NO_RECV = 1 << 1, 1 << 4, 1 << 5
_KEYF_IFINDEX, _KEYF_EXCLUDE = 1 << 0, 1 << 1
_KEYF_NAMES = {"TCP_AO_KEYF_IFINDEX": _KEYF_IFINDEX, "TCP_AO_KEYF_EXCLUDE_OPT": _KEYF_EXCLUDE}
_NEVER = Lifetime(None, 0)
"""A lifetime that was over in 1970, for a key that may not be used."""
_PAIR = re.compile(
    r"""\.?\b(?P<name>[a-z_][a-z0-9_]*)["']?\s*[=:]\s*
    (?:"(?P<quoted>(?:[^"\\\n]|\\.)*)"(?P<more>\.\.\.)?|(?P<struct>\{[^{}\n]*\})|(?P<bare>[^\s,;{}"]+))""",
    re.VERBOSE,
)
_ADDRESS_IN_STRUCT = re.compile(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"\n]*)"')
_ESCAPES = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7, "b": 8, "e": 27}
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_ENDPOINT = re.compile(r"\[?([0-9A-Fa-f:.]+?)\]?:[0-9]{1,5}")

_Fields = dict[str, Word]


def _records_of_node(node: Node, local: Word | None) -> Iterator[_Fields]:
    """The keys below `node`: tables with both ids; `local` is that of the nearest table around a key."""
    if isinstance(node.value, list):
        for item in node.value:
            yield from _records_of_node(item, local)
        return
    own = node.get("local")
    if own is not None:
        first = own.items[0] if own.items else own
        local = Word(first.value, first.start, first.end) if isinstance(first.value, str) else local
    fields: _Fields = {}
    for name, member in node.members.items():
        if name in _FIELDS and isinstance(member.value, str):
            fields[_FIELDS[name]] = Word(member.value, member.start, member.end, name == "key" and _is_text(member))
    if "send_id" in fields and "recv_id" in fields:
        if local is not None:
            fields["local"] = local
        yield fields
        return
    for member in node.members.values():
        yield from _records_of_node(member, local)


def _is_text(node: Node) -> bool:
    """JSON holds secrets in hexadecimal; what cannot be that is text."""
    return re.fullmatch(r"[0-9A-Fa-f: ]*", str(node.value)) is None


def _records_of_text(text: str) -> Iterator[_Fields]:
    fields: _Fields = {}
    local: Word | None = None
    for match in _PAIR.finditer(text):
        name = _FIELDS.get(match["name"])
        if name is None:
            continue
        word = _word(match)
        if name == "local":
            if "send_id" in fields:
                yield fields
                fields = {}
            local = word
        elif name in fields or (name == "remote" and "send_id" in fields and "algorithm" in fields):
            yield fields
            fields = {}
        fields[name] = word
        if local is not None:
            fields.setdefault("local", local)
    if fields:
        yield fields


def _word(match: re.Match[str]) -> Word:
    if match["struct"] is not None:
        address = _ADDRESS_IN_STRUCT.search(match["struct"])
        return Word("" if address is None else address[1], match.start("struct"), match.end("struct"))
    if match["quoted"] is not None:
        is_cut = match["more"] is not None
        return Word(match["quoted"] + ("..." if is_cut else ""), match.start("quoted") - 1, match.end(), True)
    return Word(match["bare"], match.start("bare"), match.end("bare"))


def _records_of_table(text: str, header: re.Match[str]) -> Iterator[_Fields]:
    """The lines of /proc/net/tcp_authopt, whose header names the columns."""
    columns = header[0].split()
    for line in re.finditer(r"[^\n]+", text[header.end() :]):
        offset = header.end() + line.start()
        cells = [Word(cell[0], offset + cell.start(), offset + cell.end()) for cell in re.finditer(r"\S+", line[0])]
        if len(cells) < 4 or not re.fullmatch(r"0x[0-9A-Fa-f]+|[0-9]+", cells[0].text):
            continue
        named = zip(columns, cells, strict=False)
        yield {_FIELDS[column]: cell for column, cell in named if column in _FIELDS}


@dataclass(slots=True)
class _Dump:
    """The keys of one dump as they are read."""

    draft: Draft
    keys: dict[tuple[Network | None, Network | None, str | None], list[MasterKeyTuple]] = field(default_factory=dict)
    """(local, remote, VRF) -> keys, each once: a dump may tell a socket several times."""
    places: dict[tuple[Network | None, Network | None, str | None], int] = field(default_factory=dict)

    def read(self, records: Iterator[_Fields]) -> KeyStore:
        for fields in records:
            mkt = self.key(fields)
            if mkt is None:
                continue
            vrf = fields.get("interface")
            is_bound = vrf is not None and vrf.text not in ("0", "")
            scope = (self.local(fields), self.remote(fields), f"ifindex {vrf.text}" if is_bound and vrf else None)
            known = self.keys.setdefault(scope, [])
            self.places.setdefault(scope, min(word.start for word in fields.values()))
            if not any(_is_equal(mkt, other) for other in known):
                known.append(mkt)
        for (local, remote, vrf_name), mkts in self.keys.items():
            origin = self.draft.source.origin(self.places[local, remote, vrf_name])
            self.draft.peers.append(Peer(local, remote, tuple(mkts), None, origin, vrf=vrf_name))
        return self.draft.finish()

    def local(self, fields: _Fields) -> Network | None:
        word = fields.get("local")
        if word is None:
            return self.draft.context.local
        endpoint = _ENDPOINT.fullmatch(word.text)
        is_endpoint = endpoint is not None and (word.text.startswith("[") or word.text.count(":") == 1)
        return self.draft.network(word._replace(text=endpoint[1]) if endpoint is not None and is_endpoint else word)

    def remote(self, fields: _Fields) -> Network | None:
        """The peer's address or prefix; None, which is any, for the address of all zeros and for `*`."""
        word, length = fields.get("remote"), fields.get("prefix_length")
        if word is None or word.text in ("*", "", "0.0.0.0", "::", "any"):
            return None
        if length is None or "/" in word.text or not length.text.isdecimal():
            return self.draft.network(word)
        network = self.draft.network(word)
        number = self.draft.number(length, "prefix", 0, 128)
        if network is None or number is None:
            return network
        # An IPv4-mapped address has become IPv4, with a prefix that is 96 bits shorter.
        number -= 96 if ":" in word.text and network.version == 4 else 0
        return network.supernet(new_prefix=number) if 0 <= number <= network.prefixlen else network

    def key(self, fields: _Fields) -> MasterKeyTuple | None:
        draft = self.draft
        start = min(word.start for word in fields.values())
        if "send_id" not in fields or "recv_id" not in fields:
            return None
        send_id, recv_id = (draft.number(fields[name], name, 0, 255) for name in ("send_id", "recv_id"))
        word = fields.get("algorithm")
        if word is None:
            draft.mistake(fields["send_id"], "this key has no algorithm")
            return None
        is_authopt = word.text in _NUMBERED
        algorithm = draft.algorithm(word._replace(text=_NUMBERED.get(word.text, word.text)))
        if algorithm is None or send_id is None or recv_id is None:
            return None
        secret = self.secret(fields)
        if algorithm.name == "cmac(aes)" and secret.octets is None:
            algorithm = find_algorithm("cmac(aes128)")
        flags = self.flags(fields)
        lifetimes = self.lifetimes(fields, flags if is_authopt else 0)
        exclude = _AUTHOPT_EXCLUDE if is_authopt else _KEYF_EXCLUDE
        mkt = draft.key(
            start,
            secret,
            algorithm,
            send_id=send_id,
            recv_id=recv_id,
            mac_length=self.mac_length(fields, algorithm),
            tcp_options=TcpOptions.EXCLUDE if flags & exclude else TcpOptions.INCLUDE,
            send_lifetime=lifetimes[0],
            accept_lifetime=lifetimes[1],
        )
        return replace(mkt, algorithm=usual_algorithm(mkt))

    def mac_length(self, fields: _Fields, algorithm: Algorithm) -> int | None:
        """As it is told; 0 and nothing stand for Linux's default of 12."""
        word = fields.get("mac_length")
        return self.draft.number(word, "maclen", 0, min(algorithm.digest_length, LONGEST_MAC)) or 12

    def flags(self, fields: _Fields) -> int:
        word = fields.get("key_flags") or fields.get("flags")
        if word is None:
            return 0
        total = 0
        for part in word.text.split("|"):
            if re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,9}", part):
                total |= int(part, 0) if part[:2].lower() == "0x" else int(part)
            elif part in _KEYF_NAMES:
                total |= _KEYF_NAMES[part]
            else:
                self.draft.mistake(word, "no flags of a TCP-AO key; taken for none")
        return total

    def secret(self, fields: _Fields) -> Secret:
        """The octets: quoted text as C writes it, or hexadecimal digits."""
        word = fields.get("key")
        if word is None:
            return Secret(None, "the kernel does not tell the secret: fill it in", None)
        if word.text.endswith("..."):
            return Secret.unreadable("a secret that strace has cut (strace -s 80 tells it)", word.start)
        octets = _octets(word)
        if octets is None:
            self.draft.mistake(word, "must be hexadecimal digits, two for an octet; the secret is a gap")
            return Secret.unreadable("this damaged secret", word.start)
        length = self.draft.number(fields.get("key_length"), "keylen", 0, 80)
        if length is not None and length < len(octets) and not any(octets[length:]):
            # The whole field of the structure; zeros fill it up.
            octets = octets[:length]
        elif length is not None and length != len(octets):
            self.draft.mistake(word, "has another length than keylen; the secret is a gap")
            return Secret.unreadable("this cut secret", word.start)
        return Secret(octets)

    def lifetimes(self, fields: Mapping[str, Word], flags: int) -> tuple[Lifetime | None, Lifetime | None]:
        """Of sending and of accepting, which only the patches' keys have: seconds since 1970, 0 for open."""
        found: list[Lifetime | None] = []
        for name, forbidden in (("send", _AUTHOPT_NO_SEND), ("accept", _AUTHOPT_NO_RECV)):
            ends = [
                self.draft.number(fields.get(f"{name}_{end}"), "lifetime", 0, 1 << 33) or None
                for end in ("from", "until")
            ]
            begin, end = (None if seconds is None else seconds * SECOND_NS for seconds in ends)
            lifetime = None if begin is None and end is None else Lifetime(begin, end)
            found.append(_NEVER if flags & forbidden else lifetime)
        return found[0], found[1]


def _octets(word: Word) -> bytes | None:
    if not word.is_quoted:
        digits = re.sub(r"[: ]|\A0x", "", word.text)
        return bytes.fromhex(digits) if re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", digits) else None
    return _ESCAPE.sub(_unescaped, word.text.encode("utf-8", "surrogateescape"))


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes([int(match[1], 16)])
    if match[2] is not None:
        return bytes([int(match[2], 8) & 0xFF])
    letter = match[3].decode("latin-1")
    return bytes([_ESCAPES[letter]]) if letter in _ESCAPES else match[3]


def _is_equal(mkt: MasterKeyTuple, other: MasterKeyTuple) -> bool:
    """Equal in all but the place that it was read from, which `==` compares as well."""
    return mkt.origin.path == other.origin.path and _without_place(mkt) == _without_place(other)


def _without_place(mkt: MasterKeyTuple) -> tuple[object, ...]:
    return (
        *(mkt.send_id, mkt.recv_id, mkt.algorithm, mkt.secret, mkt.mac_length, mkt.tcp_options),
        *(mkt.send_lifetime, mkt.accept_lifetime),
    )


def _read(text: str, path: str, context: ImportContext) -> KeyStore:
    draft = Draft(_TITLE, Source(text, path), context, _WORDS)
    dump = _Dump(draft)
    header = _NETNS_HEADER.search(text)
    if header is not None:
        return dump.read(_records_of_table(text, header))
    if text.lstrip()[:1] in ("{", "[") and '"' in text[:200] and "=" not in text.lstrip()[:40]:
        return dump.read(_records_of_node(read_document(draft), None))
    return dump.read(_records_of_text(text))


_MARKS = (
    Mark("TCP_AO_", r".*\bTCP_AO_(?:ADD_KEY|GET_KEYS)\b", 20),
    Mark("sndid", r".*\bsndid\"?\s*[=:]", 14),
    Mark("rcvid", r".*\brcvid\"?\s*[=:]", 14),
    Mark("alg_name", r".*\balg_name\"?\s*[=:]", 12),
    Mark("key_hex", r'.*"?key_hex"?\s*[=:]', 12),
    Mark("recv_id", r'.*"recv_id"\s*:', 8),
    Mark("keyflags", r".*\bkeyflags\"?\s*[=:]", 10),
    Mark("flags", r"flags\s+send_id\s+recv_id\s+alg\b", 30),
)


def _recognises(text: str) -> int:
    return score(text, _MARKS)


LINUX = Importer("linux", _TITLE, _recognises, _read)
