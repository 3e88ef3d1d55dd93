"""How a command names a server, and what it sends to be let in."""

from __future__ import annotations

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
