"""Puts the profile and the Lua plugin where Wireshark and tshark look, and nothing over what somebody else made.

Where that is (Wireshark User's Guide, "Files and Folders"; `tshark -G folders` prints it):

* the profile is a folder of the personal configuration folder: WIRESHARK_CONFIG_DIR; or `wireshark` in XDG_CONFIG_HOME,
  which is ~/.config if unset; or ~/.wireshark, where only that exists;
* the personal Lua plugin folder is ~/.local/lib/wireshark/plugins on Linux, macOS and BSD alike. Plugins are read from
  `plugins` in the personal configuration folder too, so that one folder can hold both.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Final

from aoinspect.errors import UsageError

PROFILE: Final = "aoinspect"
"""What Wireshark calls the profile."""
PLUGIN: Final = "aoinspect.lua"

_PROFILE_FILES: Final = ("colorfilters", "preferences", "dfilter_buttons")


class Deed(Enum):
    """What was done to a file."""

    WRITTEN = "written"
    REPLACED = "replaced"
    UNCHANGED = "is there already"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the files go."""

    profile: Path
    """The folder of the profile itself."""
    plugins: Path


@dataclass(frozen=True, slots=True)
class Placed:
    """One file that is in its place now."""

    path: Path
    deed: Deed


def personal_folders(environment: Mapping[str, str], home: Path) -> Folders:
    """Where Wireshark looks, for a user with this environment and home."""
    return Folders(
        _configuration_folder(environment, home) / "profiles" / PROFILE,
        home / ".local" / "lib" / "wireshark" / "plugins",
    )


def _configuration_folder(environment: Mapping[str, str], home: Path) -> Path:
    if told := environment.get("WIRESHARK_CONFIG_DIR"):
        return Path(told)
    told = environment.get("XDG_CONFIG_HOME", "")
    # A relative path is none (XDG Base Directory Specification).
    usual = (Path(told) if os.path.isabs(told) else home / ".config") / "wireshark"
    former = home / ".wireshark"
    return former if former.is_dir() and not usual.is_dir() else usual


def folders_in(configuration: Path) -> Folders:
    """Both in one personal configuration folder."""
    return Folders(configuration / "profiles" / PROFILE, configuration / "plugins")


def install(folders: Folders, *, replaces: bool) -> list[Placed]:
    """Puts every file in its place. UsageError, with nothing written, where another file is there and not `replaces`.

    UsageError also where a folder or file cannot be written; what was put in place before stays.
    """
    wanted = list(_wanted(folders))
    deeds = [_deed(path, octets) for path, octets in wanted]
    others = [path for (path, _), deed in zip(wanted, deeds, strict=True) if deed is Deed.REPLACED]
    if others and not replaces:
        listed = "\n".join(f"{path}: another file is there; --force replaces it" for path in others)
        raise UsageError(f"{listed}\nnothing was installed")
    for (path, octets), deed in zip(wanted, deeds, strict=True):
        if deed is not Deed.UNCHANGED:
            _write(path, octets)
    return [Placed(path, deed) for (path, _), deed in zip(wanted, deeds, strict=True)]


def _wanted(folders: Folders) -> Iterator[tuple[Path, bytes]]:
    """Which octets go where."""
    ours = resources.files("aoinspect.wireshark")
    for name in _PROFILE_FILES:
        yield folders.profile / name, ours.joinpath("profile", name).read_bytes()
    yield folders.plugins / PLUGIN, ours.joinpath(PLUGIN).read_bytes()


def _deed(path: Path, octets: bytes) -> Deed:
    """What is to be done for `path` to hold `octets`."""
    try:
        return Deed.UNCHANGED if path.read_bytes() == octets else Deed.REPLACED
    except FileNotFoundError:
        return Deed.WRITTEN
    except (OSError, ValueError) as error:
        raise _failure(path, error) from None


def _write(path: Path, octets: bytes) -> None:
    """The file appears whole or not at all; where it is a symbolic link, what that leads to."""
    try:
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=".aoinspect-", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
            os.chmod(draft, 0o644)
            os.replace(draft, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(draft)
            raise
    except (OSError, ValueError) as error:
        raise _failure(path, error) from None


def _failure(path: Path, error: OSError | ValueError) -> UsageError:
    return UsageError(f"{path}: it cannot be installed: {getattr(error, 'strerror', None) or error}")
