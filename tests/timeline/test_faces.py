"""The picture as text, SVG, HTML and JSON: to the letter, and what must hold of every one of them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aoinspect.report.axis import AxisUnit, Window
from aoinspect.report.lanes import LaneWhat
from aoinspect.report.model import Report
from aoinspect.report.timeline_html import timeline_html
from aoinspect.report.timeline_json import timeline_json
from aoinspect.report.timeline_svg import timeline_svg
from aoinspect.report.timeline_text import ASCII, BLOCKS, LISTED, Glyphs, glyphs_for, lane_lines, timeline_lines
from tests.conversation import Conversation, Key
from tests.recorded import LARGER, OWN_CAPTURES, SAMPLES, SHARED, RecordedCapture
from tests.timeline.pictures import pictures_of, report_of, told_report

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("rotation", "bird-bird", "inject", "wrap-lossy")
SVG = "{http://www.w3.org/2000/svg}"

every_capture = pytest.mark.parametrize("capture", OWN_CAPTURES, ids=lambda capture: capture.name)


def text_of(report: Report, width: int, glyphs: Glyphs = BLOCKS, unit: AxisUnit = AxisUnit.TIME) -> str:
    return "\n".join(
        "".join(f"{line.plain.rstrip()}\n" for line in timeline_lines(picture, report, width, glyphs=glyphs))
        for picture in pictures_of(report, unit)
    )


FORMS: dict[str, Callable[[Report], str]] = {
    "txt": lambda report: text_of(report, 80),
    "frames.txt": lambda report: text_of(report, 60, ASCII, AxisUnit.FRAME),
    "json": lambda report: timeline_json(pictures_of(report), report) + "\n",
    "svg": lambda report: timeline_svg(pictures_of(report), report),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_capture_is_drawn_as_its_golden_file_says(
    name: str, form: str, updates_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SHARED if name in LARGER else SAMPLES
    if not folder.exists():
        pytest.skip("shared captures are not beside the project")
    # No path of this machine shall stand in a file.
    monkeypatch.chdir(folder)
    drawn = FORMS[form](report_of(f"{name}.pcap", f"{name}.toml"))
    golden = GOLDEN / f"{name}.{form}"
    if updates_golden:
        golden.write_text(drawn, encoding="utf-8")
    assert drawn == golden.read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_picture() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(
        f"{name}.{form}" for name in NAMES for form in FORMS
    )


class TestText:
    @pytest.mark.parametrize("width", [40, 60, 80, 132])
    @every_capture
    def test_no_line_is_wider_than_the_terminal(self, capture: RecordedCapture, width: int) -> None:
        report = report_of(capture.path, capture.keys)
        for picture in pictures_of(report):
            assert {len(line.plain) for line in list(lane_lines(picture, width))[1:]} <= {width}
            if width >= 60:
                for line in timeline_lines(picture, report, width):
                    # Addresses run over rather than break.
                    assert line.cell_len <= width or line.plain.startswith("#")

    @every_capture
    def test_ascii_is_all_that_an_ascii_terminal_is_sent(self, capture: RecordedCapture) -> None:
        report = report_of(capture.path, capture.keys)
        assert glyphs_for("ascii") is ASCII
        assert text_of(report, 80, ASCII).isascii()

    def test_encodings_get_the_shapes_that_they_can_write(self) -> None:
        assert glyphs_for("utf-8") is BLOCKS
        for encoding in ("latin-1", "cp437", "no such encoding"):
            assert glyphs_for(encoding) is ASCII

    def test_the_shapes_of_one_set_differ_from_each_other(self) -> None:
        for glyphs in (BLOCKS, ASCII):
            shapes = [glyphs.used, glyphs.asked, glyphs.nothing, glyphs.failed, glyphs.unproved, glyphs.rolled_over]
            assert len({*shapes, glyphs.several, "S", "F", "R"}) == len(shapes) + 4

    def test_one_failure_in_ten_thousand_segments_is_seen_in_forty_columns(self, tmp_path: Path) -> None:
        told = Conversation().handshake()
        for _ in range(1_500):
            told.data("a", 10)
        told.sign_with_wrong_secret(700)
        (picture,) = pictures_of(told_report(told, tmp_path))
        (line,) = [line.plain for line in lane_lines(picture, 40) if "bad MAC" in line.plain]
        assert line.count("✗") == 1

    def test_a_window_shows_its_part_only(self, tmp_path: Path) -> None:
        told = Conversation().handshake().data("a", 10).data("a", 10).sign_with_wrong_secret().close("a")
        (picture,) = pictures_of(told_report(told, tmp_path), AxisUnit.FRAME)
        lines = [line.plain for line in lane_lines(picture, 60, window=Window(1, 3))]
        assert not any("✗" in line or "F" in line[13:] for line in lines)
        assert lines[0].split() == ["frame", "1", "2", "3"]

    def test_many_changes_are_cut_and_the_rest_is_counted(self, tmp_path: Path) -> None:
        told = Conversation((Key("one", 1, 101), Key("two", 2, 102))).handshake()
        for step in range(LISTED):
            told.switch("a", 2 - step % 2).data("a", 1)
        report = told_report(told, tmp_path)
        (picture,) = pictures_of(report)
        lines = [line.plain for line in timeline_lines(picture, report, 80)]
        assert len(picture.transitions) == LISTED + 2
        assert "and 2 more changes; --all lists them" in lines
        complete = [line.plain for line in timeline_lines(picture, report, 80, list_all=True)]
        assert len([line for line in complete if "unprompted" in line]) == LISTED // 2

    def test_a_name_that_the_terminal_cannot_write_is_escaped(self, tmp_path: Path) -> None:
        report = told_report(Conversation((Key("Å-1", 1, 101),)).handshake(), tmp_path)
        assert "   1 \\xc5-1 ####" in text_of(report, 80, ASCII)
        assert "   1 Å-1 ████" in text_of(report, 80)


class TestSvg:
    @every_capture
    def test_everything_drawn_lies_inside(self, capture: RecordedCapture) -> None:
        report = report_of(capture.path, capture.keys)
        for unit in AxisUnit:
            root = ElementTree.fromstring(timeline_svg(pictures_of(report, unit), report))
            width, height = float(root.attrib["width"]), float(root.attrib["height"])
            for group in root.findall(f"{SVG}g"):
                top = float(re.findall(r"[\d.]+", group.attrib["transform"])[1])
                for element in group.iter():
                    x, y = float(element.get("x", 0)), float(element.get("y", 0))
                    assert 0 <= x <= x + float(element.get("width", 0)) <= width
                    assert 0 <= y + top + float(element.get("height", 0)) <= height
                    if element.tag == f"{SVG}rect" and element.get("class"):
                        assert float(element.attrib["width"]) > 0

    def test_it_needs_nothing_from_elsewhere(self) -> None:
        report = report_of(SAMPLES / "inject.pcap", SAMPLES / "inject.toml")
        svg = timeline_svg(pictures_of(report), report)
        assert svg.count("http") == svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
        assert not re.search(r"href|url\(|@import|<script|<image", svg)

    def test_spans_and_marks_have_tooltips_with_frames_and_times(self) -> None:
        report = report_of(SAMPLES / "inject.pcap", SAMPLES / "inject.toml")
        root = ElementTree.fromstring(timeline_svg(pictures_of(report), report))
        titles = [title.text or "" for title in root.iter(f"{SVG}title")]
        assert any("KeyID 33" in title and "frames 18–18" in title and "no-key" in title for title in titles)
        assert any("mismatch\nframes 19–25, 7 segments\n2026-11-23T" in title for title in titles)

    def test_every_mark_and_span_is_drawn(self) -> None:
        report = report_of(SAMPLES / "inject.pcap", SAMPLES / "inject.toml")
        pictures = pictures_of(report)
        root = ElementTree.fromstring(timeline_svg(pictures, report))
        lanes = [lane for picture in pictures for lane in picture.lanes]
        bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class", "").split(" ")[0] in ("a", "b")]
        assert len(bars) == sum(len(lane.spans) for lane in lanes)
        crosses = [path for path in root.iter(f"{SVG}path") if path.get("class") == "cross"]
        assert len(crosses) == sum(len(lane.marks) for lane in lanes if lane.what is LaneWhat.FAILURES)


class _Page(HTMLParser):
    """The words of a page, and whether its tags are closed in order."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


