"""The command line: arguments -> engine -> report. Each command is parse, call, print.

stdout is the result and stderr is narration. Heavy modules are loaded by the command that needs them, so that
`aoinspect --version` and a usage error answer at once. Whatever happens, the user sees lines and an exit status, and
never a traceback.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from aoinspect import __version__
from aoinspect.commands.shared import SharedParts, read_keys
from aoinspect.errors import AoinspectError, CaptureError, DissectorError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from aoinspect.keys.model import KeyStore
    from dissectors.registry import Registry

KEYS_VARIABLE = "AOINSPECT_KEYS"
DEBUG_VARIABLE = "AOINSPECT_DEBUG"

INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h."""
NO_MEMORY = 71
"""EX_OSERR of sysexits.h."""
OUTPUT_FAILS = 74
"""EX_IOERR of sysexits.h."""
OUTPUT_CLOSED = 141
"""What a shell says of a program that SIGPIPE ended."""


class _Parser(argparse.ArgumentParser):
    """argparse with the house's wording: one line on stderr, exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """What a command does not know is told by that command, whose help says what it does know."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


COMMANDS = (
    "verify",
    "check",
    "explain",
    "timeline",
    "show",
    "tui",
    "report",
    "resign",
    "annotate",
    "wireshark",
    "keys",
    "completion",
)
"""Each is a module of `aoinspect.commands`, in the order of --help."""


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of the commands with these names; of all, unless one needs only some."""
    parser = _Parser(
        prog="aoinspect",
        description="Verify and inspect TCP-AO (RFC 5925) and TCP-MD5 in packet captures.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"aoinspect {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    shared = SharedParts(_add_arguments, _load_keys, _registry, _console, _tell)
    for name in names:
        command = import_module(f"aoinspect.commands.{name}")
        command.add(commands, parser if name == "completion" else shared)
    return parser


def _needed(arguments: Sequence[str]) -> Sequence[str]:
    """The commands whose parsers these arguments need: the one that they begin with, or all to say what there are."""
    if list(arguments) == ["--version"]:
        return ()
    # `completion` writes a script for all of them.
    is_one = bool(arguments) and arguments[0] in COMMANDS and arguments[0] != "completion"
    return arguments[:1] if is_one else COMMANDS


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command that reads captures takes."""
    parser.add_argument(
        "--keys",
        action="append",
        metavar="FILE",
        help="key file or router configuration, recognised by content or as NAME:FILE; may be given several times "
        f"(default: the file named by {KEYS_VARIABLE})",
    )
    parser.add_argument(
        "--local",
        action="append",
        metavar="ADDR",
        help="the address of the device whose configuration --keys names, where it does not; one for all, or one for "
        "each --keys in their order",
    )
    parser.add_argument(
        "--strict",
        "--strict-keys",
        dest="strict_keys",
        action="store_true",
        help="refuse key files and configurations with secrets that every user can read",
    )
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
        help="a Python file with further dissectors; it is run",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no warnings on stderr")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status. SystemExit for --help, --version and arguments that cannot be parsed."""
    _prepare_streams()
    # What a run makes lives to its end: looking it through for rubbish every 700 objects finds none.
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    # Nor does the look that Python takes on leaving.
    atexit.register(gc.freeze)
    try:
        try:
            given = sys.argv[1:] if arguments is None else arguments
            options = build_parser(_needed(given)).parse_args(given)
            return int(options.run(options))
        finally:
            sys.stdout.flush()
    except CaptureError as error:
        return _fail(str(error), 3)
    except AoinspectError as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        _abandon_stdout()
        return OUTPUT_CLOSED
    except OSError as error:
        _abandon_stdout()
        return _fail(f"input or output fails: {error.strerror or type(error).__name__}", OUTPUT_FAILS)
    except MemoryError:
        return _fail("there is not enough memory for this; fewer or smaller captures at a time take less", NO_MEMORY)
    except Exception as error:  # noqa: BLE001 - the outermost border: whatever it is, no traceback
        return _internal_error(error)


