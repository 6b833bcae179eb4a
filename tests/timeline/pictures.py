"""Reports and pictures of captures, and the command with what the command line hands to it."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from aoinspect.capture.reader import open_capture
from aoinspect.commands.shared import SharedParts
from aoinspect.commands.timeline import add
from aoinspect.engine.marks import Marks
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.axis import AxisUnit
from aoinspect.report.lanes import Picture, picture_of
from aoinspect.report.model import Report, build_report
from dissectors.registry import Registry
from tests.conversation import Conversation
from tests.told_capture import Capture


def report_of(
    path: Path | str,
    keys: Path | str | None = None,
    *,
    batch_frames: int | None = None,
    marks: Marks | None = None,
) -> Report:
    """The Report of one capture."""
    store = KeyStore() if keys is None else load_keys([str(keys)])
    analyzer = Analyzer(store, keep_table=False, make_rows=False)
    if marks is not None:
        analyzer.marks = marks
    opened = open_capture(path) if batch_frames is None else open_capture(path, batch_frames=batch_frames)
    with opened as reader:
        analyse([reader], analyzer)
    return build_report(analyzer)


def written(told: Conversation | Capture, folder: Path) -> tuple[Path, Path]:
    """A told capture as files: the capture and its keys."""
    capture, keys = folder / "told.pcap", folder / "told.toml"
    capture.write_bytes(told.to_pcap())
    keys.write_text(told.key_file())
    return capture, keys


def told_report(
    told: Conversation | Capture,
    folder: Path,
    *,
    batch_frames: int | None = None,
    marks: Marks | None = None,
    with_keys: bool = True,
) -> Report:
    capture, keys = written(told, folder)
    return report_of(capture, keys if with_keys else None, batch_frames=batch_frames, marks=marks)


def pictures_of(report: Report, unit: AxisUnit = AxisUnit.TIME) -> list[Picture]:
    return [picture_of(connection, report, unit) for connection in report.connections]


def run_command(arguments: Sequence[str], console: Console | None = None) -> int:
    """`aoinspect timeline` with these arguments; the exit status."""
    parser = argparse.ArgumentParser()

    def add_shared(command: argparse.ArgumentParser) -> None:
        command.add_argument("--keys", action="append")
        command.add_argument("-q", "--quiet", action="store_true")

    shared = SharedParts(
        add_arguments=add_shared,
        load_keys=lambda options: load_keys(options.keys) if options.keys else KeyStore(),
        load_registry=lambda options: Registry(),
        open_console=lambda: Console(highlight=False) if console is None else console,
    )
    add(parser.add_subparsers(), shared)
    options = parser.parse_args(["timeline", *arguments])
    return int(options.run(options))


def plain_console(encoding: str = "utf-8") -> tuple[Console, io.BytesIO]:
    """A console that is no terminal, and what is written to it."""
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, encoding=encoding, errors="strict", write_through=True)
    return Console(file=stream, highlight=False, width=200), octets
