"""Every finding is raised by what it names, and not by what is merely near."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.findings import FINDERS, Finding, Policy, Severity, find
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.results import connection_results
from aoinspect.keys import load_keys
from tests.conversation import Conversation, Key
from tests.explain.explaining import Told, accounts_of_told
from tests.findings.scenes import MD5, OLD, SCENES, Scene, talk, told

PROJECT_ROOT = Path(__file__).resolve().parents[2]
IDENTS = [finder.ident for finder in FINDERS]
STRANGE_KEY = replace(OLD, secret=b"of nobody here")


def findings_of(scene: Scene, directory: Path, policy: Policy = Policy.LINUX) -> list[Finding]:
    key_file = directory / "keys.toml"
    key_file.write_text(scene.key_file)
    capture = directory / "scene.pcap"
    capture.write_bytes(scene.capture)
    analyzer = Analyzer(load_keys([str(key_file)]), keep_table=False, limits=scene.limits)
    with open_capture(capture) as reader:
        analyse([reader], analyzer)
    return find(analyzer, connection_results(analyzer), policy)


@pytest.mark.parametrize("ident", IDENTS)
def test_the_scene_of_a_finding_raises_it(ident: str, tmp_path: Path) -> None:
    found = [finding for finding in findings_of(SCENES[ident][0](), tmp_path) if finding.ident == ident]
    assert len(found) == 1
    finding = found[0]
    assert finding.message
    assert finding.evidence
    assert finding.remedy


@pytest.mark.parametrize("ident", IDENTS)
def test_what_is_merely_near_does_not_raise_it(ident: str, tmp_path: Path) -> None:
    assert ident not in [finding.ident for finding in findings_of(SCENES[ident][1](), tmp_path)]


def test_every_finding_has_a_scene() -> None:
    assert sorted(SCENES) == sorted(IDENTS)


def test_a_sound_session_has_no_findings(tmp_path: Path) -> None:
    scene = told(talk().rollover("a", to=2).data("a", 10).rollover("b", to=2).data("b", 10).close("a"))
    assert findings_of(scene, tmp_path) == []


SELECTION = ["rnext-not-followed", "key-changed-unprompted", "current-key-vanished", "unknown-rnext", "rnext-unused"]


@pytest.mark.parametrize("ident", SELECTION)
def test_the_policy_observe_expects_nothing_of_key_selection(ident: str, tmp_path: Path) -> None:
    scene = SCENES[ident][0]()
    assert ident in [finding.ident for finding in findings_of(scene, tmp_path, Policy.RFC)]
    assert ident not in [finding.ident for finding in findings_of(scene, tmp_path, Policy.OBSERVE)]


@pytest.mark.parametrize("ident", IDENTS)
def test_the_verdicts_do_not_depend_on_the_policy(ident: str, tmp_path: Path) -> None:
    """The MAC verdict never depends on which expectations of key selection apply."""
    scene = SCENES[ident][0]()
    (tmp_path / "keys.toml").write_text(scene.key_file)
    counts = []
    for policy in Policy:
        analyzer = Analyzer(load_keys([str(tmp_path / "keys.toml")]), keep_table=False)
        with open_capture(io.BytesIO(scene.capture)) as reader:
            analyse([reader], analyzer)
        find(analyzer, connection_results(analyzer), policy)
        counts.append(analyzer.totals.verdicts.tolist())
    assert counts[0] == counts[1] == counts[2]


def test_findings_come_worst_first(tmp_path: Path) -> None:
    scene = told(talk().abort("b").sign_with_wrong_isns().stray("a", 5).data("a", 10).change_mac_length(8))
    severities = [finding.severity for finding in findings_of(scene, tmp_path)]
    assert severities == sorted(severities, key=list(Severity).index)
    assert len(set(severities)) > 1


def test_the_documentation_has_a_section_for_every_finding() -> None:
    text = (PROJECT_ROOT / "docs" / "findings.md").read_text()
    headings = [line.removeprefix("## ").strip() for line in text.splitlines() if line.startswith("## ")]
    assert headings == IDENTS


def only(ident: str, findings: list[Finding]) -> Finding:
    (finding,) = (finding for finding in findings if finding.ident == ident)
    return finding


NO_KEYS = Conversation([STRANGE_KEY], client="10.9.9.1:1", server="10.9.9.2:2").key_file()
"""Of other hosts: nothing of the scenes is covered."""
OTHER_SECRET = Conversation([STRANGE_KEY]).key_file()


@pytest.mark.parametrize("key_file", [None, NO_KEYS, OTHER_SECRET], ids=["right keys", "no keys", "wrong keys"])
def test_a_syn_whose_sender_goes_on_was_answered(key_file: str | None, tmp_path: Path) -> None:
    """A capture of one direction has no SYN-ACK, and the client's later segments show that there was one."""
    conversation = Conversation([OLD]).syn().syn_ack().lose().handshake_ack().data("a", 100)
    found = findings_of(told(conversation, key_file), tmp_path)
    assert "syn-unanswered" not in [finding.ident for finding in found]


@pytest.mark.parametrize(
    ("key", "counters", "clause"),
    [
        (OLD, ("TCPAOBad", "TCPAOKeyNotFound", "TCPAORequired"), "RFC 5925 7.5, 7.7"),
        (MD5, ("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure"), "RFC 2385 2.0"),
    ],
    ids=["ao", "md5"],
)
def test_an_unanswered_syn_names_the_counters_of_its_method(
    key: Key, counters: tuple[str, ...], clause: str, tmp_path: Path
) -> None:
    finding = only("syn-unanswered", findings_of(told(Conversation([key]).syn()), tmp_path))
    names = {word.strip(",") for word in finding.remedy.split() if word.startswith("TCP")}
    assert names == set(counters)
    assert finding.reference == clause


def test_one_segment_is_told_in_the_singular(tmp_path: Path) -> None:
    syn = told(Conversation([OLD]).syn())
    assert only("syn-unanswered", findings_of(syn, tmp_path)).evidence.startswith("frame 1; ")
    asking = told(talk().rnext("b", "new").ack("b"), Conversation([OLD]).key_file())
    assert only("unknown-rnext", findings_of(asking, tmp_path)).evidence == "RNextKeyID 2 in 1 segment"


def test_ends_that_disagree_may_be_mended_at_either(tmp_path: Path) -> None:
    """The finding and the explanation say the same: whom the segments follow, and that either end can be changed."""
    scene = told(Conversation([OLD], server_keys=[replace(OLD, include_options=False)]).syn())
    finding = only("ends-disagree", findings_of(scene, tmp_path))
    assert "the segment follows 10.0.0.1 " in finding.evidence
    assert finding.remedy.startswith("change either end, 10.0.0.1 or 10.0.0.2")
    (account,) = accounts_of_told(Told(scene.capture, scene.key_file), tmp_path)
    (explanation,) = account.explanations
    assert explanation.summary.startswith("the two ends differ: 10.0.0.1 signs with TCP options covered")
    assert "of 10.0.0.2 says" in explanation.summary
    assert explanation.device_remedy.startswith("change either end: on 10.0.0.1, exclude TCP options; or on 10.0.0.2")
