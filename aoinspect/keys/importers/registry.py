"""Which systems' files can be read, and which one wrote a file.

One table; a system is recognised by what its text says and never by a file's name, since configurations are saved
under any name. `--keys NAME:FILE` says it where the text does not.
"""

from __future__ import annotations

from dataclasses import replace

from aoinspect.ao.mkt import Origin
from aoinspect.errors import KeyFileError, UsageError
from aoinspect.keys.importers.arista import ARISTA_EOS
from aoinspect.keys.importers.bird import BIRD
from aoinspect.keys.importers.cisco_xe import IOS_XE, NX_OS
from aoinspect.keys.importers.cisco_xr import IOS_XR
from aoinspect.keys.importers.exabgp import EXABGP
from aoinspect.keys.importers.gobgp import GOBGP
from aoinspect.keys.importers.huawei import HUAWEI_VRP
from aoinspect.keys.importers.junos import JUNOS
from aoinspect.keys.importers.linux import LINUX
from aoinspect.keys.importers.model import ImportContext, Importer
from aoinspect.keys.importers.nokia import NOKIA_SR_OS
from aoinspect.keys.importers.openconfig import OPENCONFIG
from aoinspect.keys.importers.ours import OURS
from aoinspect.keys.importers.rustbgpd import RUSTBGPD
from aoinspect.keys.importers.terminal import GUESSED, SECOND_DEVICE, second_device, without_session
from aoinspect.keys.importers.yang import IETF, ZEBRA_RS
from aoinspect.keys.model import KeyStore, KeyWarning, Network
from aoinspect.keys.text_file import MOST_OCTETS, READABLE_BY_ALL, decode_text, is_readable_by_all, read_octets

IMPORTERS: tuple[Importer, ...] = (
    OURS,
    IOS_XR,
    IOS_XE,
    NX_OS,
    JUNOS,
    NOKIA_SR_OS,
    ARISTA_EOS,
    HUAWEI_VRP,
    BIRD,
    GOBGP,
    RUSTBGPD,
    EXABGP,
    ZEBRA_RS,
    OPENCONFIG,
    IETF,
    LINUX,
)
"""Ours first; where two systems recognise a text equally, the earlier reads it."""

_BY_NAME = {importer.name: importer for importer in IMPORTERS}
LEAST_SCORE = 10
"""Points below which a text is nobody's."""


def recognise(text: str) -> Importer | None:
    """The importer that recognises most of `text`; None where none is sure."""
    scores = [importer.recognises(text) for importer in IMPORTERS]
    best = max(scores)
    return IMPORTERS[scores.index(best)] if best >= LEAST_SCORE else None


def split_system(argument: str) -> tuple[str | None, str]:
    """System and path of `NAME:FILE`; no system where what stands before the colon is not one's name.

    So `C:\\keys.toml` and a file called `a:b` are paths.
    """
    name, colon, path = argument.partition(":")
    if colon and path and name.lower() in _BY_NAME:
        return name.lower(), path
    return None, argument


def import_file(path: str, system: str | None = None, local: Network | None = None) -> KeyStore:
    """What the file or pipe at `path` says; `system` is an importer's name, None: recognised by content.

    Raises KeyFileError with one line per mistake, and UsageError for a system that is not known.
    """
    if system is not None and system not in _BY_NAME:
        raise UsageError(f"no system has that name; known are {', '.join(_BY_NAME)}")
    octets = read_octets(path, MOST_OCTETS)
    return import_octets(octets, path, system, ImportContext(local, is_readable_by_all(path)))


def import_octets(octets: bytes, path: str, system: str | None, context: ImportContext) -> KeyStore:
    """The same for a file that has been read already."""
    # Descriptions and comments of routers need not be UTF-8, and secrets keep their octets.
    text = octets.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    importer = recognise(text) if system is None else _BY_NAME[system]
    if importer is None and path.endswith(".toml"):
        # Nothing in it is anyone's, but the name says whose it was meant to be: its mistakes are told.
        importer = OURS
    if importer is None or importer is OURS:
        try:
            text = decode_text(octets, path)
        except KeyFileError as error:
            raise KeyFileError(f"{error}" if importer else f"{error}; {_not_recognised()}") from None
    if importer is None:
        raise KeyFileError(f"{path}: {_not_recognised()}")
    store = _read_printed(importer, text, path, context) if importer.is_printed else importer.read(text, path, context)
    return store if importer is OURS else _with_warning_of_readers(store, path, context)


def _read_printed(importer: Importer, text: str, path: str, context: ImportContext) -> KeyStore:
    """What a text says that a device printed; of two devices it is not known which end is whose."""
    text, guessed = without_session(text)
    second = second_device(text)
    store = importer.read(text, path, context)
    told = [KeyWarning(Origin(path, line), GUESSED) for line in guessed]
    told += [] if second is None else [KeyWarning(Origin(path, second), SECOND_DEVICE)]
    warnings = sorted((*store.warnings, *told), key=lambda warning: warning.origin.line)
    return replace(store, warnings=tuple(warnings), is_configuration=store.is_configuration and second is None)


def _not_recognised() -> str:
    systems = ", ".join(f"{importer.name} ({importer.title})" for importer in IMPORTERS)
    return (
        "neither a key file nor a configuration that is known here; known are "
        f"{systems}; where the file is one of these all the same, say so: --keys NAME:FILE"
    )


def _with_warning_of_readers(store: KeyStore, path: str, context: ImportContext) -> KeyStore:
    mkts = [mkt for chain in store.keychains for mkt in chain.mkts]
    mkts += [mkt for peer in store.peers for mkt in peer.mkts]
    if not context.is_public or all(mkt.secret is None for mkt in mkts):
        return store
    return replace(store, warnings=(KeyWarning(Origin(path, 1), READABLE_BY_ALL), *store.warnings))
