"""The pytest plugin, run by pytest in folders of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from aoinspect.api import verify
from aoinspect.report.baseline import baseline_of, save_baseline
from tests.check.running import K1, K2, talk, written
from tests.recorded import PROJECT_ROOT

pytest_plugins = ["pytester"]

PLUGIN = "aoinspect.pytest_plugin"


@dataclass(frozen=True, slots=True)
class Inner:
    """A pytest run inside of a test."""

    pytester: pytest.Pytester

    def run(self, source: str, *arguments: str) -> str:
        """What pytest prints of this test module, with the plugin and no other from outside."""
        self.pytester.makepyfile(test_it=source)
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PROJECT_ROOT)}
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", *arguments],
            cwd=self.pytester.path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return run.stdout + run.stderr


@pytest.fixture
def inner(pytester: pytest.Pytester) -> Inner:
    return Inner(pytester)


GOOD = """
    def test_good(aoinspect_verify):
        report = aoinspect_verify("told.pcap", "told.toml")
        assert not report.is_wrong
        assert report.totals.verdicts["verified"] > 10
"""


def test_a_test_passes_with_paths_beside_it(inner: Inner) -> None:
    written(talk(), inner.pytester.path)
    printed = inner.run(GOOD)
    assert "1 passed" in printed
    assert "aoinspect:" not in printed


def test_a_failing_assertion_is_followed_by_the_report(inner: Inner) -> None:
    written(talk().sign_with_wrong_secret(frame=4), inner.pytester.path)
    printed = inner.run(GOOD)
    assert "1 failed" in printed
    assert "assert not True" in printed
    section = printed.split("- aoinspect: told.pcap -")[1]
    assert "mismatch: the MAC is not the one that key 'k1' gives" in section
    assert "1 mismatch" in section
    for key in (K1, K2):
        assert key.secret.decode() not in printed


def test_other_tests_reports_are_not_shown(inner: Inner) -> None:
    written(talk(), inner.pytester.path)
    printed = inner.run(GOOD + "\n    def test_bad():\n        assert 1 == 2\n")
    assert "1 failed, 1 passed" in printed
    assert "aoinspect:" not in printed


def test_differences_from_a_baseline_are_a_table(inner: Inner) -> None:
    folder = inner.pytester.path
    save_baseline(baseline_of(verify(*written(talk(), folder))), folder / "base.json")
    written(talk().name_unknown_key(77, frame=3), folder)
    printed = inner.run(
        """
        from pathlib import Path
        from aoinspect.report.baseline import difference, load_baseline

        def test_baseline(aoinspect_verify):
            report = aoinspect_verify(["told.pcap"], [Path("told.toml")])
            assert difference(load_baseline(Path(__file__).with_name("base.json")), report) == ()
        """
    )
    assert "2 differences from the baseline" in printed
    header, row = (next(line for line in printed.splitlines() if word in line) for word in ("expected", "no-key"))
    assert "10.0.0.1 > 10.0.0.2:179  verdict no-key" in row
    assert row.index("no no-key") == header.index("expected")


def test_nothing_is_loaded_for_tests_that_do_not_use_it(inner: Inner) -> None:
    printed = inner.run(
        """
        import sys

        def test_light():
            assert "aoinspect.pytest_plugin" in sys.modules
            assert not {"numpy", "rich", "cryptography", "aoinspect.api"} & set(sys.modules)
        """
    )
    assert "1 passed" in printed


def test_keys_may_be_a_store_and_options_are_handed_on(inner: Inner) -> None:
    written(talk().sign_with_wrong_secret(frame=4), inner.pytester.path)
    printed = inner.run(
        """
        from pathlib import Path
        from aoinspect.keys import load_keys

        def test_store(aoinspect_verify):
            store = load_keys([str(Path(__file__).with_name("told.toml"))])
            report = aoinspect_verify("told.pcap", store, where="ao.verdict == verified", policy="observe")
            assert report.totals.verdicts["mismatch"] == 0 < report.totals.verdicts["verified"]
        """
    )
    assert "1 passed" in printed


def test_the_package_announces_the_plugin() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"aoinspect": PLUGIN}


def test_the_example_of_the_page_runs(inner: Inner) -> None:
    page = (PROJECT_ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    example = page.split("\n## pytest\n")[1].split("```python\n")[1].split("```")[0]
    folder: Path = inner.pytester.path
    report = verify(*written(talk(), folder))
    save_baseline(baseline_of(report), folder / "base.json")
    for old, new in (("told.pcap", "session.pcap"), ("told.toml", "keys.toml")):
        (folder / old).rename(folder / new)
    assert "1 passed" in inner.run(example)
