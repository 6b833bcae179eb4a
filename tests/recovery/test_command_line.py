"""`verify` of a capture without its handshake: what is found is used, told in every form, and decides the status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine import reading
from aoinspect.engine.pipeline import Analyzer
from aoinspect.keys.toml_file import parse_key_file
from tests.cli.processes import SAMPLES, command, environment
from tests.conversation import Conversation, Key, merge
from tests.report.running import Command
from tests.report.running import command as command_here

KEYS = SAMPLES / "v4-sha1.toml"
SEGMENTS = 29
"""Behind the cut."""
OWN_ISN, PEER_ISN = 3992369588, 1752072088
"""Of 10.0.0.2:179 and 10.0.0.1:34913, as the whole capture's handshake has them."""


@pytest.fixture
def aoinspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command_here(monkeypatch, capsys)


@pytest.fixture
def midway(tmp_path: Path) -> Path:
    """A real kernel's session without its first 11 frames: ARP, the handshake, and 77 octets."""
    whole = SAMPLES / "v4-sha1.pcap"
    with open_capture(whole) as reader:
        batch = next(reader.batches())
    octets = whole.read_bytes()
    path = tmp_path / "midway.pcap"
    path.write_bytes(octets[:24] + octets[int(batch.offsets[11]) :])
    return path


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_text_has_every_segment_verified_and_an_entry_for_the_key_file(aoinspect: Command, midway: Path) -> None:
    run = aoinspect("verify", midway, "--keys", KEYS)
    assert run.status == 0
    assert f"✓ {SEGMENTS} verified" in run.out
    assert "ISNs recovered (both ends together had sent 77 octets before this capture; key 'k1')" in run.out
    entry = run.out[run.out.index("[[connection]]") :].partition("\n29 frames")[0]
    (known,) = parse_key_file("version = 1\n" + entry, "printed").connections
    assert (known.local_isn, known.remote_isn) == (OWN_ISN, PEER_ISN)


def test_the_printed_entry_makes_the_search_needless(aoinspect: Command, midway: Path, tmp_path: Path) -> None:
    run = aoinspect("verify", midway, "--keys", KEYS)
    entry = run.out[run.out.index("[[connection]]") :].partition("\n29 frames")[0]
    (tmp_path / "more.toml").write_text("version = 1\n" + entry)
    again = aoinspect(
        "verify", midway, "--keys", KEYS, "--keys", tmp_path / "more.toml", "--recover-isn", "off", "--format", "json"
    )
    told = json.loads(again.out)
    assert (again.status, told["totals"]["verified"], told["recovery"]) == (0, SEGMENTS, None)
    assert told["connections"][0]["isn_source"] == "key-file"


def test_json_tells_the_isns_and_what_the_search_cost(aoinspect: Command, midway: Path) -> None:
    run = aoinspect("verify", midway, "--keys", KEYS, "--format", "json")
    told = json.loads(run.out)
    assert run.status == 0
    assert told["totals"]["verified"] == SEGMENTS
    (connection,) = told["connections"]
    assert connection["isn_source"] == "recovered"
    assert (connection["a"]["isn"], connection["b"]["isn"]) == (OWN_ISN, PEER_ISN)
    recovery = told["recovery"]
    assert (recovery["budget"], recovery["missing"], recovery["interrupted"]) == (1_000_000, [], False)
    assert 0 < recovery["candidates"] < 50_000
    (found,) = recovery["found"]
    assert found == {
        "connection": 0,
        "local": "10.0.0.2:179",
        "remote": "10.0.0.1:34913",
        "local_isn": OWN_ISN,
        "remote_isn": PEER_ISN,
        "mkt": "k1",
        "octets_sent": 77,
    }


