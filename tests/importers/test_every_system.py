"""What holds of every system's file alike: how it is named, encoded, commented, surrounded and cut."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.errors import KeyFileError
from aoinspect.keys import load_keys
from aoinspect.keys.importers import IMPORTERS
from aoinspect.keys.model import KeyStore
from tests.importers import (
    test_arista,
    test_bird,
    test_cisco_xe,
    test_cisco_xr,
    test_exabgp,
    test_gobgp,
    test_huawei,
    test_junos,
    test_junos_groups,
    test_linux,
    test_nokia,
    test_rustbgpd,
    test_yang,
)
from tests.importers.test_equal_meaning_of_daemons import openconfig

FORMS: dict[str, tuple[str, str]] = {
    "aoinspect": (
        "aoinspect",
        'version = 1\n\n[[keychain]]\nname = "K"\n\n[[keychain.key]]\nsend-id = 1\nrecv-id = 2\n'
        'algorithm = "sha1"\nsecret = "a secret of it"\n\n[[peer]]\nremote = "192.0.2.1"\nkeychain = "K"\n',
    ),
    "ios-xr": ("ios-xr", test_cisco_xr.WHOLE),
    "ios-xe": ("ios-xe", test_cisco_xe.IOS_XE),
    "nx-os": ("nx-os", test_cisco_xe.NX_OS),
    "junos": ("junos", test_junos.BRACES),
    "junos set": ("junos", test_junos.SET),
    "sros": ("sros", test_nokia.CONFIGURATION),
    "sros lines": ("sros", test_nokia.LINES),
    "sros classic": ("sros", test_nokia.CLASSIC),
    "junos groups": ("junos", test_junos_groups.BRACES),
    "eos": ("eos", test_arista.WHOLE),
    "vrp": ("vrp", test_huawei.WHOLE),
    "bird": ("bird", test_bird.WHOLE),
    "gobgp toml": ("gobgp", test_gobgp.WHOLE),
    "gobgp json": ("gobgp", test_gobgp.AS_JSON),
    "gobgp yaml": ("gobgp", test_gobgp.AS_YAML),
    "rustbgpd": ("rustbgpd", test_rustbgpd.WHOLE),
    "exabgp": ("exabgp", test_exabgp.WHOLE),
    **{f"zebra-rs {number}": ("zebra-rs", text) for number, text in enumerate(test_yang.FORMS)},
    "openconfig": ("openconfig", openconfig((1, 2), (1, 2))),
    "ietf": ("ietf", test_yang.chain(test_yang.key(), test_yang.key(key_id=2, send_id=3, recv_id=4))),
    "linux socket": ("linux", json.dumps(json.loads(test_linux.socket(test_linux.key())), indent=1)),
    "linux strace": ("linux", test_linux.STRACE),
    "tcp_authopt": ("linux", test_linux.TABLE),
}

every_form = pytest.mark.parametrize("form", FORMS)


def saved(text: str, folder: Path, encoding: str = "utf-8") -> Path:
    path = folder / "saved.cfg"
    path.write_bytes(text.encode(encoding))
    path.chmod(0o600)
    return path


def keys_of(store: KeyStore) -> set[MasterKeyTuple]:
    """All keys without their labels and places."""
    mkts = [mkt for chain in store.keychains for mkt in chain.mkts] + [mkt for peer in store.peers for mkt in peer.mkts]
    return {replace(mkt, name="", origin=Origin("", 0), gap=None) for mkt in mkts}


def test_no_system_is_left_out() -> None:
    assert {name for name, _ in FORMS.values()} == {importer.name for importer in IMPORTERS}


@every_form
def test_content_and_name_give_the_same_keys(form: str, tmp_path: Path) -> None:
    name, text = FORMS[form]
    path = saved(text, tmp_path)
    store = load_keys([str(path)])
    assert keys_of(store)
    assert load_keys([f"{name}:{path}"]) == store


@every_form
def test_windows_line_ends_and_a_byte_order_mark_change_nothing(form: str, tmp_path: Path) -> None:
    text = FORMS[form][1]
    store = load_keys([str(saved(text, tmp_path))])
    assert load_keys([str(saved(text.replace("\n", "\r\n"), tmp_path, "utf-8-sig"))]) == store


TAKEN_BACK_BELOW = ("junos set", "gobgp yaml")
"""A `deactivate` line, or a member in place of a merged one, that a cut file has lost."""


@pytest.mark.parametrize("form", sorted(set(FORMS) - set(TAKEN_BACK_BELOW)))
def test_a_cut_file_gives_keys_of_the_whole_or_says_that_it_is_cut(form: str, tmp_path: Path) -> None:
    """A lifetime, flag or secret that stood below is not known; no line of an error is without its place."""
    name, text = FORMS[form]
    whole = {identity(mkt) for mkt in keys_of(load_keys([str(saved(text, tmp_path))]))}
    lines = text.splitlines(keepends=True)
    for count in range(1, len(lines)):
        told, store = read_or_told(name, saved("".join(lines[:count]), tmp_path))
        for mkt in keys_of(store):
            assert identity(mkt) in whole or is_less(mkt, whole) or "may be cut" in told, (count, mkt)


def read_or_told(name: str, path: Path) -> tuple[str, KeyStore]:
    """What is told of a file, each line with its place or under one that has, and what is read of it."""
    store, told = KeyStore(), ""
    try:
        store = load_keys([f"{name}:{path}"])
        told = "\n".join(f"{warning.origin}: {warning.message}" for warning in store.warnings)
    except KeyFileError as error:
        told = str(error)
    for line in told.splitlines():
        assert line.startswith((str(path), "    ")), told
    return told, store


Identity = tuple[int | None, int | None, str, bytes | None]


def identity(mkt: MasterKeyTuple) -> Identity:
    return mkt.send_id, mkt.recv_id, mkt.algorithm.name, mkt.secret


def is_less(mkt: MasterKeyTuple, whole: set[Identity]) -> bool:
    """Whether a key is one of the whole's that lacks its secret, or whose algorithm or other id stood below."""
    return any(
        mkt.secret in (None, secret) and (mkt.send_id == send_id or mkt.recv_id == recv_id)
        for send_id, recv_id, _, secret in whole
    )


