"""tshark reads back what was written: comments, the plugin's fields, and the profile's colours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from aoinspect.keys import load_keys
from aoinspect.wireshark.install import PLUGIN, PROFILE, Folders, folders_in, install
from tests.annotate.blocks import packets
from tests.annotate.running import annotated
from tests.conversation import Conversation, Key
from tests.packets import ByteOrder
from tests.recorded import SHARED, RecordedCapture, captures_in, parameters
from tests.resign.pcapng import rich_pcapng
from tests.resign.running import store_of
from tests.resign.test_identity import BYTE_ORDERS, records_of

TSHARK = shutil.which("tshark")
FIELDS = ("method", "verdict", "reason", "detail", "key", "keyid", "rnext", "sne")

pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration folder of Wireshark's with the profile and the plugin, and nothing else."""
    folder = tmp_path_factory.mktemp("wireshark")
    install(folders_in(folder), replaces=False)
    return folder


def tshark(configuration: Path, *arguments: str | Path) -> str:
    """What tshark prints; it must have nothing to complain of."""
    assert TSHARK is not None
    environment = os.environ | {"WIRESHARK_CONFIG_DIR": str(configuration), "HOME": str(configuration)}
    done = subprocess.run(
        [TSHARK, "-n", *map(str, arguments)], env=environment, capture_output=True, encoding="utf-8", check=True
    )
    complaints = [line for line in done.stderr.splitlines() if "Running as user" not in line and line]
    assert complaints == []
    return done.stdout


def fields(configuration: Path, capture: Path, *names: str, options: tuple[str | Path, ...] = ()) -> list[list[str]]:
    """The values of fields of every frame; of one that occurs several times, with | between them."""
    asked = [part for name in names for part in ("-e", name)]
    told = tshark(
        configuration, "-r", capture, *options, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|", *asked
    )
    return [line.split("\t") for line in told.splitlines()]


def told_by(comment: str) -> dict[str, str]:
    """The fields of a comment whose values have no quotes."""
    method, mark, *rest = comment.replace(": ", " ").split(" ")
    return {"method": method, "verdict": mark, **dict(word.split("=", 1) for word in rest)}


WANTED = ("inject", "md5-then-ao", "snap60", "isn-ffffffff", "vxlan", "rotation", "v6-exopt-ts")


