"""What goes on beside the keys: what the status line says of it, and how it is stopped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Activity:
    """Something that goes on in a thread of its own."""

    words: str
    """What the status line says of it; "" for what takes a moment."""
    can_be_stopped: bool = False
    """Escape stops it."""
    is_cancelled: bool = False
    """It has been stopped, and notices when it looks next."""

    def go_on(self) -> None:
        """KeyboardInterrupt where it has been stopped."""
        if self.is_cancelled:
            raise KeyboardInterrupt


class Activities:
    """All that goes on."""

    def __init__(self) -> None:
        self._going_on: list[Activity] = []
        """The latest last."""

    def __len__(self) -> int:
        return len(self._going_on)

    def add(self, activity: Activity) -> None:
        self._going_on.append(activity)

    def remove(self, activity: Activity) -> None:
        """It has ended."""
        self._going_on.remove(activity)

    @property
    def words(self) -> str:
        """What the status line says of the latest; "" where there is nothing to say."""
        told = next((one for one in reversed(self._going_on) if one.words), None)
        if told is None:
            return ""
        return told.words + (" (escape stops)" if told.can_be_stopped else "")

    def goes_on(self, words: str) -> bool:
        """Whether something whose words begin so goes on."""
        return any(one.words.startswith(words) for one in self._going_on)

    def stop_latest(self) -> bool:
        """Stops the latest of what can be stopped; whether there was any."""
        for activity in reversed(self._going_on):
            if activity.can_be_stopped and not activity.is_cancelled:
                activity.is_cancelled = True
                return True
        return False

    def stop_all(self) -> None:
        """Stops everything that looks whether it is stopped."""
        for activity in self._going_on:
            activity.is_cancelled = True
