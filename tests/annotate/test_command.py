"""`aoinspect annotate` as it is run."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from tests.annotate.blocks import packets
from tests.annotate.running import run
from tests.conversation import Conversation, Key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a capture in.pcap and its keys."""
    told = Conversation([Key(secret=b"a secret word")]).handshake().data("a", 300).sign_with_wrong_secret().close()
    (tmp_path / "in.pcap").write_bytes(told.to_pcap())
    (tmp_path / "keys.toml").write_text(told.key_file())
    (tmp_path / "keys.toml").chmod(0o600)
    return tmp_path


def test_it_says_how_many_frames_got_which_comment(folder: Path) -> None:
    out = folder / "out.pcapng"
    done = run("annotate", folder / "in.pcap", out, "--keys", folder / "keys.toml")
    assert done.status == 0
    assert done.out.splitlines() == [f"{out}: 7 frames, 7 with a comment", "  6 OK", "  1 FAIL (mismatch)"]
    assert done.err == ""


def test_a_file_that_is_there_needs_force(folder: Path) -> None:
    out = folder / "out.pcapng"
    out.write_bytes(b"precious")
    arguments = ("annotate", folder / "in.pcap", out, "--keys", folder / "keys.toml")
    done = run(*arguments)
    assert (done.status, out.read_bytes()) == (2, b"precious")
    assert "--force" in done.err
    assert run(*arguments, "--force").status == 0
    assert len(packets(out.read_bytes())) == 7
    done = run("annotate", out, folder / "again.pcapng", "--keys", folder / "keys.toml")
    assert done.err == "aoinspect: 7 comments of an earlier run replaced\n"


def test_the_capture_itself_is_never_the_output(folder: Path) -> None:
    source = folder / "in.pcap"
    before = source.read_bytes()
    done = run("annotate", source, source, "--keys", folder / "keys.toml", "--force")
    assert (done.status, source.read_bytes()) == (2, before)


@pytest.mark.parametrize(
    ("name", "content"), [("missing.pcap", None), ("text.pcap", b"no capture at all"), ("empty.pcap", b"")]
)
def test_a_capture_that_cannot_be_read_leaves_nothing_behind(name: str, content: bytes | None, folder: Path) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    before = sorted(path.name for path in folder.iterdir())
    done = run("annotate", folder / name, folder / "out.pcapng", "--keys", folder / "keys.toml")
    assert done.status == 3
    assert name in done.err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_without_keys_everything_signed_is_unknown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AOINSPECT_KEYS", raising=False)
    out = folder / "out.pcapng"
    done = run("annotate", folder / "in.pcap", out)
    assert done.out.splitlines()[1:] == ["  7 UNKNOWN (no-key)"]
    assert "--keys" in done.err


def test_standard_input_is_a_capture_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO((folder / "in.pcap").read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin())
    out = folder / "out.pcapng"
    assert run("annotate", "-", out, "--keys", folder / "keys.toml").status == 0
    assert len(packets(out.read_bytes())) == 7


def test_compression_and_damage_are_told(folder: Path) -> None:
    packed = folder / "in.pcap.gz"
    packed.write_bytes(gzip.compress((folder / "in.pcap").read_bytes() + b"\xff" * 30))
    done = run("annotate", packed, folder / "out.pcapng", "--keys", folder / "keys.toml")
    assert done.status == 0
    assert "in.pcap.gz is compressed with gzip, " in done.err
    assert "damaged at octet " in done.err
    assert done.err.endswith("what lies behind was left out\n")


def test_neither_output_nor_messages_have_a_secret(folder: Path) -> None:
    done = run("annotate", folder / "in.pcap", folder / "out.pcapng", "--keys", folder / "keys.toml")
    assert "secret word" not in done.out + done.err
