"""`aoinspect keys ...`: keys read from routers' configurations, written for them, looked over and compared.

What is written holds secrets: it goes to a file of mode 0600 that was not there before, or to stdout where that is
asked for with `-o -`. What the other subcommands print holds none. stdout is the result; warnings go to stderr.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from aoinspect.commands import traffic_keys
from aoinspect.commands.shared import Commands, SharedParts, write_secrets
from aoinspect.errors import UsageError

if TYPE_CHECKING:
    from aoinspect.keys.model import KeyStore, Network
    from aoinspect.keys.remarks import Remark

EXPORT_SYSTEMS = ("aoinspect", "bird", "gobgp", "ios-xr", "ios-xe", "junos", "ietf")
"""As `aoinspect.keys.export.SYSTEMS`, which is not loaded for it; a test holds that they are equal."""
_GRAVITIES = ("error", "warning", "note")
_FILES = "key file or configuration, recognised by its content; NAME:FILE says whose it is"

EXAMPLE = """\
version = 1

# Keys that several peers share go into a key chain.
[[keychain]]
name = "edge"
  [[keychain.key]]
  name = "2026q4"                       # what every output calls it; the secret is never shown
  send-id = 61                          # the KeyID of segments from `local` to `remote`
  recv-id = 84                          # and the other way
  algorithm = "hmac-sha-1-96"
  secret = "replace this secret"        # or secret-hex, secret-base64, secret-file, secret-env, secret-cisco7, ...
  send-lifetime = { from = 2026-10-01T00:00:00Z, until = 2027-01-01T00:00:00Z }
  accept-lifetime = { from = 2026-09-30T00:00:00Z, until = 2027-01-02T00:00:00Z }
  [[keychain.key]]
  name = "2027q1"
  send-id = 62
  recv-id = 85
  algorithm = "aes-128-cmac-96"
  gap = "not known yet"                 # the timeline works without it; its segments are unverifiable
  send-lifetime = { from = 2027-01-01T00:00:00Z }
  accept-lifetime = { from = 2026-12-31T00:00:00Z }

[[peer]]
local = "192.0.2.1"                     # address or prefix
remote = "198.51.100.0/24"
port = 179                              # on either end; without it, all TCP between the two is meant
keychain = "edge"

# A peer may hold keys of its own.
[[peer]]
local = "2001:db8::1"
remote = "2001:db8::2"
port = 179
  [[peer.key]]
  algorithm = "tcp-md5"
  secret = "replace this password"