def test_json_lines_come_once_and_with_the_verdicts_of_the_second_reading(aoinspect: Command, midway: Path) -> None:
    run = aoinspect("verify", midway, "--keys", KEYS, "--format", "jsonl")
    lines = objects(run.out)
    assert run.status == 0
    assert [line["frame"] for line in lines] == list(range(1, SEGMENTS + 1))
    assert {(line["verdict"], line["sne"], line["mkt"]) for line in lines} == {("verified", 0, "k1")}


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_off_searches_nothing(form: str, aoinspect: Command, midway: Path) -> None:
    run = aoinspect("verify", midway, "--keys", KEYS, "--recover-isn", "off", "--format", form)
    assert run.status == 4
    assert "recovered" not in run.out
    if form == "text":
        assert f"? {SEGMENTS} unverifiable" in run.out
        assert "ISNs" not in run.out.replace("add a [[connection]] with the ISNs", "").replace("both ISNs", "")
    elif form == "json":
        assert json.loads(run.out)["recovery"] is None
    else:
        assert {line["reason"] for line in objects(run.out)} == {"isn-unknown"}


def test_a_budget_that_is_too_small_says_how_far_it_went(aoinspect: Command, midway: Path) -> None:
    """20 candidates: all pairs of which both ends together had sent fewer than 5 octets are 15."""
    run = aoinspect("verify", midway, "--keys", KEYS, "--recover-isn", "20")
    assert run.status == 4
    assert "ISNs not found: both ends together had sent 5 octets or more, or the key is another" in run.out
    told = json.loads(aoinspect("verify", midway, "--keys", KEYS, "--recover-isn", "20", "--format", "json").out)
    assert told["recovery"]["missing"] == [{"connection": 0, "searched_below": 5}]
    assert (told["recovery"]["candidates"], told["recovery"]["budget"]) == (15, 20)


def test_a_wrong_key_is_not_found_and_stays_unverifiable(aoinspect: Command, midway: Path, tmp_path: Path) -> None:
    """A search that finds nothing cannot tell a wrong key from an old session, so nothing is called a mismatch."""
    text = KEYS.read_text()
    secret = text.partition('secret-hex = "')[2].partition('"')[0]
    (tmp_path / "wrong.toml").write_text(text.replace(secret, "00" * 16))
    run = aoinspect("verify", midway, "--keys", tmp_path / "wrong.toml", "--recover-isn", "2000", "--format", "json")
    told = json.loads(run.out)
    assert run.status == 4
    assert (told["totals"]["unverifiable"], told["totals"]["mismatch"]) == (SEGMENTS, 0)
    assert [missing["connection"] for missing in told["recovery"]["missing"]] == [0]


def test_connections_that_the_budget_never_came_to_are_named(aoinspect: Command, tmp_path: Path) -> None:
    key = Key(name="k1", secret=b"a secret of this peer")
    conversations = [
        Conversation([key], client=f"10.0.0.{host}:40000").established(client_octets=9_000, server_octets=9_000)
        for host in (1, 2, 3)
    ]
    capture = merge([conversation.data("a", 19).ack("b") for conversation in conversations])
    (tmp_path / "three.pcap").write_bytes(capture.to_pcap())
    (tmp_path / "three.toml").write_text(capture.key_file())
    run = aoinspect(
        "verify", tmp_path / "three.pcap", "--keys", tmp_path / "three.toml", "--recover-isn", "1", "--format", "json"
    )
    missing = cast(list[dict[str, int]], json.loads(run.out)["recovery"]["missing"])
    assert sorted(entry["connection"] for entry in missing) == [0, 1, 2]
    assert 0 in {entry["searched_below"] for entry in missing}


def test_several_captures_are_all_read_again(aoinspect: Command, midway: Path) -> None:
    """The second one has a handshake of its own, and its verdicts stay."""
    run = aoinspect("verify", midway, SAMPLES / "v4-sha1.pcap", "--keys", KEYS, "--format", "json")
    told = json.loads(run.out)
    assert run.status == 0
    assert [capture["frames"] for capture in told["captures"]] == [29, 40]
    assert told["totals"]["verified"] == told["totals"]["ao_segments"]


