"""Two configurations that do not say whose they are: which sessions are the two ends of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aoinspect.keys import load_keys
from aoinspect.keys.addresses import parse_prefix
from aoinspect.keys.model import KeyStore
from tests.conversation import Conversation
from tests.report.running import Command, command


@pytest.fixture
def aoinspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command(monkeypatch, capsys)


def router(*neighbours: str, ids: tuple[int, int] = (1, 101), secret: str = "testvector", source: str = "") -> str:
    """An IOS-XE configuration; `source` is its own address."""
    interface = f"interface Lo0\n ip address {source} 255.255.255.255\n" if source else ""
    lines = [
        line
        for neighbour in neighbours
        for line in (
            f" neighbor {neighbour} remote-as 2",
            *([f" neighbor {neighbour} update-source Lo0"] if source else []),
            f" neighbor {neighbour} ao K include-tcp-options",
        )
    ]
    return (
        f"key chain K tcp\n key 1\n  send-id {ids[0]}\n  recv-id {ids[1]}\n  include-tcp-options\n"
        f"  cryptographic-algorithm hmac-sha-1\n  key-string 0 {secret}\n{interface}router bgp 1\n"
        + "\n".join(lines)
        + "\n"
    )


def saved(folder: Path, *texts: str) -> list[str]:
    paths = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.cfg"
        path.write_text(text)
        path.chmod(0o600)
        paths.append(str(path))
    return paths


def ends(store: KeyStore) -> list[tuple[str, str]]:
    return [(str(peer.local).partition("/")[0], str(peer.remote).partition("/")[0]) for peer in store.peers]


A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def test_of_two_routers_with_one_session_each_is_the_others_neighbour(tmp_path: Path) -> None:
    store = load_keys(saved(tmp_path, router(B), router(A, ids=(101, 1))))
    assert ends(store) == [(A, B), (B, A)]


def test_one_that_says_its_address_is_enough(tmp_path: Path) -> None:
    store = load_keys(saved(tmp_path, router(B, source=A), router(A, C, ids=(101, 1))))
    assert ends(store) == [(A, B), (B, A), ("None", C)]


@pytest.mark.parametrize(
    "texts",
    [
        (router(B, C), router(A)),
        (router(B), router(B)),
        (router(B), router(A), router(C)),
        (router(B, source=C), router(A)),
    ],
    ids=["which neighbour is not known", "the same end twice", "three", "another address"],
)
def test_where_more_than_one_pairing_or_none_is_possible_nothing_is_assumed(
    texts: tuple[str, ...], tmp_path: Path
) -> None:
    separate = [peer for path in saved(tmp_path, *texts) for peer in load_keys([path]).peers]
    together = load_keys(saved(tmp_path, *texts))
    assert {peer.local for peer in together.peers} == {peer.local for peer in separate}


def test_key_files_of_our_own_say_what_they_say(tmp_path: Path) -> None:
    texts = [
        f'version = 1\n[[peer]]\nremote = "{remote}"\n[[peer.key]]\nsend-id = 1\nrecv-id = 2\n'
        'algorithm = "sha1"\nsecret = "testvector"\n'
        for remote in (A, B)
    ]
    assert ends(load_keys(saved(tmp_path, *texts))) == [("None", A), ("None", B)]


def test_local_may_be_said_for_each_file(tmp_path: Path) -> None:
    paths = saved(tmp_path, router(B, C), router(A, ids=(101, 1)))
    assert ends(load_keys(paths, [parse_prefix(A), parse_prefix(B)])) == [(A, B), (A, C), (B, A)]
    assert ends(load_keys(paths, parse_prefix(A)))[:2] == [(A, B), (A, C)], "no device is its own neighbour"


def test_lint_holds_the_lifetimes_of_two_such_ends_against_each_other(aoinspect: Command, tmp_path: Path) -> None:
    sent, accepted = (
        text.replace("  key-string", f"  {verb}-lifetime 00:00:00 Jan 1 2026 00:00:00 {until} 2026\n  key-string")
        for text, verb, until in (
            (router(B), "send", "Mar 1"),
            (router(A, ids=(101, 1)), "accept", "Feb 1"),
        )
    )
    run = aoinspect("keys", "lint", *saved(tmp_path, sent, accepted))
    assert "[lifetimes-do-not-meet]" in run.out
    assert "from 2026-02-01T00:00:00Z until 2026-03-01T00:00:00Z" in run.out


def test_what_the_other_end_drops_is_told_by_two_configurations_alone(aoinspect: Command, tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(Conversation().handshake().data("a", 10).data("b", 10).to_pcap())
    mine, theirs, others = saved(
        tmp_path, router(B), router(A, ids=(101, 1)), router(A, ids=(101, 1), secret="another one")
    )
    assert aoinspect("verify", capture, "--keys", mine, "--keys", theirs).status == 0
    run = aoinspect("verify", capture, "--keys", mine, "--keys", others)
    assert run.status == 1
    assert "ends-disagree" in run.out
    assert "another secret" in run.out
    run = aoinspect("verify", capture, "--keys", mine, "--local", A, "--local", B)
    assert run.status == 2
    assert "2 addresses and 1 --keys" in run.err
