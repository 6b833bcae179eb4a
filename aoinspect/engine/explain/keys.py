"""Hypotheses on keys: another key, other ids, another algorithm, another MAC length, an older secret (H2, H3, H5 to H7,
H9, H17's MACs), and their combinations with the options flag (H1 with H7, H1 with H8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from aoinspect.ao.algorithms import ALGORITHMS, Algorithm, aes_cmac, aes_cmac_prf_128, find_algorithm
from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
from aoinspect.engine.explain.case import Case, SigningKey, Subject, Trial, Unkeyed, key_words, keyed, trial
from aoinspect.engine.explain.encodings import CombinedWay, written_otherwise
from aoinspect.engine.explain.model import Assumption, Correction, Knob

_CMAC = find_algorithm("aes-128-cmac-96")
_RFC5926_SHA256 = find_algorithm("hmac-sha-256-128")
_HKDF = find_algorithm("hkdf-sha-256-128")
_AES_KEY_LENGTH = 16


def another_key(case: Case) -> Iterator[Trial | Unkeyed]:
    """H2: another MKT of the file signed it, whatever its ids and peer."""
    for subject in case.subjects:
        for key in _of_method(case, subject):
            if _is_selected(key, subject) or _has_ended(key.mkt, subject):
                continue
            yield from trial(subject, key, _signed_by(key, subject, "H2"))


def ids_swapped(case: Case) -> Iterator[Trial | Unkeyed]:
    """H3: the KeyID is the one that the other end signs with."""
    if case.pair_keys is None:
        return
    for subject in case.subjects:
        key_id = subject.reading.key_id
        if key_id is None:
            continue
        crossed = {candidate.mkt for candidate in case.pair_keys.lists.get((1 - subject.segment.side, key_id), ())}
        for key in _of_method(case, subject):
            if key.index not in crossed or _is_selected(key, subject):
                continue
            ids = f"send-id {key.mkt.recv_id}, recv-id {key.mkt.send_id}"
            assumption = Assumption(
                ("H3",),
                key.index,
                "send-id and recv-id swapped",
                claim=f"{{sender}} signs with KeyID {key_id}, which {key_words(key)} gives to the other end: its "
                "send-id and recv-id are swapped",
                origin=f"the ids of {key_words(key)}",
                file_remedy=f"in {{key}}, write {ids}",
                device_remedy="on {sender}, swap send id and receive id",
                knob=Knob.IDS,
                correction=Correction(swaps_ids=True),
            )
            yield from trial(subject, key, assumption)


def another_algorithm(case: Case) -> Iterator[Trial | Unkeyed]:
    """H5: the same secret under another algorithm, at the captured MAC's length."""
    for subject, key in _selected(case):
        for algorithm in ALGORITHMS:
            if not _is_h6(key.mkt.algorithm, algorithm) and algorithm.digest_length >= len(subject.captured):
                yield from _under_algorithm(subject, key, algorithm, "H5")


def another_kdf(case: Case) -> Iterator[Trial | Unkeyed]:
    """H6: HMAC-SHA-256 with RFC 5926's KDF where the draft's HKDF is configured, or the other way round."""
    for subject, key in _selected(case):
        for algorithm in (_RFC5926_SHA256, _HKDF):
            if _is_h6(key.mkt.algorithm, algorithm):
                yield from _under_algorithm(subject, key, algorithm, "H6")


def another_mac_length(case: Case) -> Iterator[Trial | Unkeyed]:
    """H7: the MAC was cut to another length than the key says."""
    for subject, key in _of_other_length(case):
        yield from trial(subject, key, _cut_otherwise(key, subject))


def options_and_mac_length(case: Case) -> Iterator[Trial | Unkeyed]:
    """H1 with H7."""
    for subject, key in _of_other_length(case):
        if subject.message(True) != subject.message(False):
            both = _with_options(_cut_otherwise(key, subject), key)
            yield from trial(subject, key, both, include_options=not key.include_options)


def options_and_encoding(case: Case) -> Iterator[Trial | Unkeyed]:
    """H1 with H8."""
    for subject in case.subjects:
        for key in subject.fitting:
            if not subject.is_ao or subject.message(True) == subject.message(False):
                continue
            if key.secret is None:
                yield Unkeyed(subject)
                continue
            for way in written_otherwise(key.secret):
                assumption = CombinedWay(way, key).assumption("H8")
                yield from trial(
                    subject,
                    key,
                    _with_options(assumption, key),
                    secret=way.secret,
                    include_options=not key.include_options,
                )


