"""The command line run in this process, and reports made of told conversations."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from aoinspect.capture.reader import open_capture
from aoinspect.cli import DEBUG_VARIABLE, KEYS_VARIABLE, main
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.model import Report, build_report
from aoinspect.report.text import print_report
from tests.told_capture import Capture

ENDLESS = 1 << 20

_CHANGES_OUTPUT = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", KEYS_VARIABLE, DEBUG_VARIABLE)


@dataclass(frozen=True, slots=True)
class Run:
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Run]
"""Runs `aoinspect` with these arguments; `environment` adds variables."""


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    for variable in _CHANGES_OUTPUT:
        monkeypatch.delenv(variable, raising=False)

    def run(*arguments: str | Path, environment: dict[str, str] | None = None) -> Run:
        with monkeypatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            try:
                status = main([str(argument) for argument in arguments])
            except SystemExit as stop:  # argparse's own: --help, --version and usage errors
                status = int(stop.code or 0)
        printed = capsys.readouterr()
        return Run(status, printed.out, printed.err)

    return run


def report_of(paths: Sequence[Path], store: KeyStore) -> Report:
    """The Report of the captures at `paths`, in this order."""
    analyzer = Analyzer(store, keep_table=False)
    analyse([open_capture(path) for path in paths], analyzer)
    return build_report(analyzer)


def report_of_told(capture: Capture, folder: Path, *, keys: str | None = None) -> Report:
    """The Report of a told capture with its own keys, or with the key file `keys`; "" is none."""
    path, key_file = folder / "told.pcap", folder / "told.toml"
    path.write_bytes(capture.to_pcap())
    key_file.write_text(capture.key_file() if keys is None else keys)
    return report_of([path], KeyStore() if keys == "" else load_keys([str(key_file)]))


def page(report: Report, width: int = ENDLESS, *, list_all: bool = False, has_colour: bool = False) -> str:
    """The report as text, as a terminal of that width gets it."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        highlight=False,
        force_terminal=has_colour,
        color_system="standard" if has_colour else None,
    )
    print_report(report, console, list_all=list_all)
    return out.getvalue()
