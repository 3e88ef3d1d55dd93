"""How a command ends other than well: one sentence for people, one number for scripts."""

from __future__ import annotations

FAILED = 1
USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells say it


class CommandFailed(Exception):
    """``message`` is printed on standard error; the process exits with ``exit_code``."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
