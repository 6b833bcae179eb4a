"""`aoinspect check` run in this process, and told captures that lie as files."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from aoinspect.api import verify
from aoinspect.commands.check import add
from aoinspect.commands.shared import SharedParts
from aoinspect.errors import UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.model import Report
from dissectors.registry import Registry
from tests.conversation import Conversation, Key
from tests.told_capture import Capture

WIDE = 400

K1 = Key("k1", 1, 101)
K2 = Key("k2", 2, 102, secret=b"the second secret")


@dataclass(frozen=True, slots=True)
class Run:
    """What the command left behind."""

    status: int
    out: str
    told: tuple[str, ...]
    """Lines of narration."""


def check(*arguments: str | Path) -> Run:
    """`aoinspect check` with these arguments. UsageError passes through."""
    parser = argparse.ArgumentParser(exit_on_error=False)

    def add_shared(command: argparse.ArgumentParser) -> None:
        command.add_argument("--keys", action="append")
        command.add_argument("--local", action="append")
        command.add_argument("--strict", "--strict-keys", dest="strict_keys", action="store_true")
        command.add_argument("--decode-as", action="append", default=[])
        command.add_argument("--dissector", action="append", default=[])
        command.add_argument("-q", "--quiet", action="store_true")

    out = io.StringIO()
    told: list[str] = []
    shared = SharedParts(
        add_arguments=add_shared,
        load_keys=lambda options: load_keys(options.keys) if options.keys else KeyStore(),
        load_registry=lambda options: Registry(),
        open_console=lambda: Console(file=out, width=WIDE, highlight=False, color_system=None),
        tell=told.append,
    )
    add(parser.add_subparsers(), shared)
    options = parser.parse_args(["check", *map(str, arguments)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        status = int(options.run(options))
    return Run(status, out.getvalue(), tuple(told))


def usage_error(*arguments: str | Path) -> str:
    """What `aoinspect check` says of arguments that do not go together."""
    with pytest.raises(UsageError) as error:
        check(*arguments)
    return str(error.value)


def written(told: Conversation | Capture, folder: Path, name: str = "told") -> tuple[Path, Path]:
    """A told capture as NAME.pcap, with its keys in NAME.toml."""
    capture, keys = folder / f"{name}.pcap", folder / f"{name}.toml"
    capture.write_bytes(told.to_pcap())
    keys.write_text(told.key_file())
    return capture, keys


def report_of(told: Conversation | Capture, folder: Path, policy: str = "rfc") -> Report:
    """The Report of a told capture with its own keys."""
    return verify(*written(told, folder), policy=policy)


def talk(
    client: str = "10.0.0.1:40000", isn: int = 1000, start_ns: int = 10**18, keys: Sequence[Key] = (K1, K2)
) -> Conversation:
    """A session in which both ends go over to the second key, once each."""
    conversation = Conversation(keys, client=client, client_isn=isn, server_isn=isn * 7 % 2**32, start_ns=start_ns)
    conversation.handshake().data("a", 100).ack("b")
    conversation.rollover("a", to=2).data("a", 50).ack("b").rollover("b", to=2).data("b", 70).ack("a")
    return conversation.close()