@pytest.mark.parametrize("capture", parameters(lambda name: name in WANTED))
def test_comments_and_fields_are_what_was_written(
    capture: RecordedCapture, configuration: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.pcapng"
    annotated(capture.path, out, load_keys([str(capture.keys)]))
    written = [block.comments for block in packets(out.read_bytes())]
    shown = fields(configuration, out, "frame.comment", *(f"aoinspect.{name}" for name in FIELDS))
    assert [row[0] for row in shown] == [comments[0] if comments else "" for comments in written]
    for comment, *values in shown:
        expected = told_by(comment) if comment else {}
        assert dict(zip(FIELDS, values, strict=True)) == {name: expected.get(name, "") for name in FIELDS}


def test_all_shared_captures_open_with_as_many_frames_as_before(tmp_path: Path) -> None:
    captures = captures_in(SHARED)
    if not captures:
        pytest.skip("shared captures are not beside the project")
    frames = {}
    for capture in captures:
        out = tmp_path / f"{capture.name}.pcapng"
        frames[str(out)] = annotated(capture.path, out, load_keys([str(capture.keys)])).frames
    # capinfos reads files as tshark does, many in one run.
    command = ["capinfos", "-T", "-r", "-c", "-M", *frames]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {row[0]: int(row[1]) for row in rows} == frames
    assert len(frames) == len(captures) > 100


@pytest.mark.parametrize("byte_order", BYTE_ORDERS)
def test_frames_times_and_other_comments_are_as_before(
    byte_order: ByteOrder, configuration: Path, tmp_path: Path
) -> None:
    told = Conversation([Key()], timestamps=True).handshake().data("a", 300).ack("b").data("b", 33).close()
    plain, source, out = tmp_path / "in.pcap", tmp_path / "in.pcapng", tmp_path / "out.pcapng"
    plain.write_bytes(told.to_pcap())
    records, link_type = records_of(plain)
    source.write_bytes(rich_pcapng(records, byte_order=byte_order, link_type=link_type))
    annotated(source, out, store_of(tmp_path, told.key_file()))
    same = ("frame.number", "frame.time_epoch", "frame.len", "frame.cap_len", "tcp.seq_raw", "frame.interface_name")
    assert fields(configuration, out, *same) == fields(configuration, source, *same)
    before, after = (fields(configuration, path, "frame.comment") for path in (source, out))
    for (old,), (new,) in zip(before, after, strict=True):
        ours, _, others = new.partition("|")
        assert ours.startswith("TCP-AO: OK key=")
        assert others == old


@pytest.mark.parametrize("nanoseconds", [True, False])
@pytest.mark.parametrize("byte_order", BYTE_ORDERS)
def test_a_converted_pcap_shows_as_it_did(
    byte_order: ByteOrder, nanoseconds: bool, configuration: Path, tmp_path: Path
) -> None:
    told = Conversation([Key()]).handshake().data("a", 301).cut(90).close()
    source, out = tmp_path / "in.pcap", tmp_path / "out.pcapng"
    source.write_bytes(told.to_pcap(byte_order=byte_order, nanoseconds=nanoseconds))
    annotated(source, out, store_of(tmp_path, told.key_file()))
    same = ("frame.time_epoch", "frame.len", "frame.cap_len", "frame.encap_type", "tcp.seq_raw", "tcp.checksum")
    assert fields(configuration, out, *same) == fields(configuration, source, *same)


class TestPlugin:
    NAME = 'a "b" reason=x \\n é'

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        """A right segment, failing ones and an unknown one, under a key with an odd name."""
        told = Conversation([Key(name="k", send_id=1, recv_id=2)]).handshake().data("a", 300).sign_with_wrong_secret()
        told.data("a", 3).strip_option().data("b", 80).cut(90)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcapng"
        source.write_bytes(told.to_pcap())
        name = self.NAME.replace("\\", "\\\\").replace('"', '\\"')
        annotated(source, out, store_of(tmp_path, told.key_file().replace('"k"', f'"{name}"')))
        return out

    def test_failures_are_errors_and_unknown_ones_notes(self, out: Path, configuration: Path) -> None:
        shown = fields(configuration, out, "aoinspect.verdict", "aoinspect.expert.fail", "aoinspect.expert.unknown")
        assert shown == [["OK", "", ""]] * 3 + [["FAIL", "1", ""]] * 2 + [["UNKNOWN", "", "1"]]
        expert = tshark(configuration, "-r", out, "-q", "-z", "expert,error")
        assert "AOINSPECT  TCP-AO: FAIL reason=unsigned" in expert

    def test_an_odd_name_comes_back_as_it_was(self, out: Path, configuration: Path) -> None:
        names = {key for (key,) in fields(configuration, out, "aoinspect.key")}
        # tshark escapes backslashes on its output.
        assert {name.replace("\\\\", "\\") for name in names} == {self.NAME, ""}

    @pytest.mark.parametrize(
        ("wanted", "frames"),
        [
            ('aoinspect.verdict == "OK"', "123"),
            ('aoinspect.reason == "mismatch" && aoinspect.keyid == 1', "4"),
            ("aoinspect.rnext == 1 && aoinspect.sne == 0", "26"),
            ("aoinspect && !aoinspect.key", "5"),
            ('aoinspect.method == "TCP-MD5"', ""),
        ],
    )
    def test_fields_can_be_filtered_by(self, wanted: str, frames: str, out: Path, configuration: Path) -> None:
        shown = tshark(configuration, "-r", out, "-Y", wanted, "-T", "fields", "-e", "frame.number")
        assert "".join(shown.split()) == frames

    def test_it_can_be_given_on_the_command_line_alone_and_besides(self, out: Path, configuration: Path) -> None:
        elsewhere = configuration.parent / "empty"
        for folder in (elsewhere, configuration):
            script = ("-X", f"lua_script:{configuration / 'plugins' / PLUGIN}")
            assert fields(folder, out, "aoinspect.verdict", options=script)[0] == ["OK"]

    def test_somebody_elses_comment_gives_no_field(self, configuration: Path, tmp_path: Path) -> None:
        others = [
            "TCP-AO: OK",
            "TCP-AO: OK key=k and I know why",
            "TCP-AO: FAIL reason=unsigned ",
            "TCP-AO: GOOD key=k",
            'TCP-AO: OK key="open',
            "TCP-AO: OK key=k keyid=256",
            "TCP-AO: OK key=k keyid=-1",
            "see TCP-AO: OK key=k",
        ]
        plain, commented = tmp_path / "in.pcap", tmp_path / "commented.pcapng"
        plain.write_bytes(Conversation([Key()]).handshake().data("a", 9).ack("b").data("b", 9).close().to_pcap())
        listed = [
            part for frame, text in enumerate([*others, "TCP-AO: OK key=k"], 1) for part in ("-a", f"{frame}:{text}")
        ]
        subprocess.run(["editcap", *listed, str(plain), str(commented)], check=True)
        shown = fields(configuration, commented, "frame.comment", "aoinspect.verdict")
        assert shown[:9] == [[text, ""] for text in others] + [["TCP-AO: OK key=k", "OK"]]


class TestProfile:
    def test_it_loads_and_its_rules_colour_by_verdict(self, configuration: Path, tmp_path: Path) -> None:
        told = Conversation([Key()]).handshake().data("a", 300).sign_with_wrong_secret().data("b", 80).cut(90)
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcapng"
        source.write_bytes(told.to_pcap())
        annotated(source, out, store_of(tmp_path, told.key_file()))
        rules = {
            capture: [
                rule
                for (rule,) in fields(
                    configuration, capture, "frame.coloring_rule.name", options=("-C", PROFILE, "--color")
                )
            ]
            for capture in (source, out)
        }
        assert rules[out] == ["TCP authentication right"] * 3 + [
            "TCP authentication failed",
            "TCP authentication unknown",
        ]
        assert rules[source] == ["Signed, without a verdict"] * 5

    def test_every_colour_rule_and_filter_button_is_a_filter(self, configuration: Path, tmp_path: Path) -> None:
        profile = folders_in(configuration).profile
        rules = [line.split("@")[2] for line in _lines(profile / "colorfilters")]
        buttons = [line.split('","')[2].replace("\\x22", '"') for line in _lines(profile / "dfilter_buttons")]
        assert (len(rules), len(buttons)) == (7, 4)
        capture = tmp_path / "in.pcap"
        capture.write_bytes(Conversation([Key()]).handshake().to_pcap())
        together = " || ".join(f"({rule})" for rule in rules + buttons)
        assert tshark(configuration, "-r", capture, "-Y", together)

    def test_its_columns_show_the_verdict(self, configuration: Path, tmp_path: Path) -> None:
        told = Conversation([Key(name="mykey", send_id=61, recv_id=84)]).handshake()
        source, out = tmp_path / "in.pcap", tmp_path / "out.pcapng"
        source.write_bytes(told.to_pcap())
        annotated(source, out, store_of(tmp_path, told.key_file()))
        first = tshark(configuration, "-C", PROFILE, "-r", out).splitlines()[0]
        assert " OK  mykey 61 84 0 " in first
        assert f"Seq={told.isns['a']}" in first

    def test_tshark_finds_it_in_the_usual_places(self, tmp_path: Path) -> None:
        """Without WIRESHARK_CONFIG_DIR: below the home folder."""
        assert TSHARK is not None
        home = tmp_path / "home"
        environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
        from aoinspect.wireshark.install import personal_folders

        folders: Folders = personal_folders(environment, home)
        install(folders, replaces=False)
        done = subprocess.run([TSHARK, "-G", "folders"], env=environment, capture_output=True, text=True, check=True)
        found = dict(line.split(":", 1) for line in done.stdout.splitlines())
        assert Path(found["Personal configuration"].strip()) == folders.profile.parent.parent
        assert Path(found["Personal Lua Plugins"].strip()) == folders.plugins


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
