"""tcpdump on a real interface, and `--follow` behind it: a session that this machine's kernel signs with TCP-MD5."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.check.test_ci_page import block, why_no_session
from tests.cli.processes import PATIENCE_SECONDS, wait_until
from tests.follow.following import Follower

KEYS = """\
version = 1
[[peer]]
local = "127.0.0.1"
remote = "127.0.0.2"
port = 179
  [[peer.key]]
  name = "session"
  algorithm = "tcp-md5"
  secret = "correct-horse"
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace of its own, with nothing but a loopback interface."""
    if why_no_session():
        pytest.skip(why_no_session())
    name = f"ao-follow-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_a_session_is_told_while_tcpdump_goes_on(namespace: str, tmp_path: Path) -> None:
    keys, peer, log = tmp_path / "keys.toml", tmp_path / "md5_peer.py", tmp_path / "tcpdump.log"
    keys.write_text(KEYS)
    peer.write_text(block("A session in two network namespaces", "python"))
    within = ["ip", "netns", "exec", namespace]
    with open(log, "wb") as complaints:
        tcpdump = subprocess.Popen(
            [*within, "tcpdump", "-i", "lo", "-s", "0", "-U", "--immediate-mode", "-w", "-", "tcp", "port", "179"],
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
    assert tcpdump.stdout is not None
    try:
        with Follower("-", "--keys", keys, "-q", "--format", "jsonl", stdin=tcpdump.stdout) as follower:
            wait_until(lambda: b"listening on" in log.read_bytes())
            ends = [("listen", "127.0.0.2", "127.0.0.1"), ("connect", "127.0.0.1", "127.0.0.2")]
            session = [
                subprocess.Popen([*within, sys.executable, str(peer), *end, "correct-horse"], stderr=subprocess.DEVNULL)
                for end in ends
            ]
            told = [follower.object_of("verdict") for _ in range(2)]
            assert [(verdict["src"], verdict["verdict"], verdict["method"]) for verdict in told][1:] == [
                ("127.0.0.2:179", "verified", "md5")
            ]
            assert tcpdump.poll() is None, "it is still capturing"
            for process in session:
                assert process.wait(PATIENCE_SECONDS) == 0
            follower.wait_until_idle()
            status, lines, _ = follower.interrupt(signal.SIGINT)
            assert (status, '"type": "summary"' in lines[-1]) == (0, True)
    finally:
        tcpdump.terminate()
        tcpdump.wait(PATIENCE_SECONDS)
