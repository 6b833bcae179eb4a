"""`aoinspect explain`: its text, its JSON, the key file that it writes, and that no secret is in any of it."""

from __future__ import annotations

import argparse
import json
import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from aoinspect.commands import explain
from aoinspect.engine.explain import hypotheses_table
from aoinspect.engine.explain.advice import VENDOR_WORDS
from aoinspect.engine.explain.model import Knob
from aoinspect.engine.verdicts import Verdict
from aoinspect.keys import load_keys
from aoinspect.report.explain_json import explanation_member
from aoinspect.report.explain_text import one_line
from tests.conversation import Key
from tests.explain.explaining import Told, accounts_of_told, analysed
from tests.explain.scenes import KEY, OTHER, SCENES, read_with, talk
from tests.show.running import PROJECT_ROOT, SAMPLES, Outcome, keys_of, run_parsed, shared_parts

Explain = Callable[..., Outcome]
JsonObject = dict[str, object]


def run_explain(*arguments: str | Path) -> Outcome:
    parser = argparse.ArgumentParser(prog="aoinspect", allow_abbrev=False)
    explain.add(parser.add_subparsers(required=True), shared_parts())
    return run_parsed(parser, "explain", *map(str, arguments))


def put(told: Told, folder: Path) -> tuple[Path, Path]:
    """The capture and the key file as files."""
    capture, keys = folder / "told.pcap", folder / "told.toml"
    capture.write_bytes(told.capture)
    keys.write_text(told.key_file)
    return capture, keys


def explain_told(told: Told, folder: Path, *more: str | Path) -> Outcome:
    capture, keys = put(told, folder)
    outcome = run_explain(capture, "--keys", keys, *more)
    assert outcome.status == 0, outcome.err
    return outcome


EXCLUDED = read_with(talk(replace(KEY, include_options=False), timestamps=True), KEY)


def test_text_names_the_end_the_change_and_every_vendors_words(tmp_path: Path) -> None:
    text = explain_told(EXCLUDED, tmp_path).out
    assert "H1 proof: " in text
    assert "makes 7 of 7 segments verify" in text
    assert 'set `tcp-options = "exclude"`' in text
    for system, words in VENDOR_WORDS[Knob.TCP_OPTIONS]:
        assert f"{system}: {words}" in text


def test_json_has_the_same(tmp_path: Path) -> None:
    told = json.loads(explain_told(EXCLUDED, tmp_path, "--format", "json").out)
    assert told["schema"] == "aoinspect.explanation/1"
    (connection,) = told["connections"]
    (explanation,) = connection["explanations"]
    assert explanation["hypothesis"] == "H1"
    assert explanation["matched"] == explanation["tried"] == connection["failing"] == 7
    assert explanation["bits"] == 7 * 96
    assert explanation["senders"] == ["10.0.0.1", "10.0.0.2"]
    assert explanation["key"] == "edge"
    assert str(explanation["key_origin"]).endswith("told.toml:8")
    assert explanation["knob"] == "tcp-options"
    assert "IOS-XR" in explanation["vendor_words"]
    assert explanation["is_corrected_by_write"] is True


def test_nothing_that_matches_is_said(tmp_path: Path) -> None:
    text = explain_told(read_with(talk(replace(KEY, secret=b"of nobody")), KEY), tmp_path).out
    assert "unexplained: 7 segments" in text
    assert "ruled out: H1, H8" in text
    assert "would decide: another key" in text


def test_a_right_capture_has_nothing_to_explain(tmp_path: Path) -> None:
    conversation = talk()
    told = Told(conversation.to_pcap(), conversation.key_file())
    assert explain_told(told, tmp_path).out == "nothing to explain: no segment fails\n"


def test_one_frame_is_explained_alone() -> None:
    capture = SAMPLES / "inject.pcap"
    outcome = run_explain(capture, "--keys", keys_of(capture), "--frame", "23", "--format", "json")
    (connection,) = json.loads(outcome.out)["connections"]
    (explanation,) = connection["explanations"]
    assert explanation["hypothesis"] == "H13"
    assert explanation["frames"] == [{"capture": 0, "frame": 23}]