# For captures that miss the handshake: `aoinspect keys isn` makes these from what routers print.
[[connection]]
local = "192.0.2.1:59863"
remote = "198.51.100.7:179"
local-isn = 0xfbfbab5a
remote-isn = 0x11c14261
"""


class _Run(Protocol):
    """What a subcommand does; its exit status."""

    def __call__(self, options: argparse.Namespace, shared: SharedParts) -> int: ...


def add(commands: Commands[argparse.ArgumentParser], shared: SharedParts) -> argparse.ArgumentParser:
    """Adds the command and its subcommands to `commands`; its parser."""
    parser = commands.add_parser(
        "keys",
        help="read keys from configurations, write them for routers, look them over, compare both ends",
        description="Work with key files and router configurations.",
        allow_abbrev=False,
    )
    subcommands = parser.add_subparsers(dest="keys_command", metavar="COMMAND", required=True)

    def subcommand(name: str, run: _Run, told: str) -> argparse.ArgumentParser:
        inner = subcommands.add_parser(
            name, help=told, description=told[0].upper() + told[1:] + ".", allow_abbrev=False
        )
        inner.add_argument("-q", "--quiet", action="store_true", help="no warnings on stderr")
        inner.set_defaults(run=partial(run, shared=shared))
        return inner

    _add_import(subcommand("import", run_import, "write keys as a key file of aoinspect's own"))
    _add_export(subcommand("export", run_export, "write keys for another system"))
    _add_lint(subcommand("lint", run_lint, "say what is wrong with keys, or will be"))
    _add_compare(subcommand("compare", run_compare, "hold the keys of both ends of sessions against each other"))
    example = subcommand("example", run_example, "print a key file to begin with")
    example.add_argument("-o", dest="output", metavar="FILE", default="-", help="write it there (default: stdout)")
    example.add_argument("--force", action="store_true", help="replace FILE")
    isn = subcommand("isn", run_isn, "print [[connection]] entries for what routers and Linux list of live connections")
    isn.add_argument("files", nargs="+", metavar="FILE", help="listing: show tcp detail, show system connections, ...")
    traffic_keys.add(subcommands, shared)
    return parser


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help=_FILES)
    parser.add_argument(
        "--local", type=_network, metavar="ADDR", help="the device's address, where its configuration does not name it"
    )
    _add_strict(parser)


def _add_strict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict",
        "--strict-keys",
        dest="strict_keys",
        action="store_true",
        help="refuse files with secrets that every user can read",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", dest="output", metavar="OUT", required=True, help="file to write, of mode 0600; - is stdout"
    )
    parser.add_argument("--force", action="store_true", help="replace OUT where it is there already")


def _add_import(parser: argparse.ArgumentParser) -> None:
    _add_sources(parser)
    _add_output(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_sources(parser)
    _add_output(parser)
    parser.add_argument("--to", dest="system", choices=EXPORT_SYSTEMS, required=True, help="whose configuration")
    parser.add_argument(
        "--peer", action="store_true", help="what the other end has to say: ids crossed, addresses exchanged"
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--fail-on", choices=_GRAVITIES, metavar="SEVERITY", help="exit status 1 for error, warning or note and above"
    )


def _add_lint(parser: argparse.ArgumentParser) -> None:
    _add_sources(parser)
    _add_report(parser)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help=_FILES)
    parser.add_argument("b", metavar="B", help="the same of the other end")
    for end in ("a", "b"):
        parser.add_argument(
            f"--local-{end}", type=_network, metavar="ADDR", help=f"the address of {end.upper()}'s device"
        )
    _add_strict(parser)
    _add_report(parser)


def _network(text: str) -> Network:
    from aoinspect.keys.addresses import parse_prefix

    try:
        return parse_prefix(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _load(paths: Sequence[str], local: Network | None, options: argparse.Namespace, shared: SharedParts) -> KeyStore:
    from aoinspect.keys import load_keys

    store = load_keys(paths, local, is_strict=options.strict_keys)
    if not options.quiet:
        for warning in store.warnings:
            first, *rest = warning.message.splitlines()
            shared.tell(f"{warning.origin}: warning: {first}")
            for line in rest:
                shared.tell(line)
    return store


def run_import(options: argparse.Namespace, shared: SharedParts) -> int:
    """`keys import`; 0 once written."""
    from aoinspect.keys.export import export
    from aoinspect.keys.logged_keys import refuse_logs

    store = _load(options.files, options.local, options, shared)
    refuse_logs(store, "no key file can be written of it")
    text = export(store, "aoinspect")
    _write(text, options)
    if not options.quiet and options.output != "-":
        shared.tell(f"{options.output}: {_counted(store)}")
        gaps = [number for number, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith("gap = ")]
        if gaps:
            shared.tell(f"{options.output}: secrets to fill in, in place of gap, in {_lines(gaps)}")
    return 0


def run_export(options: argparse.Namespace, shared: SharedParts) -> int:
    """`keys export`; 0 once written."""
    from aoinspect.keys.export import export
    from aoinspect.keys.logged_keys import refuse_logs

    store = _load(options.files, options.local, options, shared)
    refuse_logs(store, "nothing can be written of it for a router")
    _write(export(store, options.system, options.peer, options.local), options)
    return 0


def run_lint(options: argparse.Namespace, shared: SharedParts) -> int:
    """`keys lint`; 0 once printed, or as --fail-on says."""
    from aoinspect.keys.lint import lint
    from aoinspect.keys.logged_keys import refuse_logs
    from aoinspect.keys.two_devices import with_ends_told_apart
    from aoinspect.report.key_remarks import lint_json, lint_text

    stores = [_load([path], options.local, options, shared) for path in dict.fromkeys(options.files)]
    for store in stores:
        refuse_logs(store, "there are no secrets to look over")
    remarks = lint(with_ends_told_apart(stores))
    print(lint_json(remarks) if options.format == "json" else lint_text(remarks))
    return _status(remarks, options)


def run_compare(options: argparse.Namespace, shared: SharedParts) -> int:
    """`keys compare`; 0 once printed, or as --fail-on says."""
    from aoinspect.keys.compare import compare
    from aoinspect.keys.logged_keys import refuse_logs
    from aoinspect.report.key_remarks import comparison_json, comparison_text

    mine = _load([options.a], options.local_a, options, shared)
    theirs = _load([options.b], options.local_b, options, shared)
    for store in (mine, theirs):
        refuse_logs(store, "it cannot be held against another end's keys")
    comparison = compare(mine, theirs)
    print(comparison_json(comparison) if options.format == "json" else comparison_text(comparison))
    if not comparison.sessions:
        raise UsageError(
            f"{options.a} and {options.b} have no session in common: name the devices with --local-a and --local-b "
            "where the files do not"
        )
    return _status(comparison.remarks, options)


def run_example(options: argparse.Namespace, shared: SharedParts) -> int:
    """`keys example`; 0."""
    _write(EXAMPLE, options)
    return 0


def run_isn(options: argparse.Namespace, shared: SharedParts) -> int:
    """`keys isn`; 0 once printed."""
    from aoinspect.keys.isn_sources import connection_entry, read_isns

    print("\n".join(connection_entry(known) for path in options.files for known in read_isns(path)), end="")
    return 0


def _write(text: str, options: argparse.Namespace) -> None:
    """Writes what may hold secrets: to stdout, or to a file that only its owner can read."""
    write_secrets(text, options.output, replaces=options.force)


def _status(remarks: Sequence[Remark], options: argparse.Namespace) -> int:
    if options.fail_on is None:
        return 0
    limit = _GRAVITIES.index(options.fail_on)
    return int(any(remark.severity.rank <= limit for remark in remarks))


def _counted(store: KeyStore) -> str:
    keys = sum(len(chain.mkts) for chain in store.keychains)
    keys += sum(len(peer.mkts) for peer in store.peers if peer.keychain is None)
    counts = ((len(store.keychains), "key chain"), (keys, "key"), (len(store.peers), "peer"))
    return ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for number, name in counts)


def _lines(numbers: Sequence[int]) -> str:
    return f"line{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
