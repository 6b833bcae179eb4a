"""`aoinspect report`: the page holds everything, stands alone, and shows hostile names as text."""

from __future__ import annotations

import argparse
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from aoinspect import api
from aoinspect.commands.report import add
from aoinspect.commands.shared import SharedParts
from aoinspect.errors import CaptureError, UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.explain_text import one_line
from aoinspect.report.lanes import picture_of
from aoinspect.report.layout import printable
from aoinspect.report.model import Report
from aoinspect.report.page_html import page_html
from dissectors.registry import Registry
from tests.conversation import Conversation, Key
from tests.recorded import SAMPLES, SMALL
from tests.told_capture import Capture

VOID = {"meta", "br"}
EMPTY_PCAP = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 00000400 01000000")


class Page(HTMLParser):
    """What a reader sees of a page; its tags must be closed in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.markup = markup
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.texts: dict[str, str] = {}
        """Words by the id of the section that they stand in."""
        self._section = ""
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if identifier := dict(attrs).get("id"):
            self.ids.append(identifier)
            self._section = identifier
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts[self._section] = self.texts.get(self._section, "") + data


def page_of(report: Report, filter_text: str | None = None) -> Page:
    return Page(page_html(report, [picture_of(connection, report) for connection in report.connections], filter_text))


def told_report(told: Conversation | Capture, folder: Path, *, with_keys: bool = True) -> Report:
    capture, keys = folder / "told.pcap", folder / "told.toml"
    capture.write_bytes(told.to_pcap())
    keys.write_text(told.key_file())
    return api.verify(capture, keys if with_keys else None)


def run(*arguments: str | Path) -> int:
    """`aoinspect report` with these arguments; the exit status."""
    parser = argparse.ArgumentParser()

    def add_shared(command: argparse.ArgumentParser) -> None:
        command.add_argument("--keys", action="append")
        command.add_argument("-q", "--quiet", action="store_true")

    shared = SharedParts(
        add_arguments=add_shared,
        load_keys=lambda options: load_keys(options.keys) if options.keys else KeyStore(),
        load_registry=lambda options: Registry(),
        open_console=Console,
    )
    add(parser.add_subparsers(), shared)
    options = parser.parse_args(["report", *map(str, arguments)])
    return int(options.run(options))


def with_keys(*paths: Path) -> list[str | Path]:
    return [argument for path in paths for argument in ("--keys", path.with_suffix(".toml"))]


RECORDED = (
    *(SAMPLES / f"{name}.pcap" for name in ("inject", "rotation", "mid-capture", "md5-then-ao", "snap60", "no-syn")),
    *(SMALL / f"{name}.pcap" for name in ("wrong-key-linux6.18", "alg-mismatch", "gobgp-bird-md5", "vrf-one-listener")),
)
every_recorded = pytest.mark.parametrize("capture", RECORDED, ids=lambda path: path.stem)


class TestPage:
    @every_recorded
    def test_it_is_whole_and_needs_nothing_from_elsewhere(self, capture: Path) -> None:
        page = page_of(api.verify(capture, capture.with_suffix(".toml")))
        assert {"script", "link", "img", "iframe", "object", "base"} & set(page.tags) == set()
        assert not re.search(r"https?:|url\(|@import|javascript:", page.markup)
        assert {name for name, _ in page.attributes} & {"src", "style"} == set()
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        links = [value for name, value in page.attributes if name == "href"]
        assert links
        assert all(link.startswith("#") and link[1:] in page.ids for link in links)
        assert len(page.ids) == len(set(page.ids))

    @every_recorded
    def test_every_connection_finding_and_explanation_is_on_it(self, capture: Path) -> None:
        report = api.verify(capture, capture.with_suffix(".toml"))
        page = page_of(report)
        assert report.connections
        for connection in report.connections:
            assert str(connection.a) in page.texts["connections"]
            assert str(connection.b) in page.texts["connections"]
            assert f"connection-{connection.id}" in page.ids
        for finding in report.findings:
            for words in (finding.ident, finding.message, finding.evidence, finding.remedy, finding.reference):
                assert printable(words) in page.texts["findings"]
        for account in report.explanations:
            assert one_line(account) in page.texts["failures"]
            for explanation in account.explanations:
                for words in (explanation.summary, explanation.file_remedy, explanation.device_remedy):
                    assert printable(words) in page.texts["failures"]

    def test_a_wrong_key_is_told_first_and_explained(self, tmp_path: Path) -> None:
        report = told_report(Conversation().handshake().data("a", 10).sign_with_wrong_secret(), tmp_path)
        page = page_of(report)
        assert "✗ Authentication fails on 1 of 1 connection." in page.texts["outcome"]
        assert "1 failing segment" in page.texts["failures"]
        assert page.ids.index("failures") < page.ids.index("connections")

    def test_a_sound_capture_has_no_failures_on_it(self, tmp_path: Path) -> None:
        page = page_of(told_report(Conversation().handshake().data("a", 10), tmp_path))
        assert "✓ Every protected segment is verified." in page.texts["outcome"]
        assert "failures" not in page.ids
        assert "✓ verified" in page.texts["connections"]

    def test_without_keys_it_tells_key_ids_and_that_nothing_was_verified(self, tmp_path: Path) -> None:
        told = Conversation((Key("secretly-named", 17, 101),)).handshake()
        page = page_of(told_report(told, tmp_path, with_keys=False))
        assert "No keys: nothing was verified." in page.markup
        assert "KeyIDs A→B" in page.texts["connections"]
        assert ">17</td>" in page.markup
        assert "standing" not in page.texts["connections"]
        assert "secretly-named" not in page.markup

    def test_names_paths_and_damage_are_text_and_never_markup(self, tmp_path: Path) -> None:
        hostile = "<script>alert('&\"')</script>\x1b[2J\u202e"
        report = told_report(Conversation((Key("</td><b>&", 1, 101),)).handshake(), tmp_path)
        report.captures[0].path = f"{hostile}.pcap"
        page = page_of(report, f"frame contains {hostile!r}")
        assert "<script" not in page.markup
        assert "<b>&" not in page.markup
        assert "\x1b" not in page.markup
        assert "\u202e" not in page.markup
        assert "</td><b>& (1)" in page.texts["connections"]
        assert "<script>alert('&\"')</script>\\x1b[2J\\u202e.pcap" in page.texts["captures"]

    def test_no_secret_is_on_it(self, tmp_path: Path) -> None:
        secret = b"wolpertinger-7"
        told = Conversation((Key("k", 1, 101, secret=secret),)).handshake().data("a", 10).sign_with_wrong_secret()
        page = page_of(told_report(told, tmp_path))
        assert secret.hex() in (tmp_path / "told.toml").read_text()
        assert not [form for form in (secret.decode(), secret.hex()) if form in page.markup]

    def test_it_is_dark_on_dark_screens_and_light_on_paper(self, tmp_path: Path) -> None:
        page = page_of(told_report(Conversation().handshake(), tmp_path))
        assert "@media (prefers-color-scheme:dark)" in page.markup
        paper = page.markup.split("@media print{")[1].split("</style>")[0]
        assert "color-scheme:light" in paper
        assert "background:#fff" in paper


class TestCommand:
    def test_several_captures_are_one_page_whose_frames_name_their_capture(self, tmp_path: Path) -> None:
        captures = [SAMPLES / "rotation.pcap", SAMPLES / "inject.pcap"]
        output = tmp_path / "report.html"
        assert run(*captures, *with_keys(*captures), "-o", output) == 0
        page = Page(output.read_text(encoding="utf-8"))
        for capture in captures:
            assert str(capture) in page.texts["captures"]
        assert re.search(r">1:3–1:62</td>", page.markup)
        assert re.search(r"frame 2:\d+", page.texts["failures"] + page.texts["findings"])

    def test_an_empty_capture_gives_a_page_that_says_so(self, tmp_path: Path) -> None:
        capture, output = tmp_path / "empty.pcap", tmp_path / "report.html"
        capture.write_bytes(EMPTY_PCAP)
        assert run(capture, "-o", output) == 0
        page = Page(output.read_text(encoding="utf-8"))
        assert "Nothing here is protected" in page.texts["outcome"]
        assert "No connection is protected." in page.texts["connections"]

    def test_damage_is_told_beside_its_capture(self, tmp_path: Path) -> None:
        capture, output = tmp_path / "cut.pcap", tmp_path / "report.html"
        capture.write_bytes((SAMPLES / "rotation.pcap").read_bytes()[:-7])
        assert run(capture, "-o", output) == 0
        assert "damaged at octet" in Page(output.read_text(encoding="utf-8")).texts["captures"]

    def test_recovered_isns_stand_on_the_page_ready_for_the_key_file(self, tmp_path: Path) -> None:
        told = Conversation().established(client_octets=20, server_octets=20)
        told.data("a", 19).ack("b").data("b", 19).ack("a").data("a", 40).ack("b")
        capture, keys, output = tmp_path / "mid.pcap", tmp_path / "keys.toml", tmp_path / "report.html"
        capture.write_bytes(told.to_pcap())
        keys.write_text(told.key_file())
        assert run(capture, "--keys", keys, "-o", output) == 0
        page = Page(output.read_text(encoding="utf-8"))
        assert "[[connection]]" in page.texts["recovery"]
        assert "local-isn = 0x" in page.texts["recovery"]
        assert "ISNs from" in page.texts["connections"]
        assert "recovered" in page.texts["connections"]
        assert run(capture, "--keys", keys, "--recover-isn", "off", "-o", output) == 0
        assert "recovery" not in Page(output.read_text(encoding="utf-8")).ids

    def test_a_filter_is_told_on_the_page(self, capsys: pytest.CaptureFixture[str]) -> None:
        capture = SAMPLES / "inject.pcap"
        assert run(capture, *with_keys(capture), "--filter", "ao.verdict == mismatch", "-o", "-") == 0
        page = Page(capsys.readouterr().out)
        assert "Only segments that ao.verdict == mismatch selects are counted." in page.markup.replace(
            "<code>", ""
        ).replace("</code>", "")

    @pytest.mark.parametrize("which", ["capture", "keys"])
    def test_it_never_replaces_what_it_reads(self, which: str, tmp_path: Path) -> None:
        told = Conversation().handshake()
        capture, keys = tmp_path / "told.pcap", tmp_path / "told.toml"
        capture.write_bytes(told.to_pcap())
        keys.write_text(told.key_file())
        output = {"capture": capture, "keys": keys}[which]
        before = output.read_bytes()
        with pytest.raises(UsageError, match="it is read as well"):
            run(capture, "--keys", keys, "-o", output)
        assert output.read_bytes() == before

    @pytest.mark.parametrize(("place", "reason"), [("", "is a directory"), ("none/r.html", "does not exist")])
    def test_a_place_that_cannot_be_written_is_refused(self, place: str, reason: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=reason):
            run(SAMPLES / "rotation.pcap", "-o", tmp_path / place)

    def test_a_capture_of_which_nothing_can_be_read_gives_no_page(self, tmp_path: Path) -> None:
        capture, output = tmp_path / "cut.pcap", tmp_path / "report.html"
        capture.write_bytes(EMPTY_PCAP + b"\x01")
        with pytest.raises(CaptureError, match="nothing can be read"):
            run(capture, "-o", output)
        assert not output.exists()

    def test_the_output_must_be_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            run(SAMPLES / "rotation.pcap")
        assert "-o" in capsys.readouterr().err