def cmac_key_length(case: Case) -> Iterator[Trial | Unkeyed]:
    """H9: a CMAC key that has not 16 octets is padded or cut instead of going through AES-CMAC(0^128, key)."""
    for subject in case.subjects:
        for key in subject.fitting:
            secret = key.secret
            if not key.mkt.algorithm.computes_as(_CMAC):
                continue
            if secret is None:
                yield Unkeyed(subject)
                continue
            if len(secret) == _AES_KEY_LENGTH:
                continue
            ways = {
                "padded with zeros to 16 octets": secret[:16].ljust(16, b"\0"),
                "padded in front with zeros to 16 octets": secret[-16:].rjust(16, b"\0"),
                "hashed by AES-CMAC(0^128, key) twice": aes_cmac_prf_128(aes_cmac(bytes(16), secret), secret),
            }
            if len(secret) > _AES_KEY_LENGTH:
                ways["cut to 16 octets"] = ways.pop("padded with zeros to 16 octets")
                ways["cut to its last 16 octets"] = ways.pop("padded in front with zeros to 16 octets")
            for words, master_key in ways.items():
                assumption = Assumption(
                    ("H9",),
                    key.index,
                    f"the secret {words}",
                    claim=f"the AES key of {key_words(key)} has {len(secret)} octets, and {{sender}} takes it {words}, "
                    "where RFC 4615 says AES-CMAC(0^128, key)",
                    origin=f"the secret of {key_words(key)}",
                    file_remedy="in {key}, write the secret with its 16 octets (--write does)",
                    device_remedy="use a secret of exactly 16 octets on both ends",
                    knob=Knob.SECRET,
                    correction=Correction(secret=master_key),
                )
                yield from trial(subject, key, assumption, secret=master_key)


def older_secret(case: Case) -> Iterator[Trial | Unkeyed]:
    """H17: a key of the file whose lifetime is over signed it."""
    for subject in case.subjects:
        for key in _of_method(case, subject):
            if not _is_selected(key, subject) and _has_ended(key.mkt, subject):
                yield from trial(subject, key, _signed_by(key, subject, "H17"))


def all_zero_traffic_key(case: Case) -> Iterator[Trial | Unkeyed]:
    """H31: signed with a traffic key of zeros, as Linux does a RST from SYN_SENT."""
    for subject in case.subjects:
        for key in subject.fitting:
            if subject.is_ao:
                yield _with_zero_key(subject, key)


def _with_zero_key(subject: Subject, key: SigningKey) -> Trial:
    algorithm = key.mkt.algorithm
    length = algorithm.traffic_key_length
    assumption = Assumption(
        ("H31",),
        key.index,
        "the traffic key is all zeros",
        claim="{sender} signs with a traffic key of zeros",
        origin="a fault seen in Linux, where a RST leaves SYN_SENT",
        device_remedy="nothing in the keys is wrong: no receiver can verify such a segment; update {sender}",
    )
    sne = 0 if subject.segment.sne is None else subject.segment.sne
    return Trial(
        subject, assumption, lambda: keyed(algorithm, bytes(length), subject.message(key.include_options, sne))
    )


# What several of them say.


def _under_algorithm(subject: Subject, key: SigningKey, algorithm: Algorithm, ident: str) -> Iterator[Trial | Unkeyed]:
    own = key.mkt.algorithm
    if algorithm.is_md5 or own.is_md5 or algorithm.computes_as(own):
        return
    length = len(subject.captured)
    name = _name_at(algorithm, length)
    lines = f'algorithm = "{name}"' + (f", mac-length = {length}" if length != find_algorithm(name).mac_length else "")
    assumption = Assumption(
        (ident,),
        key.index,
        f"the algorithm is {name}",
        claim=f"{{sender}} signs with {name} where {key_words(key)} says {own.name}; the secret is right",
        origin=f"the algorithm of {key_words(key)}",
        file_remedy=f"in {{key}}, set `{lines}`",
        device_remedy=f"on {{sender}}, configure {own.name}",
        knob=Knob.ALGORITHM,
        correction=Correction(algorithm=find_algorithm(name), mac_length=length),
    )
    yield from trial(subject, key, assumption, algorithm=algorithm)


