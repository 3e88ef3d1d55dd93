"""A listener that comes back with its last ``seq`` whenever it is cut, as readers are told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PAUSE_S = 0.2


class SeqReader:
    """At one node. ``seqs`` are of all that it was told for good; ``interims`` is how many it was told of what may
    change."""

    def __init__(self, websocket_url: str, transcript_id: str) -> None:
        self._url = f"{websocket_url}/v1/transcripts_websocket/{transcript_id}"
        self.seqs: list[int] = []
        self.interims = 0
        self.texts: dict[str, str] = {}  # finals by their segments' ids: the newest state of each

    async def read(self) -> None:
        """Until the transcript is at its end."""
        while True:
            try:
                async with connect(f"{self._url}?after={self.seqs[-1] if self.seqs else 0}", proxy=None) as socket:
                    async for message in socket:
                        if self._take(json.loads(message)):
                            return
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed):
                pass
            await asyncio.sleep(PAUSE_S)

    def _take(self, message: dict[str, Any]) -> bool:
        """Whether it is the end."""
        data = message["data"]
        if message.get("seq") is not None:
            self.seqs.append(message["seq"])
            if message["type"] == "transcription":
                self.texts[data["segment_id"]] = data["text"]
        elif message["type"] == "transcription":
            self.interims += 1
        return message["type"] == "status" and data["status"] in ("completed", "failed")

    def check_whole(self, said: list[str]) -> None:
        """Each event once and in order, and of the words each once."""
        assert self.seqs == list(range(1, len(self.seqs) + 1))
        assert " ".join(filter(None, self.texts.values())).split() == said