def test_one_connection_is_explained_alone() -> None:
    capture = SAMPLES / "inject.pcap"
    outcome = run_explain(capture, "--keys", keys_of(capture), "--connection", "1", "--format", "json")
    assert [one["connection"] for one in json.loads(outcome.out)["connections"]] == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--frame", "5"), "frame 5 does not fail"),
        (("--frame", "999"), "none of them has the number 999"),
        (("--connection", "99"), "there is no such connection (0 to"),
        (("--frame", "0"), "'0' is no number from 1 on"),
        (("--force",), "--force belongs to --write"),
    ],
)
def test_what_cannot_be_explained_is_a_usage_error(arguments: tuple[str, ...], message: str) -> None:
    capture = SAMPLES / "inject.pcap"
    outcome = run_explain(capture, "--keys", keys_of(capture), *arguments)
    assert outcome.status == 2
    assert message in outcome.err


def test_keys_are_needed() -> None:
    outcome = run_explain(SAMPLES / "inject.pcap")
    assert outcome.status == 2
    assert "--keys FILE" in outcome.err


# The key file that it writes.


def verdicts(capture: Path, keys: Path) -> dict[str, int]:
    """Verdict -> segments."""
    totals = analysed(capture, load_keys([str(keys)])).totals
    return {verdict.word: int(totals.verdicts[verdict]) for verdict in Verdict if totals.verdicts[verdict]}


CORRECTED = [
    (name, make)
    for ident, name, make in SCENES
    if ident in ("H1", "H2", "H3", "H5", "H6", "H7", "H8", "H9", "H1+H7", "H1+H8")
]


@pytest.mark.parametrize(("name", "make"), CORRECTED, ids=[name for name, _ in CORRECTED])
def test_with_the_corrected_key_file_everything_verifies(name: str, make: Callable[[], Told], tmp_path: Path) -> None:
    capture, keys = put(make(), tmp_path)
    corrected = tmp_path / "corrected.toml"
    before = verdicts(capture, keys)
    assert before.keys() != {"verified"}
    outcome = run_explain(capture, "--keys", keys, "--write", corrected)
    assert outcome.status == 0, outcome.err
    assert verdicts(capture, corrected) == {"verified": sum(before.values())}


def test_the_written_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        explain_told(EXCLUDED, tmp_path, "--write", tmp_path / "new.toml")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.toml").stat().st_mode) == 0o600


def test_a_file_that_exists_is_not_touched_without_force(tmp_path: Path) -> None:
    there = tmp_path / "there.toml"
    there.write_text("mine")
    capture, keys = put(EXCLUDED, tmp_path)
    outcome = run_explain(capture, "--keys", keys, "--write", there)
    assert outcome.status == 2
    assert "--force" in outcome.err
    assert there.read_text() == "mine"
    assert run_explain(capture, "--keys", keys, "--write", there, "--force").status == 0
    assert "exclude" in there.read_text()
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tmp")] == []


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "elsewhere.toml")
    capture, keys = put(EXCLUDED, tmp_path)
    assert run_explain(capture, "--keys", keys, "--write", link).status == 2
    assert not (tmp_path / "elsewhere.toml").exists()


def test_without_a_correction_nothing_is_written(tmp_path: Path) -> None:
    told = read_with(talk(replace(KEY, secret=b"of nobody")), KEY)
    outcome = explain_told(told, tmp_path, "--write", tmp_path / "new.toml")
    assert "not written" in outcome.err
    assert not (tmp_path / "new.toml").exists()


def test_stray_segments_correct_no_key(tmp_path: Path) -> None:
    conversation = talk(timestamps=True).data("a", 5).sign_with_other_options_flag()
    told = Told(conversation.to_pcap(), conversation.key_file())
    outcome = explain_told(told, tmp_path, "--write", tmp_path / "new.toml")
    assert "H1 proof" in outcome.out
    assert not (tmp_path / "new.toml").exists()


def test_stray_segments_are_told_from_a_wrong_key(tmp_path: Path) -> None:
    conversation = talk(timestamps=True).data("a", 5).sign_with_other_options_flag()
    text = explain_told(Told(conversation.to_pcap(), conversation.key_file()), tmp_path).out
    assert "if the key file is wrong" not in text
    assert "is right, for other segments of 10.0.0.1 verify under it" in text


def test_one_line_tells_the_first_explanation_and_how_many_more_there_are(tmp_path: Path) -> None:
    (account,) = accounts_of_told(EXCLUDED, tmp_path)
    line = one_line(account)
    assert line.startswith("H1: each end (10.0.0.1 and 10.0.0.2) signs with TCP options left out of the MAC")
    assert line.endswith("(7 of 7 segments looked at)")
    assert explanation_member(account) == {
        "hypothesis": "H1",
        "confidence": "proof",
        "matched": 7,
        "tried": 7,
        "message": line,
    }
    (unexplained,) = accounts_of_told(read_with(talk(replace(KEY, secret=b"of nobody")), KEY), tmp_path)
    assert one_line(unexplained) == "unexplained: no hypothesis explains it"
    assert explanation_member(unexplained)["hypothesis"] is None


