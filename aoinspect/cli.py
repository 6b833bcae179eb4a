"""The command line: arguments -> engine -> report. Each command is parse, call, print.

stdout is the result and stderr is narration. Heavy modules are loaded by the command that needs them, so that
`aoinspect --version` and a usage error answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from aoinspect import __version__
from aoinspect.errors import AoinspectError, CaptureError

if TYPE_CHECKING:
    from rich.console import Console

    from aoinspect.keys.model import KeyStore
    from dissectors.registry import Registry

KEYS_VARIABLE = "AOINSPECT_KEYS"

_EXIT_CODES = """\
exit status:
  0    at least one segment is verified and nothing is wrong (without keys: the capture was read)
  1    something is wrong: mismatch, unsigned, malformed, unknown KeyID, ends that disagree
  2    the command line or a key file cannot be used
  3    the capture cannot be read
  4    nothing is wrong, but something could not be checked
  130  interrupted
"""


class _Parser(argparse.ArgumentParser):
    """argparse with the house's wording: one line on stderr, exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser(
        prog="aoinspect",
        description="Verify and inspect TCP-AO (RFC 5925) and TCP-MD5 in packet captures.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"aoinspect {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    verify = commands.add_parser(
        "verify",
        help="say of every segment of every protected connection whether its MAC is right",
        description="Say of every segment of every protected TCP connection whether its TCP-AO or TCP-MD5 MAC is right.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verify.add_argument(
        "captures", nargs="+", metavar="CAPTURE", help="pcap or pcapng, also compressed; - is stdin"
    )
    _add_key_arguments(verify)
    _add_dissection_arguments(verify)
    verify.add_argument("--format", choices=("text", "json", "jsonl"), default="text", help="default: text")
    verify.add_argument("--all", action="store_true", help="text: list every connection")
    verify.add_argument(
        "-q", "--quiet", action="store_true", help="no progress bar and no warnings on stderr"
    )
    verify.set_defaults(run=_verify)
    return parser


def _add_key_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keys",
        action="append",
        metavar="FILE",
        help=f"key file; may be given several times (default: the file named by {KEYS_VARIABLE})",
    )


def _add_dissection_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--decode-as",
        action="append",
        default=[],
        metavar="LAYER==N,NAME",
        help="as tshark's -d: udp.port==8472,vxlan",
    )
    parser.add_argument(
        "--dissector",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file with further dissectors",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except CaptureError as error:
        return _fail(str(error), 3)
    except AoinspectError as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone. What is left in the buffer must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _fail(message: str, status: int) -> int:
    for line in message.splitlines():
        print(f"aoinspect: {line}", file=sys.stderr)
    return status


def _load_keys(options: argparse.Namespace) -> KeyStore:
    from aoinspect.keys import load_keys
    from aoinspect.keys.model import KeyStore

    paths: list[str] = options.keys or []
    if not paths and os.environ.get(KEYS_VARIABLE):
        paths = [os.environ[KEYS_VARIABLE]]
    if not paths:
        return KeyStore()
    store = load_keys(paths)
    if not options.quiet:
        for warning in store.warnings:
            print(f"aoinspect: {warning.origin}: warning: {warning.message}", file=sys.stderr)
    return store


def _registry(options: argparse.Namespace) -> Registry:
    from aoinspect.errors import DissectorError, UsageError
    from dissectors.registry import Registry

    registry = Registry()
    try:
        for path in options.dissector:
            registry.load_file(path)
    except ValueError as error:
        raise DissectorError(str(error)) from None
    try:
        for rule in options.decode_as:
            registry.decode_as(rule)
    except ValueError as error:
        raise UsageError(f"--decode-as: {error}") from None
    return registry


def _console() -> Console:
    """stdout for a person: as wide as the terminal, or wide enough for any table where it is none."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=int(os.environ.get("COLUMNS", "0") or 0) or 200)


def _verify(options: argparse.Namespace) -> int:
    from aoinspect.capture.reader import open_capture
    from aoinspect.engine.pipeline import Analyzer, analyse
    from aoinspect.engine.table import Rows
    from aoinspect.progress import ProgressBar
    from aoinspect.report.model import build_report

    store = _load_keys(options)
    registry = _registry(options)
    # All are opened before the first is read: a missing file is told at once, not after an hour.
    readers = [open_capture(path) for path in options.captures]
    analyzer = Analyzer(store, registry, keep_table=False, make_rows=options.format == "jsonl")
    on_rows = None
    if options.format == "jsonl":
        from aoinspect.report.json_form import SegmentLines

        lines = SegmentLines(analyzer)

        def on_rows(rows: Rows) -> None:
            sys.stdout.writelines(line + "\n" for line in lines.lines(rows))

    with ProgressBar(is_wanted=not options.quiet and sys.stderr.isatty()) as progress:
        analyse(readers, analyzer, on_rows=on_rows, progress=progress.update)
    for problem in registry.problems:
        print(f"aoinspect: warning: {problem}", file=sys.stderr)
    report = build_report(analyzer)
    if options.format == "json":
        from aoinspect.report.json_form import report_json

        print(report_json(report))
    elif options.format == "text":
        from aoinspect.report.text import print_report

        print_report(report, _console(), list_all=options.all)
    if options.format != "text" and not options.quiet:
        for capture in report.captures:
            if capture.damage is not None:
                message = f"damaged at octet {capture.damage.offset}: {capture.damage.message}"
                print(f"aoinspect: {capture.path}: warning: {message}", file=sys.stderr)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