def _prepare_streams() -> None:
    """Lets no file name or terminal setting make printing fail."""
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        if stream is None:  # Closed by whoever started us.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it stays open
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _abandon_stdout() -> None:
    """Keeps what is left in stdout's buffer from failing once more at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(line: str) -> None:
    """One line on stderr, of characters that a terminal shows and does not obey."""
    shown = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)
    with suppress(OSError):
        print(f"aoinspect: {shown}", file=sys.stderr)


def _fail(message: str, status: int) -> int:
    for line in message.splitlines():
        _tell(line)
    return status


_COLLECT_EVERY = 50_000
"""Containers made and not released between two looks for rubbish."""

_HANDLE_SECRETS = ("aoinspect.keys", "aoinspect.ao")


def _internal_error(error: Exception) -> int:
    """Says that we have made a mistake, and where; all of the way there if AOINSPECT_DEBUG is set.

    An exception's own text is shown only then, and never if code that handles secrets took part: it may quote one.
    """
    import traceback

    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    frames = [frame for link in chain for frame, _ in traceback.walk_tb(link.__traceback__)]
    may_quote_secrets = any(str(frame.f_globals.get("__name__")).startswith(_HANDLE_SECRETS) for frame in frames)
    if os.environ.get(DEBUG_VARIABLE):
        for link in reversed(chain):
            text = "(its text may quote a secret)" if may_quote_secrets else str(link)
            told = [*traceback.format_tb(link.__traceback__), f"{type(link).__name__}: {text}\n"]
            with suppress(OSError):
                print("".join(told), file=sys.stderr)
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    hint = f"please report it, with what {DEBUG_VARIABLE}=1 in the environment adds"
    return _fail(f"internal error: {type(error).__name__} in {place}; {hint}", INTERNAL_ERROR)


def _load_keys(options: argparse.Namespace) -> KeyStore:
    from aoinspect.keys.model import KeyStore

    paths: list[str] = options.keys or []
    if not paths and os.environ.get(KEYS_VARIABLE):
        paths = [os.environ[KEYS_VARIABLE]]
    if not paths:
        return KeyStore()
    store = read_keys(paths, options)
    if not options.quiet:
        for warning in store.warnings:
            for position, line in enumerate(warning.message.splitlines()):
                _tell(line if position else f"{warning.origin}: warning: {line}")
    if any(not mkt.is_keyed for peer in store.peers for mkt in peer.mkts):
        from aoinspect.keys.prompt import can_ask, fill_gaps

        if can_ask():
            store = fill_gaps(store)
    return store


def _registry(options: argparse.Namespace) -> Registry:
    from dissectors.registry import Registry

    registry = Registry()
    for path in options.dissector:
        try:
            registry.load_file(path)
        except ValueError as error:
            raise DissectorError(str(error)) from None
        except SystemExit:
            raise DissectorError(f"{path}: it ends the program instead of defining a dissector") from None
    for rule in options.decode_as:
        try:
            registry.decode_as(rule)
        except ValueError as error:
            raise UsageError(f"--decode-as: {error}") from None
    return registry


def _console() -> Console:
    """stdout for a person: as wide as the terminal; lines stay whole where it is none and COLUMNS says nothing."""
    from rich.console import Console

    class ClosableConsole(Console):
        """rich ends the program with status 1 when the reader of stdout has gone; here that is `main`'s to decide."""

        def on_broken_pipe(self) -> None:
            raise  # It is called while the BrokenPipeError is handled.

    if sys.stdout.isatty():
        return ClosableConsole(highlight=False)
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdigit() and int(columns)):
        # rich takes every digit of Unicode for a number.
        environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        return ClosableConsole(highlight=False, width=_ENDLESS, _environ=environment)
    return ClosableConsole(highlight=False, width=int(columns))


_ENDLESS = 1 << 20
"""Columns of something that is no terminal."""


if __name__ == "__main__":
    sys.exit(main())
