"""What is loaded for what: answers that need no capture need no heavy module either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import SAMPLES, environment, with_keys

PROGRAM = """\
import sys
from aoinspect.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("\\n" + " ".join(sorted(sys.modules)), file=sys.stderr)
"""
HEAVY = {"numpy", "rich", "cryptography", "textual", "dpkt", "asyncio", "importlib.metadata", "json", "traceback"}


def modules_after(*arguments: str | Path) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=environment()
    )
    return set(process.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["verify", "--help"], [], ["verify"], ["verify", "--format", "yaml", "x"]]
)
def test_answers_that_need_no_capture_load_nothing_heavy(arguments: list[str]) -> None:
    loaded = modules_after(*arguments)
    assert "aoinspect.cli" in loaded
    assert not loaded & HEAVY


def test_a_key_file_is_refused_before_the_engine_is_loaded() -> None:
    loaded = modules_after("verify", SAMPLES / "v4-sha1.pcap", "--keys", SAMPLES / "none.toml")
    assert not loaded & {"numpy", "rich", "aoinspect.engine", "aoinspect.capture"}


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_verify_loads_nothing_that_it_does_not_use(form: str) -> None:
    loaded = modules_after(*with_keys("rotation"), "--format", form)
    assert "aoinspect.engine.pipeline" in loaded
    unused = {"textual", "scapy", "dpkt", "Crypto", "asyncio", "aoinspect.tui", "aoinspect.report.show_text"}
    assert not loaded & unused
    assert ("rich" in loaded) == (form == "text")
