"""What goes wrong is told, and leaves everything as it was."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from aoinspect.capture.rewriting import CaptureCopy, WholeFile
from aoinspect.cli import main
from aoinspect.engine.resign.wishes import Wishes
from aoinspect.errors import CaptureError, UsageError
from tests.conversation import Conversation, Key
from tests.resign.running import run_resign, store_of, written

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a capture in.pcap and its keys."""
    told = Conversation([Key()]).handshake().data("a", 300).close()
    (tmp_path / "in.pcap").write_bytes(told.to_pcap())
    (tmp_path / "keys.toml").write_text(told.key_file())
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestOutput:
    def test_a_file_that_is_there_needs_force(self, folder: Path) -> None:
        out = folder / "out.pcap"
        out.write_bytes(b"precious")
        out.chmod(0o640)
        arguments = (folder / "in.pcap", out, "--keys", folder / "keys.toml")
        ended = run_resign(*arguments)
        assert (ended.status, out.read_bytes()) == (2, b"precious")
        assert "--force" in ended.err
        assert run_resign(*arguments, "--force").status == 0
        assert out.read_bytes() == (folder / "in.pcap").read_bytes()
        assert out.stat().st_mode & 0o777 == 0o640

    @pytest.mark.parametrize("link", ["same", "hard", "soft"])
    def test_the_capture_itself_is_never_the_output(self, link: str, folder: Path) -> None:
        source = folder / "in.pcap"
        before = source.read_bytes()
        out = source if link == "same" else folder / "link.pcap"
        if link == "hard":
            out.hardlink_to(source)
        elif link == "soft":
            out.symlink_to(source)
        ended = run_resign(source, out, "--keys", folder / "keys.toml", "--force")
        assert (ended.status, source.read_bytes()) == (2, before)
        assert "this is the capture itself" in ended.err

    @pytest.mark.parametrize("flag", ["--keys", "--sign-keys"])
    def test_a_key_file_is_never_the_output(self, flag: str, folder: Path) -> None:
        others = folder / "others.toml"
        others.write_text((folder / "keys.toml").read_text())
        out = others if flag == "--sign-keys" else folder / "keys.toml"
        before = out.read_bytes()
        keys = ("--keys", folder / "keys.toml", "--sign-keys", others)
        ended = run_resign(folder / "in.pcap", out, *keys, "--force")
        assert (ended.status, out.read_bytes()) == (2, before)
        assert "this is a key file that is read" in ended.err

    def test_a_file_that_somebody_has_made_meanwhile_needs_force_too(self, folder: Path) -> None:
        out = folder / "out.pcap"
        before = [*names(folder), "out.pcap"]
        with WholeFile(str(out), [], replaces=False) as output:
            out.write_bytes(b"precious")
            with pytest.raises(UsageError, match="made such a file meanwhile"):
                output.commit()
        assert out.read_bytes() == b"precious"
        assert names(folder) == sorted(before)

    def test_a_symbolic_link_is_followed(self, folder: Path) -> None:
        (folder / "target.pcap").write_bytes(b"old")
        (folder / "out.pcap").symlink_to("target.pcap")
        ended = run_resign(folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml", "--force")
        assert ended.status == 0
        assert (folder / "out.pcap").is_symlink()
        assert (folder / "target.pcap").read_bytes() == (folder / "in.pcap").read_bytes()

    @pytest.mark.parametrize(
        ("out", "message"),
        [
            (".", "this is a directory"),
            ("missing/out.pcap", "there is no such directory"),
            ("in.pcap/out.pcap", "it cannot be written: Not a directory"),
            ("out.pcap.zst", "only gzip is written"),
            ("pipe", "this is no regular file"),
        ],
    )
    def test_what_can_be_no_output_is_told(self, out: str, message: str, folder: Path) -> None:
        os.mkfifo(folder / "pipe")
        before = names(folder)
        ended = run_resign(folder / "in.pcap", folder / out, "--keys", folder / "keys.toml", "--force")
        assert ended.status == 2
        assert message in ended.err
        assert names(folder) == before

    def test_standard_output_is_no_file(self, folder: Path) -> None:
        ended = run_resign(folder / "in.pcap", "-", "--keys", folder / "keys.toml")
        assert ended.status == 2
        assert "the output is a file" in ended.err

    def test_an_exception_leaves_nothing_behind(self, folder: Path) -> None:
        before = names(folder)
        output = WholeFile(str(folder / "out.pcap"), [], replaces=False)
        with contextlib.suppress(ZeroDivisionError), output:
            output.file.write(b"half of it")
            assert len(names(folder)) == len(before) + 1
            raise ZeroDivisionError
        assert names(folder) == before

    def test_a_write_that_fails_names_the_file_and_leaves_nothing_behind(self, folder: Path) -> None:
        before = names(folder)
        output = WholeFile(str(folder / "out.pcap"), [], replaces=False)
        told = r"out\.pcap: writing fails: No space left on device"
        with pytest.raises(CaptureError, match=told), output:
            raise OSError(28, "No space left on device")
        assert names(folder) == before

    def test_a_capture_that_shrinks_meanwhile_is_told(self, folder: Path) -> None:
        with (folder / "copy").open("w+b") as file:
            copy = CaptureCopy(lambda offset, length: b"four"[offset : offset + length], file)
            with pytest.raises(CaptureError, match="ends at octet 4 now: it was changed meanwhile"):
                copy.copy_to(5)


RUN = """
import resource, signal, sys
from tests.resign.running import run_resign
limit, *arguments = sys.argv[1:]
if int(limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
ended = run_resign(*arguments)
print(ended.err, end="")
sys.exit(ended.status)
"""

INTERRUPTED_RUN = """
import os, signal, sys
number = getattr(signal, sys.argv.pop(1))
if signal.getsignal(number) is signal.SIG_IGN:
    # As nohup has it, for whoever runs these tests.
    signal.signal(number, signal.SIG_DFL)
from aoinspect.engine.resign import rewriter
from tests.resign.running import run_resign
write = rewriter.Rewriter._write
def interrupt(*arguments):
    written = write(*arguments)
    os.kill(os.getpid(), number)
    return written
rewriter.Rewriter._write = interrupt
try:
    run_resign(*sys.argv[1:])
except KeyboardInterrupt:
    sys.exit(130)
"""


class TestProcesses:
    def run(self, script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=60)

    def test_a_full_disk_leaves_nothing_behind(self, folder: Path) -> None:
        told = Conversation([Key()]).handshake()
        for _ in range(60):
            told.data("a", 1400)
        (folder / "in.pcap").write_bytes(told.to_pcap())
        before = names(folder)
        ended = self.run(RUN, "50000", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml")
        assert ended.returncode == 3, ended.stderr
        assert "out.pcap: writing fails: File too large" in ended.stdout
        assert names(folder) == before

    def test_sigint_leaves_nothing_behind(self, folder: Path) -> None:
        before = names(folder)
        arguments = (folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml")
        ended = self.run(INTERRUPTED_RUN, "SIGINT", *arguments)
        assert ended.returncode == 130, ended.stderr
        assert names(folder) == before

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
    @pytest.mark.parametrize("mode", ["plain", "anonymise"])
    def test_other_signals_leave_nothing_behind_and_end_it_as_they_do(self, name: str, mode: str, folder: Path) -> None:
        before = names(folder)
        arguments: list[str | Path] = [folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml"]
        script = INTERRUPTED_RUN
        if mode == "anonymise":
            arguments.append("--anonymise")
            script = script.replace("resign import rewriter", "anonymise import writing as rewriter")
            script = script.replace("Rewriter._write", "TwinWriter._note")
        ended = self.run(script, name, *arguments)
        assert ended.returncode == -getattr(signal, name), ended.stderr
        assert "Traceback" not in ended.stderr
        assert names(folder) == before


class TestArguments:
    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (("--strip", "--add"), "leave out either it or --add"),
            (("--strip", "--from-md5"), "leave out either it or --from-md5"),
            (("--strip", "--rollover", "1=k1"), "leave out either it or --rollover"),
            (("--strip", "--faults", "keep"), "leave out either it or --faults"),
            (("--map", "k1=k2"), "give one of them"),
            (("--map", "k1"), "is not OLD=NEW"),
            (("--from-md5", "--map", "k1=k1", "--map", "k1=k2"), "k1 can become only one key"),
            (("--from-md5", "--map", "k9=k1"), "the capture's keys have no key named k9 (there are: k1)"),
            (("--from-md5", "--map", "k1=k9"), "the keys to sign with have no key named k9 (there are: k1)"),
            (("--rollover", "1=k9"), "no key named k9"),
            (("--faults", "ignore"), "invalid choice"),
        ],
    )
    def test_what_makes_no_sense_is_told_before_anything_is_read(
        self, flags: tuple[str, ...], message: str, folder: Path
    ) -> None:
        before = names(folder)
        ended = run_resign(folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml", *flags)
        assert ended.status == 2
        assert message in ended.err
        assert names(folder) == before

    @pytest.mark.parametrize("mode", ["resign", "anonymise", "annotate"])
    def test_that_there_was_nothing_to_do_is_told_with_the_reason(
        self, mode: str, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        octets = bytearray((folder / "in.pcap").read_bytes())
        octets[20] = 105  # LINKTYPE_IEEE802_11
        (folder / "in.pcap").write_bytes(octets)
        command = [mode if mode == "annotate" else "resign", str(folder / "in.pcap"), str(folder / "out")]
        more = ["--anonymise"] if mode == "anonymise" else []
        assert main([*command, "--keys", str(folder / "keys.toml"), *more]) == 0
        told = capsys.readouterr().err
        assert "frames of link type 105 (IEEE802_11) were not read: no dissector" in told
        assert "nothing here is protected: no segment carries an AO or MD5 option, and no [[peer]] covers one" in told

    def test_keys_are_needed(self, folder: Path) -> None:
        ended = run_resign(folder / "in.pcap", folder / "out.pcap")
        assert ended.status == 2
        assert "--keys FILE" in ended.err

    @pytest.mark.parametrize("content", [None, b"", b"not a capture at all"])
    def test_a_capture_that_cannot_be_read_is_told(self, content: bytes | None, folder: Path) -> None:
        source = folder / "other.pcap"
        if content is not None:
            source.write_bytes(content)
        before = names(folder)
        ended = run_resign(source, folder / "out.pcap", "--keys", folder / "keys.toml")
        assert ended.status == 3
        assert "other.pcap" in ended.err
        assert names(folder) == before

    def test_a_key_without_a_secret_signs_nothing(self, folder: Path) -> None:
        store = store_of(folder, (folder / "keys.toml").read_text())
        why = "Cisco type 6 cannot be read"
        peers = tuple(
            replace(peer, mkts=tuple(replace(mkt, secret=None, gap=why) for mkt in peer.mkts)) for peer in store.peers
        )
        before = names(folder)
        with pytest.raises(UsageError, match=rf"keys\.toml:\d+: key k1 has no secret \({why}\)"):
            written(folder / "in.pcap", folder / "out.pcap", store, Wishes(new_keys=replace(store, peers=peers)))
        assert names(folder) == before


class TestNarration:
    def test_counts_go_to_stdout_and_frames_to_stderr(self, folder: Path) -> None:
        told = Conversation([Key()]).handshake().data("a", 300).sign_with_wrong_secret().stray("b", 5).close()
        (folder / "in.pcap").write_bytes(told.to_pcap())
        ended = run_resign(folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml")
        assert ended.status == 0
        assert ended.out.splitlines()[1:] == [
            "  6 kept: right as they were",
            "  1 re-signed",
            "  1 left as they were: 1 unsigned",
        ]
        assert ended.out.startswith(f"{folder / 'out.pcap'}: 8 frames, 8 segments of protected connections\n")
        assert ended.err == "aoinspect: left as they were (unsigned): frames 5\n"

    def test_a_compressed_capture_that_comes_out_plain_is_told(self, folder: Path) -> None:
        (folder / "in.pcap.gz").write_bytes(gzip.compress((folder / "in.pcap").read_bytes()))
        ended = run_resign(folder / "in.pcap.gz", folder / "out.pcap", "--keys", folder / "keys.toml")
        assert (folder / "out.pcap").read_bytes() == (folder / "in.pcap").read_bytes()
        assert "is compressed with gzip" in ended.err

    def test_a_pipe_is_read_as_well(self, folder: Path) -> None:
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        octets = (folder / "in.pcap").read_bytes()
        feeding = threading.Thread(target=pipe.write_bytes, args=(octets,), daemon=True)
        feeding.start()
        ended = run_resign(pipe, folder / "out.pcap", "--keys", folder / "keys.toml")
        feeding.join(30)
        assert ended.status == 0, ended.err
        assert (folder / "out.pcap").read_bytes() == octets
