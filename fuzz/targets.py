"""Every fuzz target: its name, what must hold, and the seeds that it starts from.

Seeds are the project's own samples and captures, what the tests of importers and filters are made of, and the odd and
malformed captures that may lie beside the project; files are used where they lie.
"""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fuzz import of_captures, of_frames, of_texts
from fuzz.bounds import Check

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SHARED = PROJECT_ROOT.parent / "shared"
CAPTURES = tuple(
    folder
    for folder in (PROJECT_ROOT / "samples" / "pcaps", PROJECT_ROOT / "tests" / "captures", SHARED / "corpus")
    if folder.exists()
)


def _nothing() -> Iterable[bytes]:
    return ()


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is fuzzed."""

    name: str
    check: Check
    folders: tuple[Path, ...] = ()
    """Files that are seeds as they lie."""
    seeds: Callable[[], Iterable[bytes]] = _nothing
    """Seeds that are made."""
    dictionary: tuple[str, ...] = ()
    """Words that inputs are made of."""


def _pcapng_seeds() -> Iterator[bytes]:
    from tests.capture.test_any_octets import SMALL

    yield from SMALL


def _compressed_seeds() -> Iterator[bytes]:
    import lz4.frame
    import zstandard

    capture = (PROJECT_ROOT / "samples" / "pcaps" / "v4-sha1.pcap").read_bytes()[:2000]
    for compress in (gzip.compress, zstandard.compress, lz4.frame.compress):
        yield compress(capture)
        yield compress(capture[:24] + bytes(1 << 20))
        yield compress(capture[:900]) + compress(capture[900:])


def _told_seeds() -> Iterator[bytes]:
    from tests.conversation import Conversation, Key

    keys = [Key(), Key("k2", 2, 102)]
    yield Conversation(keys).handshake().data("a", 9).rollover("a", to=2).data("a", 9).abort("b").to_pcap()
    yield Conversation(keys).handshake().wrap().close().to_pcap()


def _option_seeds() -> Iterator[bytes]:
    ao, md5 = bytes([29, 16, 1, 2]) + bytes(12), bytes([19, 18]) + bytes(16)
    head = bytes(12)
    for offset, options in (
        (9, ao),
        (10, md5 + b"\1\1"),
        (15, b"\2\4\5\xb4" + ao + md5 + b"\0\0"),
        (10, ao + b"\x1d\4\1\1"),
    ):
        yield b"\x3c" + head + bytes([offset << 4]) + bytes(7) + options
        yield b"\x07" + head + bytes([offset << 4]) + bytes(7) + options


def _filter_seeds() -> Iterator[bytes]:
    page = (PROJECT_ROOT / "docs" / "filter.md").read_text(encoding="utf-8")
    for example in re.findall(r"`([^`\n]+)`|^    (.+)$", page, re.MULTILINE):
        yield "".join(example).encode()


def _key_file_seeds() -> Iterator[bytes]:
    page = (PROJECT_ROOT / "docs" / "key-file.md").read_text(encoding="utf-8")
    for example in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        yield example.encode()
    for path in sorted((PROJECT_ROOT / "samples" / "pcaps").glob("*.toml")):
        yield path.read_bytes()


def _expectation_seeds() -> Iterator[bytes]:
    page = (PROJECT_ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    for example in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        tomllib.loads(example)
        yield example.encode()


def _baseline_seeds() -> Iterator[bytes]:
    for path in sorted((PROJECT_ROOT / "samples" / "pcaps").glob("*.baseline.json")):
        yield json.dumps(json.loads(path.read_bytes())).encode()


def _importer_seeds(family: str) -> Iterator[bytes]:
    from tests.importers import test_any_text, test_any_text_of_daemons

    for seed in (*test_any_text.SEEDS, *test_any_text_of_daemons.SEEDS):
        for number in range(len(of_texts.FAMILIES[family])):
            yield bytes([number]) + seed.encode("utf-8", "surrogateescape")


def _importer_words() -> tuple[str, ...]:
    from tests.importers import test_any_text, test_any_text_of_daemons

    return tuple(word for word in (*test_any_text.WORDS, *test_any_text_of_daemons.WORDS) if len(word) < 40)


def _filter_words() -> tuple[str, ...]:
    from aoinspect.engine.filtering import FIELDS

    return (
        *FIELDS,
        "==",
        "!=",
        ">=",
        "<=",
        "and",
        "or",
        "xor",
        "not",
        "in",
        "contains",
        "matches",
        "{",
        "}",
        "..",
        "&",
    )


_KEY_WORDS = (
    *("version", "[[keychain]]", "[[keychain.key]]", "[[peer]]", "[[peer.key]]", "[[connection]]", "name", "send-id"),
    *("recv-id", "algorithm", "secret", "secret-hex", "secret-base64", "secret-env", "secret-cisco7", "secret-junos9"),
    *(
        "mac-length",
        "tcp-options",
        "send-lifetime",
        "accept-lifetime",
        "from",
        "until",
        "local",
        "remote",
        "port",
        "vrf",
    ),
    *("interface", "vlan", "local-isn", "remote-isn", "local-sne", "remote-sne", "hmac(sha1)", "tcp-md5", "0xffffffff"),
)


def _targets() -> Iterator[Target]:
    yield Target("pcap", of_captures.read_capture, CAPTURES[:1], _pcapng_seeds)
    yield Target("pcapng", of_captures.read_capture, CAPTURES[2:], _pcapng_seeds)
    yield Target("compressed", of_captures.inflate, (), _compressed_seeds)
    yield Target("verify", of_captures.verify, CAPTURES, _told_seeds)
    yield Target("show", of_captures.show, CAPTURES[:1], _told_seeds)
    yield Target("resign", of_captures.resign_capture, CAPTURES[:1], _told_seeds)
    yield Target("hop", of_frames.hop, (), partial(of_frames.frames_of, CAPTURES))
    yield Target("describe", of_frames.describe, (), partial(of_frames.frames_of, CAPTURES))
    yield Target("options", of_frames.options, (), _option_seeds)
    yield Target("filter", of_texts.choose, (), _filter_seeds, _filter_words())
    yield Target("key-file", of_texts.key_file, (), _key_file_seeds, _KEY_WORDS)
    yield Target("expectation", of_texts.expect, (), _expectation_seeds)
    yield Target("baseline", of_texts.baseline, (), _baseline_seeds)
    for family in of_texts.FAMILIES:
        yield Target(
            f"importer-{family}",
            partial(of_texts.import_group, family),
            (),
            partial(_importer_seeds, family),
            _importer_words(),
        )


TARGETS: dict[str, Target] = {target.name: target for target in _targets()}