class TestHtml:
    def test_the_page_is_whole_and_stands_alone(self) -> None:
        for name in ("rotation", "inject"):
            report = report_of(SAMPLES / f"{name}.pcap", SAMPLES / f"{name}.toml")
            page = _Page()
            text = timeline_html(pictures_of(report), report)
            page.feed(text)
            assert page.open == []
            assert {name for name, _ in page.attributes} & {"src", "href"} == set()
            assert not re.search(r"url\(|@import|<script|<link", text)

    def test_every_transition_has_a_row(self) -> None:
        report = report_of(SAMPLES / "rotation.pcap", SAMPLES / "rotation.toml")
        page = _Page()
        page.feed(timeline_html(pictures_of(report), report))
        rows = [page.cells[at : at + 8] for at in range(0, len(page.cells), 8)]
        found = [(int(row[0]), row[2], row[3], row[4], row[5], row[6]) for row in rows]
        assert found == [
            (
                change.frame,
                change.direction.upper().replace(">", "→"),
                {"key_id": "KeyID", "rnext_key_id": "RNextKeyID"}[change.field],
                "" if change.old is None else str(change.old),
                str(change.new),
                change.trigger or "",
            )
            for change in report.connections[0].transitions
        ]

    def test_names_are_text_and_never_markup(self, tmp_path: Path) -> None:
        report = told_report(Conversation((Key("<b>&", 1, 101),)).handshake(), tmp_path)
        report.captures[0].path = "<script>.pcap"
        for form in (timeline_html(pictures_of(report), report), timeline_svg(pictures_of(report), report)):
            assert "<b>" not in form
            assert "<script" not in form
            assert "&lt;b&gt;&amp;" in form


