"""Key files as files: several together, unreadable ones, and all those that real captures came with."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from aoinspect.errors import KeyFileError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from tests.effort import calls_of
from tests.keys.key_texts import KEY, PEER, connection_with, key_with

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SHARED = PROJECT_ROOT.parent / "shared"
SHARED_KEY_FILES = sorted((SHARED / "captures").glob("*.toml"))
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project")


def write(directory: Path, name: str, content: str | bytes, mode: int = 0o600) -> str:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return str(path)


def error_of(*paths: str) -> str:
    with pytest.raises(KeyFileError) as caught:
        load_keys(paths)
    return str(caught.value)


class TestSeveralFiles:
    def test_equal_peers_and_keys_of_several_files_are_one(self, tmp_path: Path) -> None:
        first = write(tmp_path, "a.toml", key_with(name='"first"'))
        second = write(tmp_path, "b.toml", "# two\n# more lines\n" + key_with(name='"second"'))
        store = load_keys([first, second])
        (peer,) = store.peers
        assert [mkt.name for mkt in peer.mkts] == ["first"]
        assert peer.origin.path == first
        assert store.paths == (first, second)
        assert store.warnings == ()

    def test_a_key_that_is_told_twice_for_one_peer_is_one(self, tmp_path: Path) -> None:
        (peer,) = load_keys([write(tmp_path, "a.toml", PEER + KEY + KEY)]).peers
        assert [mkt.origin.line for mkt in peer.mkts] == [5]

    def test_a_peer_that_adds_a_key_stays_and_shares_the_name_of_the_equal_one(self, tmp_path: Path) -> None:
        first = write(tmp_path, "a.toml", key_with(name='"first"'))
        second = write(tmp_path, "b.toml", key_with(name='"second"') + KEY.replace("= 1", "= 3").replace("= 2", "= 4"))
        store = load_keys([first, second])
        assert [[mkt.name for mkt in peer.mkts] for peer in store.peers] == [["first"], ["first", "3/4"]]
        assert store.warnings == ()

    @pytest.mark.parametrize(
        "difference",
        [{"secret": '"x"'}, {"mac_length": "4"}, {"tcp_options": '"auto"'}, {"algorithm": '"hmac(sha512)"'}],
    )
    def test_keys_that_differ_are_two_and_their_ids_overlap(self, tmp_path: Path, difference: dict[str, str]) -> None:
        paths = [write(tmp_path, "a.toml", key_with()), write(tmp_path, "b.toml", key_with(**difference))]
        store = load_keys(paths)
        assert len(store.peers) == 2
        (warning,) = store.warnings
        assert str(warning.origin) == f"{paths[1]}:5"

    def test_equal_keys_of_two_peers_keep_their_own_names(self, tmp_path: Path) -> None:
        other_peer = key_with(name='"b"').replace("10.0.0.2", "10.0.0.3").replace("version = 1\n", "")
        store = load_keys([write(tmp_path, "a.toml", key_with(name='"a"') + other_peer)])
        assert [peer.mkts[0].name for peer in store.peers] == ["a", "b"]

    def test_equal_connections_are_one(self, tmp_path: Path) -> None:
        paths = [write(tmp_path, name, connection_with()) for name in "ab"]
        store = load_keys(paths)
        assert [connection.origin.path for connection in store.connections] == [paths[0]]

    def test_the_same_file_named_twice_is_read_once(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.toml", key_with())
        assert load_keys([path, path]).paths == (path,)

    def test_mistakes_of_all_files_are_told_at_once(self, tmp_path: Path) -> None:
        first = write(tmp_path, "a.toml", key_with(send_id="256"))
        second = write(tmp_path, "b.toml", key_with(recv_id="256"))
        told = error_of(first, str(tmp_path / "none.toml"), second).split("\n")
        assert told == [
            f"{first}:6: send-id must be from 0 to 255",
            f"{tmp_path / 'none.toml'}: no such file",
            f"{second}:7: recv-id must be from 0 to 255",
        ]

    def test_no_files_are_an_empty_store(self) -> None:
        assert load_keys([]) == KeyStore()


class TestWarnings:
    def test_a_key_chain_that_no_peer_uses_is_a_warning(self, tmp_path: Path) -> None:
        chain = '[[keychain]]\nname = "spare"\n' + KEY.replace("peer", "keychain")
        (warning,) = load_keys([write(tmp_path, "a.toml", PEER + KEY + chain)]).warnings
        assert (warning.origin.line, warning.message) == (10, 'no peer uses the key chain "spare"')

    @pytest.mark.parametrize(("mode", "is_public"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
    def test_a_key_file_that_everyone_can_read_is_a_warning(self, tmp_path: Path, mode: int, is_public: bool) -> None:
        warnings = load_keys([write(tmp_path, "a.toml", key_with(), mode)]).warnings
        assert ["every user of this machine" in warning.message for warning in warnings] == [True] * is_public

    def test_everyone_may_read_a_key_file_that_holds_no_secret_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AO_EDGE", "secret")
        path = write(tmp_path, "a.toml", key_with(secret=None, secret_env='"AO_EDGE"'), 0o644)
        assert load_keys([path]).warnings == ()

    def test_files_without_any_peer_are_a_warning(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.toml", connection_with())
        (warning,) = load_keys([path]).warnings
        assert "no key file holds a [[peer]]" in warning.message
        assert load_keys([path, write(tmp_path, "b.toml", key_with())]).warnings == ()


class TestFilesThatCannotBeRead:
    def test_a_missing_file_and_a_directory_are_told(self, tmp_path: Path) -> None:
        assert error_of(str(tmp_path / "none")) == f"{tmp_path / 'none'}: no such file"
        assert error_of(str(tmp_path)) == f"{tmp_path}: a directory; name the key file in it"
        assert "not a file name" in error_of("a\0b")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_a_file_of_someone_else_is_told(self, tmp_path: Path) -> None:
        assert "not readable for this user" in error_of(write(tmp_path, "a.toml", key_with(), 0o000))

    def test_octets_that_are_not_utf_8_are_told_with_their_offset(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.toml", b"version = 1\n# caf\xe9\n")
        assert error_of(path).startswith(f"{path}:2: not UTF-8 text at octet 17;")
        jpeg = write(tmp_path, "a.jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF")
        assert error_of(jpeg).startswith(f"{jpeg}:1: not UTF-8 text at octet 0;")

    def test_a_nul_is_told_with_its_offset(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.toml", b"version = 1\n\0")
        assert error_of(path).startswith(f"{path}:2: a NUL at octet 12;")

    def test_utf_16_is_told(self, tmp_path: Path) -> None:
        assert "UTF-16; save it as UTF-8" in error_of(write(tmp_path, "a.toml", key_with().encode("utf-16")))

    def test_an_empty_file_lacks_its_version(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.toml", b"")
        assert error_of(path) == f"{path}:1: the key file has no version: begin it with `version = 1`"

    def test_a_device_that_never_ends_is_told(self) -> None:
        assert "/dev/zero: larger than" in error_of("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_keys_may_come_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(key_with(),), daemon=True)
    writer.start()
    assert len(load_keys([str(pipe)]).peers) == 1
    writer.join()


def warnings_beside_the_mode(store: KeyStore) -> list[str]:
    return [warning.message for warning in store.warnings if "every user of this machine" not in warning.message]


# Of these, two peers of one socket pair have other secrets under one id, on purpose.
SHARED_WITH_OVERLAPPING_IDS = {"port-reuse", "vrf-one-listener", "vrf-any-sll", "vrf-any-sll2"} | {
    f"vrf-{name}" for name in ("vblu0", "vred0", "vrfdev-red")
}


@needs_shared
@pytest.mark.shared
def test_every_shared_key_file_loads_and_only_real_overlaps_are_warned_of() -> None:
    assert len(SHARED_KEY_FILES) > 100
    warned = set()
    for path in SHARED_KEY_FILES:
        store = load_keys([str(path)])
        text = path.read_text()
        # Every key of these files has a peer of its own.
        assert sum(len(peer.mkts) for peer in store.peers) == text.count("[[peer.key]]") == text.count("[[peer]]")
        assert len(store.connections) == text.count("[[connection]]")
        for message in warnings_beside_the_mode(store):
            assert "RFC 5925 3.1" in message or not store.peers
            warned.add(path.stem)
    assert warned == SHARED_WITH_OVERLAPPING_IDS | {"offload-on-plain"}


@needs_shared
@pytest.mark.shared
def test_keys_of_2000_peers_take_less_than_a_thousand_calls_each() -> None:
    """Which is a third of a second for all of them."""
    stores = []
    calls = calls_of(lambda: stores.append(load_keys([str(SHARED / "captures" / "rr-1000-start.toml")])))
    assert len(stores[0].peers) == 2000
    assert calls < 2000 * 1000
