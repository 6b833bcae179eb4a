"""Working on a problem: explanations, keys that are loaded, typed, corrected or searched, and files.

Each action asks the session, in a thread where that may take a while, and shows what came of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import cast

from rich.console import Console
from rich.text import Text

from aoinspect.engine.explain import Account
from aoinspect.engine.recovery import Recovery
from aoinspect.errors import AoinspectError, UsageError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.report.explain_text import print_accounts
from aoinspect.tui.help_text import help_text
from aoinspect.tui.key_edits import KeyDraft, draft_of, joined, with_added_key, with_edited_key
from aoinspect.tui.navigation import Navigation
from aoinspect.tui.prompts import ChoicePrompt, KeyPrompt, LinePrompt, TextScreen
from aoinspect.tui.saving import FileExistsAlreadyError, save_keys, save_packets, save_report, save_timeline
from aoinspect.tui.session import Session

_YES_NO = (("yes", "y", "yes"), ("no", "n", "no"))
_SAVES = (
    ("keys", "k", "the keys as they are now, as a key file"),
    ("packets", "p", "the packets that are shown, as a capture"),
    ("timeline", "t", "the timeline of the chosen connection, as SVG"),
    ("report", "r", "the Report, as JSON"),
)
_ENDINGS = {"keys": "-keys.toml", "packets": "-shown{suffix}", "timeline": "-timeline.svg", "report": "-report.json"}


class InspectApp(Navigation):
    """The terminal interface."""

    def __init__(self, session: Session, read_keys: Callable[[Sequence[str]], KeyStore] = load_keys) -> None:
        super().__init__(session)
        self._read_keys = read_keys
        """Reads key files as the command line has them read."""

    # Explaining, and other keys.

    def action_explain(self) -> None:
        connection = self.session.connection
        if connection is None:
            self.notify("no connection is chosen", severity="warning")
            return
        self.work("explaining", lambda: self.session.explain(connection), self._show_account)

    def _show_account(self, outcome: object) -> None:
        account = cast(Account, outcome)
        screen = TextScreen(self._account_text(account), [("A", "apply")])
        self.ask(screen, lambda answer: self.action_apply_correction() if answer == "apply" else None)

    def _account_text(self, account: Account) -> Text:
        console = Console(
            file=io.StringIO(), width=max(38, self.size.width - 8), color_system="standard", force_terminal=True
        )
        connections = {connection.id: connection for connection in self.session.connections}
        has_words = bool(account.failing or account.explanations)
        print_accounts([account] if has_words else [], connections, console, [self.session.name])
        text = Text.from_ansi(cast(io.StringIO, console.file).getvalue())
        if any(explanation.correction is not None for explanation in account.explanations):
            text.append("\n\nA checks everything again with what this corrects in the keys; s then saves them.", "bold")
        return text.append("\nescape goes back.")

    def action_apply_correction(self) -> None:
        connection = self.session.connection
        if connection is not None:
            self.work(
                "explaining", lambda: self.session.corrected(connection), lambda keys: self._check(cast(KeyStore, keys))
            )

    def _check(self, store: KeyStore, recovery: Recovery | None = None) -> None:
        self.session.last_change = ""
        self.work("", lambda: self.session.check_again(store, self._tell, recovery=recovery), lambda _: None)

    def action_load_keys(self) -> None:
        self._ask_for_keys("check again with this key file or router configuration instead", lambda store: store)

    def action_add_keys(self) -> None:
        self._ask_for_keys(
            "check again with this key file or router configuration as well",
            lambda store: joined(self.session.store, store),
        )

    def _ask_for_keys(self, question: str, combine: Callable[[KeyStore], KeyStore]) -> None:
        def load(path: str | None) -> None:
            if path:
                self.work(
                    "loading keys",
                    lambda: combine(self._read_keys([path])),
                    lambda store: self._check(cast(KeyStore, store)),
                )

        now = self.session.store.paths
        self.ask(LinePrompt(question, now[0] if now else ""), load)

    def choose_key(self) -> None:
        """Enter on a key: edits it; on a KeyID that no key has, goes to its first packet."""
        use = self.keys.chosen
        if use is not None and use.mkt is not None:
            self.action_edit_key()
        else:
            super().choose_key()

    def action_edit_key(self) -> None:
        use = self.keys.chosen
        if use is None or use.mkt is None:
            self.notify("no key is chosen; a adds one", severity="warning")
            return
        mkt = use.mkt
        self._ask_for_key(
            f"key {mkt.name}",
            draft_of(mkt),
            lambda draft: with_edited_key(self.session.store, mkt, draft),
            is_new=False,
        )

    def action_new_key(self) -> None:
        chosen = next((one for one in self.session.connections if one.id == self.session.connection), None)
        draft = KeyDraft() if chosen is None else KeyDraft(local=chosen.a.address, remote=chosen.b.address)
        self._ask_for_key("new key", draft, lambda typed: with_added_key(self.session.store, typed), is_new=True)

    def _ask_for_key(self, title: str, draft: KeyDraft, make: Callable[[KeyDraft], KeyStore], *, is_new: bool) -> None:
        def check(typed: KeyDraft) -> str:
            try:
                make(typed)
            except AoinspectError as error:
                return str(error)
            return ""

        def take(typed: KeyDraft | None) -> None:
            if typed is not None:
                self._check(make(typed))

        self.ask(KeyPrompt(title, draft, check=check, is_new=is_new), take)

    def action_recover(self) -> None:
        self._is_recovery_cancelled = False

        def progress(tried: int, budget: int) -> None:
            self._activity = f"searching ISNs: {tried:,} of {budget:,} candidates (escape stops)"
            if self._is_recovery_cancelled:
                raise KeyboardInterrupt

        def take(outcome: object) -> None:
            store, recovery, told = cast(tuple[KeyStore, Recovery | None, str], outcome)
            self.notify(told, title="ISNs")
            if recovery is not None and recovery.found:
                self._check(store, recovery)

        self.work("searching ISNs", lambda: self.session.recover(progress), take)

    _is_recovery_cancelled = False

    def action_cancel(self) -> None:
        session = self.session
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self._activity.startswith("searching"):
            self._is_recovery_cancelled = True
        elif session.pending is not None:
            session.pending.stop()
        elif not session.analysis.is_finished:
            question = "stop reading? What was read stays."
            self.ask(
                ChoicePrompt(question, _YES_NO), lambda answer: session.analysis.stop() if answer == "yes" else None
            )

    # Files.

    def action_save(self) -> None:
        self.ask(ChoicePrompt("save what?", _SAVES), self._ask_where)

    def _ask_where(self, what: str | None) -> None:
        if what is None:
            return
        name = PurePath("capture" if self.session.name == "-" else self.session.name)
        suffix = name.suffix if name.suffix in (".pcap", ".pcapng", ".gz") else ".pcap"
        default = name.name.partition(".")[0] + _ENDINGS[what].format(suffix=suffix)
        self.ask(
            LinePrompt(f"save {_words_of(what)}, to", default),
            lambda path: None if path is None else self._save(what, path, replaces=False),
        )

    def _save(self, what: str, path: str, *, replaces: bool) -> None:
        def task() -> object:
            try:
                return self._written(what, path, replaces=replaces)
            except FileExistsAlreadyError as error:
                return error

        def then(outcome: object) -> None:
            if isinstance(outcome, FileExistsAlreadyError):
                self.ask(
                    ChoicePrompt(f"{outcome}. Replace it?", _YES_NO),
                    lambda answer: self._save(what, path, replaces=True) if answer == "yes" else None,
                )
            else:
                self.notify(str(outcome), title="saved", markup=False)

        self.work("saving", task, then)

    def _written(self, what: str, path: str, *, replaces: bool) -> str:
        session = self.session
        report = session.analysis.report
        if what == "keys":
            return save_keys(session.store, path, replaces=replaces)
        if what == "packets":
            return save_packets(session, path, replaces=replaces)
        if report is None:
            raise UsageError("nothing is known yet")
        if what == "report":
            return save_report(report, path, replaces=replaces)
        chosen = next((one for one in session.connections if one.id == session.connection), None)
        if chosen is None:
            raise UsageError("no connection is chosen")
        return save_timeline(chosen, report, self.timeline.unit, path, replaces=replaces)

    def action_help(self) -> None:
        self.ask(TextScreen(help_text()))


def _words_of(what: str) -> str:
    return next(words for name, _, words in _SAVES if name == what)
