"""A client of the listening socket: every event once, in order, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from server.commands.addresses import ServerAddress
from server.commands.failure import CommandFailed
from server.commands.patience import FINAL_CLOSE_CODES, Patience
from server.commands.speaking import said

# The server pings every 10 s (its setting); a connection silent for so long is dead.
SILENT_S = 40.0

Message = Mapping[str, Any]


class Follower:
    """Follows one transcript's journal. ``after`` is the last number seen, or the text ``now``: the live edge."""

    def __init__(
        self, address: ServerAddress, transcript_id: str, *, after: str = "0", give_up_s: float = 60.0
    ) -> None:
        self._address = address
        self._url = f"{address.websocket}/v1/transcripts_websocket/{transcript_id}"
        self.after = after
        self._patience = Patience(give_up_s)
        self._last_error = ""
        self._socket: ClientConnection | None = None
        self._was_there = False

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Until the caller stops. Raises ``CommandFailed`` when the server refuses, or is gone for too long."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async for message in self._connection():
                    yield message
                trouble = f"closed with code {self._socket.close_code}" if self._socket else "closed"
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                trouble = said(error)
                if not self._was_there:
                    raise CommandFailed(
                        f"There is no server at {self._address} ({trouble}). Start one with `earshot serve`, or name "
                        "another with --server."
                    ) from None
            if self._socket is not None and self._socket.close_code in FINAL_CLOSE_CODES:
                reason = self._last_error or self._socket.close_reason or f"close code {self._socket.close_code}"
                raise CommandFailed(f"The server refused: {reason}")
            wait_s = self._patience.failed(loop.time())
            if wait_s is None:
                raise CommandFailed(f"The server at {self._address} cannot be reached ({trouble}).")
            yield {"type": "trouble", "data": {"message": f"Connection lost ({trouble}); connecting again."}}
            await asyncio.sleep(wait_s)

    async def ask_status(self) -> None:
        """Ask where the transcript stands; the answer is a ``status`` message without ``seq``."""
        if self._socket is not None:
            try:
                await self._socket.send(json.dumps({"action": "get_status"}))
            except ConnectionClosed:
                return  # the next connection tells

    async def _connection(self) -> AsyncGenerator[Message, None]:
        self._socket = None
        async with connect(
            f"{self._url}?after={self.after}",
            additional_headers=self._address.headers,
            compression=None,
            ping_interval=None,
            open_timeout=10,
            close_timeout=5,
        ) as socket:
            self._socket = socket
            self._was_there = True
            while True:
                try:
                    async with asyncio.timeout(SILENT_S):
                        message = json.loads(await socket.recv())
                except ConnectionClosed:
                    return
                self._patience.worked()
                if message.get("type") == "error":
                    self._last_error = str((message.get("data") or {}).get("message", ""))
                seq = message.get("seq")
                if isinstance(seq, int):
                    if self.after.isdigit() and seq <= int(self.after):
                        continue  # told again
                    self.after = str(seq)
                if message.get("type") != "ping":
                    yield message