def test_everything_else_is_carried_over(tmp_path: Path) -> None:
    key_file = """
version = 1

[[keychain]]
name = 'of "all" \\ edges'

  [[keychain.key]]
  name = "edge"
  send-id = 1
  recv-id = 101
  algorithm = "hmac-sha-1-96"
  secret = "the secret of this edge"
  send-lifetime = { from = 2026-01-01T00:00:00Z, until = 2027-01-01T00:00:00.5Z }

[[peer]]
local = "10.0.0.1"
remote = "10.0.0.0/24"
port = 179
vrf = "red"
interface = "eth1"
keychain = 'of "all" \\ edges'

[[peer]]
remote = "fd00::/64"
vlan = 20
local-port = 179

  [[peer.key]]
  name = "md5"
  algorithm = "tcp-md5"
  secret = "a password"

[[connection]]
local = "[fd00::1]:40000"
remote = "[fd00::2]:179"
local-isn = 0x00000001
remote-isn = 0x00000002
remote-sne = 3
"""
    capture = talk(replace(KEY, include_options=False), timestamps=True).to_pcap()
    explain_told(Told(capture, key_file), tmp_path, "--write", tmp_path / "new.toml")
    given = tomllib.loads(key_file)
    written = tomllib.loads((tmp_path / "new.toml").read_text())
    changed = cast(JsonObject, written["keychain"][0]["key"][0])
    assert bytes.fromhex(str(changed.pop("secret-hex"))) == b"the secret of this edge"
    assert changed.pop("tcp-options") == "exclude"
    assert changed.pop("mac-length") == 12
    given["keychain"][0]["key"][0].pop("secret")
    assert bytes.fromhex(written["peer"][1]["key"][0].pop("secret-hex")) == b"a password"
    given["peer"][1]["key"][0].pop("secret")
    assert written == given


def test_a_key_that_is_right_elsewhere_stays_and_the_sender_gets_its_own(tmp_path: Path) -> None:
    conversation = talk(server_keys=[replace(KEY, include_options=False)], timestamps=True)
    told = read_with(conversation, KEY)
    explain_told(told, tmp_path, "--write", tmp_path / "new.toml")
    first, second = tomllib.loads((tmp_path / "new.toml").read_text())["peer"]
    assert first["key"][0]["tcp-options"] == "include"
    assert (second["local"], second["remote"]) == ("10.0.0.2", "10.0.0.1")
    assert second["key"][0]["tcp-options"] == "exclude"
    assert (second["key"][0]["send-id"], second["key"][0]["recv-id"]) == (101, 1)
    assert verdicts(tmp_path / "told.pcap", tmp_path / "new.toml") == {"verified": len(conversation.segments)}


# Secrets.


def secrets_of(*keys: Key) -> list[str]:
    octets = [key.secret for key in keys]
    return [form for secret in octets for form in (secret.decode("latin-1"), secret.hex(), secret.hex().upper())]


CANARIES = {
    "hexadecimal": (bytes.fromhex("ca9a12e5ec2e7000"), b"ca9a12e5ec2e7000"),
    "line feed": (b"canary of a secret\n", b"canary of a secret"),
    "type 7": (b"011A08105E19091F", b"interop"),
}
"""The secret that signed, and the key file's."""


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", CANARIES)
def test_no_secret_is_in_any_output(name: str, form: str, tmp_path: Path) -> None:
    signed, written = (replace(KEY, secret=secret) for secret in CANARIES[name])
    told = read_with(talk(signed), written, OTHER)
    outcome = explain_told(told, tmp_path, "--format", form, "--write", tmp_path / "new.toml")
    assert "H8" in outcome.out
    for secret in secrets_of(signed, written, OTHER):
        assert secret not in outcome.out
        assert secret not in outcome.err


def test_no_secret_is_in_the_repr_of_what_explains(tmp_path: Path) -> None:
    told = read_with(talk(replace(KEY, secret=b"deadbeefcafe")), replace(KEY, secret=bytes.fromhex("deadbeefcafe")))
    (account,) = accounts_of_told(told, tmp_path)
    assert account.explanations[0].correction is not None
    assert "deadbeefcafe" not in repr(account)
    assert "deadbeefcafe" not in repr(account.explanations[0].correction)


# The page.


def test_the_page_has_the_table_that_the_code_has() -> None:
    page = (PROJECT_ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    assert hypotheses_table() in page
