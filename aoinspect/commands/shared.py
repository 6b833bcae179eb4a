"""What several commands take from the command line in the same way: filters, and the search for missing ISNs."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from aoinspect.engine.filtering import Filter
    from aoinspect.engine.locate import Mask
    from aoinspect.engine.pipeline import Analyzer
    from aoinspect.engine.table import Rows
    from aoinspect.keys.model import KeyStore, Network
    from dissectors.registry import Registry

Commands = argparse._SubParsersAction  # argparse has no public name for what `add_subparsers` gives.

RECOVERY_DEFAULT = 1_000_000
"""As `aoinspect.engine.recovery.DEFAULT_CANDIDATES`, which is not loaded for it; a test holds that they are equal."""


def _tell_plainly(line: str) -> None:
    print(f"aoinspect: {line}", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What every command takes from the command line in the same way."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Adds --keys, --local, --strict, --decode-as, --dissector and -q."""
    load_keys: Callable[[argparse.Namespace], KeyStore]
    load_registry: Callable[[argparse.Namespace], Registry]
    open_console: Callable[[], Console]
    tell: Callable[[str], None] = _tell_plainly
    """Prints one line of narration on stderr."""


def read_keys(paths: Sequence[str], options: argparse.Namespace) -> KeyStore:
    """What the key files and configurations at `paths`, those of --keys, say. KeyFileError, UsageError."""
    from aoinspect.keys import load_keys

    return load_keys(paths, devices_of(options, len(paths)), is_strict=options.strict_keys)


def read_more_keys(paths: Sequence[str], options: argparse.Namespace) -> KeyStore:
    """The same for files beside those of --keys: of several --local none is theirs."""
    from aoinspect.keys import load_keys

    devices = devices_of(options, len(options.local or ()))
    return load_keys(paths, devices[0] if len(devices) == 1 else None, is_strict=options.strict_keys)


def devices_of(options: argparse.Namespace, number: int) -> tuple[Network, ...]:
    """What --local says: the devices whose configurations are read, one for all or one for each of `number` files."""
    texts: Sequence[str] = options.local or ()
    if len(texts) > 1 and len(texts) != number:
        raise UsageError(f"--local: {len(texts)} addresses and {number} --keys: give one for all, or one for each")
    from aoinspect.keys.addresses import parse_prefix

    try:
        return tuple(map(parse_prefix, texts))
    except ValueError as error:
        raise UsageError(f"--local: {error}") from None


def add_filter_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --filter."""
    parser.add_argument(
        "--filter",
        metavar="EXPR",
        help="only these segments, for example 'ao.verdict == mismatch and tcp.port == 179' (docs/filter.md)",
    )


def filter_of(options: argparse.Namespace) -> Filter | None:
    """The filter that --filter says. FilterError, with a caret under the place, where it cannot be read."""
    if options.filter is None:
        return None
    from aoinspect.engine.filtering import parse_filter

    return parse_filter(options.filter)


def apply_filter(chosen: Filter | None, analyzer: Analyzer) -> None:
    """Makes `analyzer` count and return only what `chosen` selects. It must count streams if the filter names them."""
    if chosen is None:
        return
    from aoinspect.engine.filtering import FilterContext

    context = FilterContext(analyzer)

    def choose(rows: Rows) -> Mask:
        context.refresh()
        return chosen.mask(rows, context)

    analyzer.choose_rows = choose


def add_recovery_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --recover-isn."""
    parser.add_argument(
        "--recover-isn",
        metavar="CANDIDATES",
        type=recovery_budget,
        default=RECOVERY_DEFAULT,
        help="candidates to try for the ISNs of connections whose handshake is missing, or off "
        f"(default: {RECOVERY_DEFAULT}: both ends together had sent under 1,400 octets; some seconds)",
    )


def recovery_budget(text: str) -> int:
    """The budget that CANDIDATES is, 0 for off; argparse's error otherwise."""
    if text == "off":
        return 0
    digits = text.replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of candidates nor off")
    return int(digits)


def can_be_read_again(paths: list[str]) -> bool:
    """Whether all captures are files: a search for ISNs ends with reading them once more."""
    try:
        return all(path != "-" and stat.S_ISREG(os.stat(path).st_mode) for path in paths)
    except OSError:
        return False


def demand_one_stdin(paths: list[str]) -> None:
    """UsageError where standard input is named twice."""
    if paths.count("-") > 1:
        raise UsageError("-: standard input can be read only once")