SURROUNDINGS = {
    "ios-xr": (
        "hostname edge\n!! a comment with key chain and { braces\ninterface Lo0\n description router bgp 1\n!\n",
        "!\nend\n",
    ),
    "ios-xe": (
        "hostname edge\n! key chain OTHER tcp\ninterface Lo0\n description key 1\n!\n",
        "!\nline vty 0 4\n login\nend\n",
    ),
    "nx-os": ("feature tacacs+\n! key chain OTHER\nvlan 10\n  name router\n", "line console\n"),
    "junos": ("## Last commit: 2026\nsystem { host-name x; /* key { 1; } */ }\n", "snmp { community p; }\n"),
    "junos set": (
        "set system host-name x\n# set security\nset interfaces lo0 description key\n",
        "set snmp community p\n",
    ),
    "sros": ("# TiMOS-C-22\n", "\n# finished\n"),
    "eos": ("! device: x\nhostname x\n!\ninterface Loopback0\n   description secret 1\n!\n", "!\nend\n"),
    "vrp": ("sysname x\n#\ninterface LoopBack0\n description tcp ao\n#\n", "#\nreturn\n"),
    "bird": ("# key { secret }\nlog syslog all; /* keys { */\nfilter none { reject; }\n", "protocol device { }\n"),
    "exabgp": ("# tcp-ao { }\nprocess p { run /bin/true; encoder json; }\n", "# end\n"),
    "gobgp toml": ("# [[keychains]]\n", "\n# end\n"),
}


@pytest.mark.parametrize("form", SURROUNDINGS)
def test_comments_and_what_else_a_configuration_has_change_nothing(form: str, tmp_path: Path) -> None:
    text = FORMS[form][1]
    store = load_keys([str(saved(text, tmp_path))])
    before, after = SURROUNDINGS[form]
    surrounded = load_keys([str(saved(before + text + after, tmp_path))])
    moved = {mkt.origin.line + before.count("\n") for peer in store.peers for mkt in peer.mkts}
    assert keys_of(surrounded) == keys_of(store)
    assert [replace(peer, mkts=(), origin=Origin("", 0)) for peer in surrounded.peers] == [
        replace(peer, mkts=(), origin=Origin("", 0)) for peer in store.peers
    ]
    assert {mkt.origin.line for peer in surrounded.peers for mkt in peer.mkts} == moved


ALGORITHM_AS_WRITTEN = re.compile(
    r"(?i)\b(?:hmac|cmac)\((?:sha1|sha256|aes128)\)|\b(?:aes[-_]128[-_]cmac|hmac[-_]sha[-_]?(?:1|256))(?:[-_](?:96|128))?\b"
    r"|\baes-cmac-prf-128\b|\b(?:hmac sha\d+|cmac aes128)\b|(?<=algorithm = \")sha1"
)


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"aoinspect", "linux socket", "linux strace", "tcp_authopt"}))
def test_an_algorithm_that_is_not_known_is_told_with_file_line_and_caret(form: str, tmp_path: Path) -> None:
    name, text = FORMS[form]
    broken = ALGORITHM_AS_WRITTEN.sub("rot13", text)
    assert broken != text
    path = saved(broken, tmp_path)
    lines = read_or_told(name, path)[0].split("\n")
    places = [re.match(rf"{re.escape(str(path))}:(\d+)", line) for line in lines]
    at_algorithm = [
        index
        for index, place in enumerate(places)
        if place is not None and "rot" in broken.splitlines()[int(place[1]) - 1]
    ]
    assert at_algorithm, lines
    assert re.fullmatch(r"\s*\^+\s*", lines[at_algorithm[0] + 2]), lines
