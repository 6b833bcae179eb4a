"""The plan of lifetimes beside the use: in every form, and only where lifetimes say anything."""

from __future__ import annotations

import json
from pathlib import Path

from aoinspect.report.model import Report
from aoinspect.report.planned import planned_rows
from aoinspect.report.timeline_html import timeline_html
from aoinspect.report.timeline_json import timeline_json
from aoinspect.report.timeline_text import ASCII, BLOCKS, timeline_lines
from tests.findings.scenes import SECOND, Scene, changing_after, planned, talk
from tests.timeline.pictures import pictures_of, report_of


def read(scene: Scene, folder: Path) -> Report:
    (folder / "told.pcap").write_bytes(scene.capture)
    (folder / "told.toml").write_text(scene.key_file)
    return report_of(folder / "told.pcap", folder / "told.toml")


def standings(report: Report) -> list[tuple[str, str, str, str]]:
    return [
        (row.direction, row.what, row.key.name, row.outcome)
        for connection in report.connections
        for row in planned_rows(connection)
    ]


def lines(report: Report, width: int = 80) -> list[str]:
    (picture,) = pictures_of(report)
    return [line.plain for line in timeline_lines(picture, report, width)]


def test_without_lifetimes_there_is_no_plan(tmp_path: Path) -> None:
    report = read(planned(talk(), "..", ".."), tmp_path)
    assert standings(report) == []
    assert not [line for line in lines(report) if "plan" in line]
    assert json.loads(timeline_json(pictures_of(report), report))["connections"][0]["planned"] == []


def test_every_key_of_the_plan_has_a_standing(tmp_path: Path) -> None:
    changing = changing_after(60 * SECOND)
    assert standings(read(planned(changing, "..62", "58.."), tmp_path)) == [
        ("a>b", "send", "old", "as planned"),
        ("a>b", "send", "new", "as planned"),
    ]
    assert standings(read(planned(changing, "..30", "120.."), tmp_path)) == [
        ("a>b", "send", "old", "used until 29.0 s after"),
        ("a>b", "send", "new", "used from 60.0 s before"),
    ]
    staying = talk().advance(60 * SECOND).data("a", 10)
    assert standings(read(planned(staying, "..", "30.."), tmp_path))[1][3] == "not used"
    assert standings(read(planned(staying, "..", "90.."), tmp_path))[1][3] == "not due"


def test_the_receivers_plan_is_of_what_it_accepts(tmp_path: Path) -> None:
    scene = planned(talk(), "..30", "30..")
    accepting = Scene(scene.capture, scene.key_file.replace("send-lifetime", "accept-lifetime"))
    assert [row[:3] for row in standings(read(accepting, tmp_path))] == [
        ("b>a", "accept", "old"),
        ("b>a", "accept", "new"),
    ]


def test_the_lane_shows_when_each_key_is_planned(tmp_path: Path) -> None:
    report = read(planned(talk().advance(60 * SECOND).data("a", 10).ack("b"), "..30", "30.."), tmp_path)
    old, new = [line for line in lines(report) if "░" in line and "planned" not in line]
    assert old.startswith("A→B plan   1 old ░░░")
    assert new.startswith("           2 new ···")
    assert old.endswith("···")
    assert new.endswith("░░░")
    assert len(old) == len(new) == 80
    assert abs(old.count("░") - new.count("░")) <= 1, "the hand-over is planned for the middle"


def test_every_form_tells_it(tmp_path: Path) -> None:
    report = read(planned(changing_after(60 * SECOND), "..-7140", "-7140.."), tmp_path)
    pictures = pictures_of(report)
    assert lines(report)[-2].split("  ")[-1] == "used until 2 h after"
    plain = [line.plain for line in timeline_lines(pictures[0], report, 80, glyphs=ASCII)]
    assert all(line.isascii() for line in plain)
    assert BLOCKS.planned not in "".join(plain)
    assert "<td>used until 2 h after</td>" in timeline_html(pictures, report)
    first, second = json.loads(timeline_json(pictures, report))["connections"][0]["planned"]
    assert first["lifetimes"] == [{"from": None, "until": "2026-09-21T12:14:20.000000000Z"}]
    assert (first["standing"], second["standing"]) == ("after", "as planned")
    assert first["by_ns"] > 7_190 * SECOND
    assert (first["used"]["first_frame"], second["used"]["first_frame"]) == (1, 11)
    assert first["line"] < second["line"]
