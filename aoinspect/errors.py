"""Every exception that aoinspect raises on purpose, and nothing else.

A bad MAC is a result, never an exception. An exception is for the caller's mistake or for a file of which nothing
can be read; its message says what is wrong, where (line or octet offset), and what to do. No message holds a secret.
"""


class AoinspectError(Exception):
    """What a user is told in one or a few lines, without a traceback."""


class UsageError(AoinspectError):
    """The command line or the caller asks for something that cannot be done; exit code 2."""


class KeyFileError(AoinspectError):
    """A key file cannot be used; exit code 2. The message has one line per mistake, each with file and line."""


class CaptureError(AoinspectError):
    """Nothing of a capture can be read; exit code 3. The message names the file and, where it is known, the octet."""


class DissectorError(AoinspectError):
    """A dissector from outside cannot be loaded or broke its contract; exit code 2."""
