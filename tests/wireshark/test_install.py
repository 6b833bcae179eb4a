"""`aoinspect wireshark install` puts files where Wireshark looks, and nothing over what somebody else made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aoinspect.errors import UsageError
from aoinspect.wireshark.install import Deed, Folders, folders_in, install, personal_folders
from tests.annotate.running import run

PROJECT_ROOT = Path(__file__).resolve().parents[2]
NAMES = {"colorfilters", "preferences", "dfilter_buttons", "aoinspect.lua"}


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


class TestFolders:
    HOME = Path("/anywhere/me")
    USUAL = Path("/anywhere/me/.local/lib/wireshark/plugins")

    @pytest.mark.parametrize(
        ("environment", "configuration"),
        [
            ({}, "/anywhere/me/.config/wireshark"),
            ({"XDG_CONFIG_HOME": "/xdg"}, "/xdg/wireshark"),
            ({"XDG_CONFIG_HOME": "relative"}, "/anywhere/me/.config/wireshark"),
            ({"XDG_CONFIG_HOME": ""}, "/anywhere/me/.config/wireshark"),
            ({"WIRESHARK_CONFIG_DIR": "/w", "XDG_CONFIG_HOME": "/xdg"}, "/w"),
            ({"WIRESHARK_CONFIG_DIR": ""}, "/anywhere/me/.config/wireshark"),
        ],
    )
    def test_environment_variables_are_wiresharks(self, environment: dict[str, str], configuration: str) -> None:
        folders = personal_folders(environment, self.HOME)
        assert folders == Folders(Path(configuration) / "profiles" / "aoinspect", self.USUAL)

    def test_the_former_folder_counts_where_only_that_exists(self, tmp_path: Path) -> None:
        (tmp_path / ".wireshark").mkdir()
        assert personal_folders({}, tmp_path).profile == tmp_path / ".wireshark" / "profiles" / "aoinspect"
        (tmp_path / ".config" / "wireshark").mkdir(parents=True)
        assert personal_folders({}, tmp_path).profile == tmp_path / ".config" / "wireshark" / "profiles" / "aoinspect"


class TestInstalling:
    def test_everything_is_written_and_left_alone_the_second_time(self, tmp_path: Path) -> None:
        folders = folders_in(tmp_path)
        assert {placed.deed for placed in install(folders, replaces=False)} == {Deed.WRITTEN}
        assert files_below(tmp_path) == NAMES
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert {placed.deed for placed in install(folders, replaces=True)} == {Deed.UNCHANGED}
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    def test_a_file_that_differs_stops_everything_unless_forced(self, tmp_path: Path) -> None:
        folders = folders_in(tmp_path)
        folders.profile.mkdir(parents=True)
        mine = folders.profile / "preferences"
        mine.write_text("mine\n")
        (folders.profile / "recent").write_text("Wireshark's\n")
        with pytest.raises(UsageError, match=r"preferences: another file is there; --force replaces it\nnothing was"):
            install(folders, replaces=False)
        assert files_below(tmp_path) == {"preferences", "recent"}
        assert mine.read_text() == "mine\n"
        deeds = {placed.path.name: placed.deed for placed in install(folders, replaces=True)}
        assert deeds == dict.fromkeys(NAMES, Deed.WRITTEN) | {"preferences": Deed.REPLACED}
        assert files_below(tmp_path) == NAMES | {"recent"}

    def test_a_symbolic_link_is_followed(self, tmp_path: Path) -> None:
        folders = folders_in(tmp_path / "wireshark")
        folders.plugins.mkdir(parents=True)
        kept = tmp_path / "kept.lua"
        kept.write_text("older\n")
        (folders.plugins / "aoinspect.lua").symlink_to(kept)
        install(folders, replaces=True)
        assert (folders.plugins / "aoinspect.lua").is_symlink()
        assert "register_postdissector" in kept.read_text()

    def test_a_folder_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UsageError, match="colorfilters: it cannot be installed: Not a directory"):
            install(folders_in(tmp_path / "file"), replaces=False)


class TestCommand:
    def test_it_says_what_went_where_and_how_to_choose_it(self, tmp_path: Path) -> None:
        done = run("wireshark", "install", "--to", tmp_path / "w")
        assert done.status == 0
        profile, plugins = tmp_path / "w" / "profiles" / "aoinspect", tmp_path / "w" / "plugins"
        assert done.out.splitlines() == [
            f"{profile / 'colorfilters'}: written",
            f"{profile / 'preferences'}: written",
            f"{profile / 'dfilter_buttons'}: written",
            f"{plugins / 'aoinspect.lua'}: written",
        ]
        assert "wireshark -C aoinspect" in done.err

    def test_without_to_it_goes_below_the_home_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("WIRESHARK_CONFIG_DIR", raising=False)
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        assert run("wireshark", "install", "-q").status == 0
        assert (tmp_path / ".config/wireshark/profiles/aoinspect/preferences").is_file()
        assert (tmp_path / ".local/lib/wireshark/plugins/aoinspect.lua").is_file()

    @pytest.mark.parametrize("arguments", [(), ("install", "--to", ""), ("install", "there")])
    def test_what_cannot_be_understood_is_a_usage_error(self, arguments: tuple[str, ...]) -> None:
        done = run("wireshark", *arguments)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("aoinspect")


def test_contrib_has_the_same_files() -> None:
    contrib = PROJECT_ROOT / "contrib" / "wireshark"
    if not contrib.exists():
        pytest.skip("not in a checkout")
    found = {path.name: path for path in contrib.rglob("*") if path.name in NAMES}
    assert set(found) == NAMES
    for path in found.values():
        assert path.is_symlink()
        assert os.path.realpath(path).startswith(str(PROJECT_ROOT / "aoinspect" / "wireshark"))
        assert path.is_file()