@pytest.fixture
def printed_before_readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines were on stdout when each reading of the captures began."""
    printed = []
    read = reading.analyse

    def noted(*arguments: Any, **options: Any) -> Analyzer:
        assert isinstance(sys.stdout, io.TextIOWrapper)  # pytest's
        printed.append(cast(io.BytesIO, sys.stdout.buffer).getvalue().count(b"\n"))
        return read(*arguments, **options)

    monkeypatch.setattr(reading, "analyse", noted)
    return printed


ROTATION = (SAMPLES / "rotation.pcap", "--keys", SAMPLES / "rotation.toml")


def an_hour_later(capture: bytes) -> bytes:
    with open_capture(io.BytesIO(capture)) as reader:
        offsets = [int(offset) for batch in reader.batches() for offset in batch.offsets]
    moved = bytearray(capture)
    for offset in offsets:
        seconds = int.from_bytes(capture[offset : offset + 4], "little") + 3600
        moved[offset : offset + 4] = seconds.to_bytes(4, "little")
    return bytes(moved)


class TestHowOftenLinesTakeAReading:
    """A search may change what is said of segments without ISNs, and of those that fail under the ones known."""

    def test_once_where_nothing_is_missing(self, aoinspect: Command, printed_before_readings: list[int]) -> None:
        run = aoinspect("verify", *ROTATION, "--format", "jsonl")
        assert [line["verdict"] for line in objects(run.out)] == ["verified"] * 60
        assert printed_before_readings == [0]

    def test_a_second_one_goes_on_where_the_first_one_could_not(
        self, aoinspect: Command, midway: Path, printed_before_readings: list[int]
    ) -> None:
        """The session without its handshake is the later one."""
        later = midway.with_name("later.pcap")
        later.write_bytes(an_hour_later(midway.read_bytes()))
        arguments = ("verify", later, *ROTATION, "--keys", KEYS, "--format", "jsonl")
        run = aoinspect(*arguments)
        assert (run.status, printed_before_readings) == (0, [0, 60])
        assert [line["verdict"] for line in objects(run.out)] == ["verified"] * (60 + SEGMENTS)
        # A filter holds all lines back.
        assert run.out == aoinspect(*arguments, "--filter", "tcp").out
        assert printed_before_readings[2:] == [0, 0]

    def test_twice_where_something_fails(self, aoinspect: Command, printed_before_readings: list[int]) -> None:
        arguments = ("verify", SAMPLES / "inject.pcap", "--keys", SAMPLES / "inject.toml", "--format", "jsonl")
        assert aoinspect(*arguments).out == aoinspect(*arguments, "--filter", "tcp").out != ""
        assert printed_before_readings == [0, 0, 0, 0]


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_standard_input_is_read_once_and_not_searched(form: str, midway: Path) -> None:
    """A pipe cannot be read a second time: segments are printed as they come, and no search holds them up."""
    process = subprocess.run(
        command("verify", "-", "--keys", KEYS, "--format", form),
        input=midway.read_bytes(),
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert process.returncode == 4
    text = process.stdout.decode()
    if form == "jsonl":
        assert [line["reason"] for line in objects(text)] == ["isn-unknown"] * SEGMENTS
    elif form == "json":
        assert json.loads(text)["recovery"] is None
    else:
        assert f"? {SEGMENTS} unverifiable" in text
    assert b"Traceback" not in process.stderr


def test_without_keys_nothing_is_searched(aoinspect: Command, midway: Path) -> None:
    run = aoinspect("verify", midway, "--format", "json")
    assert json.loads(run.out)["recovery"] is None


@pytest.mark.parametrize("text", ["some", "-1", "1.5", "", "1e6", "٣"])
def test_a_budget_that_is_no_number_is_a_usage_error(text: str, aoinspect: Command, midway: Path) -> None:
    run = aoinspect("verify", midway, "--keys", KEYS, f"--recover-isn={text}")
    assert (run.status, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert "neither a number of candidates nor off" in run.err
