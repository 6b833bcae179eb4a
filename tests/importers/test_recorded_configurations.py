"""The configurations that made recorded captures verify these captures, with nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from aoinspect.ao.mkt import MasterKeyTuple, Origin
from aoinspect.keys import load_keys
from aoinspect.keys.importers import recognise
from aoinspect.keys.model import KeyStore
from tests.recorded import SHARED, Outcome, judge

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.exists(), reason="shared captures are not beside the project"),
]
NAMES = ("bird-bird", "bird-wrongsecret", "gobgp-bird-md5")


def configurations(name: str) -> list[str]:
    return [str(path) for path in sorted((SHARED / f"{name}.conf.d").iterdir())]


@cache
def outcome_with(name: str, *paths: str) -> Outcome:
    return judge(SHARED / f"{name}.pcap", load_keys(list(paths)))


def verdicts(outcome: Outcome) -> list[tuple[int, str, str | None, bool]]:
    return [(line.frame, line.verdict, line.reason, line.ends_disagree) for line in outcome.lines]


@pytest.mark.parametrize("name", NAMES)
def test_the_configurations_of_both_ends_give_the_verdicts_of_the_key_file(name: str) -> None:
    by_configuration = outcome_with(name, *configurations(name))
    assert verdicts(by_configuration) == verdicts(outcome_with(name, str(SHARED / f"{name}.toml")))
    assert {line.verdict for line in by_configuration.lines} == {"verified"}


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_recognised_by_its_content(name: str) -> None:
    for path in configurations(name):
        importer = recognise(Path(path).read_text(encoding="utf-8"))
        assert importer is not None
        assert importer.name == ("gobgp" if path.endswith(".toml") else "bird")


def test_bird_with_another_secret_at_each_end_is_seen_by_its_configurations_alone() -> None:
    outcome = outcome_with("bird-wrongsecret", *configurations("bird-wrongsecret"))
    assert any(line.ends_disagree for line in outcome.lines)


@pytest.mark.parametrize("end", ["A", "B"])
def test_one_end_of_a_bird_session_is_enough(end: str) -> None:
    own = [path for path in configurations("bird-bird") if path.endswith(f"bird-{end}.conf")]
    assert verdicts(outcome_with("bird-bird", *own)) == verdicts(
        outcome_with("bird-bird", *configurations("bird-bird"))
    )


def scenario(name: str) -> KeyStore:
    return load_keys([str(SHARED / f"{name}.toml")])


def bare(mkt: MasterKeyTuple) -> MasterKeyTuple:
    return replace(mkt, name="", origin=Origin("", 0))


@pytest.mark.parametrize("name", ["cmac-16", "cmac-key5", "v4-sha1", "v6-exopt-ts", "sha1-maclen4", "rotation"])
def test_what_linux_told_of_its_sockets_verifies_what_they_sent(name: str) -> None:
    """The facts beside each capture hold what TCP_AO_GET_KEYS told: a CMAC key as the 16 octets made of it."""
    store = load_keys([f"linux:{SHARED / f'{name}.json'}"])
    assert verdicts(judge(SHARED / f"{name}.pcap", store)) == verdicts(judge(SHARED / f"{name}.pcap", scenario(name)))
    if name != "cmac-key5":
        told = {bare(mkt) for peer in store.peers for mkt in peer.mkts}
        assert told <= {bare(mkt) for peer in scenario(name).peers for mkt in peer.mkts}
