"""The `show` command run in this process, and the views that it prints."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from pathlib import Path
from typing import NamedTuple, cast

from rich.console import Console

from aoinspect.commands import show
from aoinspect.commands.shared import SharedParts
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.single_frame import CaptureSource
from aoinspect.engine.verdicts import Reason, Verdict
from aoinspect.errors import AoinspectError, CaptureError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.frame_view import FrameView, view_frame
from dissectors.registry import Registry

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SHARED = PROJECT_ROOT.parent / "shared"
CAPTURES = PROJECT_ROOT / "tests" / "captures"
SAMPLES = PROJECT_ROOT / "samples" / "pcaps"

JsonObject = dict[str, object]


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def frame(self) -> JsonObject:
        """The JSON object on stdout."""
        return cast(JsonObject, json.loads(self.out))


def run_show(*arguments: str | Path) -> Outcome:
    """`aoinspect show` with these arguments; errors become a status as the command line has it."""
    parser = argparse.ArgumentParser(prog="aoinspect", allow_abbrev=False)
    show.add(parser.add_subparsers(required=True), shared_parts())
    return run_parsed(parser, "show", *map(str, arguments))


def run_parsed(parser: argparse.ArgumentParser, *arguments: str) -> Outcome:
    """The command that `parser` finds in the arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            options = parser.parse_args(arguments)
            status = int(options.run(options))
        except SystemExit as end:
            status = int(cast(int, end.code))
        except AoinspectError as error:
            print(f"aoinspect: {error}", file=err)
            status = 3 if isinstance(error, CaptureError) else 2
    return Outcome(status, out.getvalue(), err.getvalue())


def shared_parts() -> SharedParts:
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--keys", action="append", default=[])
        parser.add_argument("--decode-as", action="append", default=[])
        parser.add_argument("-q", "--quiet", action="store_true")

    def load_registry(options: argparse.Namespace) -> Registry:
        registry = Registry(use_entry_points=False)
        for rule in options.decode_as:
            registry.decode_as(rule)
        return registry

    return SharedParts(
        add_arguments=add_arguments,
        load_keys=lambda options: load_keys(options.keys) if options.keys else KeyStore(),
        load_registry=load_registry,
        open_console=lambda: Console(highlight=False, width=200, color_system=None),
    )


def keys_of(capture: Path) -> Path:
    """The key file beside a recorded capture."""
    return capture.with_name(capture.name.split(".pcap")[0] + ".toml")


class Analysed:
    """A capture that was read, to look at many of its frames."""

    def __init__(self, capture: Path, keys: Path | None) -> None:
        self.source = CaptureSource(str(capture))
        self.reader = self.source.open()
        store = KeyStore() if keys is None else load_keys([str(keys)])
        self.analyzer = Analyzer(store, Registry(use_entry_points=False))
        analyse([self.reader], self.analyzer)

    @property
    def frames(self) -> int:
        return self.analyzer.totals.frames

    def view(self, number: int) -> FrameView:
        return view_frame(self.analyzer, self.reader, self.source, number)

    def verdict_words(self) -> dict[int, tuple[str, str]]:
        """Frame number -> verdict and reason of the table."""
        assert self.analyzer.table is not None
        rows = self.analyzer.table.rows
        return {
            frame: (Verdict(verdict).word, Reason(reason).word)
            for frame, verdict, reason in zip(
                rows.frame.tolist(), rows.verdict.tolist(), rows.reason.tolist(), strict=True
            )
        }

    def close(self) -> None:
        with self.source:
            pass
