"""`resign` run in this process, and what comes out, told by the engine and by nothing of the code under test."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, cast

from rich.console import Console

from aoinspect.capture.rewriting import WholeFile
from aoinspect.commands import resign as command
from aoinspect.commands.shared import SharedParts
from aoinspect.engine.resign.resign import Resigned, RewritableSource, resign
from aoinspect.engine.resign.wishes import Wishes
from aoinspect.errors import AoinspectError, CaptureError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from dissectors.registry import Registry
from tests.recorded import SegmentLine, judge

GZIP_MAGIC = b"\x1f\x8b"


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def written(capture: Path, out: Path, store: KeyStore, wishes: Wishes | None = None) -> Resigned:
    """`capture` written to `out`, which may be there already."""
    registry = Registry(use_entry_points=False)
    with RewritableSource(str(capture)) as source, WholeFile(str(out), [str(capture)], replaces=True) as output:
        return resign(source, output, store, registry, wishes or Wishes())


def lines_of(capture: Path, store: KeyStore) -> tuple[SegmentLine, ...]:
    """What `verify` says of every segment."""
    return judge(capture, store).lines


def verdicts(lines: Iterable[SegmentLine]) -> list[tuple[int, str, str | None]]:
    return [(line.frame, line.verdict, line.reason) for line in lines]


def uncompressed(path: Path) -> bytes:
    octets = path.read_bytes()
    return gzip.decompress(octets) if octets.startswith(GZIP_MAGIC) else octets


def store_of(folder: Path, text: str, name: str = "keys.toml") -> KeyStore:
    """The keys that a key file with this text tells."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_keys([str(path)])


def run_resign(*arguments: str | Path) -> Outcome:
    """`aoinspect resign` with these arguments; errors become a status as the command line has it."""
    parser = argparse.ArgumentParser(prog="aoinspect", allow_abbrev=False)
    command.add(parser.add_subparsers(required=True), _shared_parts())
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            options = parser.parse_args(["resign", *map(str, arguments)])
            status = int(options.run(options))
        except SystemExit as end:
            status = int(cast(int, end.code))
        except AoinspectError as error:
            print(f"aoinspect: {error}", file=err)
            status = 3 if isinstance(error, CaptureError) else 2
    return Outcome(status, out.getvalue(), err.getvalue())


def _shared_parts() -> SharedParts:
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--keys", action="append", default=[])
        parser.add_argument("--local", action="append")
        parser.add_argument("--strict", dest="strict_keys", action="store_true")
        parser.add_argument("-q", "--quiet", action="store_true")

    return SharedParts(
        add_arguments=add_arguments,
        load_keys=lambda options: load_keys(options.keys) if options.keys else KeyStore(),
        load_registry=lambda options: Registry(use_entry_points=False),
        open_console=lambda: Console(file=io.StringIO()),
    )
