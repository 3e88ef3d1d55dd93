"""How a command names a server, and what it sends to be let in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from server.commands.failure import USAGE, CommandFailed


class ServerAddress:
    """A server's address in its two spellings; ``text`` may leave out ``http://``. Exit code 2 when it is none."""

    def __init__(self, text: str, token: str | None = None) -> None:
        whole = text if "://" in text else f"http://{text}"
        parts = urlsplit(whole)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandFailed(f"{text} is no server address; write one such as http://127.0.0.1:8000.", USAGE)
        self.http = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.websocket = "ws" + self.http.removeprefix("http")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __str__(self) -> str:
        return self.http


class Ways:
    """One or more addresses of what is one server to its clients, and which of them is used now.

    ``addresses`` is not empty; they are tried in turn.
    """

    def __init__(self, addresses: Sequence[ServerAddress], first: int = 0) -> None:
        self._addresses = list(addresses)
        self._at = first % len(self._addresses)
        self._sent_to: ServerAddress | None = None

    @property
    def now(self) -> ServerAddress:
        return self._sent_to or self._addresses[self._at]

    def try_next(self) -> None:
        """The one that is used now did not answer."""
        if self._sent_to is not None:
            self._sent_to = None  # who sent us there may be back
        else:
            self._at = (self._at + 1) % len(self._addresses)

    def follow(self, details: Mapping[str, Any]) -> bool:
        """Go where an error's ``details.server_url`` says that it goes on, if they say so.

        What was spoken to encrypted is not left for what is not: the token would be read on the way.
        """
        url = details.get("server_url")
        if not isinstance(url, str):
            return False
        try:
            there = ServerAddress(url)
        except (CommandFailed, ValueError):
            return False
        if self.now.http.startswith("https:") and not there.http.startswith("https:"):
            return False
        there.headers = self.now.headers
        self._sent_to = there
        return True
