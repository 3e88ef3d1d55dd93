"""A subscriber of one transcript: what it is told, how late, and whether any of it is missing or told twice.

``earshot listen`` passes over what is told again; here that is what is looked for.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from server.commands.addresses import Ways
from server.commands.following import SILENT_S
from server.commands.patience import FINAL_CLOSE_CODES, Patience
from server.load.seqs import Seqs
from server.load.talk import Heard, Talk
from server.load.tally import Tally

GIVE_UP_S = 90.0
CATCH_UP_S = 15.0


class Listener:
    """Begins with the transcript's first event; comes back with the last number it saw."""

    def __init__(self, ways: Ways, talk: Talk, tally: Tally) -> None:
        self.talk = talk
        self.seqs = Seqs()
        self._ways = ways
        self._tally = tally
        self._heard = Heard(talk)
        self._awaited = 0  # the number that ends it
        self._reached = asyncio.Event()
        self._task = asyncio.create_task(self._follow(), name="listener")

    async def finish(self, last_seq: int) -> None:
        """It has heard all up to ``last_seq``, or had the time to; then it is counted. May be called once."""
        self._awaited = last_seq
        if self.seqs.last < last_seq:
            reached = asyncio.create_task(self._reached.wait())
            await asyncio.wait({reached, self._task}, timeout=CATCH_UP_S, return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            await asyncio.gather(reached, return_exceptions=True)
        await self.close()
        self._tally.events_missing += self.seqs.missing(last_seq)
        self._tally.events_doubled += self.seqs.doubled
        self._tally.events_misplaced += self.seqs.misplaced

    async def close(self) -> None:
        """Idempotent."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        patience, was_there = Patience(GIVE_UP_S), False
        loop = asyncio.get_running_loop()
        while True:
            path = f"/v1/transcripts_websocket/{self.talk.transcript_id}?after={self.seqs.last}"
            code: int | None = None
            try:
                async with connect(
                    self._ways.now.websocket + path,
                    additional_headers=self._ways.now.headers,
                    compression=None,
                    ping_interval=None,
                    open_timeout=10,
                    close_timeout=5,
                ) as socket:
                    self._tally.listener_reconnects += was_there
                    was_there = True
                    await self._read(socket, patience)
                    code = socket.close_code
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                if isinstance(error, InvalidStatus):
                    self._tally.errors.add(f"HTTP_{error.response.status_code}")
                self._ways.try_next()
            wait_s = patience.failed(loop.time())
            if wait_s is None or code in FINAL_CLOSE_CODES:
                return
            await asyncio.sleep(wait_s)

    async def _read(self, socket: ClientConnection, patience: Patience) -> None:
        try:
            while True:
                async with asyncio.timeout(SILENT_S):
                    message: dict[str, Any] = json.loads(await socket.recv())
                if message.get("type") != "error":
                    patience.worked()
                self._take(message)
        except ConnectionClosed:
            return

    def _take(self, message: dict[str, Any]) -> None:
        data = message.get("data") or {}
        if message.get("type") == "error":
            self._tally.errors.add(str(data.get("code") or "UNKNOWN"))
            self._ways.follow(data.get("details") or {})
        seq = message.get("seq")
        if isinstance(seq, int):
            self._tally.events += 1
            self.seqs.take(seq)
            if self._awaited and self.seqs.last >= self._awaited:
                self._reached.set()
        if message.get("type") == "transcription" and self.talk.began_s is not None:
            _, final = self._heard.take(data)
            if final is not None:
                self._tally.listened.add(final)