def _name_at(algorithm: Algorithm, length: int) -> str:
    """The usual name of what computes as `algorithm` does and has MACs of that length."""
    alike = [row for row in ALGORITHMS if row.computes_as(algorithm)]
    return next((row.name for row in alike if row.mac_length == length), alike[0].name)


def _is_h6(own: Algorithm, other: Algorithm) -> bool:
    names = {own.derive, other.derive}
    return names == {_RFC5926_SHA256.derive, _HKDF.derive}


def _cut_otherwise(key: SigningKey, subject: Subject) -> Assumption:
    length = len(subject.captured)
    return Assumption(
        ("H7",),
        key.index,
        f"the MAC is cut to {length} octets",
        claim=f"{{sender}} sends MACs of {length} octets where {key_words(key)} says {key.mkt.mac_length}; their "
        "octets are right",
        origin=f"the MAC length of {key_words(key)}",
        file_remedy=f"in {{key}}, set `mac-length = {length}`",
        device_remedy=f"on {{sender}}, configure MACs of {key.mkt.mac_length} octets",
        knob=Knob.MAC_LENGTH,
        correction=Correction(mac_length=length),
    )


def _with_options(assumption: Assumption, key: SigningKey) -> Assumption:
    """The same with the options flag the other way."""
    flag = TcpOptions.EXCLUDE if key.include_options else TcpOptions.INCLUDE
    word = "left out of the MAC" if key.include_options else "covered by the MAC"
    correction = assumption.correction or Correction()
    return replace(
        assumption,
        idents=("H1", *assumption.idents),
        change=f"TCP options are {word}, and {assumption.change}",
        claim=f"TCP options are {word} by {{sender}}, and {assumption.claim}",
        file_remedy=f'in {{key}}, set `tcp-options = "{flag.value}"`; and {assumption.file_remedy}',
        knob=assumption.knob,
        correction=replace(correction, tcp_options=flag),
    )


def _signed_by(key: SigningKey, subject: Subject, ident: str) -> Assumption:
    key_id, rnext_key_id = subject.reading.key_id, subject.reading.rnext_key_id
    if ident == "H17":
        claim = f"{{sender}} still signs with {key_words(key)}, whose lifetime is over"
        device = "take the new key into use on {sender}: restart the session or its listener"
    elif key_id is None:
        claim = f"{{sender}} signs with {key_words(key)}, which is not one of this socket pair"
        device = "on {sender}, configure the password of this peer"
    else:
        claim = f"{{sender}} signs with {key_words(key)} under KeyID {key_id}, which does not stand for it"
        device = f"on {{sender}}, give that key the ids that {key.mkt.origin} says, or this KeyID the key it stands for"
    return Assumption(
        (ident,),
        key.index,
        f"signed with {key_words(key)}" + ("" if key_id is None else f" under KeyID {key_id}"),
        claim=claim,
        origin=str(key.mkt.origin),
        file_remedy="give the peer entry of {sender} {key}" + ("" if key_id is None else f" under KeyID {key_id}"),
        device_remedy=device,
        knob=Knob.IDS,
        correction=Correction(key_id=key_id, rnext_key_id=rnext_key_id),
    )


def _of_method(case: Case, subject: Subject) -> Iterator[SigningKey]:
    """All keys of the subject's method whose MAC has the captured length."""
    for key in case.every_key:
        if key.mkt.algorithm.is_md5 != subject.is_ao and key.mkt.mac_length == len(subject.captured):
            yield key


def _selected(case: Case) -> Iterator[tuple[Subject, SigningKey]]:
    for subject in case.subjects:
        for key in subject.selected:
            if subject.is_ao:
                yield subject, key


def _of_other_length(case: Case) -> Iterator[tuple[Subject, SigningKey]]:
    for subject, key in _selected(case):
        if key.mkt.mac_length != len(subject.captured) <= key.mkt.algorithm.digest_length:
            yield subject, key


def _is_selected(key: SigningKey, subject: Subject) -> bool:
    return any(selected.index == key.index for selected in subject.selected)


def _has_ended(mkt: MasterKeyTuple, subject: Subject) -> bool:
    """Whether a lifetime of the key ended before the segment was captured."""
    lifetimes = (mkt.send_lifetime, mkt.accept_lifetime)
    ends = [lifetime.until_ns for lifetime in lifetimes if lifetime is not None and lifetime.until_ns is not None]
    return any(until_ns <= subject.segment.time_ns for until_ns in ends)
