"""What holds for all tests."""

from __future__ import annotations

import signal

# Shells start what they put into the background with SIGINT ignored, and that is inherited: the programs that the tests
# start and interrupt would not hear of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
