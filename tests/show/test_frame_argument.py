"""FRAME and CAPTURE as people mistype them, frames that hold no segment, and captures that come through a pipe."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path

import pytest

from tests.conversation import Conversation
from tests.packets import ETHERNET, Record, ethernet, ip_packet, write_pcap
from tests.show.running import run_show

ARP = ethernet(bytes.fromhex("0001080006040001020000000001c0000201000000000000c0000202"), ethertype_inside=0x0806)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "a.pcap"
    path.write_bytes(Conversation().handshake().to_pcap())
    path.with_suffix(".toml").write_text(Conversation().key_file())
    return path


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5", "0x2", "٢", "", "2 3"])
def test_what_is_no_frame_number_is_a_usage_error(capture: Path, text: str) -> None:
    outcome = run_show(capture, "--", text) if text.startswith("-") else run_show(capture, text)
    assert outcome.status == 2
    assert "is no frame number; the first frame is 1" in outcome.err
    assert outcome.out == ""


def test_a_frame_number_behind_the_last_says_how_many_there_are(capture: Path) -> None:
    outcome = run_show(capture, "4")
    assert outcome.status == 2
    assert f"{capture}: the capture has 3 packets, and none of them has the number 4" in outcome.err


def test_a_frame_behind_the_damage_says_where_the_damage_is(capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-5])
    outcome = run_show(capture, "3")
    assert outcome.status == 2
    assert "has 2 packets" in outcome.err
    assert "damaged at octet" in outcome.err


def test_an_empty_capture_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(write_pcap([]))
    outcome = run_show(tmp_path / "a.pcap", "1")
    assert outcome.status == 2
    assert "the capture holds no packet" in outcome.err


def test_a_capture_that_is_not_there_is_status_3(tmp_path: Path) -> None:
    assert run_show(tmp_path / "no.pcap", "1").status == 3
    assert run_show(tmp_path / "no.pcap").status == 3


def test_the_frame_may_stand_behind_the_options(capture: Path) -> None:
    keys = capture.with_suffix(".toml")
    plain = run_show(capture, "2", "--keys", keys)
    assert plain.status == 0
    assert run_show("--keys", keys, capture, "2").out == plain.out
    assert run_show(capture, "--keys", keys, "2").out == plain.out
    assert run_show(capture, "--keys", keys, "2", "3").status == 2
    assert "is no frame number" in run_show(capture, "--keys", keys, "second").err


def test_reveal_without_a_frame_is_a_usage_error(capture: Path) -> None:
    outcome = run_show(capture, "--reveal")
    assert outcome.status == 2
    assert "--reveal belongs to one packet" in outcome.err


def test_a_frame_without_a_segment_shows_its_tree(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(write_pcap([Record(ARP, len(ARP), 0)]))
    outcome = run_show(tmp_path / "a.pcap", "1")
    assert outcome.status == 0
    assert "0–13  Ethernet" in outcome.out
    assert "No proof: no TCP segment was found in it" in outcome.out
    assert run_show(tmp_path / "a.pcap", "1", "--format", "json").frame["proof"] is None


def test_a_frame_of_an_unknown_link_type_shows_its_octets(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(write_pcap([Record(b"octets", 6, 0)], link_type=147))
    outcome = run_show(tmp_path / "a.pcap", "1")
    assert "no dissector reads this link type" in outcome.out
    assert "6f 63 74 65 74 73" in outcome.out


def test_an_unprotected_segment_says_why_it_has_no_proof(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(Conversation([]).handshake().to_pcap())
    outcome = run_show(tmp_path / "a.pcap", "1")
    assert "a connection that is not protected: no key file was given" in outcome.out


def test_a_frame_cut_before_its_ports_is_shown(tmp_path: Path) -> None:
    frame = ethernet(ip_packet("10.0.0.1", "10.0.0.2", bytes(40)))
    (tmp_path / "a.pcap").write_bytes(write_pcap([Record(frame[:35], len(frame), 0)], link_type=ETHERNET))
    outcome = run_show(tmp_path / "a.pcap", "1")
    assert outcome.status == 0
    assert "no TCP segment was found in it, as far as it was captured" in outcome.out
    assert f"{len(frame)} octets, 35 of them captured" in outcome.out


def test_a_later_fragment_whose_first_piece_is_missing_says_so(tmp_path: Path) -> None:
    packet = bytearray(ip_packet("10.0.0.1", "10.0.0.2", bytes(64)))
    packet[6:8] = (0x2000 | 10).to_bytes(2, "big")
    frame = ethernet(bytes(packet))
    (tmp_path / "a.pcap").write_bytes(write_pcap([Record(frame, len(frame), 0)]))
    assert "whose first piece is not in the capture" in run_show(tmp_path / "a.pcap", "1").out


@pytest.mark.parametrize("arguments", [("2",), ()])
def test_standard_input_gives_what_the_file_gives(
    capture: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    keys = capture.with_suffix(".toml")
    from_file = run_show(capture, *arguments, "--keys", keys).out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(capture.read_bytes())))
    assert run_show("-", *arguments, "--keys", keys).out == from_file.replace(str(capture), "-")


def test_standard_input_that_is_no_capture_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"no capture at all")))
    outcome = run_show("-", "2")
    assert outcome.status == 3
    assert outcome.err.startswith("aoinspect: -: ")


def test_a_named_pipe_can_be_shown_too(capture: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(capture.read_bytes()))
    writer.start()
    outcome = run_show(pipe, "2", "--keys", capture.with_suffix(".toml"))
    writer.join()
    assert "TCP-AO: ✓ verified" in outcome.out


def test_a_pcapng_comment_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.pcapng").write_bytes(Conversation().syn().capture().to_pcapng(comment="look here"))
    assert "comment: look here" in run_show(tmp_path / "a.pcapng", "1").out


def test_control_characters_of_the_capture_never_reach_the_terminal(tmp_path: Path) -> None:
    comment = "look\x1b[31mhere"
    (tmp_path / "a.pcapng").write_bytes(Conversation().syn().capture().to_pcapng(comment=comment))
    out = run_show(tmp_path / "a.pcapng", "1").out
    assert "comment: look\ufffd[31mhere" in out
    assert "\x1b" not in out
