"""Targets whose octets are a text: filters, key files, other systems' configurations, and what `check` reads."""

from __future__ import annotations

import atexit
import io
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from aoinspect.capture import open_capture
from aoinspect.engine.filtering import FilterContext, FilterError, parse_filter
from aoinspect.engine.pipeline import Analyzer, analyse
from aoinspect.errors import AoinspectError, KeyFileError
from aoinspect.keys import load_keys
from aoinspect.keys.importers import IMPORTERS, Importer, recognise
from aoinspect.keys.importers.model import ImportContext
from aoinspect.keys.model import KeyStore
from aoinspect.keys.toml_file import parse_key_file
from aoinspect.report.baseline_file import load_baseline
from aoinspect.report.expectation_file import parse_expectations
from fuzz.of_captures import SAMPLES

PATH = "fuzzed.conf"
CANARY = "Canary-7f3a-Canary"
"""Stands in seeds where a secret belongs."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "cisco": ("ios-xr", "ios-xe", "nx-os"),
    "routers": ("junos", "sros", "eos", "vrp"),
    "daemons": ("bird", "gobgp", "rustbgpd", "exabgp", "zebra-rs"),
    "models": ("openconfig", "ietf", "linux"),
}
"""The importers, in the groups that are fuzzed together; by name."""


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


@cache
def _analysis() -> Analyzer:
    analyzer = Analyzer(load_keys([str(SAMPLES / "rotation.toml")]), count_streams=True)
    analyse([open_capture(io.BytesIO((SAMPLES / "rotation.pcap").read_bytes()))], analyzer)
    return analyzer


def choose(octets: bytes) -> None:
    """A text is a filter or a FilterError; a filter's canonical text reads as itself, and it selects rows."""
    text = _text(octets)
    try:
        chosen = parse_filter(text)
    except FilterError:
        return
    assert str(parse_filter(str(chosen))) == str(chosen)
    analyzer = _analysis()
    assert analyzer.table is not None
    rows = analyzer.table.rows
    mask = chosen.mask(rows, FilterContext(analyzer))
    assert mask.shape == rows.frame.shape


def key_file(octets: bytes) -> None:
    """A text is keys, or a KeyFileError whose every line names the file."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return
    try:
        store = parse_key_file(text, PATH)
    except KeyFileError as error:
        message = str(error)
    else:
        Analyzer(store)
        return
    assert all(line.startswith((PATH, " ")) for line in message.splitlines()), message


def import_group(family: str, octets: bytes) -> None:
    """A text gives keys or a KeyFileError, read by any importer of the family; its first octet chooses which."""
    importers = _importers(family)
    importer = importers[octets[0] % len(importers)] if octets else importers[0]
    text = _text(octets[1:])
    recognise(text)
    try:
        store = importer.read(text, PATH, ImportContext())
    except KeyFileError as error:
        message = str(error)
    else:
        _look_at(store)
        return
    assert message.startswith(PATH), message


def _look_at(store: KeyStore) -> None:
    for mkt in (mkt for chain in store.keychains for mkt in chain.mkts):
        assert (mkt.secret is None) == (mkt.gap is not None)
        assert mkt.origin.line >= 1
    Analyzer(store)


@cache
def _importers(family: str) -> tuple[Importer, ...]:
    by_name = {importer.name: importer for importer in IMPORTERS}
    return tuple(by_name[name] for name in FAMILIES[family])


def expect(octets: bytes) -> None:
    """A text is expectations or one of our errors."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return
    with suppress(AoinspectError):
        parse_expectations(text, PATH)


def baseline(octets: bytes) -> None:
    """A file is a baseline or one of our errors."""
    path = Path(_folder(), "baseline.json")
    path.write_bytes(octets)
    with suppress(AoinspectError):
        load_baseline(path)


@cache
def _folder() -> str:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