class TestJson:
    def test_it_says_what_the_picture_says(self) -> None:
        report = report_of(SAMPLES / "rotation.pcap", SAMPLES / "rotation.toml")
        (picture,) = pictures_of(report)
        told = json.loads(timeline_json([picture], report))
        assert told["schema"] == "aoinspect.timeline/1"
        (connection,) = told["connections"]
        assert [(lane["direction"], lane["what"]) for lane in connection["lanes"]] == [
            (lane.direction, lane.what.value) for lane in picture.lanes
        ]
        for lane, drawn in zip(connection["lanes"], picture.lanes, strict=True):
            pieces = lane["spans"] if drawn.spans else lane["marks"]
            assert [(piece["start"], piece["end"]) for piece in pieces] == [
                *((span.start, span.end) for span in drawn.spans),
                *((placed.start, placed.end) for placed in drawn.marks),
            ]
        assert [change["requested_at"] for change in connection["transitions"]] == [
            placed.requested_at for placed in picture.transitions
        ]

    def test_its_members_are_those_that_the_page_describes(self) -> None:
        page = (Path(__file__).resolve().parents[2] / "docs" / "timeline.md").read_text(encoding="utf-8")
        described = set(re.findall(r"`\.{0,2}([a-z_]+)`", page.split("## JSON")[1]))
        report = report_of(SAMPLES / "inject.pcap", SAMPLES / "inject.toml")

        def members(value: object) -> set[str]:
            if isinstance(value, list):
                return set().union(*map(members, value))
            if isinstance(value, dict):
                return {*value, *(members(list(value.values())))}
            return set()

        known = {"address", "port", "isn", "verified", "mismatch", "no_key", "unsigned", "malformed", "unverifiable"}
        assert members(json.loads(timeline_json(pictures_of(report), report))) - known <= described
