"""What fails in a capture fails in the anonymised one: the same segments, with the same explanation."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.anonymise.leaks import assert_nothing_left
from tests.anonymise.sharing import Shared, share, telling
from tests.conversation import Conversation, Key
from tests.explain.explaining import Told
from tests.explain.scenes import ENCODINGS, KEY, SCENES, Make, read_with, talk
from tests.recorded import RecordedCapture, parameters
from tests.resign.strategies import conversations, keys_named


def shared_of(told: Told, folder: Path, *arguments: str) -> tuple[object, object]:
    """What explains the told capture, before and after it was anonymised; verdicts are compared on the way."""
    source, key_path = folder / "told.pcap", folder / "told.toml"
    source.write_bytes(told.capture)
    key_path.write_text(told.key_file)
    shared = share(source, key_path, folder, *arguments)
    before, now = shared.lines()
    if "drop" not in arguments:
        assert list(map(telling, now)) == list(map(telling, before))
    assert [(line.frame, line.verdict, line.reason) for line in now] == [
        (line.frame, line.verdict, line.reason) for line in before
    ]
    return shared.explanations()


@pytest.mark.parametrize(("ident", "make"), [pytest.param(i, make, id=f"{i}-{name}") for i, name, make in SCENES])
def test_a_fault_is_explained_as_before(ident: str, make: Make, tmp_path: Path) -> None:
    before, now = shared_of(make(), tmp_path)
    assert before == now
    assert before[0][0] == ident  # type: ignore[index]


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_secret_in_another_form_still_is_one(name: str, tmp_path: Path) -> None:
    signed, written = ENCODINGS[name]
    told = read_with(talk(replace(KEY, secret=signed)), replace(KEY, secret=written))
    before, now = shared_of(told, tmp_path)
    assert before == now
    assert before[0][0] == "H8"  # type: ignore[index]


def test_ends_that_disagree_still_do(tmp_path: Path) -> None:
    told = talk(KEY)
    other = Conversation([replace(KEY, include_options=False)])
    key_file = told.key_file() + "\n" + other.key_file().replace("version = 1", "")
    before, now = shared_of(Told(told.to_pcap(), key_file), tmp_path)
    assert before == now


def test_a_failure_that_nothing_explains_still_fails(tmp_path: Path) -> None:
    told = talk(Key(secret=b"the one that signed"))
    key_file = Conversation([Key(secret=b"and this one is not it")]).key_file()
    before, now = shared_of(Told(told.to_pcap(), key_file), tmp_path)
    assert before == now == []


def judged_and_explained_as_before(capture: RecordedCapture, folder: Path, *arguments: str) -> Shared:
    shared = share(capture.path, capture.keys, folder, *arguments)
    before, now = shared.lines()
    assert [(line.frame, line.verdict, line.reason, line.key_id, line.sne, line.seq) for line in now] == [
        (line.frame, line.verdict, line.reason, line.key_id, line.sne, line.seq) for line in before
    ]
    explained_before, explained_now = shared.explanations()
    assert explained_now == explained_before
    assert "warning" not in shared.ended.err
    return shared


@pytest.mark.parametrize("capture", parameters(own_only=True))
def test_a_kernels_capture_is_judged_and_explained_as_before_and_nothing_of_it_is_left(
    capture: RecordedCapture, tmp_path: Path
) -> None:
    shared = judged_and_explained_as_before(capture, tmp_path)
    assert_nothing_left(capture.path, shared.path)


FAILING = ("mss-clamp-B", "nat-outside", "wrong-key", "exopt-mismatch", "alg-mismatch", "maclen-mismatch", "inject")


@pytest.mark.parametrize("capture", parameters(lambda name: name in FAILING, own_only=True))
def test_without_payloads_it_fails_in_the_same_way(capture: RecordedCapture, tmp_path: Path) -> None:
    shared = judged_and_explained_as_before(capture, tmp_path, "--payload", "drop")
    assert {line.payload_length for line in shared.lines()[1]} == {0}
    assert_nothing_left(capture.path, shared.path)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_conversation_that_is_right_is_right_under_published_keys(data: st.DataObject) -> None:
    keys = data.draw(keys_named(("k1", "k2"), longest_mac=16))
    told = data.draw(conversations(keys))
    payload = data.draw(st.sampled_from(["zero", "drop", "keep"]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.pcap").write_bytes(told.to_pcap())
        (folder / "in.toml").write_text(told.key_file())
        shared = share(folder / "in.pcap", folder / "in.toml", folder, "--payload", payload)
        before, now = shared.lines()
        assert {line.verdict for line in now} == {"verified"}
        assert [(line.frame, line.seq, line.sne, line.key_id, line.rnext_key_id) for line in now] == [
            (line.frame, line.seq, line.sne, line.key_id, line.rnext_key_id) for line in before
        ]
