"""Every finding is raised by what it names, and not by what is merely near."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from aoinspect.capture.reader import open_capture
from aoinspect.engine.findings import FINDERS, Finding, Policy, Severity, find
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.results import connection_results
from aoinspect.keys import load_keys
from tests.findings.scenes import SCENES, Scene

PROJECT_ROOT = Path(__file__).resolve().parents[2]
IDENTS = [finder.ident for finder in FINDERS]


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
    from tests.findings.scenes import talk, told

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
    from tests.findings.scenes import talk, told

    scene = told(talk().abort("b").sign_with_wrong_isns().stray("a", 5).data("a", 10).change_mac_length(8))
    severities = [finding.severity for finding in findings_of(scene, tmp_path)]
    assert severities == sorted(severities, key=list(Severity).index)
    assert len(set(severities)) > 1


def test_the_documentation_has_a_section_for_every_finding() -> None:
    text = (PROJECT_ROOT / "docs" / "findings.md").read_text()
    headings = [line.removeprefix("## ").strip() for line in text.splitlines() if line.startswith("## ")]
    assert headings == IDENTS
