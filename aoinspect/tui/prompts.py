"""Questions on a screen of their own: one line, a choice, a key, a text to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from aoinspect.tui.key_edits import KeyDraft

_CANCEL = Binding("escape", "dismiss(None)", "Cancel")
_BOX = """
    align: center middle;
    & > Vertical { width: 90%; max-width: 100; height: auto; max-height: 95%; border: round $primary; padding: 0 1; }
"""


_EDITING = {binding.key: binding.action for binding in Binding.make_bindings(Input.BINDINGS)}
"""What keys do in a line: Input's own, without those of everything that scrolls."""


class EditLine(Input):
    """A line whose keys all take effect in the order in which they came.

    Textual puts letters in at once, but has keys such as backspace and ctrl+u go round by the application first: over a
    slow line, where several come together, they would take away what was typed behind them.
    """

    async def _on_key(self, event: events.Key) -> None:
        action = None if event.is_printable else _EDITING.get(event.key)
        if action is not None:
            event.stop()
            event.prevent_default()
            await self.run_action(action)
        else:
            await super()._on_key(event)


class LinePrompt(ModalScreen[str | None]):
    """One line of text. `check` says what is wrong with it while it is typed; `history` is reached by up and down."""

    DEFAULT_CSS = f"LinePrompt {{ {_BOX} }} LinePrompt #problem {{ height: auto; }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        _CANCEL,
        Binding("up", "recall(-1)", "Older"),
        Binding("down", "recall(1)", "Newer"),
    ]

    def __init__(
        self,
        question: str,
        value: str = "",
        *,
        check: Callable[[str], str] = lambda _: "",
        history: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._check = check
        self._history = [*history, value]
        self._place = len(history)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._question, markup=False)
            yield EditLine(self._value, id="line")
            yield Static("", id="problem", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        problem = self._check(event.value)
        self.query_one("#problem", Static).update(Text(f"✗ {problem}" if problem else "✓", no_wrap=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._check(event.value):
            _ = self.dismiss(event.value)

    def action_recall(self, step: int) -> None:
        self._place = max(0, min(self._place + step, len(self._history) - 1))
        line = self.query_one("#line", Input)
        line.value = self._history[self._place]
        line.cursor_position = len(line.value)


class ChoicePrompt(ModalScreen[str | None]):
    """One of several, by arrow keys, or by the letter that each begins with."""

    DEFAULT_CSS = f"ChoicePrompt {{ {_BOX} }} ChoicePrompt OptionList {{ height: auto; border: none; }}"
    BINDINGS: ClassVar[list[BindingType]] = [_CANCEL]

    def __init__(self, question: str, choices: Sequence[tuple[str, str, str]]) -> None:
        """`choices`: what is answered, its key, its words."""
        super().__init__()
        self._question = question
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._question, markup=False)
            yield OptionList(*(Option(Text(f"{key}  {words}"), id=name) for name, key, words in self._choices))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        _ = self.dismiss(event.option.id)

    def on_key(self, event: events.Key) -> None:
        for name, key, _ in self._choices:
            if key == event.character:
                # What is below would take the letter for a key of its own.
                event.stop()
                _ = self.dismiss(name)


class KeyPrompt(ModalScreen[KeyDraft | None]):
    """The fields of a key. The secret is typed without being seen; left empty it stays as it is."""

    DEFAULT_CSS = f"""
    KeyPrompt {{ {_BOX} }}
    KeyPrompt VerticalScroll {{ height: auto; max-height: 100%; }}
    KeyPrompt Input {{ border: none; height: 1; background: $surface-lighten-1; }}
    KeyPrompt Label {{ color: $text-muted; }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [_CANCEL, Binding("ctrl+s", "submit", "Check again")]

    def __init__(self, title: str, draft: KeyDraft, *, check: Callable[[KeyDraft], str], is_new: bool) -> None:
        super().__init__()
        self._title = title
        self._draft = draft
        self._check = check
        self._is_new = is_new

    def compose(self) -> ComposeResult:
        fields = [("name", "name"), ("send_id", "send-id"), ("recv_id", "recv-id"), ("algorithm", "algorithm")]
        secret = "secret, or hex:…" if self._is_new else "secret, or hex:… (empty: as it is)"
        fields += [("secret", secret), ("mac_length", "mac-length"), ("tcp_options", "tcp-options")]
        if self._is_new:
            fields = [("local", "local address or prefix"), ("remote", "remote address or prefix"), *fields]
        with Vertical(), VerticalScroll():
            yield Label(self._title, markup=False)
            yield Label("enter or ctrl+s checks again, tab goes on, escape leaves", markup=False)
            for name, words in fields:
                yield Label(words, markup=False)
                yield EditLine(getattr(self._draft, name), id=name, password=name == "secret")
            yield Static("", id="problem", markup=False)

    def _typed(self) -> KeyDraft:
        return KeyDraft(**{str(field.id): field.value for field in self.query(Input)})

    def action_submit(self) -> None:
        draft = self._typed()
        problem = self._check(draft)
        if problem:
            self.query_one("#problem", Static).update(Text(f"✗ {problem}"))
        else:
            _ = self.dismiss(draft)

    def on_input_submitted(self) -> None:
        self.action_submit()


class TextScreen(ModalScreen[str | None]):
    """A text to read; `actions` are keys that end it with an answer."""

    DEFAULT_CSS = """
    TextScreen { align: center middle; }
    TextScreen > VerticalScroll { width: 95%; height: 95%; border: round $primary; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        _CANCEL,
        Binding("q", "dismiss(None)", "Close"),
        Binding("question_mark", "dismiss(None)", "Close", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("ctrl+d", "page(1)", show=False),
        Binding("ctrl+u", "page(-1)", show=False),
        Binding("g", "edge(-1)", show=False),
        Binding("G", "edge(1)", show=False),
    ]

    def __init__(self, text: Text, answers: Sequence[tuple[str, str]] = ()) -> None:
        """`answers`: a key, and what the screen then ends with."""
        super().__init__()
        self._text = text
        self._answers = dict(answers)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="text"):
            yield Static(self._text, markup=False)

    def on_mount(self) -> None:
        self.query_one("#text").focus()

    def action_scroll(self, step: int) -> None:
        self.query_one("#text").scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        text = self.query_one("#text")
        text.scroll_relative(y=step * max(1, text.size.height - 1), animate=False)

    def action_edge(self, step: int) -> None:
        text = self.query_one("#text")
        text.scroll_to(y=0 if step < 0 else text.max_scroll_y, animate=False)

    def on_key(self, event: events.Key) -> None:
        answer = self._answers.get(event.character or "")
        if answer is not None:
            # What is below would take the letter for a key of its own.
            event.stop()
            _ = self.dismiss(answer)
