"""docs/ci.md does what it says: its session in two namespaces is run against this machine's kernel.

The TCP-MD5 signatures come from the kernel and the capture from tcpdump; nothing leaves the two namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from aoinspect.api import verify
from aoinspect.commands.check import FORMATS
from aoinspect.report.expectation_file import parse_expectations
from aoinspect.report.policy import CONDITIONS
from tests.check.running import K1, K2, check, written
from tests.conversation import Conversation
from tests.recorded import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SCRIPTS = {"md5_session.sh": "bash", "md5_peer.py": "python"}


def block(heading: str, language: str) -> str:
    """The first block of code in `language` under a heading."""
    return PAGE.split(f"\n## {heading}\n")[1].split(f"```{language}\n")[1].split("```")[0]


@cache
def why_no_session() -> str:
    """Why this machine cannot run the session; empty where it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "tcpdump", "bash"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    name = f"ao-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return "this machine makes no network namespaces"
    probe = "import socket; socket.socket().setsockopt(socket.IPPROTO_TCP, 14, bytes([2, 0]) + bytes(126) + "
    probe += "bytes([0, 0, 1, 0, 0, 0, 0, 0, 65]) + bytes(79))"
    try:
        veth = ["ip", "-n", name, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"]
        if subprocess.run(veth, capture_output=True, check=False).returncode:
            return "this kernel has no veth pairs"
        if subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode:
            return "this kernel has no TCP-MD5"
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return ""


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A folder with the page's scripts, and an `aoinspect` that is this one."""
    if why_no_session():
        pytest.skip(why_no_session())
    for name, language in SCRIPTS.items():
        (tmp_path / name).write_text(block("A session in two network namespaces", language))
    command = tmp_path / "bin" / "aoinspect"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aoinspect "$@"\n')
    command.chmod(0o755)
    (tmp_path / "out").mkdir()
    return tmp_path


def run_session(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        ["bash", str(folder / "md5_session.sh"), str(folder / "out"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def namespaces() -> set[str]:
    listing = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in listing.stdout.splitlines()}


class TestASessionThatTheKernelSigns:
    def test_is_verified_and_passes(self, session: Path) -> None:
        before = namespaces()
        run = run_session(session)
        assert run.returncode == 0, run.stdout + run.stderr
        report = verify(session / "out" / "session.pcap", session / "out" / "keys.toml")
        (connection,) = report.connections
        assert {run.method.word for run in connection.runs} == {"md5"}
        assert report.totals.verdicts["verified"] == report.totals.md5_segments >= 10
        assert 'failures="0"' in (session / "out" / "aoinspect.xml").read_text()
        assert namespaces() <= before

    def test_recorded_twice_passes_one_baseline(self, session: Path) -> None:
        base = session / "base.json"
        arguments = ("--keys", session / "out" / "keys.toml", "--baseline", base)
        assert run_session(session).returncode == 0
        first = verify(session / "out" / "session.pcap")
        assert check(session / "out" / "session.pcap", *arguments, "--update").status == 0
        assert run_session(session).returncode == 0
        second = verify(session / "out" / "session.pcap")
        assert first.connections[0].a.isn != second.connections[0].a.isn
        assert check(session / "out" / "session.pcap", *arguments).status == 0

    def test_with_another_secret_at_one_end_fails(self, session: Path) -> None:
        run = run_session(session, "another-secret")
        assert run.returncode == 1, run.stdout + run.stderr
        assert "mismatch" in run.stdout
        assert "no segment of the peers in the key files was verified" in run.stdout
        assert "another-secret" not in run.stdout
        assert 'failures="2"' in (session / "out" / "aoinspect.xml").read_text()


def test_the_expectations_on_the_page_can_be_read_and_pass(tmp_path: Path) -> None:
    text = block("Expectations", "toml")
    (capture,) = parse_expectations(text, "expect.toml").captures
    assert capture.connections[0].transitions[0].max_latency_ns == 500_000_000
    conversation = Conversation((K1, K2)).handshake()
    for _ in range(8):
        conversation.data("a", 10).ack("b")
    conversation.rollover("a", to=2).data("a", 5).ack("b").rollover("b", to=2).data("b", 5).ack("a")
    _, keys = written(conversation.close(), tmp_path, "rollover")
    keys.rename(tmp_path / "keys.toml")
    expectations = tmp_path / "expect.toml"
    expectations.write_text(text.replace('must = ["rnext-unused"], ', ""))
    run = check("-f", expectations)
    assert run.status == 0, run.out
    # As it stands it also asks for a finding that this session does not give rise to.
    expectations.write_text(text)
    assert check("-f", expectations).status == 1


def test_router_configurations_on_the_page_keep_their_system() -> None:
    (capture,) = parse_expectations(block("BIRD with TCP-AO", "toml"), "deep/expect.toml").captures
    assert capture.keys == ("bird:deep/bird-a.next.conf", "bird:deep/bird-b.next.conf")


def test_the_page_names_every_format_and_condition() -> None:
    forms = PAGE.split("\n## Forms\n")[1].split("\n## ")[0]
    conditions = PAGE.split("\n## The policy\n")[1].split("\n## ")[0]
    assert [form for form in FORMATS if f"`{form}`" not in forms] == []
    assert [condition for condition in CONDITIONS if f"`{condition}`" not in conditions] == []
