"""Working on a problem: explanations, keys that are loaded, typed, corrected or searched, and files.

Each action asks the session, in a thread where that may take a while, and shows what came of it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from rich.console import Console
from rich.text import Text

from aoinspect.capture.reader import CaptureReader
from aoinspect.errors import AoinspectError
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from aoinspect.tui.actions import View
from aoinspect.tui.activities import Activity
from aoinspect.tui.analysis import Analysis
from aoinspect.tui.help_text import help_text
from aoinspect.tui.key_edits import KeyDraft, draft_of, joined, with_added_key, with_edited_key
from aoinspect.tui.navigation import Navigation
from aoinspect.tui.prompts import ChoicePrompt, KeyPrompt, LinePrompt, TextScreen
from aoinspect.tui.save_menu import SAVINGS, Saving
from aoinspect.tui.saving import FileExistsAlreadyError
from aoinspect.tui.session import CANCELLED, Session

if TYPE_CHECKING:
    from aoinspect.engine.explain import Account
    from aoinspect.engine.recovery import Recovery

EXPLAINING = "explaining"
SEARCHING = "searching ISNs"
_YES_NO = (("yes", "y", "yes"), ("no", "n", "no"))


class InspectApp(Navigation):
    """The terminal interface."""

    def __init__(self, session: Session, read_keys: Callable[[Sequence[str]], KeyStore] = load_keys) -> None:
        super().__init__(session)
        self._read_keys = read_keys
        """Reads key files as the command line has them read."""

    # Explaining, and other keys.

    def action_explain(self) -> None:
        if self.view is View.FINDINGS:
            self.findings.choose()
        connection = self.session.connection
        if connection is None:
            self.notify("no connection is chosen", severity="warning")
            return
        if self.activities.goes_on(EXPLAINING):
            self.notify("explaining goes on; escape stops it", severity="warning")
            return
        under = self.session.analysis
        activity = Activity(EXPLAINING, can_be_stopped=True)
        self.work(
            activity,
            lambda: self.session.explain(connection, activity.go_on),
            lambda account: self._show_account(cast("Account", account), connection, under),
        )

    def _show_account(self, account: Account, connection: int, under: Analysis) -> None:
        if under is not self.session.analysis:
            self.notify("other keys came meanwhile; e explains again", severity="warning")
        elif self.is_asking:
            # Whoever types something does not want the letters to go elsewhere.
            self.notify(f"connection #{connection} is explained: e shows it")
        else:
            screen = TextScreen(self._account_text(account), [("A", "apply")])
            self.ask(screen, lambda answer: self._apply_correction(connection) if answer == "apply" else None)

    def _account_text(self, account: Account) -> Text:
        from aoinspect.report.explain_text import print_accounts

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
            self._apply_correction(connection)

    def _apply_correction(self, connection: int) -> None:
        activity = Activity(EXPLAINING, can_be_stopped=True)
        self.work(
            activity,
            lambda: self.session.corrected(connection, activity.go_on),
            lambda keys: self._check(cast(KeyStore, keys)),
        )

    def _check(self, store: KeyStore, recovery: Recovery | None = None) -> None:
        session = self.session
        session.last_change = ""

        def tell(told: object) -> None:
            if told == CANCELLED:
                self.notify(CANCELLED, severity="warning")

        self.work("", lambda: session.check_again(store, self._tell, recovery=recovery), tell)

    def action_load_keys(self) -> None:
        self._ask_for_keys("check again with this key file or router configuration instead", lambda store: store)

    def action_add_keys(self) -> None:
        self._ask_for_keys(
            "check again with this key file or router configuration as well",
            lambda store: joined(self.session.latest_store, store),
        )

    def _ask_for_keys(self, question: str, combine: Callable[[KeyStore], KeyStore]) -> None:
        def load(path: str | None) -> None:
            if path:
                self.work(
                    "loading keys",
                    lambda: combine(self._read_keys([os.path.expanduser(path)])),
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
            lambda draft: with_edited_key(self.session.latest_store, mkt, draft),
            is_new=False,
        )

    def action_new_key(self) -> None:
        chosen = self.session.connection_of(self.session.connection)
        draft = KeyDraft() if chosen is None else KeyDraft(local=chosen.a.address, remote=chosen.b.address)
        self._ask_for_key("new key", draft, lambda typed: with_added_key(self.session.latest_store, typed), is_new=True)

    def _ask_for_key(self, title: str, draft: KeyDraft, make: Callable[[KeyDraft], KeyStore], *, is_new: bool) -> None:
        def check(typed: KeyDraft) -> str:
            try:
                make(typed)
            except AoinspectError as error:
                return str(error)
            return ""

        def take(typed: KeyDraft | None) -> None:
            if typed is None:
                return
            try:
                store = make(typed)
            except AoinspectError as error:
                # Other keys came since it was asked for.
                self.tell_problem(error)
            else:
                self._check(store)

        self.ask(KeyPrompt(title, draft, check=check, is_new=is_new), take)

    def action_recover(self) -> None:
        if self.activities.goes_on(SEARCHING):
            self.notify("the search goes on; escape stops it", severity="warning")
            return
        activity = Activity(SEARCHING, can_be_stopped=True)

        def progress(tried: int, budget: int) -> None:
            activity.words = f"{SEARCHING}: {tried:,} of {budget:,} candidates"
            activity.go_on()

        def take(outcome: object) -> None:
            store, recovery, told = cast("tuple[KeyStore, Recovery | None, str]", outcome)
            self.notify(told, title="ISNs")
            if recovery is not None and recovery.found:
                self._check(store, recovery)

        self.work(activity, lambda: self.session.recover(progress), take)

    def action_cancel(self) -> None:
        session = self.session
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.activities.stop_latest():
            pass
        elif session.pending is not None:
            session.pending.stop()
        elif not session.analysis.is_finished:
            question = "stop reading? What was read stays."
            self.ask(
                ChoicePrompt(question, _YES_NO), lambda answer: session.analysis.stop() if answer == "yes" else None
            )

    # Files.

    def action_save(self) -> None:
        choices = [(entry.key, entry.key, entry.words) for entry in SAVINGS]
        self.ask(ChoicePrompt("save what?", choices), self._ask_where)

    def _ask_where(self, key: str | None) -> None:
        entry = next((entry for entry in SAVINGS if entry.key == key), None)
        if entry is not None:
            question = LinePrompt(f"save {entry.words}, to", entry.proposed(self.session.name))
            self.ask(question, lambda path: None if path is None else self._save(entry, path, replaces=False))

    def _save(self, entry: Saving, path: str, *, replaces: bool) -> None:
        path = os.path.expanduser(path)
        activity = Activity("saving", can_be_stopped=True)

        def progress(reader: CaptureReader) -> None:
            share = "" if not reader.size else f" {int(100 * reader.octets_read / reader.size)} %"
            activity.words = f"saving{share}"
            activity.go_on()

        def task() -> object:
            analysis = self.session.analysis
            is_file = analysis.size is not None
            is_whole = analysis.is_finished or not entry.tells_what_was_read or (entry.reads_anew and is_file)
            try:
                told = entry.write(self.session, path, replaces, progress)
                return told if is_whole else f"{told}; reading goes on, and it has what was read by then"
            except FileExistsAlreadyError as error:
                return error
            except KeyboardInterrupt:
                return f"{path}: cancelled, and nothing was written"

        def then(outcome: object) -> None:
            if isinstance(outcome, FileExistsAlreadyError):
                self.ask(
                    ChoicePrompt(f"{outcome}. Replace it?", _YES_NO),
                    lambda answer: self._save(entry, path, replaces=True) if answer == "yes" else None,
                )
            else:
                self.notify(str(outcome), title="save", markup=False)

        self.work(activity, task, then)

    def action_help(self) -> None:
        self.ask(TextScreen(help_text()))
